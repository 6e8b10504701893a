"""Brings the client keys of the database into the memory of a process, and writes to the database when keys
were used.

Each process reads the rows that have changed since it last read: as soon as another process of this gateway
says that there are changes, and every half second in any case. So a revoked key is usually refused everywhere
within about a second. While the database cannot be reached, the known rows stay valid.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dragoman.accounts.directory import Directory
from dragoman.seams.peers import Peers
from dragoman.seams.stamps import Stamp, written
from dragoman.seams.tasks import spawn
from dragoman.state.directory import DirectoryStore, OwnKey, Row
from dragoman.state.store import Store, StoreFailed
from dragoman.stores.address import Location

log = logging.getLogger("dragoman.assembly.directory")
SUBJECT: Final = "directory"
"""The subject of the messages by which a worker tells the other workers that rows have changed."""
EVERY: Final = 0.5
"""The seconds from one read of changes in the database to the next, unless a message asks for it earlier."""
_NOTED_EVERY: Final = 60.0
"""The fewest seconds between two writes of the times at which keys were used; `close` writes earlier."""
_OPENED_EVERY: Final = 60.0
"""The most seconds for which a SQLite file without keys is not opened because the system says that nobody has
written it. The system can be wrong: two writes within some milliseconds may look like one, and a shared
folder may tell its times late.
"""
_FIRST: Final = 10.0
"""The most seconds for which a start waits for the first read of all rows."""
_FAREWELL: Final = 2.0
"""The most seconds for which `close` waits until the database has the times at which keys were used."""
_ROWS: Final = 2_000
"""How many rows are read at once: that takes some 10 ms on the event loop."""


class Following:
    """Keeps one process's directory of keys up to date. store: the database that has the rows. file: the
    SQLite file of the store; None = the store is another database. now: returns Unix seconds.
    """

    def __init__(self, store: DirectoryStore, file: Path | None, now: Callable[[], float]) -> None:
        self.directory = Directory()
        self.store = store
        self.own_keys: Sequence[OwnKey] = ()
        """The rows of providers' keys that tenants have brought, encrypted."""
        self.renewed: Callable[[], None] = lambda: None
        """Called after the first read, after rows have changed, and by `note_uses` if there are keys, so that
        each client's key is looked up again at its next request.
        """
        self._file = file
        self._empty: tuple[Stamp, ...] | None = None
        """What the system said about the file when it was last found to have no key; None = not known."""
        self._opened = 0.0
        """When the file was last opened to see whether it has keys, in Unix seconds."""
        self._now = now
        self._peers = Peers()
        self._lock = asyncio.Lock()
        self._first: asyncio.Task[bool] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._woken = asyncio.Event()

    async def start(self, peers: Peers, renewed: Callable[[], None]) -> None:
        """Read all rows, and begin to follow their changes. If the database fails, or needs more than 10
        seconds, the start goes on, and the rows are read later. peers: the other processes of this gateway.
        renewed: called whenever the client keys have to be looked up again. A second call only replaces
        `peers` and `renewed`.
        """
        self._peers, self.renewed = peers, renewed
        peers.receive(SUBJECT, lambda _: self._woken.set())
        if self._task is None:
            self._first = spawn(self.catch_up(), "reading the client keys")
            await asyncio.wait([self._first], timeout=_FIRST)
            self._task = spawn(self._follow(), "following the client keys")

    async def catch_up(self) -> bool:
        """Read the rows that have changed, and use them. Returns whether the rows could be read."""
        async with self._lock:
            try:
                changed = await self._read()
            except Exception as failed:  # whatever it is, the next read may succeed
                if not self._failing:
                    unforeseen = None if isinstance(failed, StoreFailed) else failed
                    text = "client keys cannot be read; the known ones stay valid: %s"
                    log.warning(text, failed, exc_info=unforeseen)
                self._failing = True
                return False
            if self._failing:
                log.warning("client keys can be read again")
            self._failing = False
        if changed:
            self.renewed()
        return True

    async def changed(self) -> None:
        """Use a change that this process has made in the database, and have the other workers do the same."""
        self._peers.tell(SUBJECT, None)
        await self.catch_up()

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows: `healthy` (all keys and limits were read, and the latest
        read has succeeded), `version` (of the latest change that is known; null = nothing was read yet),
        `keys` (how many there are, revoked, expired and removed ones included), and `unreadable_limits`
        ({"key ann": which part of its limits cannot be read, and why}: `Directory.unreadable`).
        """
        known = self.directory
        unreadable = {f"{owner.kind} {owner.name}": why for owner, why in known.unreadable.items()}
        return {
            "healthy": known.read and not self._failing and not unreadable,
            "version": known.version if known.read else None,
            "keys": len(known),
            "unreadable_limits": unreadable,
        }

    async def _read(self) -> bool:
        """Read the rows that have changed. Returns True if a row has changed, or if this is the first read.
        Raises StoreFailed if the database cannot be read.
        """
        known, before = self.directory, self.directory.version
        if known.version <= 0 and self._file is not None and await self._is_empty(self._file):
            known.reached(0)  # no key was ever made: the store need not be opened
            return before < 0
        version = max(before, 0)
        if before > 0:
            latest = await self.store.version()
            if latest == before:
                return False
            if latest < before:  # the database was replaced by an earlier copy of it
                return await self._read_all()
        brought = False
        while rows := await self.store.since(version, _ROWS):
            known.take(rows)
            brought = brought or _brings(rows)
            version = rows[-1].version
        if brought:
            self.own_keys = await self.store.own_keys()
        known.reached(version)
        return version != before

    async def _is_empty(self, file: Path) -> bool:
        """Whether no key, tenant, team or user was ever changed in the SQLite file. The file is opened only
        if it was written since it was last found empty, or after `_OPENED_EVERY` seconds. Raises StoreFailed.
        """
        stamps, now = written(file), self._now()
        if stamps != self._empty or abs(now - self._opened) >= _OPENED_EVERY:
            self._empty = stamps if await asyncio.to_thread(_version_in, file) == 0 else None
            self._opened = now
        return self._empty is not None

    async def _read_all(self) -> bool:
        """Replace all known rows by the present rows of the database. Returns True. Raises StoreFailed, and
        changes no row, if the database cannot be read.
        """
        every: list[Row] = []
        while rows := await self.store.since(every[-1].version if every else 0, _ROWS):
            every += rows
        self.own_keys = await self.store.own_keys() if _brings(every) else ()
        self.directory.forget()
        self.directory.take(every)
        self.directory.reached(every[-1].version if every else 0)
        return True

    async def _follow(self) -> None:
        noted = self._now()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), EVERY)
            self._woken.clear()
            if await self.catch_up() and abs(self._now() - noted) >= _NOTED_EVERY:
                noted = self._now()
                try:
                    await self.note_uses()
                except Exception:  # whatever it is, the next try may succeed
                    log.exception("it cannot be written when client keys were used")

    async def note_uses(self) -> None:
        """Write to the database when keys were used. If the database fails, or the call is cancelled, the
        next call writes it.

        If there are keys, `renewed` is then called. Otherwise later uses would be missed: the key of a client
        that repeats the same head on a connection is looked up only once.
        """
        uses, self.directory.uses = self.directory.uses, {}
        written = not uses
        try:
            if uses:
                await self.store.used(uses)
                written = True
        except StoreFailed:
            pass  # the store's health shows it
        finally:
            if not written:
                self.directory.uses = {**uses, **self.directory.uses}
        if self.directory.has_keys:
            self.renewed()

    async def close(self) -> None:
        """Stop following, and write to the database when keys were used. If the database does not take this
        within `_FAREWELL` seconds, it is lost, and the log says so.
        """
        tasks = [task for task in (self._first, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.directory.uses:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self.note_uses()
        if lost := len(self.directory.uses):
            log.warning("when %d client keys were last used is lost: the database does not take it", lost)


def _brings(rows: Iterable[Row]) -> bool:
    """Whether one of the rows says that tenants' keys for providers have changed."""
    return any(row.kind == "own_keys" for row in rows)


def following_of(store: Store, where: Location | None, now: Callable[[], float]) -> Following | None:
    """Return the object that keeps the directory of this store in memory; None = the store cannot have keys.
    where: the store's database. now: returns Unix seconds.
    """
    kept, file = store.directory, where if isinstance(where, Path) else None
    return None if kept is None else Following(kept, file, now)


def _version_in(file: Path) -> int:
    """Return the number of the latest change in a SQLite file; 0 = there is no file, or there was no change
    to keys, tenants, teams and users. Raises StoreFailed if the file cannot be read.
    """
    with suppress(OSError):  # `directory_file.version` says what is wrong with the folder
        if not file.exists():
            return 0
    from dragoman.stores import directory_file  # with sqlite3, which a gateway without a file does not need

    return directory_file.version(file)
