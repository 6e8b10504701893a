"""Reads the lists of models that providers publish: the models' names, and the facts that a list states.

Every reader is bounded: a name that no request could use is left out, and so are the models of a page after
the first `MOST`. The forms of the lists are those of the pages that the tables below name. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from dragoman.dialects.access import ModelList
from dragoman.dialects.facts import Facts
from dragoman.errors import WireError
from dragoman.ir import Value
from dragoman.wire.json import UNDECODABLE

MOST: Final = 30_000
"""The most models of one provider that are used. The largest public list is that of Featherless AI, with
22,060 models in 2026-11.
"""
LARGEST: Final = 16_000_000
"""The largest size of one page of a list, in bytes."""
_LONGEST: Final = 256
"""The largest length of a model's name, in characters."""
_MOST_TOKENS: Final = 1_000_000_000
"""A larger number of tokens in a list is regarded as a mistake and ignored."""

_USUAL: Final = ModelList()

_Entry: TypeAlias = Mapping[str, Any]


class Page(NamedTuple):
    """One page of a list. models: name of the model -> the facts that the page states, in the order of the
    page. left_out: the number of entries that were left out. following: the cursor that requests the next
    page; None = the page names no next page.
    """

    models: dict[str, Facts]
    left_out: int = 0
    following: str | None = None


class Listed(Value, frozen=True):
    """The list of a provider's models, from all pages, as it is stored. address: the base URL from which it
    was fetched. fetched: Unix seconds. models: name of the model -> the facts that the list states. left_out:
    the number of entries that were left out.
    """

    address: str
    fetched: float
    models: dict[str, Facts]
    left_out: int = 0


def read(raw: bytes, form: ModelList) -> Page:
    """Return one page of a list, from its body. form: how the provider's protocol writes lists. A bare array
    (Together) and `items` that have a `name` (GPUStack, recorded) are read, too. Of entries with the same
    name, the first is used; the others do not count as left out. Raises WireError if `raw` is not JSON or has
    no list.
    """
    try:
        value: Any = msgspec.json.decode(raw)
    except UNDECODABLE:
        raise WireError("the list of models is not JSON") from None
    page: _Entry = value if isinstance(value, dict) else {}
    entries = value if isinstance(value, list) else page.get(form.member, page.get("items"))
    if not isinstance(entries, list):
        raise WireError(f"the list of models has no {form.member!r}")
    for member in form.further:
        entries = [*entries, *(more if isinstance(more := page.get(member), list) else ())]
    models: dict[str, Facts] = {}
    left_out = 0
    for entry in entries:
        name = _name(entry, form)
        if name is None or (len(models) >= MOST and name not in models):
            left_out += 1
        elif name not in models:
            models[name] = facts_of(entry)
    return Page(models, left_out, _following(page, form))


def _name(entry: Any, form: ModelList) -> str | None:
    """Return the name of an entry's model; None = the entry has no name, or a name that no request could use.
    A name with `*` is not usable because it would be a pattern in grants. form: how the provider's protocol
    writes lists; its `prefix` is removed from the name.
    """
    if not isinstance(entry, dict):
        return None
    name = entry.get(form.name)
    if not isinstance(name, str) and form.name == _USUAL.name:
        name = entry.get("name")  # GPUStack
    if not isinstance(name, str):
        return None
    name = name.removeprefix(form.prefix)
    usable = name.isprintable() and name == name.strip() and "*" not in name
    return name if usable and 0 < len(name) <= _LONGEST else None


def _following(page: _Entry, form: ModelList) -> str | None:
    if not form.following or (form.more and page.get(form.more) is not True):
        return None
    cursor = page.get(form.following)
    return cursor if isinstance(cursor, str) and cursor else None


# Facts -------------------------------------------------------------------------------------------

_CONTEXT: Final = (
    "max_input_tokens",  # Anthropic: https://platform.claude.com/docs/en/api/cli/models/list.md
    "inputTokenLimit",  # Gemini: recorded lists
    "max_context_length",  # Mistral: recorded lists; LM Studio: https://www.lmstudio.ai/docs/api/rest-api
    "context_window",  # Groq, and another Dragoman
    "context_length",  # OpenRouter: https://openrouter.ai/docs/models; Cohere:
    # https://docs.cohere.com/v1/reference/list-models.md; Together
    "max_model_len",  # vLLM: its `ModelCard`
)
"""The members of an entry that may state the context window in tokens; the first one with a plausible number
(`_tokens`) is used. Groq, Together and vLLM: the lists of 2026-11 as their clients type them.
"""
_OUTPUT: Final = (
    "outputTokenLimit",  # Gemini
    "max_completion_tokens",  # Groq
    "max_output_tokens",  # another Dragoman
)
"""The members of an entry that may state the length of the longest answer in tokens; the first one with a
plausible number (`_tokens`) is used.
"""


def facts_of(entry: _Entry) -> Facts:
    """Return the facts that an entry of a list states; the others are None. JSON members with implausible
    values (a negative number of tokens, for example) are ignored.
    """
    context = next(filter(None, (_tokens(entry.get(name)) for name in _CONTEXT)), None)
    meta = entry.get("meta")  # GPUStack: recorded lists
    if context is None and isinstance(meta, dict):
        context = _tokens(meta.get("n_ctx"))
    output = next(filter(None, (_tokens(entry.get(name)) for name in _OUTPUT)), None)
    top = entry.get("top_provider")  # OpenRouter: https://openrouter.ai/docs/models
    if output is None and isinstance(top, dict):
        output = _tokens(top.get("max_completion_tokens"))
    if output is None and "max_input_tokens" in entry:  # Anthropic; elsewhere the member may mean the window
        output = _tokens(entry.get("max_tokens"))
    able: dict[str, Any] = {}
    for abilities in _ABILITIES:
        able.update(abilities(entry))
    return Facts(context=context, max_output=output, **able)


def _tokens(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():  # Cohere's are doubles
        value = int(value)
    known = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS
    return value if known else None


_ANTHROPIC: Final = {
    "image_input": "images",
    "pdf_input": "documents",
    "structured_outputs": "structured",
    "thinking": "reasoning",
}
_MISTRAL: Final = {
    "function_calling": "tools",
    "vision": "images",
    "audio": "audio",
    "reasoning": "reasoning",
}


def _of_object(entry: _Entry) -> Iterator[tuple[str, bool]]:
    """Yield (field of `Facts`, value) for the abilities in an object `capabilities`: Anthropic's
    (`ModelCapabilities` of its Python client) and Mistral's (recorded lists).
    """
    stated = entry.get("capabilities")
    if not isinstance(stated, dict):
        return
    for name, fact in _ANTHROPIC.items():
        told = stated.get(name)
        if isinstance(told, dict) and isinstance(told.get("supported"), bool):
            yield fact, told["supported"]
    for name, fact in _MISTRAL.items():
        if isinstance(told := stated.get(name), bool):
            yield fact, told


_OLLAMA: Final = {"tools": "tools", "vision": "images", "thinking": "reasoning"}
"""Ollama's word for an ability -> field of `Facts`. The words: `ListModelResponse` of its server."""


def _of_words(entry: _Entry) -> Iterator[tuple[str, bool]]:
    """Yield (field of `Facts`, value) for `capabilities` that is a list of words. A word in the list yields
    True. A missing word yields False if the list has the word `completion`; otherwise it yields nothing,
    because the list is another vendor's, or the model does not chat.
    """
    words = _words(entry.get("capabilities"))
    for word, fact in _OLLAMA.items():
        if "completion" in words or word in words:
            yield fact, word in words


def _of_modalities(entry: _Entry) -> Iterator[tuple[str, bool]]:
    """Yield (field of `Facts`, value) for the kinds of input that OpenRouter states
    (https://openrouter.ai/docs/models). A missing word means that the model does not take images or sound. If
    `file` is missing, nothing is yielded for documents, because OpenRouter reads documents for every model.
    Without a list nothing is yielded.
    """
    architecture = entry.get("architecture")
    words = _words(architecture.get("input_modalities") if isinstance(architecture, dict) else None)
    if words:
        yield "images", "image" in words
        yield "audio", "audio" in words
        if "file" in words:
            yield "documents", True


def _of_parameters(entry: _Entry) -> Iterator[tuple[str, bool]]:
    """Yield (field of `Facts`, value) for the abilities in OpenRouter's `supported_parameters`
    (https://openrouter.ai/docs/models). A missing word means that the model lacks tools or reasoning, but
    says nothing about structured output. Without a list nothing is yielded.
    """
    words = _words(entry.get("supported_parameters"))
    if words:
        yield "tools", "tools" in words
        yield "reasoning", "reasoning" in words
        if "structured_outputs" in words:
            yield "structured", True


def _of_flags(entry: _Entry) -> Iterator[tuple[str, bool]]:
    """Yield (field of `Facts`, True) for an ability that an entry states: reasoning if Gemini's `thinking` is
    true (recorded lists), images if LM Studio's `type` is `vlm` (https://www.lmstudio.ai/docs/api/rest-api).
    """
    if entry.get("thinking") is True:
        yield "reasoning", True
    if entry.get("type") == "vlm":
        yield "images", True


_ABILITIES: Final[Sequence[Callable[[_Entry], Iterator[tuple[str, bool]]]]] = (
    _of_object,
    _of_words,
    _of_modalities,
    _of_parameters,
    _of_flags,
)


def _words(value: Any) -> frozenset[str]:
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()
