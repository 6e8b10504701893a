"""Passes to the ledger what processes that have ended have left in their journals: what they have used of
limits without reporting it, and that what they held is free.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Final, Protocol

from dragoman.accounts.chains import Chain
from dragoman.accounts.journal import MemoryJournal
from dragoman.accounts.segments import FileJournal
from dragoman.seams.clock import Seams
from dragoman.seams.tasks import spawn
from dragoman.state.usage import UsageRecord

log = logging.getLogger("dragoman.journal")

_PARTING: Final = 5.0
"""Seconds for which a process that closes tries to reach the store of shared limits: then its lease is over.
"""
_RATE: Final = 20_000
"""The most bytes a second that are written to the journal of what the ledger could not report: 72 MB an hour.
"""


class Counting(Protocol):
    """The part of a `Ledger` that works with journals."""

    async def adopted(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int | None: ...

    def unreported(self) -> bytes: ...

    async def leave(self, patience: float) -> None: ...


class Adopting:
    """Stands between the journals and the ledger of one process.

    ledger: has the counters of limits. `Counting.adopted` is called for each process that has ended without
    reporting all that it had used and held, as one that was killed: with the mark of its journal, what it
    left unreported, and its records. That does not wait for the database. The journal stays until the call
    has ended; if this process is killed before, another one makes the call again. None = nobody counts.
    """

    def __init__(self, seams: Seams) -> None:
        self.ledger: Counting | None = None
        self._seams = seams
        self._charges: dict[str, asyncio.Task[bool]] = {}
        """{mark of an ended process: the task that passes what it has left to the ledger, and returns whether
        the ledger has it}.
        """
        self._report_at = 0.0
        """When it is looked next for what the ledger cannot report (monotonic seconds)."""

    def begin(self, chains: Iterable[Chain]) -> None:
        """Start a task for each of these journals whose process has ended, if the ledger needs what it has
        left, does not have it, and no such task runs. Nobody else may use the chains meanwhile. A journal may
        come again as another `Chain`: then `charged` is set if an earlier task has done the work.
        """
        for chain in chains:
            if chain.charged:
                continue
            charging = self._charges.get(chain.mark)
            if charging is None or (charging.done() and (charging.cancelled() or not charging.result())):
                begun = self._charge(chain, chain.to_charge())
                self._charges[chain.mark] = spawn(begun, "charging limits for a process that has ended")
            elif charging.done():
                chain.charged = True

    async def _charge(self, chain: Chain, records: Iterator[list[UsageRecord]]) -> bool:
        done: int | None = 0
        try:
            if self.ledger is not None:
                done = await self.ledger.adopted(chain.mark, chain.report, _each(records))
        except Exception:  # whatever it is, it would come again
            log.exception("limits could not be charged for a process that has ended")
        chain.charged = done is not None
        return chain.charged

    def forget(self, chain: Chain) -> None:
        """Forget a journal, because it is deleted."""
        self._charges.pop(chain.mark, None)

    async def wait(self, seconds: float) -> bool:
        """Wait for the tasks that run, at most for so many seconds. Returns whether there were any tasks."""
        charges = [*self._charges.values()]
        if charges:
            await asyncio.wait(charges, timeout=seconds)
        return bool(charges)

    async def stop(self) -> None:
        """End the tasks. The next process that reads the journals starts them again."""
        for charge in self._charges.values():
            charge.cancel()
        await self.wait(_PARTING)

    def note(self, journal: FileJournal | MemoryJournal) -> None:
        """Write to this process's journal what its ledger cannot report, so that it is not lost if the
        process is killed. A large report is written less often. Call it about twice a second.
        """
        now = self._seams.monotonic()
        if self.ledger is not None and now >= self._report_at:
            report = self.ledger.unreported()
            journal.unreported(report)
            self._report_at = now + len(report) / _RATE

    async def leave(self, journal: FileJournal | MemoryJournal) -> None:
        """Let the ledger report what is left, because this process ends. What it cannot report is written to
        the journal.
        """
        if self.ledger is not None:
            await self.ledger.leave(_PARTING)
            journal.unreported(self.ledger.unreported())


async def _each(parts: Iterator[list[UsageRecord]]) -> AsyncIterator[Sequence[UsageRecord]]:
    """Yield what an iterator yields; each step runs in a thread, because it reads a file."""
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part
