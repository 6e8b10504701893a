"""Counts the tokens of a text with the vocabulary of a model, or estimates their number. Also decodes token
ids.

With the extra `tokens`, OpenAI's vocabularies `cl100k_base` and `o200k_base` are available; a "public"
vocabulary is one of these two. A model that is not known to use one of them is counted with `o200k_base`, the
newer one; for a model in `_HIDDEN`, this count is multiplied by a ratio from recorded requests. Without the
extra, the number of bytes divided by 4 takes the place of each count with a vocabulary. Counting must not use
the network, must not open a file once the extra is loaded, and must take linear time.

The vocabulary of each model: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from math import ceil
from typing import Any, Final, NamedTuple

BYTES_PER_TOKEN: Final = 4
"""The average bytes of a token in normal text: https://help.openai.com/en/articles/4936856. It is about the
same in scripts with more bytes per letter, because their letters need more tokens.
"""


class Vocabulary(NamedTuple):
    """How to count the tokens for one model.

    weigh: a function that counts the tokens of a text. own: True = `weigh` uses the model's own vocabulary,
    False = `weigh` estimates. priming: the number of special tokens at the start of an answer. tools: the
    tokens that a request with tools has in addition to the tokens of the tools themselves. picture: the
    tokens that each picture without `detail: low` counts, whatever its size.
    """

    weigh: Callable[[str], int]
    own: bool
    priming: int = 3
    tools: int = 0
    picture: int = 765


def vocabulary(model: str | None) -> Vocabulary:
    """Return how the tokens for a model are counted. model: its name, with or without a provider (`gpt-4o`,
    `openai/gpt-4o-2024-08-06`), in any case of letters; None = unknown. The tokens are estimated if the
    model's vocabulary is not public, if the model is unknown, or if the extra `tokens` is not installed.
    """
    return _vocabulary(_plain(model))


def load() -> None:
    """Load the vocabulary `_NEAREST` now. Without this call, the first count that needs it loads it, which
    takes up to 0.25 s. Processes that are forked after this call share its 70 MB. Does nothing if the extra
    `tokens` is not installed.
    """
    _tokenizer(_NEAREST)


def _plain(model: str | None) -> str:
    return (model or "").rpartition("/")[2].removeprefix("ft:").lower()


def size(text: str) -> int:
    """Return the number of bytes of a text in UTF-8. Usually a text has no more tokens than bytes, whatever
    the vocabulary.
    """
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def by_bytes(text: str) -> int:
    """Estimate the tokens of a text for any vocabulary: its bytes / `BYTES_PER_TOKEN`, rounded up."""
    return -(-size(text) // BYTES_PER_TOKEN)


class _PublicVocabulary(NamedTuple):
    encoding: str
    priming: int
    names: tuple[str, ...]


class _HiddenVocabulary(NamedTuple):
    """How to estimate for models whose vocabulary is not public. names: patterns of the models' names. ratio:
    how many tokens the vendor counts for one token of `_NEAREST`. tools: the tokens that a request with tools
    has in addition to those of the tools. picture: the tokens of each picture without `detail: low`.
    """

    names: tuple[str, ...]
    ratio: float
    tools: int = 0
    picture: int = 765


_NEAREST: Final = "o200k_base"
_PUBLIC: Final = (
    _PublicVocabulary("o200k_base", 3, ("gpt-4o*", "chatgpt-4o*", "gpt-4.1*", "gpt-4.5*")),
    _PublicVocabulary("o200k_base", 2, ("gpt-5*", "o1", "o1-*", "o3", "o3-*", "o4-mini*")),  # as recorded
    _PublicVocabulary(
        "cl100k_base",
        3,
        (
            *("gpt-4", "gpt-4-*", "gpt-3.5-turbo*", "gpt-35-turbo*", "davinci-002*", "babbage-002*"),
            *("text-embedding-3-*", "text-embedding-ada-*"),  # others are Google's
        ),
    ),
)
_SIZES: Final = {"cl100k_base": 100_256, "o200k_base": 199_998}
"""By vocabulary, the number of text tokens, with ids from 0. Decoding any other id could crash the process.
"""
_CUT_TOKENS: Final = 3
"""The most tokens at one end of a text that can be a part of one cut character, which has at most four
bytes.
"""
_HIDDEN: Final = (
    # 530 tokens for tools: 346 as in https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
    # and further tokens around the schemas, measured in recorded requests.
    _HiddenVocabulary(("*claude*",), 1.15, tools=530),
    _HiddenVocabulary(
        ("mistral-*", "ministral-*", "magistral-*", "codestral-*", "devstral-*"), 1.15, tools=25
    ),
    _HiddenVocabulary(
        ("*gemini*", "*gemma*"), 1.0, picture=258
    ),  # https://ai.google.dev/gemini-api/docs/tokens
)

CEILING: Final = Vocabulary(size, own=False, tools=max(one.tools for one in _HIDDEN))
"""A vocabulary whose counts of texts are hardly exceeded by any model: each byte counts as a token."""


@lru_cache(maxsize=256)
def _vocabulary(model: str) -> Vocabulary:
    for encoding, priming, names in _PUBLIC:
        if _named(model, names):
            weigh = _tokenizer(encoding)
            return Vocabulary(weigh or by_bytes, own=weigh is not None, priming=priming)
    weigh = _tokenizer(_NEAREST) or by_bytes
    for names, ratio, tools, picture in _HIDDEN:
        if _named(model, names):
            return Vocabulary(_scaled(weigh, ratio), own=False, tools=tools, picture=picture)
    return Vocabulary(weigh, own=False)


def reads_tokens(model: str | None, written_for: str | None) -> bool:
    """Return whether `model` may get token ids that were made for the model `written_for`. False only if all
    of this holds: `written_for` is known to use a public vocabulary, the extra `tokens` is installed, and
    `model` is not known to use the same vocabulary. None as an argument = unknown model.
    """
    encoding = _encoding(written_for)
    return encoding is None or encoding == _encoding(model) or _bindings() is None


def _encoding(model: str | None) -> str | None:
    name = _plain(model)
    return next((one.encoding for one in _PUBLIC if _named(name, one.names)), None)


def detokenized(ids: Sequence[int], model: str | None) -> tuple[str, int] | None:
    """Decode token ids into (text, number of token ids that were left out); None = the model's vocabulary is
    not public, or the extra `tokens` is not installed. If the ids are not valid text as they are, because a
    character is cut, as few as possible are left out, at most `_CUT_TOKENS` at each end.

    Raises ValueError, unless it returns None, if there are no ids, if one of them is no text token of the
    vocabulary, or if they are not valid text without those ends either.
    """
    encoding = _encoding(model)
    if encoding is None or (bindings := _bindings()) is None:
        return None
    size = _SIZES[encoding]
    if (unknown := next((one for one in ids if not 0 <= one < size), None)) is not None:
        raise ValueError(f"the vocabulary has no text token {unknown}")
    decode: Callable[[Sequence[int]], str] = bindings.tokenizer_for_encoding(encoding).decode
    for left in range(min(2 * _CUT_TOKENS, len(ids) - 1) + 1):
        for start in range(max(0, left - _CUT_TOKENS), min(left, _CUT_TOKENS) + 1):
            try:
                return decode(ids[start : len(ids) - (left - start)]), left
            except ValueError:
                continue
    raise ValueError("they are not valid text")


def _named(model: str, names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(model, name) for name in names)


def _scaled(weigh: Callable[[str], int], ratio: float) -> Callable[[str], int]:
    return lambda text: min(ceil(weigh(text) * ratio), size(text))


@lru_cache
def _bindings() -> Any:
    """Return the compiled module of the package `bpe_openai` (the extra `tokens`); None = it was not found.
    The package itself is not imported, because that takes a second and 60 MB.
    """
    package = find_spec("bpe_openai")
    spec = package and PathFinder.find_spec("_bindings", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    bindings = module_from_spec(spec)
    spec.loader.exec_module(bindings)
    return bindings


@lru_cache
def _tokenizer(encoding: str) -> Callable[[str], int] | None:
    bindings = _bindings()
    if bindings is None:
        return None
    count: Callable[[str], int] = bindings.tokenizer_for_encoding(encoding).count

    def weigh(text: str) -> int:
        try:
            return count(text)
        except UnicodeEncodeError:  # half of a pair of surrogates
            return count(text.encode(errors="replace").decode())

    return weigh
