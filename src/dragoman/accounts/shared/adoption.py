"""Tells the store of shared limits what ended processes have used, according to their journals, and releases
what these processes held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from math import inf
from typing import Final

import msgspec

from dragoman.accounts.shared.blocks import lasts
from dragoman.accounts.shared.link import Link, LinkFailed
from dragoman.accounts.shared.messages import Charge, Charged, Charges, LastReport, Late
from dragoman.state.usage import UsageRecord

_PORTION: Final = 256
"""The most records, or counters of a last report, in one message to the store."""
_PAUSES: Final = (0.02, 0.25)
"""Seconds between two attempts to connect: at first, and at most."""
_NONE: Final = LastReport("", 0, -inf)


class Adoption:
    """Adopts ended processes, one after the other: tells the store of shared limits what they have used.
    reach: connects to the store. now: returns Unix seconds.
    """

    def __init__(self, reach: Callable[[], Awaitable[Link]], now: Callable[[], float]) -> None:
        self._reach = reach
        self._now = now
        self._link: Link | None = None
        self._lock = asyncio.Lock()
        self._closing = False

    async def adopt(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int | None:
        """Tell the store what a process has used that it could not report itself, and release what it held.
        Waits until the store answers, or until `close`. Returns how many records were charged; None = `close`
        has ended it.

        process: its name. report: what `unreported` of the process's ledger has returned; b"" = nothing.
        records: of the process's exchanges, all that may have to be charged. A record is charged once, even
        if it is passed again within a week. It is not charged if the store does not know the process, or if
        the process had reported the use itself: the exchange was not cut off, and `ended` is not later than
        the latest settlement that the process has reported. So the process must have called `Ledger.settle`
        with the time that the record has as `ended`.
        """
        async with self._lock:
            try:
                return await self._adopt(process, report, records)
            finally:
                await self._drop()

    async def _adopt(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int | None:
        last = msgspec.msgpack.decode(report, type=LastReport) if report else _NONE
        late, charged = self._late(last), 0
        told = await self._tell(Charges(process, last.epoch, last.number, last.upto, late[:_PORTION], [], 0))
        for start in range(_PORTION, len(late), _PORTION):
            some = late[start : start + _PORTION]
            told = await self._tell(Charges(process, last.epoch, last.number, last.upto, some, [], 0))
        if told is not None and (upto := told.upto) is not None:
            async for portion in records:
                charges = [
                    Charge(one.id, -1.0 if one.cut else one.ended, list(one.settled))
                    for one in portion
                    if one.cut or one.ended > upto
                ]
                for start in range(0, len(charges), _PORTION):
                    some_charges = charges[start : start + _PORTION]
                    told = await self._tell(Charges(process, "", 0, -inf, [], some_charges, 0))
                    charged += 0 if told is None else told.charged
        told = await self._tell(Charges(process, "", 0, -inf, [], [], 1))
        return None if told is None else charged

    def _late(self, last: LastReport) -> Sequence[Late]:
        """Return the counters of a report as the store gets them, without those whose window has ended
        more than two minutes ago: the store does not keep these any more (`lasts`).
        """
        now = self._now()
        return [
            Late(one.counter, ttl, one.used, one.base)
            for one in last.counters
            if (ttl := lasts(one.ends, now)) != 0
        ]

    async def _tell(self, message: Charges) -> Charged | None:
        """Send a message until the store has used it, and return the answer. None = the adoption closes."""
        pause, most = _PAUSES
        while not self._closing:
            try:
                self._link = self._link or await self._reach()
                told = await self._link.charge(message)
                if not told.recovering:
                    return told
            except LinkFailed:
                await self._drop()
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)
        return None

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    def close(self) -> None:
        """Let `adopt` return None soon, unless all is told already; later calls, too. Does not wait."""
        self._closing = True
