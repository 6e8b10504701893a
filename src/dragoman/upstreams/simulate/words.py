"""Random words from a seed: the same key gives the same text everywhere. Pure.

A token here is up to six characters of one word, with the blanks before it. So the pieces of a stream and
the token counts are about as large as a real model's.
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
    """The tokens of a text. Joined, they are the text again."""
    return _TOKEN.findall(text)


_COUNTED: Final = 50_000
"""Characters. In a longer text, only the tokens of its beginning are counted."""


def token_count(text: str) -> int:
    """How many tokens a text has. For a long text it is estimated from its beginning."""
    if len(text) <= _COUNTED:
        return len(tokens(text))
    return len(tokens(text[:_COUNTED])) * len(text) // _COUNTED


class Key:
    """A key that other keys extend. Its bytes are hashed only once."""

    __slots__ = ("_hash",)

    def __init__(self, key: bytes) -> None:
        self._hash = hashlib.blake2b(key, digest_size=32)

    def with_end(self, end: bytes) -> Key:
        """This key extended by these bytes."""
        longer = Key.__new__(Key)
        longer._hash = self._hash.copy()
        longer._hash.update(end)
        return longer

    def digest(self) -> bytes:
        """The 32 bytes of the key's hash."""
        return self._hash.digest()


class Draw:
    """Random numbers from a key alone: BLAKE2b of the key and a counter gives eight numbers at a time."""

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
        """One of the choices; there must be at least one."""
        return choices[self.below(len(choices))]

    def hex(self, digits: int) -> str:
        """A string of so many hexadecimal digits."""
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
