"""The interface of what keeps the counters of all limits exact: reserve before a call, settle after it.

A hard limit is never exceeded by what was reserved: if the sum of what was used, what is reserved and what is
claimed is above `Limit.most`, the claim is refused. Settling may exceed it, by what a provider used beyond
what was reserved. What a process has reserved is released when the process has ended without settling it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from dragoman import ir
from dragoman.accounts.limits import Claim, Standing
from dragoman.state.usage import UsageRecord

UNKNOWN: Final = ir.Fault(
    "unavailable",
    "The gateway cannot check its limits now, because their store does not answer. Try again soon.",
    "limits_unavailable",
    blame="gateway",
)
"""What clients are told while nobody knows what was used, and the operator wants no such request."""


class Reservation:
    """What one exchange, or one attempt, has reserved. claims: by the name of the counter. Only a ledger
    makes and changes it; whoever holds it must call `settle` or `release` once.
    """

    __slots__ = ("claims", "extra")

    def __init__(self, claims: dict[str, Claim], extra: Any = None) -> None:
        self.claims = claims
        self.extra = extra
        """What the ledger itself needs to know of it."""


class Refused(NamedTuple):
    """Why nothing was reserved. claim: the first one that a hard limit refuses. standing: of its counter.
    again: when a request of this size could succeed, in Unix seconds; None = never, as it is larger than the
    whole limit, or the limit is for a lifetime.
    """

    claim: Claim
    standing: Standing
    again: float | None


class Ledger(Protocol):
    """Keeps counters. Claims are reserved all or none. Amounts are in the limit's own unit."""

    def reserve(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused | None:
        """Reserve the claims at once, without waiting. onto: a reservation that grows by them, as for a
        stream that becomes longer than was estimated. Returns the reservation; or why it is refused; or None:
        this process alone cannot tell, so `ask` has to be awaited. now: Unix seconds.
        """

    async def ask(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused:
        """As `reserve`, with the counters that all processes share."""

    def far(self, claims: Iterable[Claim]) -> bool:
        """Whether all limits would be at most half used, as far as this process knows, if these claims were
        reserved.
        """

    def settle(self, reservation: Reservation, used: Mapping[str, int], now: float) -> None:
        """Replace what was reserved by what was used, by the name of the counter; a counter that is not named
        has used nothing. For `concurrency` it must not be named.
        """

    def standing(self, counter: str) -> Standing:
        """How a counter stands, as far as this process knows without asking others."""

    async def standings(self) -> Mapping[str, Standing]:
        """How all counters of windows that are not over stand, in all processes."""

    def seed(self, used: Mapping[str, int]) -> None:
        """Let counters begin with what was used before, as the usage records say; by their names
        (`windows.prefix_of`). A counter that is known already, because a request was faster, has at least as
        much used afterwards. One whose window is over does not change.
        """

    def wait(self, why: str | None, *, refuse: bool = False) -> None:
        """Note that nobody knows yet what was used before this process began, and why; None = it is known
        now. refuse: until then `reserve` and `ask` raise RequestFailed.
        """

    async def adopted(self, records: Sequence[UsageRecord]) -> int:
        """Charge what processes have used that have ended, and give back what they held. records: from their
        journals; a record is charged once, however often this is called. Returns how many were charged.
        """

    def state(self) -> dict[str, Any]:
        """The members that `/health` tells: `kind`, `healthy` (null = not used yet), `last_error`, …."""

    async def close(self) -> None:
        """Give back what this process holds, and close connections."""
