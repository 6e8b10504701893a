"""Holds a client's place among the requests that run at once, while the gateway waits for the message of a
realtime session that names its model. Only then the limits of this model are known, and the session takes its
own places.
"""

from __future__ import annotations

from typing import Final

from dragoman.accounts.limits import Subject
from dragoman.engine.meter import Meter
from dragoman.engine.runtime import Runtime
from dragoman.exchange import Exchange

_KNOWN_LATER: Final[frozenset[Subject]] = frozenset({"model", "tag", "end_user"})
"""The subjects of limits that a request names together with its model."""


class _WaitingMeter(Meter):
    """Accounts for one exchange while it waits for the name of its model: holds its places among the requests
    that run at once.
    """

    __slots__ = ()

    async def enter_waiting(self) -> None:
        """Take a place at each limit on `concurrency` that does not depend on the model. Raises RequestFailed
        if a limit refuses it.
        """
        self.alone = True
        reserved = self._reserved if self._apply(("",), "") else None
        if reserved is None or reserved.applied is None:
            return
        now = self._seams.now()
        claims = [
            one
            for one in reserved.applied.of_requests(now)
            if one.limit.resource == "concurrency"
            and one.limit.models is None
            and one.limit.subject not in _KNOWN_LATER
        ]
        await reserved.add(claims, now)

    def leave(self) -> None:
        """Give the places back."""
        if self._reserved is not None:
            self._reserved.free()


class Waiting:
    """The places of one exchange whose model is not known yet. runtime: the one for new requests."""

    def __init__(self, runtime: Runtime, exchange: Exchange) -> None:
        accounting = runtime.accounting
        self._meter = None if accounting is None else _WaitingMeter(accounting, exchange, runtime.seams)

    async def enter(self) -> None:
        """Take the places. Raises RequestFailed if a limit refuses one."""
        if self._meter is not None:
            await self._meter.enter_waiting()

    def leave(self) -> None:
        """Give the places back. Does nothing if there are none."""
        if self._meter is not None:
            self._meter.leave()
