"""Text to the tokens of BERT's uncased vocabularies: normalise, split, then the longest known pieces. Pure.

What `tokenizers` does for such a vocabulary, without its 12 MB and the model hub's client that it needs.
Algorithm: https://github.com/google-research/bert/blob/master/tokenization.py
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import chain, islice

_STRETCH = re.compile(r"[^ \t\n\r]+")
_LONGEST_WORD = 100
"""Characters of a word; a longer one is unknown as a whole."""

_READ = 20_000
"""Characters of a text that are looked at: more than a model's tokens take, but of texts without words."""

_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
"""Each of these is a word of its own. One of the ranges is as the vocabulary's authors wrote it."""


class WordPiece:
    """A vocabulary. Special tokens that a text spells out ("[SEP]") are text like any other."""

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._unknown = vocabulary["[UNK]"]
        self._begin, self._end = vocabulary["[CLS]"], vocabulary["[SEP]"]

    def encode(self, text: str, most: int) -> tuple[list[int], bool]:
        """The tokens of a text between those for its beginning and its end, `most` in all at most; and
        whether that is all of it. No more is read than is kept.
        """
        pieces = (piece for word in _words(text[:_READ]) for piece in self._pieces(word))
        tokens = list(islice(pieces, most - 1))
        whole = len(tokens) < most - 1 and not text[_READ:].strip()
        return [self._begin, *tokens[: most - 2], self._end], whole

    def _pieces(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        pieces: list[int] = []
        start, mark = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                if (token := self._vocabulary.get(mark + word[start:end])) is not None:
                    break
            else:
                return [self._unknown]
            pieces.append(token)
            start, mark = end, "##"
        return pieces


def _words(text: str) -> Iterator[str]:
    """Words and single marks of punctuation, in small letters without accents."""
    for chunk in chain.from_iterable(_plain(match[0]).split() for match in _STRETCH.finditer(text)):
        word = ""
        for char in chunk:
            if _is_punctuation(char):
                if word:
                    yield word
                yield char
                word = ""
            else:
                word += char
        if word:
            yield word


def _plain(stretch: str) -> str:
    spaced = "".join(_clean(char) for char in stretch)
    apart = unicodedata.normalize("NFD", spaced)
    return "".join(char.lower() for char in apart if unicodedata.category(char) != "Mn")


def _clean(char: str) -> str:
    """A character as the words are split from: none for a control character, spaces around an ideograph."""
    category, code = unicodedata.category(char), ord(char)
    if category == "Zs":
        return " "
    if code == 0xFFFD or category in {"Cc", "Cf", "Co", "Cs"}:
        return ""
    return f" {char} " if any(low <= code <= high for low, high in _IDEOGRAPHS) else char


def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return "!" <= char <= "/" or ":" <= char <= "@" or "[" <= char <= "`" or "{" <= char <= "~"
    return unicodedata.category(char).startswith("P")
