"""Accounts for one exchange once: reserves what the exchange may use, tells a journal that outlives the
process before the first call of a provider, and charges what was used, before the last bytes of a complete
answer are sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from dragoman.accounts.claims import Applied
from dragoman.accounts.journal import JournalFailed
from dragoman.accounts.ledger import Reservation
from dragoman.engine.accounting import UNACCOUNTED, Accounting, Expected
from dragoman.engine.records import (
    Billed,
    bill,
    closed_record,
    lines_of_attempt,
    opened_record,
    used_by,
)
from dragoman.engine.report import COST, LITELLMS_COST, usd
from dragoman.engine.reservations import Reservations, limits_of
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import Rates
from dragoman.routing.route import Deployment, Route
from dragoman.seams.clock import Seams
from dragoman.state.usage import UsageLine

log = logging.getLogger("dragoman.engine.meter")

_USUAL: Final = "default"
"""The service tier of requests that name none."""
NOTHING_EXPECTED: Final = Expected(0, 0)
NOTHING_USED: Final = (0, 0, 0)
"""(input tokens, output tokens, nano-USD)."""


class EndedByLimit(RequestFailed):
    """Raised if the gateway itself ends a running answer or session, or refuses a session's reply: because of
    a limit or a stop of the server, for example. No deployment is blamed, and no other is called.
    """


class Meter:
    """Accounts for one exchange. All attempts of the exchange share it.

    expected: the tokens and the money that limits expect it to use, and that are reserved where a limit
    counts them; None = none. closed: whether the exchange has been accounted for. Methods that reserve raise
    RequestFailed also if the limits cannot be checked and the operator wants requests refused then.
    """

    __slots__ = (
        *("_accounting", "_deployment", "_exchange", "_opened", "_operation", "_own", "_reserved", "_seams"),
        *("_unpaid", "alone", "closed", "expected", "named", "open_ended", "routed", "turned"),
    )

    def __init__(
        self,
        accounting: Accounting,
        exchange: Exchange,
        seams: Seams,
        operation: str | None = None,
        *,
        own: frozenset[str] = frozenset(),
    ) -> None:
        self._operation = operation or exchange.operation
        self._accounting = accounting
        self._exchange = exchange
        self._own = own
        self._seams = seams if accounting.seams is None else accounting.seams
        self._opened = self.closed = False
        self._deployment: str | None = None
        """The deployment that is called, or was called last; None = no provider was called."""
        self._reserved: Reservations | None = None
        """The limits of the exchange, and what it has reserved at limits; None = no limit has applied."""
        self._unpaid = NOTHING_USED
        """What attempts without an answer have used; it comes out of what is reserved for the answer."""
        self.expected: Expected | None = None
        self.open_ended = False
        """Whether the answer may have more tokens than `expected` has."""
        self.routed = False
        """Whether the model of the exchange was found, and its client may use it."""
        self.named: tuple[tuple[str, ...], str] = (), ""
        """The arguments of `applies`: the names of the model, and another name of it."""
        self.alone = False
        """Whether the exchange uses no model."""
        self.turned = False
        """Whether `turn` was called. Then it has to be called before each further attempt."""

    # --- What is reserved ------------------------------------------------------------------------------

    def applies(self, *models: str, bare: str = "") -> bool:
        """Look up the limits of this exchange, and note that its model is found and allowed. Returns whether
        there are any limits. models: the names by which limits count requests for its model. bare: one more
        name of the same model, which a limit's list of models may contain; "" = none.
        """
        self.routed, self.named = True, (models, bare)
        return self._apply(models, bare)

    def _apply(self, models: tuple[str, ...], bare: str) -> bool:
        applied = limits_of(self._accounting, self._exchange, models, bare, self._exchange.asked)
        reserved = self._reserved if applied is None else self._reserving()
        if reserved is not None:
            reserved.applied = applied
        return applied is not None

    def _reserving(self) -> Reservations | None:
        """Return `_reserved`, which is made at the first call; None = the gateway has no limits."""
        accounting = self._accounting
        if self._reserved is None and (ledger := accounting.ledger) is not None:
            self._reserved = Reservations(accounting, ledger, self._exchange, self._seams, alone=self.alone)
        return self._reserved

    @property
    def applied(self) -> Applied | None:
        """The limits of this exchange; None = it has none, or they were not looked up yet."""
        return None if self._reserved is None else self._reserved.applied

    def counts(self, route: Route) -> bool:
        """Whether a limit of this exchange or of its route's deployments counts tokens or money, or a limit
        that may apply to one of the route's fallbacks does.
        """
        accounting, applied = self._accounting, self.applied
        if applied is not None and applied.measures:
            return True
        if accounting.ledger is None:
            return False
        if route.fallbacks.any and accounting.limits.measure_others(self._exchange.caller):
            return True
        found = (accounting.limits.of_attempt(one.name) for one in route.deployments)
        return any(one is not None and one.measures for one in found)

    def take(self, expected: Expected | None) -> bool:
        """Reserve one request and what it may use, in one fast step, if at most half of each limit of the
        exchange is used or reserved afterwards. Returns whether this was done. If not, call `admit` and
        `expect`; False also without limits, and where this fast step is not possible. expected: None = no
        limit counts tokens or money. Raises RequestFailed while the ledger refuses all requests.
        """
        if self._reserved is None or not self._reserved.take(expected):
            return False
        self.expected = expected
        return True

    async def admit(self) -> None:
        """Reserve one request, unless something is reserved already by `admit` or `expect`. Must not be
        called after `take` has returned True. Raises RequestFailed if a limit refuses it.
        """
        if self._reserved is not None:
            await self._reserved.admit()

    def at_most(self, expected: Expected, deployments: Iterable[Deployment]) -> Expected:
        """Return `expected` with a new `cost`: the most that it may cost at the dearest of these deployments;
        None = the price of one of them is not known.
        """
        most: int | None = 0
        for one in deployments:
            nano = self._most(expected, one.name)
            most = None if nano is None or most is None else max(most, nano)
        return expected._replace(cost=most)

    def _most(self, expected: Expected, deployment: str) -> int | None:
        """Return the most nano-USD that `expected` may cost at a deployment: 0 if the provider bills the
        tenant; None = the price is not known.
        """
        if self._own and deployment.partition("/")[0] in self._own:
            return 0
        rates = self._accounting.rates(deployment)
        if rates is None:
            return None
        return expected.at_most(rates, self._exchange.created, self._exchange.tier or _USUAL)

    def rates(self, deployment: str) -> Rates | None:
        """Return the prices of a deployment; None = they are not known, or its provider bills the tenant."""
        own = self._own and deployment.partition("/")[0] in self._own
        return None if own else self._accounting.rates(deployment)

    async def expect_roughly(self, rough: Expected) -> bool:
        """Reserve tokens and money by a rough bound, in addition to what is reserved, and set `expected`, if
        at most half of each limit of the exchange would be used or reserved afterwards, as far as this
        process knows. Returns whether this was done; True without limits. If not, count the tokens and call
        `expect`. Raises RequestFailed if the cost is not known and a limit refuses that.
        """
        if self._reserved is not None and not await self._reserved.expect_roughly(rough):
            return False
        self.expected = rough
        return True

    async def expect(self, expected: Expected) -> None:
        """Reserve tokens and money, in addition to what is reserved, and set `expected`. Raises RequestFailed
        if a limit refuses them, or if the cost is not known and a limit refuses that.
        """
        if self._reserved is not None:
            await self._reserved.expect(expected)
        self.expected = expected

    async def extend(self, further: Expected, deployment: str) -> None:
        """Reserve more tokens and their cost, because this deployment's answer becomes longer than expected;
        `expected` grows by them. further: its `cost` is not read. Does nothing if nothing is expected or the
        exchange is closed. Raises EndedByLimit if a limit or a failing journal refuses it.
        """
        before = self.expected
        if before is None or self.closed:
            return
        further = further._replace(cost=self._most(further, deployment))
        try:
            if self._reserved is not None:
                await self._reserved.extend(deployment, further)
            self.expected = before.plus(further)
            if self._opened:
                self._open()
        except RequestFailed as refused:
            raise EndedByLimit(refused.fault) from None

    # --- Attempts --------------------------------------------------------------------------------------

    def bounded(self, deployment: str) -> bool:
        """Whether a deployment, or its provider, has limits."""
        accounting = self._accounting
        return accounting.ledger is not None and accounting.limits.of_attempt(deployment) is not None

    @property
    def owes(self) -> bool:
        """Whether failed attempts have used a part of what is reserved, and `afford` has not reserved it
        again. Then `afford` has to be called before another attempt.
        """
        return self._unpaid is not NOTHING_USED

    def is_dearer(self, deployment: str) -> bool:
        """Whether a limit of the exchange counts money, and an attempt at this deployment may cost more than
        is reserved, or its price is not known. False if no tokens and no money are reserved.
        """
        if self.expected is None or (applied := self.applied) is None or not applied.money:
            return False
        most = self._most(self.expected, deployment)
        return most is None or most > (self.expected.cost or 0)

    async def afford(self, deployment: str) -> None:
        """Reserve what an attempt at this deployment needs in addition to what is reserved: as much as failed
        attempts have used, and the amount by which this deployment may cost more. Does nothing if no tokens
        and no money are reserved. Raises RequestFailed if a limit or a failing journal refuses it.
        """
        expected, reserved = self.expected, self._reserved
        if expected is None or reserved is None or (applied := reserved.applied) is None:
            return
        taken, given, nano = self._unpaid
        if self.is_dearer(deployment):
            most = self._most(expected, deployment)
            if most is None:
                reserved.refuse_unpriced(applied)
            else:
                nano += most - (expected.cost or 0)
                expected = expected._replace(cost=most)
        if not (taken or given or nano):
            return
        now = self._seams.now()
        await reserved.add(applied.of_usage(taken, given, nano, now), now)
        self._unpaid, self.expected = NOTHING_USED, expected
        if self._opened:
            self._open()

    @property
    def lapsed(self) -> bool:
        """Whether other processes may have got the exchange's places among the requests that run at once,
        because this process stood still for too long. Then `renew` has to be called before another attempt.
        """
        return self._reserved is not None and self._reserved.lapsed

    async def renew(self) -> None:
        """Reserve the places of the exchange among the requests that run at once again, if they have lapsed
        (`lapsed`). Raises EndedByLimit if a limit refuses them, or if that cannot be checked.
        """
        if self._reserved is not None and self._reserved.lapsed:
            try:
                await self._reserved.renew()
            except RequestFailed as refused:
                raise EndedByLimit(refused.fault) from None

    async def turn(self, route: Route) -> None:
        """Reserve the exchange at those limits of this fallback that it does not have yet, before an attempt
        there. What is reserved for other fallbacks that were not called is freed first. Raises RequestFailed
        if a limit or a failing journal refuses it. The caller must call `called` when the attempt begins.
        """
        self.turned = True
        reserved = self._reserving()
        if reserved is not None and await reserved.turn(route, self.expected) and self._opened:
            self._open()

    def called(self, route: Route) -> None:
        """Record that an attempt at this route begins, so that it is charged to the route's limits."""
        if self._reserved is not None:
            self._reserved.called(route)

    async def affords_twice(self, deployment: str) -> bool:
        """Reserve the prompt once more, at the price of this deployment, because a second attempt beside the
        one at this deployment sends it too. True also if there is nothing to reserve. False = no second
        attempt may be made: a limit or a failing journal refuses it, or the exchange is accounted for.
        """
        expected, reserved = self.expected, self._reserved
        if expected is None or reserved is None or self.closed:
            return not self.closed
        prompt = expected._replace(output=0, measured=(expected.measured[0], 0))
        now = self._seams.now()
        claims = reserved.claims(prompt._replace(cost=self._most(prompt, deployment)), now)
        if not claims:
            return True
        try:
            if not await reserved.add_if_free(claims, now):
                return False
            if self._opened:
                self._open()
        except RequestFailed:
            return False
        return True

    async def enter(self, deployment: str) -> Reservation | None:
        """Reserve an attempt at the limits of its deployment (`provider/model`) and provider. Returns the
        reservation, which the caller must give to `began` or to `release`; None = there are no such limits.
        Raises RequestFailed if a limit refuses it.
        """
        applied = self._accounting.limits.of_attempt(deployment)
        if applied is None or (reserved := self._reserving()) is None:
            return None
        expected = self.expected or NOTHING_EXPECTED
        nano = self._most(expected, deployment)
        if nano is None and self.expected is not None:
            reserved.refuse_unpriced(applied)
        return await reserved.enter(applied, expected._replace(cost=nano))

    def release(self, reservation: Reservation) -> None:
        """Free what `enter` has reserved for an attempt that was not made."""
        if self._reserved is not None:
            self._reserved.release(reservation)

    def began(self, record: AttemptRecord, reservation: Reservation | None = None) -> None:
        """Record that an attempt begins. A journal that outlives the process is told before the first
        attempt, and before each attempt that has a reservation. reservation: as `enter` has returned it.
        Raises RequestFailed if the journal cannot write, and the operator wants requests refused then.
        """
        if reservation is not None and self._reserved is not None:
            self._reserved.began(record, reservation)
        self._deployment = record.deployment
        if not self._opened or reservation is not None:
            self._opened = True
            self._open()

    def left(self, record: AttemptRecord) -> None:
        """Charge a failed attempt to the limits of its deployment and provider, and free the rest that was
        reserved there. What it has used of the limits of the exchange is remembered (`owes`). Sets the costs
        in `record`. Does nothing if none of these limits needs it.
        """
        reserved, applied = self._reserved, self.applied
        counted = self.expected is not None and applied is not None and applied.measures
        if reserved is None or not (counted or reserved.holds(record)):
            return
        now = self._seams.now()
        lines = lines_of_attempt(self._exchange, record, self._accounting.rates, now)
        reserved.left(record, lines, now)
        if counted and (used := used_by(lines)) != NOTHING_USED:
            taken, given, nano = self._unpaid
            self._unpaid = taken + used[0], given + used[1], nano + used[2]

    # --- Journal and end -------------------------------------------------------------------------------

    def _open(self) -> None:
        """Tell a journal that outlives the process what is reserved now; do nothing for another journal.
        Raises RequestFailed if the journal cannot write, and the operator wants requests refused then.
        """
        journal = self._accounting.journal
        if journal is None or not journal.outlives:
            return
        reserved = () if self._reserved is None else self._reserved.amounts()
        try:
            journal.opened(
                opened_record(self._exchange, self._operation, self._deployment, self.expected, reserved)
            )
        except JournalFailed as failed:
            log.warning("a request is refused: its usage cannot be noted: %s", failed)
            raise RequestFailed(UNACCOUNTED) from failed

    def close(self, status: int | None = None, *, gone: bool = False) -> None:
        """Account for the whole exchange: bill its attempts, which sets the costs in the exchange and in
        their records, tell the journal, charge its limits, and free the rest of what is reserved. Only the
        first call has an effect. status: of a whole answer that is sent next; None = no such answer. gone:
        the client has disconnected.
        """
        if self.closed:
            return
        self.closed = True
        now = self._seams.now()
        billed = self._billed(now)
        every = billed[0][1] if len(billed) == 1 else tuple([line for _, own in billed for line in own])
        charges = None if self._reserved is None else self._reserved.charges(billed, every)
        settled = () if charges is None else charges.told
        try:
            self._tell(every, settled, now, status=status, gone=gone)
        except Exception:
            log.exception("exchange %s could not be told to the journal", self._exchange.id)
        if self._reserved is not None and charges is not None:
            self._reserved.settle(charges, now)

    def _billed(self, now: float) -> Billed:
        """Return the attempts with their usage lines. If billing fails, they have no lines, so that nothing
        is charged and what is reserved for them becomes free.
        """
        try:
            return bill(self._exchange, self._accounting.rates, now)
        except Exception:
            log.exception("exchange %s could not be billed", self._exchange.id)
            return [(one, ()) for one in self._exchange.attempts]

    def _tell(
        self,
        lines: Sequence[UsageLine],
        settled: tuple[tuple[str, int], ...],
        now: float,
        *,
        status: int | None,
        gone: bool,
    ) -> None:
        """Tell the journal how the exchange has ended. An exchange that has called no provider is left out if
        it failed before its model was found and allowed (an invalid request, for example), or if it only
        counts tokens.
        """
        exchange, journal, operation = self._exchange, self._accounting.journal, self._operation
        if journal is None or not (exchange.attempts or (self.routed and operation != "count")):
            return
        journal.closed(
            closed_record(
                exchange,
                lines,
                settled,
                operation=operation,
                status=status,
                gone=gone,
                now=self._seams.monotonic(),
                ended=now,
            )
        )

    # --- What clients are told -------------------------------------------------------------------------

    def headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Add the headers about the limits of the exchange to `headers`, and the cost if a provider was
        called, the exchange is accounted for and its cost is known. Returns the same list.
        """
        exchange = self._exchange
        if self.closed and exchange.cost is not None and exchange.attempts:
            cost = usd(exchange.cost)
            headers += ((COST, cost), (LITELLMS_COST, cost))
        if self._reserved is not None:
            self._reserved.add_headers(headers)
        return headers


def metered(
    accounting: Accounting | None,
    exchange: Exchange,
    seams: Seams,
    operation: str | None = None,
    *,
    own: frozenset[str] = frozenset(),
) -> Meter | None:
    """Return the meter of an exchange; None = nothing is accounted for. operation: of the usage record, None
    = that of the exchange. own: the providers for which the client's tenant has brought a key; calls of them
    cost nothing.
    """
    return None if accounting is None else Meter(accounting, exchange, seams, operation, own=own)
