"""Shared memory in which the processes of one gateway leave messages for each other. Each worker has one
slot. The keeper (the process that does what must be done once on a machine) has a slot, too, by which the
workers see that it is running. The board also has the cells in which workers count (`observe.cells`).

The parent creates the memory before the first fork, and clears the slot of a process that has ended.
Otherwise a process writes only to its own slot, so no lock is needed; a checksum detects a change during a
read.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

from dragoman.observe.cells import Cells

_SLOT_BYTES: Final = 262_144
"""The size of one slot in bytes. The system provides memory only for the pages that are written."""
_HEAD: Final = struct.Struct("<dII")
LARGEST: Final = _SLOT_BYTES - _HEAD.size
"""The size of the largest message, in bytes."""
_FRESH_SECONDS: Final = 5.0
"""An older message is ignored: its process is blocked or has ended."""
_TRIES: Final = 3


class Board:
    """The slots of all workers, and one more for the keeper. count: how many workers there are; they are
    numbered from 1. keeper: the number of the keeper's slot, count + 1 (in `cells` the keeper has the number
    0). cells: what the processes have counted for `/metrics`; the counts outlive the processes.
    """

    def __init__(self, count: int) -> None:
        self.cells = Cells(count)
        self._count = count
        self.keeper: Final = count + 1
        self._memory = mmap.mmap(-1, (count + 1) * _SLOT_BYTES)

    def write(self, number: int, message: bytes, now: float) -> None:
        """Replace the message in the slot `number`. message: at most LARGEST bytes; this is not checked, and
        a longer one overwrites the next slot. An empty one counts as no message. now: the time of the
        message, monotonic seconds.
        """
        at = (number - 1) * _SLOT_BYTES
        self._memory[at : at + _HEAD.size + len(message)] = (
            _HEAD.pack(now, len(message), crc32(message)) + message
        )

    def clear(self, number: int) -> None:
        """Remove the message of a process that has ended. number: its slot. For a worker, also record in
        `cells` that it has ended: `/metrics` leaves out its present values, and keeps its counts.
        """
        if number != self.keeper:
            self.cells.parts[number].bury()
        at = (number - 1) * _SLOT_BYTES
        self._memory[at : at + _HEAD.size] = bytes(_HEAD.size)

    def others(self, number: int, now: Callable[[], float]) -> Sequence[bytes]:
        """Return the messages of the other workers, in the order of their numbers. A worker without a message
        of the last 5 s is left out, and so is one whose message changed during each read (`read`). The
        keeper's message is never in the result. number: this worker's number. now: returns monotonic seconds.
        """
        messages = (self.read(other, now) for other in range(1, self._count + 1) if other != number)
        return [message for message in messages if message is not None]

    def present(self, number: int, now: float) -> bool:
        """Whether the slot `number` has a message that its process has written in the last 5 s
        (`_FRESH_SECONDS`). now: monotonic seconds.
        """
        written, size, _ = _HEAD.unpack_from(self._memory, (number - 1) * _SLOT_BYTES)
        return bool(size) and now - written <= _FRESH_SECONDS

    def workers(self, now: float, but: int = 0) -> int:
        """Return how many workers are `present`: have written a message in the last 5 s. The keeper does not
        count. now: monotonic seconds. but: the number of a worker that does not count; 0 = all workers count.
        """
        others = (number for number in range(1, self._count + 1) if number != but)
        return sum(self.present(number, now) for number in others)

    def read(self, number: int, now: Callable[[], float]) -> bytes | None:
        """Return the message in the slot `number`. None = there is none, it is older than 5 s
        (`_FRESH_SECONDS`), or it changed during each of three reads (`_TRIES`). now: returns monotonic
        seconds.
        """
        at = (number - 1) * _SLOT_BYTES
        for _ in range(_TRIES):
            written, size, checksum = _HEAD.unpack_from(self._memory, at)
            if not size or now() - written > _FRESH_SECONDS:
                return None
            message = self._memory[at + _HEAD.size : at + _HEAD.size + min(size, LARGEST)]
            if crc32(message) == checksum:
                return message
        return None
