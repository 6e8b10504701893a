"""Random words from a key: the same key gives the same text everywhere. Pure.

A token here is up to six characters of one word, with the blanks before it. That is about as large as a real
model's token.
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
    """The tokens of a text. Joined, they are the text again."""
    return _TOKEN.findall(text)


_COUNTED: Final = 50_000
"""Characters up to which a text's tokens are counted; a longer text's are estimated from its beginning."""


def token_count(text: str) -> int:
    """How many tokens a text has; for more than `_COUNTED` characters, an estimate from its beginning."""
    if len(text) <= _COUNTED:
        return len(tokens(text))
    return len(tokens(text[:_COUNTED])) * len(text) // _COUNTED


class Draw:
    """Random numbers that depend on nothing but a key. A hash (BLAKE2b) of the key and a counter gives eight
    numbers at a time. key: bytes, or a BLAKE2b hash of 32 bytes into which they have been written.
    """

    __slots__ = ("_blocks", "_key", "_numbers")

    def __init__(self, key: bytes | blake2b) -> None:
        hashed = blake2b(key, digest_size=32) if isinstance(key, bytes) else key
        self._key = hashed.digest()
        self._blocks = 0
        self._numbers: list[int] = []

    def below(self, bound: int) -> int:
        """A random number from 0 to bound - 1. bound: at least 1."""
        if not self._numbers:
            self._blocks += 1
            block = blake2b(self._blocks.to_bytes(8, "big"), key=self._key).digest()
            self._numbers.extend(struct.unpack(">8Q", block))
        return self._numbers.pop() % bound

    def one(self, choices: Sequence[T]) -> T:
        """A random one of the choices. There must be at least one."""
        return choices[self.below(len(choices))]

    def hex(self, digits: int) -> str:
        """A random string of so many hexadecimal digits."""
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
    """One random word."""
    return draw.one(_WHICH + _WHO)


def sentence(draw: Draw) -> str:
    """One random sentence."""
    who = f"The {draw.one(_WHICH)} {draw.one(_WHO)}"
    return f"{who} {draw.one(_DOES)} the {draw.one(_WHICH)} {draw.one(_WHO)} {draw.one(_WHERE)}."


def prose(draw: Draw, length: int) -> str:
    """Random sentences of exactly `length` tokens; the last sentence may be cut."""
    pieces: list[str] = []
    while len(pieces) < length:
        pieces += tokens((" " if pieces else "") + sentence(draw))
    return "".join(pieces[:length])
