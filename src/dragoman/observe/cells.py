"""The shared memory in which the workers of one gateway count. The memory has one part for each worker's
number, and one for the keeper (number 0): the process that does what must be done once on a machine.

A part has cells (numbers of 8 bytes) and a directory, which says what the cells mean. Only the process with
its number adds to the directory and to the counts of a part, so no lock is needed: a number is written in one
piece, and each entry of the directory has a checksum, by which readers know that it is complete. The memory
outlives a worker: no count is lost when a worker is killed, and the worker that replaces it goes on with the
same numbers.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

import msgspec

Key: TypeAlias = tuple[str, ...]
"""The meaning of some cells: the name of a metric, and the values of its labels. For a block of
`observe.usual`, the word `usual`, and the labels of the block's exchanges.
"""

_CELLS: Final = 65_536
_DIRECTORY_BYTES: Final = 5 << 19
_PART_BYTES: Final = 8 * _CELLS + _DIRECTORY_BYTES
"""The size of one part in bytes. The system provides memory only for the pages that are written."""
_ENTRY: Final = struct.Struct("<HHI")
"""The head of an entry of the directory: the bytes of the key, the number of cells, and the checksum."""

NOWHERE: Final = 0
"""The index of a cell that no key has. Counts for which there is no room are added to it, and nobody reads
it.
"""
_SEEN: Final = 1
"""The index of the cell with the time when the worker last wrote its present values (monotonic seconds); 0 =
it has ended, or has not written any yet.
"""
_PROCESS: Final = 2
"""The index of the cell with the worker's process id."""
_BEGAN: Final = 3
"""The index of the cell in the first part with the time when the gateway began (monotonic seconds)."""
_FIRST: Final = 16
_FRESH_SECONDS: Final = 5.0
"""Present values of a worker that are older are ignored: the worker is blocked or has ended."""

_encode = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Key)


class Series(NamedTuple):
    """Consecutive cells with one meaning. key: the meaning. first: the index of the first cell. width: how
    many cells there are.
    """

    key: Key
    first: int
    width: int


class Part:
    """The part of the memory for one worker's number, or for the keeper. A worker that replaces another one
    has the same number and goes on with the same part. numbers: the part's cells, each a float.
    """

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self.numbers = memory[: 8 * _CELLS].cast("d")
        self._directory = memory[8 * _CELLS :].cast("B")
        self._end = 0
        """The position in the directory up to which its entries have been read."""
        self._next = _FIRST
        self._known: dict[Key, Series] = {}

    def series(self) -> Iterator[Series]:
        """Yield all series that the directory has now, in the order in which they were added."""
        self._read()
        yield from list(self._known.values())

    def first(self, key: Key) -> int | None:
        """Return the index of the first cell of a key; None = the directory does not have the key."""
        self._read()
        known = self._known.get(key)
        return None if known is None else known.first

    def add(self, key: Key, width: int) -> int | None:
        """Give a new key its cells, all 0. Returns the index of the first one; None = the memory is full.
        Only the process with this part's number may call this, and only for a key that the directory does not
        have.
        """
        self._read()
        written = _encode(key)
        head = _ENTRY.pack(len(written), width, _checksum(width, written))
        end = self._end + len(head) + len(written)
        if end > len(self._directory) or self._next + width > _CELLS:
            return None
        # What a worker that was killed here has left is written over.
        self._directory[self._end : end] = head + written
        return self._noted(key, width, end)

    def _read(self) -> None:
        """Read the entries that were added since the last read. An incomplete entry is left for the next
        read.
        """
        while self._end + _ENTRY.size <= len(self._directory):
            size, width, checksum = _ENTRY.unpack_from(self._directory, self._end)
            end = self._end + _ENTRY.size + size
            if not size or end > len(self._directory):
                return
            written = bytes(self._directory[end - size : end])
            if _checksum(width, written) != checksum:
                return
            self._noted(_decoder.decode(written), width, end)

    def _noted(self, key: Key, width: int, end: int) -> int:
        first = self._next
        self._known[key] = Series(key, first, width)
        self._end, self._next = end, first + width
        return first

    def beat(self, process: int, now: float) -> None:
        """Record that a worker has just written all its present values. process: its process id. now:
        monotonic seconds.
        """
        self.numbers[_PROCESS] = process
        self.numbers[_SEEN] = now

    def living(self, now: float) -> int | None:
        """Return the id of the process that works with this number. None = there is none, or it has not
        written its present values in the last `_FRESH_SECONDS`. now: monotonic seconds.
        """
        seen = self.numbers[_SEEN]
        return int(self.numbers[_PROCESS]) if seen and now - seen <= _FRESH_SECONDS else None

    def bury(self) -> None:
        """Record that the worker to which this part belongs has ended, so that `living` returns None at once.
        The numbers in the part stay.
        """
        self.numbers[_SEEN] = 0.0


class Cells:
    """The memory of all parts: of the keeper (number 0), and of the workers (numbered from 1). workers: how
    many workers there are. parts: by number.
    """

    def __init__(self, workers: int = 1) -> None:
        memory = memoryview(mmap.mmap(-1, (workers + 1) * _PART_BYTES))
        self.parts = tuple(
            Part(memory[at * _PART_BYTES : (at + 1) * _PART_BYTES]) for at in range(workers + 1)
        )

    def began(self, now: float) -> float:
        """Return when the gateway began (monotonic seconds): the `now` of the first call in any process that
        shares this memory.
        """
        numbers = self.parts[0].numbers
        if not numbers[_BEGAN]:
            numbers[_BEGAN] = now
        return numbers[_BEGAN]


def _checksum(width: int, key: bytes) -> int:
    return crc32(key, width)
