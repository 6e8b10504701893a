"""Keeps the counters of all limits in the memory of one process. This code is also the specification of how a
`Ledger` reserves and settles.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final

from dragoman.accounts.bound import Book, Bound, Count
from dragoman.accounts.ledger import UNKNOWN, Refused, Reservation, again
from dragoman.accounts.limits import Claim, Standing
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.counters import read
from dragoman.state.usage import UsageRecord

_NOTHING: Final = Standing(0, 0)
_new: Final = tuple.__new__
"""Makes a `Standing` without a call of Python code: each request asks for some."""


class MemoryLedger:
    """A `Ledger` whose counters only this process uses."""

    def __init__(self, seams: Seams = SYSTEM) -> None:
        self._seams = seams
        self._book = Book(self._expire)
        self._counts = self._book.counts
        self._ending: dict[float, list[str]] = {}
        """{end of the window in Unix seconds: names of counters}, without the counters whose windows never
        end.
        """
        self._waits: str | None = None
        self._refuses = False

    def reserve(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused:
        """Reserve all claims or none, as `Ledger.reserve` does. Returns the reservation (`onto` itself, if it
        was given), or the refusal of the first claim for which a hard limit has no room; never None, because
        no other process uses these counters.
        """
        if now >= self._book.next:
            self._expire(now)
        counts = self._counts
        for claim in claims:
            limit, name, _, amount = claim
            if limit.hard:
                count = counts.get(name)
                taken = 0 if count is None else count.used + count.reserved
                if taken + amount > limit.most:
                    standing = self.standing(name)
                    return Refused(claim, standing, again(claim, standing, now))
        reservation = Reservation({}) if onto is None else onto
        held = reservation.claims
        for claim in claims:
            _, name, ends, amount = claim
            count = counts.get(name)
            if count is None:
                count = self._new(name, ends)
            count.reserved += amount
            if name in held:
                held[name] = claim._replace(amount=held[name].amount + amount)
            else:
                count.holders += 1
                held[name] = claim
        return reservation

    async def ask(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused:
        """Do the same as `reserve`, which never needs to ask another process."""
        return self.reserve(claims, now, onto)

    def lapsed(self, reservation: Reservation, now: float) -> bool:
        """Return False: nobody else uses the counters."""
        return False

    def withdraw(self, reservation: Reservation) -> list[Claim]:
        """Return no claims, because no place can lapse."""
        return []

    def far(self, claims: Iterable[Claim]) -> bool:
        """Whether at most half of each limit would be used or reserved if these claims were reserved."""
        counts = self._counts
        for limit, name, _, amount in claims:
            count = counts.get(name)
            taken = 0 if count is None else count.used + count.reserved
            if 2 * (taken + amount) > limit.most:
                return False
        return True

    def settle(self, reservation: Reservation, used: Mapping[str, int], now: float) -> None:
        """Replace what was reserved by what was used, as `Ledger.settle` does."""
        claims, reservation.claims = reservation.claims, {}
        counts = self._counts
        for name, (limit, _, _, amount) in claims.items():
            count = counts[name]
            count.reserved -= amount
            if name in used:
                count.used += used[name]
            count.holders -= 1
            if not count.holders and (count.ends <= now or not (count.used or limit.window)):
                self._forget(name)

    def bind(self, claims: Sequence[Claim]) -> Bound:
        """Return the counters of these claims (see `Bound`). Never returns None."""
        return Bound(self._book, claims, self._new)

    def standing(self, counter: str) -> Standing:
        """Return the amounts of a counter; (0, 0) if there is no such counter."""
        count = self._counts.get(counter)
        return _NOTHING if count is None else _new(Standing, (count.used, count.reserved))

    async def standings(self) -> Mapping[str, Standing]:
        """Return {name: amounts} for all counters that there are and whose windows are not over."""
        now = self._seams.now()
        return {
            name: Standing(count.used, count.reserved)
            for name, count in self._counts.items()
            if count.ends > now
        }

    def seed(self, used: Mapping[str, int]) -> None:
        """Raise the used amounts of counters to at least these amounts, which were used before this process
        started. A counter that does not exist is made. Amounts of 0 or less, counters whose windows are over,
        and texts that are not the name of a counter, are ignored. used: {name of the counter: amount}.
        """
        now = self._seams.now()
        for name, amount in used.items():
            counter = read(name)
            if amount > 0 and counter is not None and counter.ends > now:
                count = self._counts.get(name) or self._new(name, counter.ends)
                count.used = max(count.used, amount)

    def wait(self, why: str | None, *, refuse: bool = False) -> None:
        """Set whether the usage before the start of this process is known. why: the reason why it is not
        known; None = it is known. refuse: True = `reserve`, `ask` and `Bound.take` raise RequestFailed until
        it is known.
        """
        self._waits, self._refuses = why, refuse and why is not None
        self._book.next = -inf if self._refuses else min(self._ending, default=inf)

    async def adopted(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int:
        """Charge nothing, and return 0: at the start, `seed` has raised the counters to the sums of the known
        usage records, also those of processes that have ended.
        """
        return 0

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows. `healthy` is False while the usage before the start is not
        known. counters: how many there are.
        """
        waits = self._waits
        return {
            "kind": "memory",
            "healthy": waits is None,
            "last_error": waits,
            "counters": len(self._counts),
        }

    def unreported(self) -> bytes:
        """Return b"": there is nobody to report to."""
        return b""

    async def leave(self, patience: float) -> None:
        """Do nothing: there is nobody to report to."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _forget(self, name: str) -> None:
        del self._counts[name]
        self._book.forgotten += 1

    def _new(self, name: str, ends: float) -> Count:
        count = self._counts[name] = Count(ends)
        if ends != inf:
            self._ending.setdefault(ends, []).append(name)
            self._book.next = min(self._book.next, ends)
        return count

    def _expire(self, now: float) -> None:
        """Drop the counters of windows that are over and that no running request holds. now: Unix seconds.
        Raises RequestFailed while nothing may be reserved (see `wait`).
        """
        if self._refuses:
            raise RequestFailed(UNKNOWN)
        for ends in [ends for ends in self._ending if ends <= now]:
            for name in self._ending.pop(ends):
                count = self._counts.get(name)
                if count is not None and not count.holders and count.ends <= now:
                    self._forget(name)
        self._book.next = min(self._ending, default=inf)
