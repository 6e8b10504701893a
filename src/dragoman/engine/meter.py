"""Accounts for one exchange once: reserves what the exchange may use, tells the journal before the first call
of a provider, and charges what was used, before the last bytes of a complete answer are sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dragoman.accounts.bound import NOTHING, Amounts, Bound, reserving, using
from dragoman.accounts.claims import Applied, Found
from dragoman.accounts.journal import JournalFailed
from dragoman.accounts.ledger import Refused, Reservation, lasting
from dragoman.accounts.limits import Claim
from dragoman.accounts.rate_headers import FORMS
from dragoman.accounts.told import WARNING, fault, unpriced
from dragoman.engine.accounting import UNACCOUNTED, Accounting, Expected
from dragoman.engine.records import (
    Billed,
    bill,
    charge_of,
    charges_of,
    closed_record,
    lines_of_attempt,
    opened_record,
    tags_of,
    used_by,
)
from dragoman.engine.report import COST, LITELLMS_COST, usd
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

    applied: the limits of this exchange; None = it has none, or they were not looked up yet. expected: the
    tokens and the money that are reserved for it; None = none are reserved. closed: whether the exchange has
    been accounted for.
    """

    __slots__ = (
        "_accounting",
        "_deployment",
        "_exchange",
        "_held",
        "_looked_at",
        "_of_attempts",
        "_opened",
        "_operation",
        "_own",
        "_reservation",
        "_seams",
        "_unpaid",
        "alone",
        "applied",
        "closed",
        "expected",
        "named",
        "open_ended",
        "routed",
        "turned",
        "turning",
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
        self._reservation: Reservation | None = None
        self._held: tuple[Bound, Amounts] | None = None
        """What `take` has reserved at the exchange's limits; then there is no `_reservation`."""
        self._of_attempts: dict[str, tuple[AttemptRecord, Reservation]] = {}
        """By the attempt's id: its record, and what is reserved at limits of its deployment and provider."""
        self._unpaid = NOTHING_USED
        """What attempts without an answer have used; it comes out of what is reserved for the answer."""
        self.applied: Applied | None = None
        self.expected: Expected | None = None
        self._looked_at: tuple[Expected, Sequence[Claim]] | None = None
        """The argument of the latest `far` that returned True, and its claims; `expect` uses them again."""
        self.open_ended = False
        """Whether the answer may have more tokens than `expected` has."""
        self.routed = False
        """Whether the request names a model that exists and that its client may use."""
        self.named: tuple[tuple[str, ...], str] = (), ""
        """The arguments of `applies`: the names of the model, and another name of it."""
        self.alone = False
        """Whether the exchange uses no model."""
        self.turned = False
        """Whether `turn` was called. Then it has to be called before each further attempt."""
        self.turning: dict[tuple[str, ...], Applied] = {}
        """{names of a fallback's model: its further limits}, for fallbacks that `turn` has reserved and that
        were not called yet.
        """

    # --- What is reserved ------------------------------------------------------------------------------

    def applies(self, *models: str, bare: str = "") -> bool:
        """Look up the limits of this exchange. Returns whether there are any. models: the names of its model
        by which limits count. bare: another name of the same model; "" = none.
        """
        self.routed, self.named = True, (models, bare)
        return self._apply(models, bare)

    def _apply(self, models: tuple[str, ...], bare: str) -> bool:
        self.applied = self._limits_of(models, bare, self._exchange.asked)
        return self.applied is not None

    def _limits_of(self, models: tuple[str, ...], bare: str, asked: str | None) -> Applied | None:
        accounting, exchange = self._accounting, self._exchange
        if accounting.ledger is None:
            return None
        limits = accounting.limits
        found = limits.found(exchange.caller, models, asked, bare)
        if found is None:
            return None
        if found.invented:
            address = self._address if found.by_address else None
            return limits.invented(found, exchange.end_user, tags_of(exchange), address)
        return Applied(found)

    def _address(self) -> str | None:
        return self._accounting.proxies.client_of(self._exchange.address, self._exchange.forwarded)

    def counts(self, route: Route) -> bool:
        """Whether a limit of this exchange, its route's deployments, or a fallback counts tokens or money."""
        if self._accounting.ledger is None:
            return False
        applied, of_attempt = self.applied, self._accounting.limits.of_attempt
        if applied is not None and applied.measures:
            return True
        if route.fallbacks.any and self._accounting.limits.measure_others(self._exchange.caller):
            return True
        found = (of_attempt(one.name) for one in route.deployments)
        return any(one is not None and one.measures for one in found)

    def take(self, expected: Expected | None) -> bool:
        """Reserve one request and what it may use, if all limits of the exchange would be at most half used
        by it. Returns whether this was done; if not, call `admit` and `expect`. expected: None = no limit
        counts tokens or money.
        """
        applied, ledger = self.applied, self._accounting.ledger
        if applied is None or ledger is None or self._reservation is not None:
            return False
        now = self._seams.now()
        bound = applied.bound(ledger, now)
        if bound is None:
            return False
        if expected is None:
            amounts = reserving(0, 0, 0)
        elif expected.cost is None and applied.refusing is not None:
            return False
        else:
            taken, given = expected.measured
            amounts = reserving(expected.input + taken, expected.output + given, expected.cost or 0)
        if not bound.take(amounts, now):
            return False
        self._held, self.expected = (bound, amounts), expected
        return True

    async def admit(self) -> None:
        """Reserve one request, if that was not done. Raises RequestFailed if a limit refuses it."""
        if self.applied is not None and self._reservation is None:
            now = self._seams.now()
            await self._reserve(self.applied.of_requests(now), now)

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
        """Return the most nano-USD that `expected` may cost at a deployment; None = unknown."""
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

    def far(self, expected: Expected) -> bool:
        """Whether all limits would be at most half used if `expected` were reserved. Then a rough bound is
        enough, and the tokens need not be counted.
        """
        ledger = self._accounting.ledger
        if ledger is None:
            return True
        claims = self._claims(expected, self._seams.now())
        if not ledger.far(claims):
            return False
        self._looked_at = expected, claims
        return True

    async def expect(self, expected: Expected) -> None:
        """Reserve tokens and money. Raises RequestFailed if a limit refuses them, or an unknown cost."""
        applied = self.applied
        if expected.cost is None and applied is not None and (limit := applied.refusing) is not None:
            self._exchange.refused_by = limit.name
            raise RequestFailed(unpriced(limit))
        now, looked_at = self._seams.now(), self._looked_at
        if looked_at is not None and looked_at[0] is expected:
            claims = looked_at[1]
        else:
            claims = self._claims(expected, now)
        await self._reserve(claims, now)
        self.expected = expected

    async def extend(self, further: Expected, deployment: str) -> None:
        """Reserve more tokens and their cost, because this deployment's answer becomes longer than expected.
        Does nothing if none are reserved or the exchange is closed. Raises EndedByLimit if a hard limit or a
        failing journal refuses it.
        """
        before = self.expected
        if before is None or self.closed:
            return
        further, now = further._replace(cost=self._most(further, deployment)), self._seams.now()
        try:
            await self._reserve(self._claims(further, now), now)
            await self._extend_attempts(deployment, further, now)
            self.expected = before.plus(further)
            if self._opened:
                self._open()
        except RequestFailed as refused:
            raise EndedByLimit(refused.fault) from None

    async def _extend_attempts(self, deployment: str, further: Expected, now: float) -> None:
        applied = self._accounting.limits.of_attempt(deployment)
        for record, reservation in self._of_attempts.values():
            if applied is not None and record.deployment == deployment and record.ended is None:
                claims = [
                    *applied.of_tokens(further.taken, further.given, now),
                    *applied.of_money(further.cost, now),
                ]
                await self._claim(claims, now, reservation)

    def _claims(self, expected: Expected, now: float) -> Sequence[Claim]:
        applied = self.applied
        if applied is None:
            return ()
        return [
            *applied.of_tokens(expected.taken, expected.given, now),
            *applied.of_money(expected.cost, now),
        ]

    async def _reserve(self, claims: Sequence[Claim], now: float) -> None:
        """Add claims to what is reserved for the exchange. Raises RequestFailed if a limit refuses them."""
        if claims:
            self._reservation = await self._claim(claims, now, self._whole())

    def _whole(self) -> Reservation | None:
        """Return what is reserved for the exchange, as a reservation that can grow; None = nothing is."""
        if self._held is not None:
            bound, amounts = self._held
            self._held, self._reservation = None, Reservation(bound.claims(amounts))
        return self._reservation

    async def _asked(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None
    ) -> Reservation | Refused:
        ledger = self._accounting.ledger
        assert ledger is not None
        found = ledger.reserve(claims, now, onto)
        return await ledger.ask(claims, now, onto) if found is None else found

    async def _claim(self, claims: Sequence[Claim], now: float, onto: Reservation | None) -> Reservation:
        found = await self._asked(claims, now, onto)
        if isinstance(found, Refused):
            if onto is not None and (own := onto.claims.get(found.claim.counter)) is not None:
                found = found.held_already(own.amount, now)
            if (ledger := self._accounting.ledger) is not None:
                found = lasting(found, (*claims, *self._unheld(now)), ledger.standing, now)
            self._exchange.refused_by = found.claim.limit.name
            self._accounting.watch.refused(found, now)
            raise RequestFailed(fault(found, self._seams.now()))
        return found

    def _unheld(self, now: float) -> Sequence[Claim]:
        """Return claims of the amount 1 on those limits of the exchange at which nothing is reserved yet."""
        if self.applied is None or self._held is not None or self.alone:
            return ()
        held = {} if self._reservation is None else self._reservation.claims
        every = self.applied.standing_claims(now)
        return [one._replace(amount=1) for one in every if one.counter not in held]

    # --- Attempts --------------------------------------------------------------------------------------

    def bounded(self, deployment: str) -> bool:
        """Whether a deployment, or its provider, has limits."""
        accounting = self._accounting
        return accounting.ledger is not None and accounting.limits.of_attempt(deployment) is not None

    @property
    def owes(self) -> bool:
        """Whether ended attempts have used a part of what is reserved. Then `afford` has to be called before
        another attempt.
        """
        return self._unpaid is not NOTHING_USED

    def is_dearer(self, deployment: str) -> bool:
        """Whether a limit of the exchange counts money, and an attempt at this deployment may cost more than
        is reserved, or its price is not known. False if nothing is expected.
        """
        if self.expected is None or self.applied is None or not self.applied.money:
            return False
        most = self._most(self.expected, deployment)
        return most is None or most > (self.expected.cost or 0)

    async def afford(self, deployment: str) -> None:
        """Reserve what an attempt at this deployment needs in addition to what is reserved: as much as ended
        attempts have used, and the amount by which this deployment may cost more. Raises RequestFailed if a
        limit or a failing journal refuses it.
        """
        expected, applied = self.expected, self.applied
        if expected is None or applied is None:
            return
        taken, given, nano = self._unpaid
        if self.is_dearer(deployment):
            most = self._most(expected, deployment)
            if most is None and (limit := applied.refusing) is not None:
                self._exchange.refused_by = limit.name
                raise RequestFailed(unpriced(limit))
            if most is not None:
                nano += most - (expected.cost or 0)
                expected = expected._replace(cost=most)
        if not (taken or given or nano):
            return
        now = self._seams.now()
        await self._reserve([*applied.of_tokens(taken, given, now), *applied.of_money(nano, now)], now)
        self._unpaid, self.expected = NOTHING_USED, expected
        if self._opened:
            self._open()

    async def turn(self, route: Route) -> None:
        """Reserve the exchange at those limits of this fallback that it does not have yet, before an attempt
        there. What is reserved for other fallbacks that were not called is freed first. Raises RequestFailed
        if a limit or a failing journal refuses it. The caller must call `called` when the attempt begins.
        """
        self.turned = True
        if route.counted in self.turning:
            return
        freed, further, now = self._turn_back(), self._further(route), self._seams.now()
        if further is not None:
            claims = [*further.of_requests(now)]
            if (expected := self.expected) is not None:
                claims += further.of_tokens(expected.taken, expected.given, now)
                claims += further.of_money(expected.cost, now)
            await self._reserve(claims, now)
            self._join(further)
            self.turning[route.counted] = further
        if self._opened and (freed or further is not None):
            self._open()

    def _further(self, route: Route) -> Applied | None:
        """Return the limits of a fallback that the exchange does not have; None = it has all of them, or
        there are none.
        """
        # The name that the client asked for stands for another model, whose limits apply already.
        found = self._limits_of(route.counted, route.bare, None)
        return found if found is None or self.applied is None else found.beyond(self.applied)

    def _join(self, further: Applied) -> None:
        self.applied = self.applied or Applied(Found(()))
        self.applied.join(further)

    def called(self, route: Route) -> None:
        """Record that an attempt at this route begins, so that it is charged to the route's limits."""
        self.turning.pop(route.counted, None)

    def _turn_back(self) -> bool:
        """Free what is reserved at fallbacks that were not called. Returns whether there were any."""
        turning, applied, reservation = self.turning, self.applied, self._reservation
        if not turning or applied is None:
            return False
        for further in turning.values():
            applied.part(further)
            if reservation is not None:
                self.release(reservation.split(further.counters))
        self.turning = {}
        if applied.empty:
            self.applied = None
        return True

    async def affords_twice(self, deployment: str) -> bool:
        """Reserve the prompt once more, because a second attempt beside the one at this deployment sends it
        too. False = no second attempt may be made: a limit or a failing journal refuses it, or the exchange
        is accounted for.
        """
        expected, applied = self.expected, self.applied
        if expected is None or applied is None or self.closed:
            return not self.closed
        prompt, now = expected._replace(output=0, measured=(expected.measured[0], 0)), self._seams.now()
        nano = self._most(prompt, deployment)
        claims = [*applied.of_tokens(prompt.taken, 0, now), *applied.of_money(nano, now)]
        if not claims:
            return True
        found = await self._asked(claims, now, self._whole())
        if isinstance(found, Refused) or not self._keep(found, now):
            return False
        try:
            if self._opened:
                self._open()
        except RequestFailed:
            return False
        return True

    def _keep(self, found: Reservation, now: float) -> bool:
        """Keep a reservation for the exchange, and return True. If the exchange was accounted for while the
        reservation was made, free the reservation and return False.
        """
        if self.closed:
            self._settle(found, {}, now)
            return False
        self._reservation = found
        return True

    async def enter(self, deployment: str) -> Reservation | None:
        """Reserve an attempt at the limits of its deployment and provider. Returns the reservation, which the
        caller must give to `began` or to `release`; None = there are no such limits. Raises RequestFailed if
        a limit refuses it.
        """
        applied = self._accounting.limits.of_attempt(deployment)
        if applied is None:
            return None
        expected, now = self.expected or NOTHING_EXPECTED, self._seams.now()
        nano = self._most(expected, deployment)
        if nano is None and self.expected is not None and (limit := applied.refusing) is not None:
            self._exchange.refused_by = limit.name
            raise RequestFailed(unpriced(limit))
        claims = applied.claims(expected.taken, expected.given, nano, now)
        reservation = await self._claim(claims, now, None)
        if applied.watched and (ledger := self._accounting.ledger) is not None:
            self._accounting.watch.warning(claims, ledger.standing, now)
        return reservation

    def release(self, reservation: Reservation) -> None:
        """Free what was reserved for an attempt that was not made."""
        self._settle(reservation, {}, self._seams.now())

    def began(self, record: AttemptRecord, reservation: Reservation | None = None) -> None:
        """Record that an attempt begins. The journal is told before the first attempt, and before each
        attempt that has a reservation. Raises RequestFailed if the journal cannot write, and the operator
        wants requests refused then.
        """
        if reservation is not None:
            self._of_attempts[record.id] = record, reservation
        self._deployment = record.deployment
        if not self._opened or reservation is not None:
            self._opened = True
            self._open()

    def left(self, record: AttemptRecord) -> None:
        """Charge a failed attempt to the limits of its deployment and provider; the rest that was reserved
        there becomes free. What it has used of the limits of the exchange is remembered (`owes`).
        """
        found = self._of_attempts.pop(record.id, None) if self._of_attempts else None
        counted = self.expected is not None and self.applied is not None and self.applied.measures
        if found is None and not counted:
            return
        now = self._seams.now()
        lines = lines_of_attempt(self._exchange, record, self._accounting.rates, now)
        if found is not None:
            self._settle(found[1], charge_of(found[1], lines), now)
        if counted and (used := used_by(lines)) != NOTHING_USED:
            taken, given, nano = self._unpaid
            self._unpaid = taken + used[0], given + used[1], nano + used[2]

    # --- Journal and end -------------------------------------------------------------------------------

    def _open(self) -> None:
        """Tell a journal that outlives the process what is reserved. Raises RequestFailed as `began` does."""
        journal = self._accounting.journal
        if journal is None or not journal.outlives:
            return
        reserved: tuple[tuple[str, int], ...] = ()
        if self._held is not None:
            bound, amounts = self._held
            reserved = bound.charged(amounts)
        if self._of_attempts or self._reservation is not None:
            held = [reservation for _, reservation in self._of_attempts.values()]
            if self._reservation is not None:
                held.append(self._reservation)
            # `concurrency` is not used up, so it must not be charged when another process adopts the record.
            reserved += tuple(
                (name, claim.amount)
                for one in held
                for name, claim in one.claims.items()
                if claim.limit.resource != "concurrency"
            )
        try:
            journal.opened(
                opened_record(self._exchange, self._operation, self._deployment, self.expected, reserved)
            )
        except JournalFailed as failed:
            log.warning("a request is refused: its usage cannot be noted: %s", failed)
            raise RequestFailed(UNACCOUNTED) from failed

    def close(self, status: int | None = None, *, gone: bool = False) -> None:
        """Account for the whole exchange: bill its attempts, tell the journal, and charge its limits. Only
        the first call has an effect. status: of a whole answer that is sent next; None = no such answer.
        gone: the client has disconnected.
        """
        if self.closed:
            return
        self.closed = True
        now = self._seams.now()
        billed = self._billed(now)
        every = billed[0][1] if len(billed) == 1 else tuple([line for _, own in billed for line in own])
        held, reserved, used = self._held, NOTHING, NOTHING
        settled: tuple[tuple[str, int], ...] = ()
        if held is not None:
            bound, reserved = held
            if billed:
                used = using(*used_by(every))
                settled = bound.charged(used)
        charges: list[tuple[Reservation, dict[str, int]]] = []
        if self._of_attempts or self._reservation is not None:
            self._turn_back()
            charges = charges_of(billed, self._of_attempts.values(), self._reservation, every)
            settled += tuple(charge for _, charged in charges for charge in charged.items())
        try:
            self._tell(every, settled, now, status=status, gone=gone)
        except Exception:
            log.exception("exchange %s could not be told to the journal", self._exchange.id)
        if held is not None:
            held[0].settle(reserved, used, now)
        for reservation, charged in charges:
            self._settle(reservation, charged, now)
        self._of_attempts = {}
        self._reservation = self._held = None

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

    def _settle(self, reservation: Reservation, used: Mapping[str, int], now: float) -> None:
        if self._accounting.ledger is not None:
            self._accounting.ledger.settle(reservation, used, now)

    # --- What clients are told -------------------------------------------------------------------------

    def headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Add the headers about limits to `headers`, and the cost if the exchange is accounted for and its
        cost is known. Returns the same list.
        """
        exchange, ledger = self._exchange, self._accounting.ledger
        if self.closed and exchange.cost is not None and exchange.attempts:
            cost = usd(exchange.cost)
            headers += ((COST, cost), (LITELLMS_COST, cost))
        if self.applied is not None and ledger is not None:
            now, applied = self._seams.now(), self.applied
            if applied.watched:
                claims = applied.standing_claims(now)
                if text := self._accounting.watch.warning(claims, ledger.standing, now):
                    headers.append((WARNING.encode(), text.encode()))
            form = FORMS.get(exchange.face, "standard")
            applied.rate_headers(form, now).add(headers, ledger.standing, now)
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
