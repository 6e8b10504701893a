"""Shared memory through which the workers of one gateway exchange messages. Each worker has one slot. Beside
it lie the cells in which they count (`observe.cells`).

The parent process creates the memory before the first fork, and clears the slot of a worker that has ended.
A worker writes only to its own slot, so no lock is needed; a checksum detects a change during a read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

from dragoman.observe.cells import Cells

_SLOT_BYTES: Final = 262_144
"""The bytes of one slot. The system provides memory only for the pages that are written."""
_HEAD: Final = struct.Struct("<dII")
LARGEST: Final = _SLOT_BYTES - _HEAD.size
"""The largest message of a worker, in bytes."""
_FRESH_SECONDS: Final = 5.0
"""An older message than this is ignored: its worker is blocked or has ended."""
_TRIES: Final = 3


class Board:
    """The slots of all workers. count: the number of workers, which are numbered from 1. cells: their counts
    for `/metrics`, which outlive each of them.
    """

    def __init__(self, count: int) -> None:
        self.cells = Cells(count)
        self._count = count
        self._memory = mmap.mmap(-1, count * _SLOT_BYTES)

    def write(self, number: int, message: bytes, now: float) -> None:
        """Replace the message (at most LARGEST bytes) of the worker `number`. now: monotonic seconds."""
        at = (number - 1) * _SLOT_BYTES
        self._memory[at : at + _HEAD.size + len(message)] = (
            _HEAD.pack(now, len(message), crc32(message)) + message
        )

    def clear(self, number: int) -> None:
        """Remove the message of the worker `number`, which has ended. What it has counted stays."""
        self.cells.parts[number].bury()
        at = (number - 1) * _SLOT_BYTES
        self._memory[at : at + _HEAD.size] = bytes(_HEAD.size)

    def others(self, number: int, now: Callable[[], float]) -> Sequence[bytes]:
        """The messages of the other workers that are at most `_FRESH_SECONDS` old and could be read whole."""
        messages = (self._read(other, now) for other in range(1, self._count + 1) if other != number)
        return [message for message in messages if message is not None]

    def _read(self, number: int, now: Callable[[], float]) -> bytes | None:
        at = (number - 1) * _SLOT_BYTES
        for _ in range(_TRIES):
            written, size, checksum = _HEAD.unpack_from(self._memory, at)
            if not size or now() - written > _FRESH_SECONDS:
                return None
            message = self._memory[at + _HEAD.size : at + _HEAD.size + min(size, LARGEST)]
            if crc32(message) == checksum:
                return message
        return None
