"""Charges in the store of shared limits what ended processes have used, according to their journals, and
releases what these processes held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from dragoman.accounts.shared.link import Link, LinkFailed
from dragoman.accounts.shared.messages import Charge, Charges
from dragoman.state.usage import UsageRecord

_PORTION: Final = 256
"""The most records in one message to the store."""
_PAUSES: Final = (0.02, 0.25)
"""Seconds between two attempts to connect: at first, and at most."""


class Adoption:
    """Charges the records of ended processes, one call after the other. reach: connects to the store; each
    call opens a connection of its own, and closes it.
    """

    def __init__(self, reach: Callable[[], Awaitable[Link]]) -> None:
        self._reach = reach
        self._lock = asyncio.Lock()
        self._closing = False

    async def charge(self, records: Sequence[UsageRecord], ended: str = "") -> int:
        """Charge what ended processes have used, and release what one of them held. Waits until the store
        answers, or until `close`. Returns how many records were charged.

        records: from the journals of these processes, with the names of the processes. A record is charged
        once, even if it is passed several times. A record is not charged if the store does not know its
        process, or if the process had reported the use itself. The store finds the latter by the time of the
        process's latest reported settlement; so the process must have called `Ledger.settle` with the time
        that the record has as `ended`.

        ended: the name of a process of which no further records follow; "" = further ones may follow. After
        the records are charged, all that this process held is released: its places, and what it had reserved
        or not used. Until then nobody knows how much of that was used, so the store counts all of it.
        """
        charges = [
            Charge(one.id, one.process, -1.0 if one.cut else one.ended, list(one.settled)) for one in records
        ]
        charged, pause, told = 0, _PAUSES[0], not (charges or ended)
        async with self._lock:  # in the order of the calls
            while not (told or self._closing):
                try:
                    link = await self._reach()
                    try:
                        while not told:
                            last = len(charges) <= _PORTION
                            over = [ended] if ended and last else []
                            charged += await link.charge(Charges(charges[:_PORTION], over))
                            del charges[:_PORTION]
                            told = last
                    finally:
                        await link.close()
                except LinkFailed:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _PAUSES[1])
        return charged

    def close(self) -> None:
        """Let `charge` return, if it waits for the store."""
        self._closing = True
