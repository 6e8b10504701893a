"""Seeded words: the same key gives the same text everywhere. Pure.

A token here is up to six characters of one word with the blanks before it, so that pieces of streams and
counts are about as long and as many as a real model's.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

_TOKEN: Final = re.compile(r"\s*\S{1,6}|\s+\Z")


def tokens(text: str) -> list[str]:
    """The text in tokens; joined they are the text again."""
    return _TOKEN.findall(text)


_COUNTED: Final = 50_000
"""Characters of a text whose tokens are counted one by one."""


def token_count(text: str) -> int:
    """How many tokens a text has; of a long one in proportion to those of its beginning."""
    if len(text) <= _COUNTED:
        return len(tokens(text))
    return len(tokens(text[:_COUNTED])) * len(text) // _COUNTED


class Key:
    """A key that several others begin with, read once however long it is."""

    __slots__ = ("_hash",)

    def __init__(self, key: bytes) -> None:
        self._hash = hashlib.blake2b(key, digest_size=32)

    def with_end(self, end: bytes) -> Key:
        """The key that goes on with these bytes."""
        longer = Key.__new__(Key)
        longer._hash = self._hash.copy()
        longer._hash.update(end)
        return longer

    def digest(self) -> bytes:
        """32 bytes that follow from the key."""
        return self._hash.digest()


class Draw:
    """Numbers that follow from a key alone: BLAKE2b of the key and a counter, eight numbers at a time."""

    __slots__ = ("_blocks", "_key", "_numbers")

    def __init__(self, key: bytes | Key) -> None:
        self._key = (key if isinstance(key, Key) else Key(key)).digest()
        self._blocks = 0
        self._numbers: list[int] = []

    def below(self, bound: int) -> int:
        """A number from 0 to bound - 1. bound: at least 1."""
        if not self._numbers:
            self._blocks += 1
            block = hashlib.blake2b(self._blocks.to_bytes(8, "big"), key=self._key).digest()
            self._numbers.extend(struct.unpack(">8Q", block))
        return self._numbers.pop() % bound

    def one(self, choices: Sequence[T]) -> T:
        """One of the choices, of which there is at least one."""
        return choices[self.below(len(choices))]

    def hex(self, digits: int) -> str:
        """This many hexadecimal digits."""
        return "".join(f"{self.below(16):x}" for _ in range(digits))


_WHICH: Final = (
    "careful",
    "distant",
    "early",
    "patient",
    "plain",
    "quiet",
    "small",
    "steady",
    "willing",
    "young",
)
_WHO: Final = (
    "clerk",
    "courier",
    "guide",
    "harbour",
    "interpreter",
    "letter",
    "messenger",
    "traveller",
    "visitor",
)
_DOES: Final = (
    "carries",
    "finds",
    "greets",
    "hears",
    "keeps",
    "leaves",
    "reads",
    "remembers",
    "repeats",
    "sends",
)
_WHERE: Final = (
    *("at the gate", "before noon", "beyond the river", "by the old road", "in the market"),
    *("on the bridge", "through the night", "under the lamp", "without a word", "with some delay"),
)


def word(draw: Draw) -> str:
    """One word."""
    return draw.one(_WHICH + _WHO)


def sentence(draw: Draw) -> str:
    """One sentence, which may even make sense."""
    who = f"The {draw.one(_WHICH)} {draw.one(_WHO)}"
    return f"{who} {draw.one(_DOES)} the {draw.one(_WHICH)} {draw.one(_WHO)} {draw.one(_WHERE)}."


def prose(draw: Draw, length: int) -> str:
    """Sentences of exactly this many tokens; the last one may be cut."""
    pieces: list[str] = []
    while len(pieces) < length:
        pieces += tokens((" " if pieces else "") + sentence(draw))
    return "".join(pieces[:length])
