"""The interface of a ledger, which keeps the counters of all limits. A ledger reserves an amount before a
call, and settles the reservation after the call.

A claim on a hard limit is refused if the sum of the used, the reserved and the claimed amount is above
`Limit.most`. While the store of shared counters is away, each process may use a share of each limit instead:
it may refuse earlier, and several processes together may exceed a hard limit. Settling may exceed a limit, by
the amount that a provider used beyond the reservation. If a process ends without settling its reservations,
they are released sooner or later, or charged from its journal (`Ledger.adopted`).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
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
"""The fault for requests while it is not known how much was used, if the operator wants no request to be
served during that time.
"""


class Reservation:
    """The amounts that one exchange, or one attempt, has reserved. Whoever has it must call `Ledger.settle`
    with it. claims: {name of the counter: claim}; only a ledger and `split` change them. term: written by a
    ledger over a shared store, 0 for other ledgers: how often the store had taken back this process's places
    (`concurrency`) when the reservation was made, or when `withdraw` was last called with it.
    """

    __slots__ = ("claims", "term")

    def __init__(self, claims: dict[str, Claim], term: int = 0) -> None:
        self.claims = claims
        self.term = term

    def split(self, counters: Collection[str]) -> Reservation:
        """Move the claims on these counters into a new reservation, which has to be settled by itself, and
        return it. Counters on which nothing is reserved are ignored.
        """
        claims = self.claims
        return Reservation({name: claims.pop(name) for name in counters if name in claims}, self.term)


class Refused(NamedTuple):
    """Why nothing was reserved. claim: a claim that a hard limit refuses. standing: the amounts of this
    claim's counter. again: when a request of this size may be tried again, in Unix seconds; None = never (see
    the function `again`).
    """

    claim: Claim
    standing: Standing
    again: float | None

    def held_already(self, amount: int, now: float) -> Refused:
        """Return this refusal for a request whose existing reservation should have grown. amount: what the
        existing reservation has of the counter; in the result it counts as used, because it does not become
        free before the request ends. now: Unix seconds.
        """
        standing = Standing(self.standing.used + amount, self.standing.reserved - amount)
        return Refused(self.claim, standing, again(self.claim, standing, now))


SOON: Final = 1.0
"""The number of seconds after which a client may try again, if its request was refused only because of
tokens, money or places that running requests have reserved: how long these run is not known.
"""


def again(claim: Claim, standing: Standing, now: float) -> float | None:
    """Return the time at which a refused claim should be tried again, in Unix seconds; None = never, because
    the claim is larger than the limit, or because the used amount leaves no room for it and the window never
    ends. standing: the amounts of the claim's counter. now: Unix seconds.

    If the claim would fit beside the used amount alone, the time is in `SOON` seconds, or the end of the
    window if that is earlier: running requests may give back what they have reserved. Otherwise it is the end
    of the window, if it ends. On a limit of `requests`, reserved requests count as used.
    """
    most, used = claim.limit.most, standing.used
    if claim.amount > most:
        return None
    if claim.limit.resource == "requests":
        used += standing.reserved
    if used + claim.amount <= most:
        return min(now + SOON, claim.ends)
    return None if claim.ends == inf else claim.ends


def lasting(
    found: Refused, others: Iterable[Claim], standing: Callable[[str], Standing], now: float
) -> Refused:
    """Return the refusal with the latest `again` (None = never is the latest): `found`, or the refusal of one
    of the other claims of the same request. found: a refusal of the request. others: the other claims; those
    that would not be refused are ignored. standing: `Ledger.standing`. now: Unix seconds.
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
    """Keeps counters. The claims of one call are reserved all together, or none of them is. Amounts are in
    the limit's own unit: nano-USD for money.
    """

    def reserve(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused | None:
        """Reserve all of the claims, or none, without waiting. onto: an existing reservation to which the
        claims are added, for example because a stream becomes longer than was estimated; None = make a new
        reservation. now: Unix seconds.

        Returns the reservation (`onto` itself, if it was given); or the refusal; or None if this process
        cannot decide alone: then `ask` has to be awaited. After a refusal or None, `onto` is unchanged.
        Raises RequestFailed while the usage before the start of this process is not known, if `wait` was told
        to refuse requests until then.
        """

    async def ask(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused:
        """Reserve all of the claims, or none. If this process cannot decide alone, ask the store of the
        counters that all processes share, and wait for its answer. claims, now, onto: as for `reserve`.
        Returns the reservation (`onto` itself, if it was given) or the refusal; after a refusal, `onto` is
        unchanged. Raises RequestFailed when `reserve` does; also if no answer comes and the operator wants
        requests to be refused then.
        """

    def lapsed(self, reservation: Reservation, now: float) -> bool:
        """Whether other processes may have got the places (`concurrency`) of this reservation, because this
        process was silent for too long: it was stopped, for example. Then `withdraw` has to be called before
        a provider is called. False also while nobody can tell. now: Unix seconds.
        """

    def withdraw(self, reservation: Reservation) -> list[Claim]:
        """Give back the places (`concurrency`) of a reservation at hard limits. Their claims are removed from
        the reservation and returned; the caller has to reserve them again, onto this reservation. The other
        claims stay reserved. [] also if only one process uses the counters, so that no place can lapse.
        """

    def far(self, claims: Iterable[Claim]) -> bool:
        """Whether at most half of each limit would be used or reserved if these claims were reserved, as far
        as this process knows.
        """

    def bind(self, claims: Sequence[Claim]) -> Bound | None:
        """Return the counters of these claims. On the result, requests that are far from all limits reserve
        faster than by `reserve` (see `Bound`). The amounts of the claims are ignored. None = other processes
        use the counters, too, so each request has to call `reserve`.
        """

    def settle(self, reservation: Reservation, used: Mapping[str, int], now: float) -> None:
        """Replace what was reserved by what was used. Afterwards the reservation has no claims, so settling
        it again changes nothing. used: {name of the counter: amount}, without counters of `concurrency`; a
        missing counter is charged nothing, and one on which the reservation has no claim is ignored. now:
        Unix seconds.
        """

    def standing(self, counter: str) -> Standing:
        """Return the amounts of a counter, as far as this process knows them without asking the other
        processes or their store. A counter of which it knows nothing has the amounts (0, 0).
        """

    async def standings(self) -> Mapping[str, Standing]:
        """Return {name of the counter: amounts} for the counters of all processes together; if a shared store
        does not answer, only what this process knows. A counter may be missing if nobody has used it, or if
        its window is over.
        """

    def seed(self, used: Mapping[str, int]) -> None:
        """Let counters begin with what was used before, according to the usage records. used: {name of the
        counter, as in `Claim.counter`: amount}. If a counter is in use already, its used amount becomes at
        least this amount. A counter whose window is over need not change.
        """

    def wait(self, why: str | None, *, refuse: bool = False) -> None:
        """Set whether the usage before the start of this process is known. why: the reason why it is not
        known yet; None = it is known now. refuse: True = `reserve`, `ask` and `Bound.take` raise
        RequestFailed until it is known; False = they work without that usage until then. `refuse` has no
        effect if `why` is None.
        """

    async def adopted(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int | None:
        """Charge what an ended process has used, and release what it held (a ledger whose counters only one
        process uses does nothing). process: its name. report: what `unreported` of its ledger has returned
        last. records: from its journal. A record is charged once, even if it is passed several times, or if
        the process has reported its use. Returns how many records were charged; None = the ledger was closed
        before all was done, so somebody has to call this again.
        """

    def unreported(self) -> bytes:
        """Return what `adopted` needs besides the records if this process ends now, in a form that only a
        ledger reads. b"" = nothing.
        """

    async def leave(self, patience: float) -> None:
        """Report what was used, and release what this process has reserved or holds. Call it when no request
        runs any more; `unreported` then returns what could not be reported. patience: the most seconds that
        this may take.
        """

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows: `kind`, `healthy` (null = the counters were not used yet),
        `last_error`, and others.
        """

    async def close(self) -> None:
        """Leave, if that was not done, and close connections."""
