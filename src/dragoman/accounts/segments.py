"""Writes the journal of one process into files. A file is called a segment; bytes are only appended to it,
and removed again only if their write has failed.

The name of a segment has a random mark of its process and a number that counts up; so the order of segments
depends on no clock. The process holds a lock on its newest segment (flock(2)), which the kernel removes when
the process ends; so other processes can find out that it has ended (`accounts.chains`). A write goes into the
page cache of the operating system, so it survives a killed process. A thread writes new bytes to the disk
about every 0.2 s, so a power failure loses about the last 0.2 s. If writing fails, records wait in memory,
and the process tries to begin a new segment until it can.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dragoman.accounts.bodies import encode
from dragoman.accounts.entries import CLOSED, END, HEAD, OPENED, STORED, UNREPORTED, entry_of, head
from dragoman.accounts.journal import Backlog, JournalFailed
from dragoman.seams.clock import Seams
from dragoman.state.usage import UsageRecord

try:
    import fcntl
except ImportError:  # Windows, where the journal is in memory
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("dragoman.accounts.journal")

SUFFIX: Final = ".journal"
UNNAMED: Final = ".new"
"""The suffix of a file that is becoming a segment, until it has all open exchanges."""
SEGMENT: Final = 8_000_000
"""The size in bytes at which the next segment begins; it is less if the journal's `size` is small. The open
exchanges at the beginning of a segment do not count; if they are larger, as many bytes may follow them.
"""
AGE: Final = 3600.0
"""Seconds after which a segment that has entries is followed by a new one, so that the old one can be
deleted.
"""
_GROUP: Final = 0.2
"""Seconds between the first write that is not on the disk and the sync, so that one sync serves several
writes.
"""
_PORTION: Final = 200
"""How many waiting records are written with one call, when the disk works again."""
_PORTIONS: Final = 10
"""The most such calls before requests get their turn."""
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def lockable() -> bool:
    """Whether this system has locks on open files (flock), which a journal in files needs."""
    return fcntl is not None


def lock(descriptor: int) -> bool:
    """Try to lock an open file, without waiting. descriptor: of the file. Returns False if the file is locked
    already, by another process or through another descriptor. Raises OSError for any other failure.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def size_of(folder: Path) -> int:
    """Return the total size in bytes of the files in a folder. Raises OSError."""
    size = 0
    with os.scandir(folder) as files:
        for file in files:
            with suppress(FileNotFoundError):
                size += file.stat().st_size
    return size


class FileJournal:
    """Writes the journal of one process into files. Implements `accounts.journal.Journal`. Only one thread
    may use it.

    folder: where the segments are, also those of other processes; it is made if it is missing. size: no
    segment is begun while all files in the folder and the beginning of a new one have more bytes than this.
    processes: how many processes write there; if `size` is small, their number makes the segments smaller.
    refuse: True = `opened` raises JournalFailed while nothing can be written. backlog: for the records that
    wait in memory, None = a new one. mark: identifies this process for ever; None = a random mark. The
    constructor makes the first segment, and starts a thread. If the segment cannot be made, it raises
    nothing: `last_error` says why, and `tend` tries again.
    """

    outlives: Final = True

    def __init__(
        self,
        folder: Path,
        seams: Seams,
        *,
        size: int,
        processes: int = 1,
        refuse: bool = False,
        backlog: Backlog | None = None,
        mark: str | None = None,
    ) -> None:
        self.backlog = Backlog() if backlog is None else backlog
        self.mark = mark or seams.random_id()[:16]
        """The text that identifies this process in the names of its segments."""
        self.last_error: str | None = None
        """Why nothing can be written now; None = writing works."""
        self._folder = folder
        self._seams = seams
        self._most = size
        self._segment = min(SEGMENT, size // (4 * processes))  # the newest ones are never deleted
        self._refuse = refuse
        self._opened: dict[str, bytes] = {}
        """{id of an open exchange: its entry}. Each segment begins with these entries, so that no earlier
        segment is needed.
        """
        self._stored: list[str] = []
        """The ids of records that the database got from memory, and that the segment does not state as stored
        yet.
        """
        self._unreported = b""
        """What `unreported` was called with. Each segment begins with it, too, unless it is empty."""
        self._number = 0
        self._descriptor = -1
        self._size = 0
        self._full = 0
        """When the segment has this size in bytes, the next one begins."""
        self._began = 0.0
        self._syncing = _Syncing(folder, self._not_synced)
        self._sync_failed: str | None = None
        self._closed = False
        self._renew()

    def opened(self, record: UsageRecord) -> None:
        """Write that an exchange is about to call a provider, as `Journal.opened`. With `refuse` (see the
        constructor), raises JournalFailed while nothing can be written; without it, the entry is then written
        when the next segment begins.
        """
        if self._refuse and self.last_error is not None:
            raise JournalFailed(self.last_error)
        if (entry := self._entry(OPENED, record)) is None:
            return
        self._opened[record.id] = entry
        if self.last_error is not None or not self._write(entry):
            if self._refuse:
                del self._opened[record.id]
                raise JournalFailed(self.last_error)
        elif self._size >= self._full:
            self._renew()

    def closed(self, record: UsageRecord) -> None:
        """Write that an exchange has ended. record: its complete usage. A record that cannot be written waits
        in memory, or is lost if there is no room; one that cannot be encoded is lost. Raises nothing.
        """
        self._opened.pop(record.id, None)
        if (entry := self._entry(CLOSED, record)) is None:
            return
        if self.last_error is not None or not self._write(entry):
            self.backlog.add(record)
        elif self._size >= self._full:
            self._renew()

    def stored(self, ids: list[str]) -> None:
        """Remove the records with these ids from memory, because the database has them. Ids of records that
        do not wait in memory are ignored.
        """
        for id_ in ids:
            if self.backlog.records.pop(id_, None) is not None:
                self._stored.append(id_)

    def unreported(self, report: bytes) -> None:
        """Write what the ledger cannot report to the store of shared limits (`Ledger.unreported`), unless it
        was written already. The process that reads this journal after this process has ended reports it.
        """
        if report != self._unreported:
            self._unreported = report
            written = self.last_error is None and self._write(entry_of(UNREPORTED, report))
            if written and self._size >= self._full:
                self._renew()

    def tend(self) -> None:
        """Begin the next segment if the present one has entries and is old (`AGE`), or was deleted, or if
        writing or syncing has failed. Then write records that wait in memory, at most 2000 in one call. Call
        it about twice a second. After `close`, do nothing.
        """
        if self._closed:
            return
        if self.last_error is None and not os.fstat(self._descriptor).st_nlink:
            self._fail("somebody has deleted the journal")
        if (
            self.last_error is not None
            or self._sync_failed is not None
            or (self._size > HEAD and self._seams.monotonic() - self._began >= AGE)
        ):
            self._renew()
        if self.last_error is None and (self.backlog.records or self._stored):
            self._catch_up()

    def close(self) -> None:
        """Write the records that wait in memory, if possible. If no exchange is open then, write an entry
        that the process has ended well. Waits for the disk. Afterwards records stay in memory. A second call
        does nothing.
        """
        if self._closed:
            return
        self._closed = True
        if self.last_error is not None:
            self._renew()
        while self.last_error is None and (self.backlog.records or self._stored):
            self._catch_up()
        if self.last_error is None and not self._opened:
            self._write(entry_of(END))
        self.last_error = "the journal is closed"
        self._syncing.end(self._descriptor)
        self._descriptor = -1

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows: `kind`, `healthy` (False while writing or syncing fails,
        and after a record was lost), `last_error` (why writing or syncing fails now; None = it works, also
        after earlier failures and lost records), `in_memory` (the number of records that wait in memory),
        `lost` (the number of lost records).
        """
        error = self.last_error or self._sync_failed
        return {
            "kind": "files",
            "healthy": error is None and not self.backlog.lost,
            "last_error": error,
            "in_memory": len(self.backlog.records),
            "lost": self.backlog.lost,
        }

    # Writing ------------------------------------------------------------------------------------------

    def _entry(self, kind: int, record: UsageRecord) -> bytes | None:
        """Return the entry for a record. None = the record cannot be encoded; then it is counted as lost."""
        try:
            return entry_of(kind, encode(record))
        except (ValueError, OverflowError, TypeError):  # a number of more than 64 bits, or half a character
            log.exception("the usage of %r cannot be written down", record.id)
            self.backlog.lost += 1
            return None

    def _write(self, data: bytes) -> bool:
        """Append data to the segment. Returns False if that fails; then the part that was written is removed
        again, if possible.
        """
        descriptor = self._descriptor
        try:
            written = os.write(descriptor, data)
            while written < len(data):  # the disk is full, or a limit was reached; the next call says so
                written += os.write(descriptor, memoryview(data)[written:])
        except OSError as error:
            with suppress(OSError):  # if it fails: a reader also finds the next entry behind a torn one
                os.ftruncate(descriptor, self._size)
            self._fail(error)
            return False
        self._size += written
        if descriptor not in self._syncing.dirty:
            self._syncing.wake(descriptor)
        return True

    def _fail(self, error: OSError | str) -> None:
        told = error if isinstance(error, str) else f"{error.strerror or error} ({self._folder})"
        if self.last_error is None:
            log.error("usage cannot be written to the journal, so it waits in memory: %s", told)
        self.last_error = told

    def _not_synced(self, error: OSError) -> None:
        """Note that the segment may not be on the disk, so that `tend` begins the next one. The thread that
        syncs calls this.
        """
        if self._sync_failed is None:
            log.error("the journal could not be synced to the disk: %s", error)
        self._sync_failed = f"not synced to the disk: {error.strerror or error}"

    def _catch_up(self) -> None:
        """Write records that wait in memory, and the ids of records that the database got from memory."""
        for _ in range(_PORTIONS):
            ids, records = self._stored[:_PORTION], self.backlog.first(_PORTION)
            entries = [entry_of(STORED, id_.encode()) for id_ in ids]
            entries += filter(None, [self._entry(CLOSED, record) for record in records])
            if not (ids or records) or not self._write(b"".join(entries)):
                return
            del self._stored[: len(ids)]
            for record in records:
                del self.backlog.records[record.id]
        if self._size >= self._full:
            self._renew()

    def _renew(self) -> None:
        """Begin the next segment. If that fails, or the folder has reached its size, `last_error` says so.
        The lock on the earlier segment is removed only when the new one has its name, so that one of the two
        is always locked.
        """
        path = self._folder / f"{self.mark}-{self._number + 1:08d}{SUFFIX}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if size_of(self._folder) + HEAD > self._most:
                self._fail(f"the journal has reached stores.journal_size ({self._folder})")
                return
            report = entry_of(UNREPORTED, self._unreported) if self._unreported else b""
            start = head() + report + b"".join(self._opened.values())
            try:
                descriptor = _made(path, start)
            except (FileNotFoundError, BlockingIOError):
                # The reader found the new segment before it was locked, and took its process for ended.
                descriptor = _made(path, start)
        except OSError as error:
            self._fail(error)
            return
        if self.last_error is not None and self._number:
            log.warning("usage is written to the journal again")
        before, self._descriptor = self._descriptor, descriptor
        self._number += 1
        self._size = len(start)
        # A segment that begins with thousands of open exchanges must not be full at once.
        self._full = len(start) + max(self._segment, len(start))
        self._began = self._seams.monotonic()
        self.last_error = self._sync_failed = None
        self._syncing.follow(descriptor, before)


def _made(path: Path, start: bytes) -> int:
    """Make a segment whose first bytes are `start`. Returns its descriptor, which has the lock. Raises
    OSError.
    """
    unnamed = path.with_name(path.name + UNNAMED)
    with suppress(FileNotFoundError):
        unnamed.unlink()
    descriptor = os.open(unnamed, _FLAGS, 0o600)
    try:
        if not lock(descriptor):
            raise BlockingIOError(errno.EAGAIN, "another process has locked the new segment")
        _write_whole(descriptor, start)
        unnamed.rename(path)
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            unnamed.unlink()
        raise
    return descriptor


def sync_folder(folder: Path) -> None:
    """Write the names of a folder's files to the disk (fsync). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class _Syncing:
    """A thread that syncs segments to the disk, and closes segments after the next one has begun.

    folder: where the segments are. failed: called if syncing fails, in that thread or in the caller of `end`.
    The thread starts when the first segment begins, so a process that is going to fork must not begin one.
    """

    def __init__(self, folder: Path, failed: Callable[[OSError], None]) -> None:
        self._folder = folder
        self._failed = failed
        self._named = False
        """Whether a file has got its name since the last sync, so that the folder must be synced, too."""
        self.dirty: set[int] = set()
        """The descriptors of segments with bytes that may not be on the disk yet."""
        self._over: set[int] = set()
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self, descriptor: int) -> None:
        """Have a segment synced soon. descriptor: of the segment. Callers need not call this for a segment
        that is in `dirty` already.
        """
        with self._lock:
            self.dirty.add(descriptor)
        self._begin()

    def follow(self, descriptor: int, before: int) -> None:
        """Have a new segment and its name synced soon. before: the descriptor of the segment before it, which
        is synced and closed; -1 = there is none.
        """
        with self._lock:
            self._named = True
            self.dirty.add(descriptor)
            if before >= 0:
                self.dirty.add(before)
                self._over.add(before)
        self._begin()

    def _begin(self) -> None:
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dragoman-journal", daemon=True)
            self._thread.start()

    def end(self, descriptor: int) -> None:
        """Sync and close all segments, and end the thread. descriptor: of the last segment; -1 = there is
        none.
        """
        self._ended.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        if descriptor >= 0:
            self._over.add(descriptor)
        self._sync()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wanted.wait()
            self._ended.wait(_GROUP)
            self._wanted.clear()
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            dirty, over, named = self.dirty, self._over, self._named
            self.dirty, self._over, self._named = set(), set(), False
        try:
            for descriptor in dirty:
                _to_disk(descriptor)
            if named:
                sync_folder(self._folder)
        except OSError as error:
            self._failed(error)
        for descriptor in over:
            os.close(descriptor)


_to_disk: Final = getattr(os, "fdatasync", os.fsync)
