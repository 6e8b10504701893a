"""How many tokens a text is, by the vocabulary of its model or by the nearest one at hand.

With the extra `tokens`, OpenAI's two vocabularies count; each is loaded when it is first needed. Those of
most other makers are not public: the newer of the two then serves as an estimate, scaled by what the maker
was seen to count. Without the extra, bytes are divided. It must never open a file, reach a network, or take
longer than in proportion to the text.

Which model has which vocabulary: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
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
"""What a token of ordinary text holds: https://help.openai.com/en/articles/4936856. About the same in
scripts with more bytes a letter, because they have more tokens a letter.
"""


class Vocabulary(NamedTuple):
    """How one model counts.

    weigh: the tokens of a text. own: by the model's own vocabulary, not by an estimate. priming: tokens that
    begin an answer. tools: tokens that having any tools costs. picture: tokens of a picture; its dimensions
    are not looked at, because vendors scale pictures down to about the same.
    """

    weigh: Callable[[str], int]
    own: bool
    priming: int = 3
    tools: int = 0
    picture: int = 765


def vocabulary(model: str | None) -> Vocabulary:
    """What counts for a model, named as its provider names it (`gpt-4o`, `openai/gpt-4o-2024-08-06`)."""
    return _vocabulary(_plain(model))


def _plain(model: str | None) -> str:
    return (model or "").rpartition("/")[2].removeprefix("ft:").lower()


def size(text: str) -> int:
    """The bytes of a text. No vocabulary makes more tokens of it."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def by_bytes(text: str) -> int:
    """What a text is likely to be, in whatever vocabulary."""
    return -(-size(text) // BYTES_PER_TOKEN)


class _Own(NamedTuple):
    encoding: str
    priming: int
    names: tuple[str, ...]


class _Like(NamedTuple):
    """ratio: what the maker counts for one token of `_NEAREST`, seen in recorded requests."""

    names: tuple[str, ...]
    ratio: float
    tools: int = 0
    picture: int = 765


_NEAREST: Final = "o200k_base"
_OWN: Final = (
    _Own("o200k_base", 3, ("gpt-4o*", "chatgpt-4o*", "gpt-4.1*", "gpt-4.5*")),
    _Own("o200k_base", 2, ("gpt-5*", "o1", "o1-*", "o3", "o3-*", "o4-mini*")),  # as recorded
    _Own(
        "cl100k_base",
        3,
        (
            *("gpt-4", "gpt-4-*", "gpt-3.5-turbo*", "gpt-35-turbo*", "davinci-002*", "babbage-002*"),
            *("text-embedding-3-*", "text-embedding-ada-*"),  # others are Google's
        ),
    ),
)
_SIZES: Final = {"cl100k_base": 100_256, "o200k_base": 199_998}
"""How many tokens a vocabulary has that are text. For others its compiled part may end the process."""
_CUT: Final = 3
"""The most tokens that a cut can leave of a character, which is at most four bytes."""
_LIKE: Final = (
    # Tools: 346 by https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing, and what
    # was seen to be written around their schemas.
    _Like(("*claude*",), 1.15, tools=530),
    _Like(("mistral-*", "ministral-*", "magistral-*", "codestral-*", "devstral-*"), 1.15, tools=25),
    _Like(("*gemini*", "*gemma*"), 1.0, picture=258),  # https://ai.google.dev/gemini-api/docs/tokens
)

CEILING: Final = Vocabulary(size, own=False, tools=max(like.tools for like in _LIKE))
"""What counts at least as much as any other."""


@lru_cache(maxsize=256)
def _vocabulary(model: str) -> Vocabulary:
    for encoding, priming, names in _OWN:
        if _named(model, names):
            weigh = _tokenizer(encoding)
            return Vocabulary(weigh or by_bytes, own=weigh is not None, priming=priming)
    weigh = _tokenizer(_NEAREST) or by_bytes
    for names, ratio, tools, picture in _LIKE:
        if _named(model, names):
            return Vocabulary(_scaled(weigh, ratio), own=False, tools=tools, picture=picture)
    return Vocabulary(weigh, own=False)


def reads_tokens(model: str | None, written_for: str | None) -> bool:
    """Whether a model may read tokens that are written for another. False = theirs is a public vocabulary,
    at hand, and not known to be this model's.
    """
    encoding = _encoding(written_for)
    return encoding is None or encoding == _encoding(model) or _bindings() is None


def _encoding(model: str | None) -> str | None:
    """The name of a model's public vocabulary."""
    name = _plain(model)
    return next((own.encoding for own in _OWN if _named(name, own.names)), None)


def detokenized(ids: Sequence[int], model: str | None) -> tuple[str, int] | None:
    """The text of some tokens and how many of them are left out, because the first or last character is cut;
    None where the model's vocabulary is not at hand. Raises ValueError for what is no text.
    """
    encoding = _encoding(model)
    if encoding is None or (bindings := _bindings()) is None:
        return None
    if (highest := max(ids, default=0)) >= _SIZES[encoding] or min(ids, default=0) < 0:
        raise ValueError(f"the vocabulary has no text token {highest}")
    decode: Callable[[Sequence[int]], str] = bindings.tokenizer_for_encoding(encoding).decode
    for left in range(min(2 * _CUT, len(ids) - 1) + 1):
        for start in range(max(0, left - _CUT), min(left, _CUT) + 1):
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
    """The compiled part of `bpe_openai`, None where it is not installed.

    Importing the package itself takes a second and 60 MB, for tables of every token that only decoding needs.
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
    """What counts by a vocabulary, None without the extra `tokens`."""
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
