"""Vectors that need no model: of unit length, the same for the same text, and the nearer the more words two
texts share, so that a ranking means something.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from hashlib import shake_256
from math import hypot
from typing import Final

from dragoman import ir
from dragoman.wire.vectors import from_floats

LENGTH: Final = 384
"""Numbers of a vector where none are wished for."""
MOST: Final = 4096
_WORDS: Final = 256
"""Words of a text that count; a vector takes time in proportion to them."""
_READ: Final = 100_000
"""Characters of a text, and tokens of one that is given as tokens, that are looked at."""
_MIDDLE: Final = 127.5
"""Of a byte, so that numbers lie on both sides of 0."""
_WORD: Final = re.compile(r"\w+")


def vector(item: ir.Input, length: int, seed: int) -> bytes:
    """The vector of one input."""
    counted = words(item)[:_WORDS] or [""]
    lanes = sum(_direction(word, length, seed) for word in counted).to_bytes(2 * length, "little")
    summed = [number - _MIDDLE * len(counted) for number in struct.unpack(f"<{length}H", lanes)]
    norm = hypot(*summed)
    return from_floats([number / norm for number in summed])


def words(item: ir.Input) -> Sequence[str]:
    """The words of an input, in small letters."""
    if isinstance(item, ir.Tokens):
        return [str(token) for token in item.ids[:_READ]]
    text = item if isinstance(item, str) else "\n".join(item.texts)
    return _WORD.findall(text[:_READ].casefold())


def _direction(word: str, length: int, seed: int) -> int:
    """Where one word points: a byte for each number, in lanes of 16 bits of one integer, so that those of
    `_WORDS` words are added all at once.
    """
    lanes = bytearray(2 * length)
    lanes[::2] = shake_256(f"{seed}/{word}".encode()).digest(length)
    return int.from_bytes(lanes, "little")
