"""What the workers of one gateway tell each other: a piece of memory in which each has a place.

The parent makes it before its first fork. Each worker writes to its own place alone and reads the others',
so nobody waits for anybody: a place that is read while it is written is noticed by its checksum.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

_PLACE_BYTES: Final = 262_144
"""Memory that is taken only as far as it is written."""
_HEAD: Final = struct.Struct("<dII")
LARGEST: Final = _PLACE_BYTES - _HEAD.size
"""Bytes that a worker can tell."""
_FRESH_SECONDS: Final = 5.0
"""A worker that has told nothing for longer hangs, or has ended."""
_TRIES: Final = 3


class Board:
    """One place for each of so many workers, which are numbered from 1."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._memory = mmap.mmap(-1, count * _PLACE_BYTES)

    def write(self, number: int, told: bytes, now: float) -> None:
        """What this worker tells from now on. now: the monotonic clock, which all processes share."""
        at = (number - 1) * _PLACE_BYTES
        self._memory[at : at + _HEAD.size + len(told)] = _HEAD.pack(now, len(told), crc32(told)) + told

    def clear(self, number: int) -> None:
        """Its worker has ended."""
        at = (number - 1) * _PLACE_BYTES
        self._memory[at : at + _HEAD.size] = bytes(_HEAD.size)

    def others(self, number: int, now: Callable[[], float]) -> Sequence[bytes]:
        """What the others have told lately."""
        told = (self._read(place, now) for place in range(1, self._count + 1) if place != number)
        return [one for one in told if one is not None]

    def _read(self, number: int, now: Callable[[], float]) -> bytes | None:
        at = (number - 1) * _PLACE_BYTES
        for _ in range(_TRIES):
            written, size, checksum = _HEAD.unpack_from(self._memory, at)
            if not size or now() - written > _FRESH_SECONDS:
                return None
            told = self._memory[at + _HEAD.size : at + _HEAD.size + min(size, LARGEST)]
            if crc32(told) == checksum:
                return told
        return None
