"""Makes embedding vectors without a model. Each vector has the length (Euclidean norm) 1, and the same text,
seed and number of floats give the same vector. Texts that share many of their words have near vectors.
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
"""The default number of floats in a vector."""
MOST: Final = 4096
_WORDS: Final = 256
"""The most words of a text that count. The time for a vector grows with this number."""
_READ: Final = 100_000
"""The most characters of a text, or tokens of an input of tokens, that are read."""
_MIDDLE: Final = 127.5
"""The mean of a byte's values. It is subtracted from each byte, so that the numbers are centred around 0."""
_WORD: Final = re.compile(r"\w+")


def vector(item: ir.Input, length: int, seed: int) -> bytes:
    """Return the embedding vector of an input, as little-endian 32-bit floats. Only the first `_WORDS` words
    of the input count. length: the number of floats. seed: another seed usually gives another vector.
    """
    counted = words(item)[:_WORDS] or [""]
    lanes = sum(_direction(word, length, seed) for word in counted).to_bytes(2 * length, "little")
    summed = [number - _MIDDLE * len(counted) for number in struct.unpack(f"<{length}H", lanes)]
    norm = hypot(*summed)
    if not norm:  # the directions of the words cancel each other
        summed[0] = norm = 1.0
    return from_floats([number / norm for number in summed])


def words(item: ir.Input) -> Sequence[str]:
    """Return the words in the beginning of an input, in lower case. If the input consists of token ids, each
    id counts as a word. The beginning is the first `_READ` characters or token ids.
    """
    if isinstance(item, ir.Tokens):
        return [str(token) for token in item.ids[:_READ]]
    text = item if isinstance(item, str) else "\n".join(item.texts)
    return _WORD.findall(text[:_READ].casefold())


def _direction(word: str, length: int, seed: int) -> int:
    """Return the direction of one word: `length` random numbers of one byte each, packed into one large
    integer with 16 bits for each number. So adding such integers of `_WORDS` words adds the numbers one by
    one.
    """
    lanes = bytearray(2 * length)
    lanes[::2] = shake_256(f"{seed}/{word}".encode()).digest(length)
    return int.from_bytes(lanes, "little")
