"""The interface of a ledger, which keeps the counters of all limits exact. A ledger reserves an amount before
a call, and settles the reservation after the call.

A hard limit is never exceeded by what was reserved: if the sum of what was used, what is reserved and what is
claimed is above `Limit.most`, the claim is refused. Settling may exceed it, by what a provider used beyond
what was reserved. What a process has reserved is released when the process has ended without settling it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple, Protocol

from dragoman import ir
from dragoman.accounts.bound import Bound
from dragoman.accounts.limits import Claim, Standing
from dragoman.state.usage import UsageRecord

UNKNOWN: Final = ir.Fault(
    "unavailable",
    "The gateway cannot check its limits now, because their store does not answer. Try again soon.",
    "limits_unavailable",
    blame="gateway",
)
"""The answer to clients while it is not known what was used, if the operator wants no request to be served
then.
"""


class Reservation:
    """What one exchange, or one attempt, has reserved. claims: {name of the counter: claim}. Only a ledger
    makes and changes a reservation; whoever gets one must call `settle` with it.
    """

    __slots__ = ("claims", "extra")

    def __init__(self, claims: dict[str, Claim], extra: Any = None) -> None:
        self.claims = claims
        self.extra = extra
        """What the ledger that made the reservation needs to remember with it."""


class Refused(NamedTuple):
    """Why nothing was reserved. claim: the first one that a hard limit refuses. standing: of its counter.
    again: when a request of this size could succeed, in Unix seconds; None = never, as it is larger than the
    whole limit, or the limit is for a lifetime.
    """

    claim: Claim
    standing: Standing
    again: float | None

    def held_already(self, amount: int, now: float) -> Refused:
        """The same for a reservation that was to grow, and has this amount of the counter already: it counts
        as used, because it is not free before the request ends. now: Unix seconds.
        """
        standing = Standing(self.standing.used + amount, self.standing.reserved - amount)
        return Refused(self.claim, standing, again(self.claim, standing, now))


SOON: Final = 1.0
"""Seconds after which a client may try again whose request was refused only because of what running requests
have reserved.
"""


def again(claim: Claim, standing: Standing, now: float) -> float | None:
    """When a refused claim could succeed (see `Refused`): at once if running requests alone are in its way,
    because they may use less than they reserve; otherwise with the next window.
    """
    most = claim.limit.most
    if claim.amount > most:
        return None
    if standing.used + claim.amount <= most:
        return min(now + SOON, claim.ends)
    return None if claim.ends == inf else claim.ends


def lasting(
    found: Refused, others: Iterable[Claim], standing: Callable[[str], Standing], now: float
) -> Refused:
    """Of a refusal and those of other limits, the one that lasts longest: before that, a request of this size
    cannot succeed. others: further claims of the same request. standing: `Ledger.standing`. now: Unix
    seconds.
    """
    for claim in others:
        if found.again is None:
            break
        used, reserved = amounts = standing(claim.counter)
        if claim.limit.hard and used + reserved + claim.amount > claim.limit.most:
            when = again(claim, amounts, now)
            if when is None or when > found.again:
                found = Refused(claim, amounts, when)
    return found


class Ledger(Protocol):
    """Keeps counters. Claims are reserved all or none. Amounts are in the limit's own unit."""

    def reserve(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused | None:
        """Reserve the claims at once, without waiting. onto: a reservation to add them to, as for a stream
        that becomes longer than was estimated. now: Unix seconds. Returns the reservation; or why it is
        refused; or None if this process alone cannot tell, so that `ask` has to be awaited.
        """

    async def ask(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused:
        """As `reserve`, but asks for the counters that all processes share, and waits for the answer."""

    def far(self, claims: Iterable[Claim]) -> bool:
        """Whether all limits would be at most half used, as far as this process knows, if these claims were
        reserved.
        """

    def bind(self, claims: Sequence[Claim]) -> Bound | None:
        """The counters of these claims, for requests that are far from all limits. None = this process has
        them not alone, so each request has to call `reserve`.
        """

    def settle(self, reservation: Reservation, used: Mapping[str, int], now: float) -> None:
        """Replace what was reserved by what was used. used: {name of the counter: amount}; a counter that it
        lacks has used nothing. Counters of `concurrency` must not be in it.
        """

    def standing(self, counter: str) -> Standing:
        """The amounts of a counter, as far as this process knows them without asking others."""

    async def standings(self) -> Mapping[str, Standing]:
        """The amounts of all counters whose windows are not over, by name, for all processes together."""

    def seed(self, used: Mapping[str, int]) -> None:
        """Let counters begin with what was used before, as the usage records say. used: {name of the counter
        (`windows.prefix_of`): amount}. A counter that a faster request has already used has at least this
        amount afterwards. A counter whose window is over does not change.
        """

    def wait(self, why: str | None, *, refuse: bool = False) -> None:
        """Note whether the usage before the start of this process is known. why: the reason why it is not
        known yet; None = it is known now. refuse: True = `reserve` and `ask` raise RequestFailed until it is
        known.
        """

    async def adopted(self, records: Sequence[UsageRecord]) -> int:
        """Charge what ended processes have used, and give back what they held. records: from the journals of
        these processes; a record is charged once, however often it is passed. Returns how many were charged.
        """

    def state(self) -> dict[str, Any]:
        """The members that `/health` tells: `kind`, `healthy` (null = not used yet), `last_error`, …."""

    async def close(self) -> None:
        """Give back what this process holds, and close connections."""
