"""The journal of one process, and the tasks that bring its usage records into the database.

Each process writes its own segments. One process at a time, the reader, reads the segments in the same folder
of all processes of the machine, also of processes that have ended, and gives their records to the database.
The reader is a keeper, or the only process; at a start, it may be another process. While a process cannot
write its journal, it gives its own records to the database from memory. A record has the id of its exchange,
so a record that the database gets twice counts once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from dragoman.accounts.bodies import named
from dragoman.accounts.chains import Chain, Chains, told
from dragoman.accounts.journal import MemoryJournal
from dragoman.accounts.segments import FileJournal, lockable, size_of
from dragoman.assembly.adopting import Adopting
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError, Problem
from dragoman.observe.families import (
    JOURNAL_BYTES,
    JOURNAL_HEALTHY,
    JOURNAL_LOST,
    JOURNAL_RECORDS,
    JOURNAL_WAITING,
)
from dragoman.observe.metrics import Sample
from dragoman.routing.event import Event
from dragoman.seams.clock import Seams
from dragoman.seams.tasks import spawn
from dragoman.state.store import DataRefused, Store, StoreFailed
from dragoman.state.usage import UsageRecord, UsageStore

log = logging.getLogger("dragoman.journal")

Says: TypeAlias = MutableMapping[str, Callable[[], Any]]
T = TypeVar("T")

FOLDER: Final = "journal"
"""The name of the journal's folder in Dragoman's own folder, if no other folder is stated."""
REJECTED: Final = "rejected.jsonl"
"""The name of the file in the journal's folder for records that the database refuses even one by one."""
_RESULTS: Final = ("stored", "adopted", "cut", "rejected", "damaged")
_TICK: Final = 0.5
"""Seconds between two calls of `FileJournal.tend`."""
_BATCH: Final = 500
"""The most records from memory that are given to the database at once."""
_PAUSES: Final = 0.5, 15.0
"""Seconds before the database is tried again: at first, and at most after failures."""
_ODD: Final = 3
"""How often a batch has to fail before its records are tried one by one; and how often one of these has to
fail again before it is written into the file of rejected records.
"""
ALERT_AFTER: Final = 60.0
"""Seconds for which records cannot be written or stored before operators are told."""
_RECOVERY: Final = 5.0
"""Seconds without any progress after which a start no longer waits for the records of earlier processes. Also
the most seconds for which `stored_until` waits for the reader.
"""
_CHARGING: Final = 1.0
"""Seconds for which a start waits until limits are charged for processes that were killed. Limits are right
even without that, because counters begin with what the database has.
"""
_LOOK: Final = 0.05
"""Seconds between two checks whether another process has stored records."""
_FAREWELL: Final = 10.0
"""Seconds for which a closing gateway tries to give waiting records to the database."""


def journaling_of(loaded: Loaded, store: Store, seams: Seams, mark: str | None = None) -> Journaling | None:
    """Return the journal that the settings describe; None = the store keeps no usage. Raises ConfigError if
    the folder in `stores.journal` cannot be used. mark: identifies this process for ever; None = a random
    mark.
    """
    usage: UsageStore | None = getattr(store, "usage", None)
    if usage is None:
        return None
    stores = loaded.config.stores
    folder = folder_of(loaded)
    if folder is None:
        return Journaling(usage, MemoryJournal(), None, seams)
    journal = FileJournal(
        folder,
        seams,
        size=stores.journal_size,
        processes=loaded.config.server.workers + 1,
        refuse=stores.when_lost == "closed",
        mark=mark,
    )
    return Journaling(usage, journal, folder, seams)


def folder_of(loaded: Loaded) -> Path | None:
    """Return the folder of the journal, which is made if it is missing. None = the journal is in memory:
    because `stores.journal` says so, or because nothing is stated and the store is in memory, the system has
    no locks on open files, or the default folder cannot be made (which is logged). Raises ConfigError if the
    folder in `stores.journal` cannot be used.
    """
    stores = loaded.config.stores
    stated = stores.journal
    if stated == "memory" or (stated is None and (stores.sql in {None, "", "memory"} or not lockable())):
        return None
    if not lockable():
        raise ConfigError(Problem("stores.journal", "must be memory: this system has no locks on open files"))
    try:
        folder = loaded.home / FOLDER if stated is None else Path(stated).expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: `~` of an unknown user
        if stated is not None:
            raise ConfigError(Problem("stores.journal", f"cannot be used: {error}")) from None
        log.warning("usage waits in memory instead of a journal: %s", error)
        return None
    return folder


class _NotReader(Exception):
    """This process was the reader of the journals, and has released their files meanwhile."""


class Journaling:
    """The journal of this process, and the tasks that give records to the database.

    usage: the database. journal: the engine writes to it. folder: has the segments of all processes; None =
    the journal is in memory. The tasks start with `begin`.
    """

    def __init__(
        self, usage: UsageStore, journal: FileJournal | MemoryJournal, folder: Path | None, seams: Seams
    ) -> None:
        self.journal = journal
        self.folder = folder
        self.adopting = Adopting(seams)
        """Gives the ledger what ended processes have left."""
        self.stored = self.adopted = self.cut = self.rejected = 0
        self.damaged = self.torn = 0
        """The damaged places and torn bytes in journals that are deleted already."""
        self.last_error: str | None = None
        """Why the database has not got the latest batch, or why the journal cannot be read; None = neither
        has failed since the latest success.
        """
        self._usage = usage
        self._seams = seams
        self._chains = None if folder is None else Chains(folder)
        self._keeps = False
        self._reads = False
        """Whether this process is the reader. It becomes False before the files are closed."""
        self._closed = False
        self._alert: Callable[[Event], None] | None = None
        self._good: UsageRecord | None = None
        """A record that the database has, for `_answers`."""
        self._failures = 0
        self._refused = False
        """Whether the latest attempt failed because of the records themselves: see `_try`."""
        self._since: float | None = None
        """Since when records cannot be written or stored (monotonic seconds); None = they can. After
        operators were told: since then.
        """
        self._waiting = (0, 0)
        self._cut: set[str] = set()
        """The marks of ended processes whose cut exchanges are stored."""
        self._drained_at = 0.0
        """When the latest draining without a failure began, in Unix seconds; 0.0 = there was none."""
        self._looked_at = 0.0
        """The same moment in seconds of the monotonic clock, which all processes of the machine share, and
        nobody can set.
        """
        self._lock = asyncio.Lock()
        self._files = asyncio.Lock()
        """Held while a thread works with `_chains`. Unlike `_lock`, not while the database works."""
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, sections: Says, *, keeps: bool, alert: Callable[[Event], None]) -> None:
        """Start the tasks, if they do not run. sections: {field of the answer of `/health`: returns the
        field's value}; the field `journal` is added. keeps: whether this process is the keeper. alert: tells
        operators about an event.
        """
        sections["journal"] = self.state
        self._keeps, self._alert = keeps, alert
        if not self._tasks:
            self._tasks = [
                spawn(self._tend(), "tending the journal"),
                spawn(self._run(), "draining the journal"),
                spawn(self._watch(), "watching for processes that end"),
            ]

    async def drain(self) -> bool:
        """Give the database the records that wait: those in the memory of this process, and, if this process
        is the keeper and the reader, those in the files. Returns True if all these records were given, and
        the journal is in memory or this process is the reader. If the caller is cancelled, the draining goes
        on, because two threads must not read one journal.
        """
        return await asyncio.shield(spawn(self._drain(), "draining the journal"))

    async def _drain(self) -> bool:
        async with self._lock:
            done, begun, looked = False, self._seams.now(), self._seams.monotonic()
            try:
                done = await self._from_memory() and await self._from_files()
            except _NotReader:
                return False
            except OSError as error:
                self._note(f"the journal cannot be read: {error}")
            if done:
                self._note(None)
                self._drained_at, self._looked_at = begun, looked
            if self._reads:
                await self._with_files(self._tell)
            return done and (self._reads or self._chains is None)

    async def recover(self) -> bool:
        """Give the database the records of processes that have ended, or wait until another process has done
        this. Call it before the usage of limits is read from the database.

        Returns True if no such record waits any more, or if the journal is in memory. Returns False if the
        journal cannot be read, or if the database fails or stores nothing for `_RECOVERY` seconds.
        """
        if self._chains is None:
            return True
        done = True
        try:
            if not await self._hold(self._chains):
                return True
            if any(chain.left for chain in await self._with_files(self._chains.look)):
                keeps, self._keeps = self._keeps, True
                try:
                    done = await self._drain_patiently()
                    if await self.adopting.wait(_CHARGING):
                        # Then the chains can be deleted, and the next process need not store them again.
                        done = await self._drain_patiently()
                finally:
                    self._keeps = keeps
        except (TimeoutError, OSError) as error:
            log.warning(
                "usage records of an earlier process are stored later: %s", str(error) or "no answer in time"
            )
        except Exception:  # whatever an earlier process has left, it must not stop the start
            log.exception("usage records of an earlier process are stored later")
        else:
            await self._release(self._chains)
            return done
        spawn(self._release(self._chains), "giving up the journal's lock")
        return False

    async def _hold(self, chains: Chains) -> bool:
        """Become the reader of the files, and return True. Returns False if another process is the reader,
        and has given the database all records in a draining that it began after this call. Raises
        TimeoutError if that process stores nothing for `_RECOVERY` seconds.

        A time in the reader's file that is before this call or in the future does not count: a reader that
        was killed may have written it, even before the machine was started again.
        """
        assert self.folder is not None
        begun = since = self._seams.monotonic()
        signs = None
        while not await self._with_files(chains.hold):
            state = await asyncio.to_thread(told, self.folder) or {}
            now = self._seams.monotonic()
            if state.get("running") and begun <= state.get("looked", 0.0) <= now:
                return False
            seen = state.get("stored"), state.get("ended")
            if seen != signs:
                signs, since = seen, now
            elif now - since > _RECOVERY:
                raise TimeoutError
            await asyncio.sleep(_LOOK)
        return True

    async def _drain_patiently(self) -> bool:
        """Call `drain`, and return its result. Raises TimeoutError if the database stores nothing for
        `_RECOVERY` seconds.
        """
        draining, stored = spawn(self.drain(), "storing what an earlier process has left"), -1
        while self.stored != stored:
            stored = self.stored
            await asyncio.wait({draining}, timeout=_RECOVERY)
            if draining.done():
                return bool(draining.result())
        raise TimeoutError

    async def stored_until(self, moment: float) -> bool:
        """Wait until the database has the usage of all exchanges on this machine that ended before `moment`
        (Unix seconds); if the journal is in memory, of all exchanges of this process. Returns False if that
        fails, or if it is for another process to do and takes more than `_RECOVERY` seconds.
        """
        if self._chains is None or self._keeps:
            return await self.drain()
        if self.journal.backlog.records and not await self._kept():
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(_RECOVERY):
                while True:
                    if await asyncio.to_thread(self._is_drained, moment):
                        return True
                    await asyncio.sleep(_LOOK)
        return False

    async def _kept(self) -> bool:
        async with self._lock:
            return await self._from_memory()

    def _is_drained(self, moment: float) -> bool:
        """Whether a reader runs whose file says that its latest complete draining began at `moment` (Unix
        seconds) or later.
        """
        state = None if self.folder is None else told(self.folder)
        return state is not None and state["running"] and state.get("drained", 0.0) >= moment

    async def _release(self, chains: Chains) -> None:
        """Stop being the reader, so that another process can become the reader. Do nothing if this process is
        the keeper and its tasks run.
        """
        async with self._lock:
            if not (self._tasks and self._keeps):
                self._reads = False  # first, so that nobody who waits for `_files` reads afterwards
                await self._with_files(chains.close)

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows. Numbers from the reader's file are about the records of all
        processes.
        """
        state = self.journal.state()
        if self.folder is None:
            error = state["last_error"] or self.last_error
            return {**state, "waiting": state["in_memory"], "healthy": error is None, "last_error": error}
        reader = {"waiting": None, **(told(self.folder) or {"running": False})}
        for moment in ("drained", "looked"):
            reader.pop(moment, None)
        error = state["last_error"] or reader.get("last_error")
        if error is None and not reader["running"]:
            error = "no process drains the journal"
        with suppress(OSError):
            reader["bytes"] = size_of(self.folder)
        return {**state, **reader, "healthy": state["healthy"] and error is None, "last_error": error}

    def samples(self) -> Iterator[Sample]:
        """Yield what `/metrics` shows of the journals of all processes; if the journal is in memory, of this
        process's journal.
        """
        state = self.state()
        yield Sample(JOURNAL_HEALTHY, bool(state["healthy"]))
        yield Sample(JOURNAL_WAITING, state.get("waiting") or 0)
        yield Sample(JOURNAL_BYTES, state.get("bytes") or 0)
        for result in _RESULTS:
            number = state.get(result) if self.folder is not None else getattr(self, result)
            yield Sample(JOURNAL_RECORDS, number or 0, (result,))

    def own_samples(self) -> Iterator[Sample]:
        """Yield the samples of this process alone; `/metrics` adds them up over the processes."""
        yield Sample(JOURNAL_LOST, self.journal.backlog.lost)

    async def close(self) -> None:
        """Close the journal, and give waiting records to the database. If the database does not take them
        within `_FAREWELL` seconds, the records in files wait for the next start, or for another process that
        is the reader; records that are only in memory are lost.
        """
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.adopting.leave(self.journal)
        self.journal.close()
        drained = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                drained = await self.drain()
        if lost := len(self.journal.backlog.records):
            log.error("the usage of %d requests is lost: %s", lost, self.last_error or "no time")
        elif not drained and self._reads:
            log.warning("usage waits in %s for the next start: %s", self.folder, self.last_error or "no time")
        await self.adopting.stop()
        if self._chains is not None:
            # A draining that takes longer than `_FAREWELL` still runs. It must not read on without the lock.
            self._reads, self._closed = False, True
            await self._with_files(self._end, self._chains)

    # The tasks ----------------------------------------------------------------------------------------

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.journal.tend()
            self.adopting.note(self.journal)
            self._warn()

    async def _run(self) -> None:
        least, most = _PAUSES
        pause = least
        while True:
            try:
                await self.drain()
            except Exception as error:  # whatever it is, the next try may succeed
                log.exception("the journal cannot be drained")
                self.last_error = f"{type(error).__name__}: {error}"
            pause = least if self.last_error is None else min(2 * pause, most)
            await asyncio.sleep(pause)

    async def _watch(self) -> None:
        """While the database fails or works on a batch, look which processes have ended: the ledger need not
        wait for the database.
        """
        while True:
            await asyncio.sleep(_PAUSES[0])
            if self._reads and (self._lock.locked() or self.last_error is not None):
                with suppress(OSError, _NotReader):  # the next draining tells of an OSError
                    await self._look()

    async def _look(self) -> list[Chain]:
        """Return the journals of all processes, and begin to give the ledger what ended processes have left.
        Raises OSError; _NotReader.
        """
        assert self._chains is not None
        async with self._files:
            if not self._reads:
                raise _NotReader
            there = await asyncio.to_thread(self._chains.look)
            self.adopting.begin(there)
        return there

    async def _as_reader(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function that reads or deletes journals, called in a thread. Raises
        _NotReader.
        """
        async with self._files:
            if not self._reads:
                raise _NotReader
            return await asyncio.to_thread(work, *arguments)

    async def _with_files(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function that works with the journals, called in a thread."""
        async with self._files:
            return await asyncio.to_thread(work, *arguments)

    def _warn(self) -> None:
        """Tell operators if records could not be written or stored for `ALERT_AFTER` seconds, and again after
        each further `ALERT_AFTER` seconds. A journal in memory that has lost a record counts as failing from
        then on.
        """
        failed = self.journal.state()["last_error"] or self.last_error
        now = self._seams.monotonic()
        if failed is None:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= ALERT_AFTER and self._alert is not None:
            self._since = now
            self._alert(Event("usage_waiting", "", f"usage waits to be stored: {failed}"))

    # Draining -----------------------------------------------------------------------------------------

    async def _from_memory(self) -> bool:
        while records := self.journal.backlog.first(_BATCH):
            if not await self._keep(records):
                return False
            self.journal.stored([record.id for record in records])
        return True

    async def _from_files(self) -> bool:
        """Give the database the records in files. Does nothing if this process is not the keeper, or if
        another process is the reader. Returns False only if the records could not be given.
        """
        if self._chains is None or not self._keeps:
            return True
        async with self._files:
            self._reads = not self._closed and await asyncio.to_thread(self._chains.hold)
        return not self._reads or await self._drained(self._chains)

    async def _drained(self, chains: Chains) -> bool:
        there = await self._look()
        ended = [chain for chain in there if chain.left]  # of the others something may be unread at the end
        while full := await self._as_reader(lambda: [chain for chain in there if chain.take()]):
            if not await self._keep([record for chain in full for record in chain.records]):
                if self._failures >= _ODD:
                    await self._as_reader(_again, full)
                return False
            for chain in full:
                if chain.left and not chain.ended_well:
                    self.adopted += len(chain.records)
            await self._as_reader(_done, full)
            await self._as_reader(self._tell)  # so that other processes see progress
        for chain in ended:
            if not await self._bury(chains, chain):
                return False
        return True

    async def _bury(self, chains: Chains, chain: Chain) -> bool:
        """Finish the journal of a process that has ended: store records of the exchanges that were still open
        when it ended, and delete the journal. But while the ledger does not have what the process has left,
        the journal stays, and a later call deletes it. Returns False if the database has failed.
        """
        if chain.mark not in self._cut:
            cut = await self._as_reader(chain.cut)
            if cut and not await self._keep(cut):
                return False
            self._cut.add(chain.mark)
            self.cut += len(cut)
            if not chain.ended_well:
                log.warning(
                    "a process was killed; requests that were cut, with estimated usage: %d", len(cut)
                )
        if not chain.charged:
            return True
        self.damaged += chain.damaged
        self.torn += chain.torn
        self._cut.discard(chain.mark)
        self.adopting.forget(chain)
        await self._as_reader(chains.delete, chain)
        return True

    async def _keep(self, records: Sequence[UsageRecord]) -> bool:
        """Give records to the database. If the database refuses them several times because of the records
        themselves, the records are given one by one (`_keep_each`). Returns False if records still wait; then
        they are tried again later.
        """
        if await self._try(records):
            self._failures = 0
            self._good = records[-1]
            return True
        self._failures += 1
        return self._refused and self._failures >= _ODD and await self._keep_each(records)

    async def _try(self, records: Sequence[UsageRecord]) -> bool:
        """Give records to the database, once. Returns False if that fails. Then `_refused` says whether it
        failed because of the records themselves.
        """
        self._refused = False
        try:
            self.stored += await self._usage.keep(records)
        except StoreFailed as failed:
            self._refused = isinstance(failed, DataRefused)
            self._note(str(failed))
            return False
        except Exception as error:  # odd records; they must not end the draining of all others
            log.exception("%d usage records cannot be stored", len(records))
            self._refused = True
            self._note(f"{type(error).__name__}: {error}")
            return False
        return True

    async def _keep_each(self, records: Sequence[UsageRecord]) -> bool:
        """Give records to the database one by one. Records that the database refuses several times are
        written into the file of rejected records; if the journal is in memory, they are only logged and
        counted. Returns False if the database fails, or may refuse any record; then the records that are left
        are tried again later.
        """
        odd: list[UsageRecord] = []
        for record in records:
            if await self._try([record]):
                self._good = record
            elif not self._refused:
                return False
            else:
                odd.append(record)
                if len(odd) == _ODD and not await self._answers():
                    return False
        for record in odd:
            for _ in range(_ODD):
                if await self._try([record]):
                    break
                if not self._refused or not await self._answers():
                    return False
            else:
                await asyncio.to_thread(self._set_aside, record)
        self._failures = 0
        return True

    async def _answers(self) -> bool:
        """Return whether the database takes a record that it already has. True means that other records are
        refused because of these records themselves, not because the database refuses everything. False also
        if no stored record is known.
        """
        return self._good is not None and await self._try([self._good])

    def _set_aside(self, record: UsageRecord) -> None:
        line = msgspec.json.encode(named(record))
        log.error("the database refuses the usage of %r: %s", record.id, self.last_error)
        self.rejected += 1
        if self.folder is not None:
            with (self.folder / REJECTED).open("ab") as file:
                file.write(line + b"\n")

    def _note(self, error: str | None) -> None:
        if error is not None and self.last_error is None:
            log.warning("usage cannot be stored, so it waits: %s", error)
        if error is None and self.last_error is not None:
            log.warning("usage is stored again")
        self.last_error = error

    def _end(self, chains: Chains) -> None:
        self._tell()
        chains.close()

    def _tell(self) -> None:
        """Write the state of this reader to the reader's file, where all processes find it."""
        assert self._chains is not None
        chains = list(self._chains.chains.values())
        waiting = [chain.waiting() for chain in chains]
        heads = [chain.oldest for chain in chains if chain.oldest is not None]
        self._chains.tell(
            {
                "waiting": sum(number for number, _ in waiting),
                "waiting_bytes": sum(size for _, size in waiting),
                "oldest": min(heads, default=None),
                "processes": sum(not chain.left for chain in chains),
                "ended": sum(chain.left for chain in chains),
                "drained": self._drained_at,
                "looked": self._looked_at,
                "stored": self.stored,
                "adopted": self.adopted,
                "cut": self.cut,
                "rejected": self.rejected,
                "damaged": self.damaged + sum(chain.damaged for chain in chains),
                "torn_bytes": self.torn + sum(chain.torn for chain in chains),
                "last_error": None if self.last_error is None else self.last_error[:500],
            }
        )


def _again(chains: Sequence[Chain]) -> None:
    """Tell the chains that the database did not take their records."""
    for chain in chains:
        chain.again()


def _done(chains: Sequence[Chain]) -> None:
    """Tell the chains that the database has their records. Reads or writes files, so call it in a thread."""
    for chain in chains:
        chain.done()
