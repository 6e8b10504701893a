"""Reads the journals of all processes that write into one folder. The journal of one process is a chain of
segments.

Only one process reads at a time: the one that holds the lock on the file `reader` of the folder. The head of
each segment states the position up to which the database has the segment's records, so that a later reader
does not store these records again. A segment is deleted when the database has all of its records and the next
segment is on the disk. The last segment of a process that has ended is deleted when the database has all
records of the process, and the ledger has charged what the process had not reported (`Ledger.adopted`). Until
then no segment of a process is deleted that is known to have left something for the ledger.

A segment with a damaged part is renamed (`DAMAGED`) instead of deleted. A write that was cut off at the end
of a segment is no damage.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypedDict

import msgspec

from dragoman.accounts.bodies import decode, id_of
from dragoman.accounts.entries import (
    CLOSED,
    END,
    HEAD,
    OPENED,
    POSITION_AT,
    STORED,
    Entry,
    Found,
    closed_in,
    entry_of,
    position_in,
    position_of,
    read,
)
from dragoman.accounts.left import records, unreported
from dragoman.accounts.segments import SUFFIX, UNNAMED, lock
from dragoman.state.usage import UsageRecord

log = logging.getLogger("dragoman.accounts.journal")

READER: Final = "reader"
"""The name of the file that the reader locks, and into which it writes its state."""
DAMAGED: Final = ".damaged"
"""The suffix that a segment with unreadable parts gets instead of being deleted."""
_CHUNK: Final = 1_000_000
"""How many bytes are read at once; more only if no complete entry is found in them."""
_COUNTED: Final = 1_000_000
"""How many bytes are read at once to count the records that are not stored yet."""
_TOLD: Final = 4000
"""The size in bytes of the state in the reader's file; a longer state is cut off."""
KILLED: Final = "gateway/killed"
"""The field `end` in the usage record of an exchange that was open when its process ended."""

_END: Final = bytes(entry_of(END))


class State(TypedDict, total=False):
    """The state that a reader writes into the reader's file.

    waiting, waiting_bytes: the records that the database does not have yet. oldest: when the oldest of them
    ended; None = there is none. processes, ended: how many processes run and have ended. drained, looked:
    when the latest complete draining began, in Unix seconds and in those of the monotonic clock. The others
    count what this reader has done and found. last_error: why records wait; None = they do not.
    """

    waiting: int
    waiting_bytes: int
    oldest: float | None
    processes: int
    ended: int
    drained: float
    looked: float
    stored: int
    adopted: int
    cut: int
    rejected: int
    damaged: int
    torn_bytes: int
    last_error: str | None


_decode_state: Final = msgspec.json.Decoder(State).decode


class Chain:
    """The journal of one process, as the reader sees it. folder: where the segments are. mark: the random
    text that identifies the process in the names of its segments.

    Call `know` before the other methods, with at least one number. They read and write files, so call them in
    a thread, and never two of them at the same time (but see `to_charge`). They raise OSError if the disk
    fails, unless stated otherwise.
    """

    def __init__(self, folder: Path, mark: str) -> None:
        self.mark = mark
        self.records: list[UsageRecord] = []
        """The records that the database gets next."""
        self.oldest: float | None = None
        """When the exchange of the first record that was read and is not in the database ended, in Unix
        seconds; None = there is no such record.
        """
        self.opened: dict[str, bytes] = {}
        """{id of an exchange: the body of its entry}, for the exchanges that were opened in the part of the
        journal that was read so far, and neither closed there nor stated as stored.
        """
        self.ended_well = False
        """Whether the last entry of the journal says that the process has closed it. False as long as `left`
        is False.
        """
        self.damaged = self.torn = 0
        """damaged: how many places in the journal could not be read. torn: how many bytes of incomplete
        writes were skipped. Both count up to the last `done`.
        """
        self.left = False
        """Whether the process has ended, as far as `look` has found out."""
        self.report = b""
        """What the process could not report to the store of shared limits (`Ledger.unreported`); b"" as long
        as `left` is False, and if there is nothing or it cannot be read.
        """
        self.charged = True
        """False = the process has ended, and the ledger still has to get what it may have left (`report`,
        `to_charge`). Whoever has passed it sets True.
        """
        self._ended = 0.0
        """When the last segment was last written before `look` found that the process had ended, in Unix
        seconds. Later the reader writes into the segment's head.
        """
        self._folder = folder
        self._kept: list[int] = []
        """The numbers of segments that the database has, and that the ledger may need."""
        self._numbers: list[int] = []
        """The numbers of the segments that are not deleted, in order. The first of them is being read."""
        self._at = 0
        """The position in the first segment up to which the database has the records, in bytes; 0 = the
        segment is not open yet.
        """
        self._read_to = 0
        """The position after the last entry that was read; `_at` becomes this position when the database has
        `records`.
        """
        self._stored_to = HEAD
        self._damaged_in: set[int] = set()
        """The numbers of segments with a part that could not be read."""
        self._descriptor = -1
        self._lock = -1
        self._counted = (0, 0)
        """Up to where the records of ended exchanges were counted: (number of the segment, position
        in it).
        """
        self._ahead = 0
        """How many counted records are not read yet."""
        self._unread = (0, 0)
        """How many (damaged places, torn bytes) were found while `records` were read."""

    def know(self, numbers: list[int]) -> None:
        """Set the numbers of the journal's segments. numbers: those that were found in the folder, the
        smallest first. Numbers smaller than that of the segment that is being read are ignored.
        """
        self._numbers = [number for number in numbers if not self._numbers or number >= self._numbers[0]]

    def take(self) -> list[UsageRecord]:
        """Return the records that the database should get next; the same again until `done` or `again` is
        called. An empty list = there are no more records now. Reads on if none are left from before; then it
        also deletes the segments that are not needed any more, if there is a next one (see the module).
        """
        while not self.records and self._read_on():
            pass
        return self.records

    def again(self) -> None:
        """Drop `records`, because the database did not take them. The next `take` reads them again."""
        self.records, self._read_to, self._counted = [], self._at, (0, 0)

    def done(self) -> None:
        """Drop `records`, because the database has them, and write the position after them to the segment's
        head. If this write fails, no error is raised: a later reader gives the records to the database again,
        which changes nothing.
        """
        self.records = []
        self.oldest = None
        self._at = self._read_to
        self.damaged += self._unread[0]
        self.torn += self._unread[1]
        self._unread = (0, 0)
        if self._at > self._stored_to:
            self._stored_to = self._at
            with suppress(OSError):  # the records are stored again then, which changes nothing
                os.pwrite(self._descriptor, position_of(self._at), POSITION_AT)

    def cut(self) -> list[UsageRecord]:
        """Return a record for each exchange that was open when the process ended: as it was opened, but with
        `cut` and `failed` set, `KILLED` as `end`, and as `ended` about the time of the process's last write.
        Records that cannot be decoded are left out. Call it only when `look` has set `left`, and after that
        `take` has returned an empty list.
        """
        return [
            msgspec.structs.replace(
                one, cut=True, end=KILLED, failed=True, ended=max(one.created, self._ended)
            )
            for one in map(self._decoded, self.opened.values())
            if one is not None
        ]

    def to_charge(self) -> Iterator[list[UsageRecord]]:
        """Return an iterator over the records that the ledger may have to charge, also those that the
        database has already: for each segment a list of the records of ended exchanges, then a list of those
        that were open, with `cut` set. Records that charge no limit, or cannot be decoded, are left out. Call
        it only when `look` has set `left`. Each step but the last reads a file; other methods may run at the
        same time.
        """
        return records([self._path(number) for number in (*self._kept, *self._numbers)])

    def delete(self) -> None:
        """Delete all segments of the journal, because the database has all records, and close its files. A
        segment with unreadable parts is renamed instead.
        """
        for number in (*self._kept, *self._numbers[:-1]):
            self._remove(number)
        self._close_first()
        for number in self._numbers[-1:]:  # none, if somebody has deleted the segments meanwhile
            self._remove(number)
        self.close()

    def close(self) -> None:
        """Close the files, and release the lock on the last segment."""
        self._close_first()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def look(self) -> None:
        """Find out whether the process has ended. If it has, set `left`, `ended_well`, `report` and
        `charged`, and keep its last segment locked. If it has begun another segment meanwhile, the next call
        decides. Raises OSError, for example if the last segment was deleted.
        """
        if self.left:
            return
        descriptor = os.open(self._path(self._numbers[-1]), os.O_RDWR | os.O_CLOEXEC)
        if not lock(descriptor):
            os.close(descriptor)
            return
        # The process removes the lock on a segment only after the next one has got its name.
        newest = _segments(self._folder).get(self.mark, [])
        if newest[-1:] != self._numbers[-1:]:
            os.close(descriptor)
            self.know(newest)
            return
        self._lock, self.left = descriptor, True
        status = os.fstat(descriptor)
        self._ended = status.st_mtime
        tail = os.pread(descriptor, len(_END), max(0, status.st_size - len(_END)))
        self.ended_well = tail == _END
        with suppress(OSError):  # then the records alone are charged
            self.report = unreported(self._path(self._numbers[-1]))
        self.charged = self.ended_well and not self.report

    def waiting(self) -> tuple[int, int]:
        """Return (how many records the database does not have yet, how many bytes of the segments it does not
        have yet, without the heads). After a start of the reader, both may be too large until it has read
        past what the database already has.
        """
        self._count()
        size = 0
        for number in self._numbers:
            with suppress(FileNotFoundError):
                size += self._path(number).stat().st_size - HEAD
        return len(self.records) + self._ahead, max(0, size - max(0, self._at - HEAD))

    # Reading ------------------------------------------------------------------------------------------

    def _read_on(self) -> bool:
        """Read the next entries, or go on to the next segment. Returns False if there is nothing more to read
        now.
        """
        if not self._numbers or not self._open_first():
            return False
        final = self.left or len(self._numbers) > 1
        found = self._found(final=final)
        if found.entries or found.end:
            self._note(found)
            return True
        if len(self._numbers) > 1:
            self._next()
            return True
        return False

    def _found(self, *, final: bool) -> Found:
        """Return the next entries, from the position `_at` on. final: True = nothing will be appended to this
        segment.
        """
        size = _CHUNK
        while True:
            data = os.pread(self._descriptor, size, self._at)
            whole = len(data) < size
            found = read(data, final=final and whole)
            if found.entries or whole:
                return found
            size *= 4

    def _note(self, found: Found) -> None:
        begin = self._at
        self._unread = (found.damaged, found.torn)
        if (self._numbers[0], begin) < self._counted:
            self._ahead = max(0, self._ahead - sum(entry.kind == CLOSED for entry in found.entries))
        for entry in found.entries:
            record = self._read(entry)
            if record is not None and begin + entry.end > self._stored_to:
                self.records.append(record)
        if self.records:
            self.oldest = self.records[0].ended
        if found.damaged:
            self._damage()
        self._read_to = begin + found.end
        if not self.records:
            self.done()

    def _read(self, entry: Entry) -> UsageRecord | None:
        """Update `opened` with one entry. Returns the record if the entry closes an exchange; None if not, or
        if the record cannot be decoded.
        """
        kind, body, _ = entry
        if kind == OPENED:
            if (id_ := id_of(body)) is None:
                self._damage_body()
            else:
                self.opened[id_] = body
        elif kind == CLOSED:
            if (record := self._decoded(body)) is not None:
                self.opened.pop(record.id, None)
                return record
        elif kind == STORED:
            self.opened.pop(body.decode(errors="replace"), None)
        return None

    def _count(self) -> None:
        """Count the records of ended exchanges that were written since the last count."""
        if not self._numbers:
            return
        here = (self._numbers[0], max(self._read_to, HEAD))
        if self._counted < here:
            self._counted, self._ahead = here, 0
        for number in self._numbers:
            if number < self._counted[0]:
                continue
            at = self._counted[1] if number == self._counted[0] else HEAD
            with suppress(FileNotFoundError), self._path(number).open("rb") as file:
                file.seek(at)
                while data := file.read(_COUNTED):
                    closed, end = closed_in(data)
                    if not end:  # the first entry is not whole yet, or larger than what was read, or damaged
                        found = read(data, final=False)
                        closed, end = sum(entry.kind == CLOSED for entry in found.entries), found.end
                    if not end:
                        break
                    at += end
                    self._ahead += closed
                    file.seek(at)
            self._counted = number, at

    def _open_first(self) -> bool:
        """Open the first segment that still exists, if none is open. Returns False if no segment is left to
        open.
        """
        if self._descriptor < 0:
            path = self._path(self._numbers[0])
            try:
                self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:  # somebody has deleted it
                self._numbers.pop(0)
                return bool(self._numbers) and self._open_first()
            self._stored_to = position_in(os.pread(self._descriptor, HEAD, 0))
            self._at = self._read_to = HEAD
        return True

    def _next(self) -> None:
        """Go on with the next segment, which must exist. Delete the segment that was read; one with
        unreadable parts is renamed instead, and one that the ledger may need stays.
        """
        with self._path(self._numbers[1]).open("rb") as following:
            os.fsync(following.fileno())  # it repeats the open exchanges of the segment that is deleted
        self._close_first()
        number = self._numbers.pop(0)
        if self.charged:
            self._remove(number)
        else:
            self._kept.append(number)

    def _close_first(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._at, self._read_to, self._stored_to = -1, 0, 0, HEAD

    def _remove(self, number: int) -> None:
        path = self._path(number)
        with suppress(FileNotFoundError):
            if number in self._damaged_in:
                path.rename(path.with_name(path.name + DAMAGED))
            else:
                path.unlink()

    def _decoded(self, body: bytes) -> UsageRecord | None:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):  # another version has written it, or odd damage
            self._damage_body()
            return None

    def _damage_body(self) -> None:
        """Count an entry that is whole, but whose body cannot be decoded, as one more damaged place."""
        self._damage()
        self._unread = (self._unread[0] + 1, self._unread[1])

    def _damage(self) -> None:
        if self._numbers[0] not in self._damaged_in:
            log.error("%s is damaged; what can be read of it is used", self._path(self._numbers[0]))
        self._damaged_in.add(self._numbers[0])

    def _path(self, number: int) -> Path:
        return self._folder / f"{self.mark}-{number:08d}{SUFFIX}"


class Chains:
    """All journals in one folder, for the one process that reads them."""

    def __init__(self, folder: Path) -> None:
        self.chains: dict[str, Chain] = {}
        """{mark of a process: its journal}."""
        self._folder = folder
        self._lock = -1

    def hold(self) -> bool:
        """Try to become the reader of the folder. Returns True if this process is the reader now; False if
        another process is, or tests the lock now (`told`). Raises OSError, for example if the lock file
        cannot be opened.
        """
        if self._lock >= 0:
            return True
        descriptor = os.open(self._folder / READER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if lock(descriptor):
            os.ftruncate(descriptor, 0)  # the state that the reader before has written
            self._lock = descriptor
            return True
        os.close(descriptor)
        return False

    def look(self) -> list[Chain]:
        """Look which journals are in the folder and which processes have ended, and return all journals. Also
        delete the files that ended processes began and that never became segments, and forget journals whose
        segments are gone. Raises OSError.
        """
        there = _segments(self._folder)
        self._clear()
        for mark, numbers in there.items():
            chain = self.chains.setdefault(mark, Chain(self._folder, mark))
            if not chain.left:
                chain.know(numbers)
                with suppress(FileNotFoundError):
                    chain.look()
        for mark in self.chains.keys() - there.keys():
            self.chains.pop(mark).close()
        return list(self.chains.values())

    def _clear(self) -> None:
        """Delete the files that never became segments, because their processes ended before."""
        for path in self._folder.glob(f"*{UNNAMED}"):
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if lock(descriptor):
                        path.unlink()
                finally:
                    os.close(descriptor)

    def delete(self, chain: Chain) -> None:
        """Delete a journal, because the database has all of its records. A segment with unreadable parts is
        renamed instead. Raises OSError.
        """
        chain.delete()
        del self.chains[chain.mark]

    def tell(self, state: State) -> None:
        """Write the state of this reader into the reader's file as JSON, where the function `told` finds it.
        JSON of more than 4,000 bytes is cut off. Writes nothing if this process is not the reader; an error
        of the disk is ignored.
        """
        if self._lock >= 0:
            with suppress(OSError):
                os.pwrite(self._lock, msgspec.json.encode(state)[:_TOLD].ljust(_TOLD), 0)

    def close(self) -> None:
        """Close all files, so that another process may become the reader."""
        for chain in self.chains.values():
            chain.close()
        self.chains.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def told(folder: Path) -> dict[str, Any] | None:
    """Return the state that the latest reader of a folder has written, with an added field `running`: whether
    a process is the reader of the folder now. If that reader has written no state yet, the result has
    `running` only. None = no process was the reader yet, or the state cannot be read.
    """
    try:
        descriptor = os.open(folder / READER, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = _decode_state(os.pread(descriptor, _TOLD, 0) or b"{}")
        return {**state, "running": not lock(descriptor)}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    finally:
        os.close(descriptor)


def _segments(folder: Path) -> dict[str, list[int]]:
    """Return {mark of a process: the numbers of its segments, in order} for a folder."""
    there: dict[str, list[int]] = {}
    for path in folder.glob(f"*{SUFFIX}"):
        mark, dash, number = path.stem.partition("-")
        if dash and number.isdecimal():
            there.setdefault(mark, []).append(int(number))
    for numbers in there.values():
        numbers.sort()
    return there
