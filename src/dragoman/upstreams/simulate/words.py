"""Random words from a key: the same key gives the same text on every machine. Pure.

A token here is up to six characters of one word, together with the white space before them. White space at
the end of a text is a token, too.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

T = TypeVar("T")

_TOKEN: Final = re.compile(r"\s*\S{1,6}|\s+\Z")


def tokens(text: str) -> list[str]:
    """Return the tokens of a text. Joined, they are the text again."""
    return _TOKEN.findall(text)


_COUNTED: Final = 50_000
"""The most characters of a text whose tokens are counted. The tokens of a longer text are estimated from its
beginning.
"""


def token_count(text: str) -> int:
    """Return the number of tokens in a text; for more than `_COUNTED` characters, an estimate from its
    beginning.
    """
    if len(text) <= _COUNTED:
        return len(tokens(text))
    return len(tokens(text[:_COUNTED])) * len(text) // _COUNTED


class Draw:
    """Pseudo-random numbers: the same key and the same calls give the same numbers. key: bytes, or a BLAKE2b
    hash object with a digest of 32 bytes that has hashed the key.
    """

    __slots__ = ("_blocks", "_key", "_numbers")

    def __init__(self, key: bytes | blake2b) -> None:
        hashed = blake2b(key, digest_size=32) if isinstance(key, bytes) else key
        self._key = hashed.digest()
        self._blocks = 0
        self._numbers: list[int] = []

    def below(self, bound: int) -> int:
        """Return a random number from 0 to bound - 1. bound: at least 1."""
        if not self._numbers:
            self._blocks += 1
            block = blake2b(self._blocks.to_bytes(8, "big"), key=self._key).digest()
            self._numbers.extend(struct.unpack(">8Q", block))
        return self._numbers.pop() % bound

    def one(self, choices: Sequence[T]) -> T:
        """Return one of the choices at random. There must be at least one."""
        return choices[self.below(len(choices))]

    def hex(self, digits: int) -> str:
        """Return a random string of `digits` hexadecimal digits (small letters)."""
        return "".join(f"{self.below(16):x}" for _ in range(digits))


_WHICH: Final = (
    *("careful", "distant", "early", "patient", "plain", "quiet", "small", "steady", "willing", "young"),
)
_WHO: Final = (
    *("clerk", "courier", "guide", "harbour", "interpreter", "letter", "messenger", "traveller", "visitor"),
)
_DOES: Final = (
    *("carries", "finds", "greets", "hears", "keeps", "leaves", "reads", "remembers", "repeats", "sends"),
)
_WHERE: Final = (
    *("at the gate", "before noon", "beyond the river", "by the old road", "in the market"),
    *("on the bridge", "through the night", "under the lamp", "without a word", "with some delay"),
)


def word(draw: Draw) -> str:
    """Return one random word."""
    return draw.one(_WHICH + _WHO)


def sentence(draw: Draw) -> str:
    """Return one random sentence."""
    who = f"The {draw.one(_WHICH)} {draw.one(_WHO)}"
    return f"{who} {draw.one(_DOES)} the {draw.one(_WHICH)} {draw.one(_WHO)} {draw.one(_WHERE)}."


def prose(draw: Draw, length: int) -> str:
    """Return text of exactly `length` tokens of this module, made of random sentences; the last sentence may
    be cut.
    """
    pieces: list[str] = []
    while len(pieces) < length:
        pieces += tokens((" " if pieces else "") + sentence(draw))
    return "".join(pieces[:length])
