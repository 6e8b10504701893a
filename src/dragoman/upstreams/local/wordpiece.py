"""The tokenizer of BERT's uncased vocabularies. It normalises a text, splits it into words, and takes the
longest known pieces of each word. Pure.

The package `tokenizers` does the same, but it is 12 MB large and needs the model hub's client. Algorithm:
https://github.com/google-research/bert/blob/master/tokenization.py
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import chain, islice

_STRETCH = re.compile(r"[^ \t\n\r]+")
_LONGEST_WORD = 100
"""The most characters of a word. A longer word becomes one unknown token."""
_READ = 20_000
"""The most characters of a text that are read. An ordinary text fills a model's context with fewer
characters.
"""
_IDEOGRAPHS = (
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F)),
)
"""The ranges of code points that count as separate words. One range is wrong, as in the original
algorithm.
"""


class WordPiece:
    """Turns texts into tokens. vocabulary: {piece: number of its token}; a piece that continues a word begins
    with "##". The constructor raises KeyError if "[UNK]", "[CLS]" or "[SEP]" is missing. A special token such
    as "[SEP]" in a text is treated as ordinary text.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._unknown = vocabulary["[UNK]"]
        self._begin, self._end = vocabulary["[CLS]"], vocabulary["[SEP]"]

    def encode(self, text: str, most: int) -> tuple[list[int], bool]:
        """Return (tokens, complete). tokens: at most `most` token numbers, including the two special tokens
        at the beginning and the end. most: at least 2. complete: True = no text was cut off, except white
        space.
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
    """Yield the words and the single punctuation marks of a text, in lower case without accents. Control
    characters are left out.
    """
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
    """Return the character, or its replacement: " " for a space character of any kind; "" for a control,
    format, private-use, surrogate or replacement character. Spaces are added around an ideograph.
    """
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
