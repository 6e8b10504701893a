"""Holds the limits of one exchange, and what it has reserved at them: for the exchange itself, and for each
attempt at the limits of its deployment and provider. The reservations are in the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from dragoman.accounts.bound import NOTHING, Amounts, Bound, reserving, using
from dragoman.accounts.claims import Applied, Found
from dragoman.accounts.ledger import Ledger, Refused, Reservation, lasting
from dragoman.accounts.limits import Claim
from dragoman.accounts.rate_headers import FORMS
from dragoman.accounts.told import WARNING, fault, unpriced
from dragoman.engine.accounting import Accounting, Expected
from dragoman.engine.records import Billed, charge_of, charges_of, tags_of, used_by
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.routing.route import Route
from dragoman.seams.clock import Seams
from dragoman.state.usage import UsageLine


def limits_of(
    accounting: Accounting, exchange: Exchange, models: tuple[str, ...], bare: str, asked: str | None
) -> Applied | None:
    """Return the limits of an exchange; None = there are none. models: the names by which limits count
    requests for its model. bare: one more name of the same model, which a limit's list of models may contain;
    "" = none. asked: the name that the client has sent, by which such a list may name the model, too; None =
    this name stands for another model (`models` are a fallback's).
    """
    limits = accounting.limits
    if accounting.ledger is None or (found := limits.found(exchange.caller, models, asked, bare)) is None:
        return None
    if found.invented:
        address = partial(accounting.proxies.client_of, exchange.address, exchange.forwarded)
        by_address = address if found.by_address else None
        return limits.invented(found, exchange.end_user, tags_of(exchange), by_address)
    return Applied(found)


class Charges(NamedTuple):
    """What an exchange is charged when it ends. told: (counter, amount) for every counter, as the journal
    notes it. taken: the amounts for what `Reservations.take` has reserved. claimed: each other reservation
    with {counter: amount}.
    """

    told: tuple[tuple[str, int], ...]
    taken: Amounts
    claimed: list[tuple[Reservation, dict[str, int]]]


class Reservations:
    """The limits and reservations of one exchange. exchange: its record gets the name of a limit that refuses
    it. seams: has the clock of the limits' windows.

    applied: the limits of this exchange; None = it has none. alone: True = the exchange uses no model.
    Methods that reserve raise RequestFailed if a limit refuses it (`take` and `add_if_free` return False
    instead), or if the limits cannot be checked and the operator wants requests refused then.
    """

    __slots__ = (
        *("_accounting", "_alone", "_exchange", "_ledger", "_of_attempts"),
        *("_seams", "_settled", "_taken", "_turning", "_whole", "applied"),
    )

    def __init__(
        self, accounting: Accounting, ledger: Ledger, exchange: Exchange, seams: Seams, *, alone: bool
    ) -> None:
        self._accounting = accounting
        self._ledger = ledger
        self._exchange = exchange
        self._seams = seams
        self._alone = alone
        self._settled = False
        self.applied: Applied | None = None
        self._taken: tuple[Bound, Amounts] | None = None
        """What `take` has reserved for the exchange; then there is no `_whole`."""
        self._whole: Reservation | None = None
        """What is reserved for the exchange otherwise; None = nothing."""
        self._of_attempts: dict[str, tuple[AttemptRecord, Reservation]] = {}
        """By the attempt's id: its record, and what is reserved at limits of its deployment and provider."""
        self._turning: dict[tuple[str, ...], Applied] = {}
        """{names of a fallback's model: its further limits}, for fallbacks that `turn` has reserved and that
        were not called yet.
        """

    # --- The limits --------------------------------------------------------------------------------------

    def further(self, route: Route) -> Applied | None:
        """Return the limits of a fallback that the exchange does not have; None = it has all of them, or
        there are none.
        """
        # The name that the client asked for stands for another model, whose limits apply already.
        found = limits_of(self._accounting, self._exchange, route.counted, route.bare, None)
        return found if found is None or self.applied is None else found.beyond(self.applied)

    def join(self, further: Applied) -> None:
        """Add the limits of a fallback to those of the exchange. further: what `further` has returned."""
        self.applied = self.applied or Applied(Found(()))
        self.applied.join(further)

    def refuse_unpriced(self, applied: Applied) -> None:
        """Raise RequestFailed if one of these limits refuses requests whose price is not known, and note its
        name in the exchange. Called for such a request.
        """
        if (limit := applied.refusing) is not None:
            self._exchange.refused_by = limit.name
            raise RequestFailed(unpriced(limit))

    # --- For the exchange --------------------------------------------------------------------------------

    def take(self, expected: Expected | None) -> bool:
        """Reserve one request and what it may use, in one fast step, if at most half of each limit of the
        exchange is used or reserved afterwards. Returns whether this was done. If not, call `admit` and
        `expect`; False also if the exchange has no limits, if something is reserved already, or if this fast
        step is not possible (other processes share the counters, for example). expected: None = no limit
        counts tokens or money. Raises RequestFailed while the ledger refuses all requests.
        """
        applied = self.applied
        if applied is None or self._whole is not None:
            return False
        now = self._seams.now()
        bound = applied.bound(self._ledger, now)
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
        self._taken = bound, amounts
        return True

    async def admit(self) -> None:
        """Reserve one request, unless something is reserved already by `admit` or `expect`. Must not be
        called after `take` has returned True.
        """
        if self.applied is not None and self._whole is None:
            now = self._seams.now()
            await self.add(self.applied.of_requests(now), now)

    async def expect_roughly(self, rough: Expected) -> bool:
        """Reserve tokens and money by a rough bound, in addition to what is reserved, if at most half of each
        limit of the exchange would be used or reserved afterwards, as far as this process knows. Returns
        whether this was done; True without limits. If not, count the tokens and call `expect`. Raises
        RequestFailed if the cost is not known and a limit refuses that.
        """
        now = self._seams.now()
        claims = self.claims(rough, now)
        if not self._ledger.far(claims):
            return False
        self._refuse_unpriced_cost(rough)
        # Other processes may have used more than this one knows. Then the store can refuse the rough bound,
        # although the counted tokens have room: this is no refusal of the request.
        return not claims or await self.add_if_free(claims, now)

    async def expect(self, expected: Expected) -> None:
        """Reserve tokens and money, in addition to what is reserved. Raises RequestFailed also if the cost is
        not known and a limit refuses that.
        """
        self._refuse_unpriced_cost(expected)
        now = self._seams.now()
        await self.add(self.claims(expected, now), now)

    def _refuse_unpriced_cost(self, expected: Expected) -> None:
        if expected.cost is None and self.applied is not None:
            self.refuse_unpriced(self.applied)

    def claims(self, expected: Expected, now: float) -> Sequence[Claim]:
        """Return the claims of this usage on those limits of the exchange that count tokens or money; () =
        the exchange has no limits. Nothing is reserved. now: Unix seconds.
        """
        if (applied := self.applied) is None:
            return ()
        return applied.of_usage(expected.taken, expected.given, expected.cost, now)

    async def add(self, claims: Sequence[Claim], now: float) -> None:
        """Add claims to what is reserved for the exchange. now: Unix seconds."""
        if claims:
            self._whole = await self._claim(claims, now, self._growing())

    async def add_if_free(self, claims: Sequence[Claim], now: float) -> bool:
        """Add claims to what is reserved for the exchange. False = nothing was added, because a limit refuses
        them, or because the exchange was settled in the meantime. A refusal is not recorded.
        """
        found = await self._ask(claims, now, self._growing())
        if isinstance(found, Refused):
            return False
        if self._settled:
            self._ledger.settle(found, {}, now)
            return False
        self._whole = found
        return True

    def free(self) -> None:
        """Free what is reserved for the exchange, without a charge. More may be reserved afterwards."""
        whole, self._whole = self._growing(), None
        if whole is not None:
            self.release(whole)

    @property
    def lapsed(self) -> bool:
        """Whether other processes may have got the exchange's places among the requests that run at once,
        because this process stood still for too long. Then `renew` has to be called before another attempt.
        """
        return self._whole is not None and self._ledger.lapsed(self._whole, self._seams.now())

    async def renew(self) -> None:
        """Reserve the places of the exchange (`concurrency`), which have lapsed, again. Does nothing if
        nothing is reserved.
        """
        if self._whole is not None:
            await self.add(self._ledger.withdraw(self._whole), self._seams.now())

    async def turn(self, route: Route, expected: Expected | None) -> bool:
        """Reserve the exchange at those limits of this fallback that it does not have yet. What is reserved
        for other fallbacks that were not called is freed first. expected: what is reserved of tokens and
        money; None = none. Returns whether anything has changed. The caller must call `called` when an
        attempt at the fallback begins.
        """
        if route.counted in self._turning:
            return False
        freed, further, now = self._turn_back(), self.further(route), self._seams.now()
        if further is None:
            return freed
        claims = [*further.of_requests(now)]
        if expected is not None:
            claims += further.of_usage(expected.taken, expected.given, expected.cost, now)
        await self.add(claims, now)
        self.join(further)
        self._turning[route.counted] = further
        return True

    def called(self, route: Route) -> None:
        """Record that an attempt at this route begins, so that what `turn` has reserved for it is not freed
        but charged.
        """
        self._turning.pop(route.counted, None)

    def _turn_back(self) -> bool:
        """Free what is reserved at fallbacks that were not called. Returns whether there were any."""
        turning, applied = self._turning, self.applied
        if not turning or applied is None:
            return False
        for further in turning.values():
            applied.part(further)
            if self._whole is not None:
                self.release(self._whole.split(further.counters))
        self._turning = {}
        if applied.empty:
            self.applied = None
        return True

    def _growing(self) -> Reservation | None:
        """Return what is reserved for the exchange, as a reservation that can grow; None = nothing is. What
        `take` has reserved becomes such a reservation.
        """
        if self._taken is not None:
            bound, amounts = self._taken
            self._taken, self._whole = None, Reservation(bound.claims(amounts))
        return self._whole

    async def _ask(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None
    ) -> Reservation | Refused:
        found = self._ledger.reserve(claims, now, onto)
        return await self._ledger.ask(claims, now, onto) if found is None else found

    async def _claim(self, claims: Sequence[Claim], now: float, onto: Reservation | None) -> Reservation:
        found = await self._ask(claims, now, onto)
        if isinstance(found, Refused):
            if onto is not None and (own := onto.claims.get(found.claim.counter)) is not None:
                found = found.held_already(own.amount, now)
            found = lasting(found, (*claims, *self._unheld(now)), self._ledger.standing, now)
            self._exchange.refused_by = found.claim.limit.name
            self._accounting.watch.refused(found, now)
            raise RequestFailed(fault(found, self._seams.now()))
        return found

    def _unheld(self, now: float) -> Sequence[Claim]:
        """Return claims of the amount 1 on those limits of the exchange at which nothing is reserved yet:
        what the request would still need, so that a refusal states when all of it could be reserved.
        """
        if self.applied is None or self._taken is not None or self._alone:
            return ()
        held = {} if self._whole is None else self._whole.claims
        every = self.applied.standing_claims(now)
        return [one._replace(amount=1) for one in every if one.counter not in held]

    # --- For attempts ------------------------------------------------------------------------------------

    async def enter(self, applied: Applied, expected: Expected) -> Reservation:
        """Reserve an attempt at the limits of its deployment and provider (`applied`). Returns the
        reservation, which the caller must give to `began` or to `release`.
        """
        now = self._seams.now()
        claims = applied.claims(expected.taken, expected.given, expected.cost, now)
        reservation = await self._claim(claims, now, None)
        if applied.watched:
            self._accounting.watch.warning(claims, self._ledger.standing, now)
        return reservation

    def release(self, reservation: Reservation) -> None:
        """Free what was reserved for an attempt that was not made."""
        self._ledger.settle(reservation, {}, self._seams.now())

    def began(self, record: AttemptRecord, reservation: Reservation) -> None:
        """Keep the reservation of an attempt that begins."""
        self._of_attempts[record.id] = record, reservation

    async def hold(self, record: AttemptRecord, claims: Sequence[Claim], now: float) -> None:
        """Reserve these claims for an attempt that has begun, and keep the reservation until `left` or
        `settle`. Does nothing if there are no claims. now: Unix seconds. Raises RequestFailed if a limit
        refuses a claim, or if the ledger cannot check the limits; then nothing is reserved.
        """
        if claims:
            self._of_attempts[record.id] = record, await self._claim(claims, now, None)

    async def extend(self, deployment: str, further: Expected) -> None:
        """Reserve more tokens and money for the exchange, and for its running attempts at a deployment."""
        now = self._seams.now()
        await self.add(self.claims(further, now), now)
        applied = self._accounting.limits.of_attempt(deployment)
        for record, reservation in self._of_attempts.values():
            if applied is not None and record.deployment == deployment and record.ended is None:
                claims = applied.of_usage(further.taken, further.given, further.cost, now)
                await self._claim(claims, now, reservation)

    def holds(self, record: AttemptRecord) -> bool:
        """Whether something is reserved for an attempt."""
        return record.id in self._of_attempts

    def left(self, record: AttemptRecord, lines: Sequence[UsageLine], now: float) -> None:
        """Charge a failed attempt to the limits of its deployment and provider; the rest that was reserved
        there becomes free. lines: what it has used. now: Unix seconds.
        """
        if (found := self._of_attempts.pop(record.id, None)) is not None:
            self._ledger.settle(found[1], charge_of(found[1], lines), now)

    # --- For the journal, the end and the client ---------------------------------------------------------

    def amounts(self) -> tuple[tuple[str, int], ...]:
        """Return (counter, reserved amount) for each claim of all reservations, so that a counter may stand
        in it several times. Counters of `concurrency` are left out.
        """
        reserved: tuple[tuple[str, int], ...] = ()
        if self._taken is not None:
            bound, amounts = self._taken
            reserved = bound.charged(amounts)
        if self._of_attempts or self._whole is not None:
            held = [reservation for _, reservation in self._of_attempts.values()]
            if self._whole is not None:
                held.append(self._whole)
            # `concurrency` is not used up, so it must not be charged when another process adopts the record.
            reserved += tuple(
                (name, claim.amount)
                for one in held
                for name, claim in one.claims.items()
                if claim.limit.resource != "concurrency"
            )
        return reserved

    def charges(self, billed: Billed, every: Sequence[UsageLine]) -> Charges:
        """Return what the exchange is charged, and free what is reserved at fallbacks that were not called.
        billed: its attempts, each with its usage lines. every: all usage lines.
        """
        told: tuple[tuple[str, int], ...] = ()
        taken, claimed = NOTHING, []
        if self._taken is not None and billed:
            taken = using(*used_by(every))
            told = self._taken[0].charged(taken)
        if self._of_attempts or self._whole is not None:
            self._turn_back()
            claimed = charges_of(billed, self._of_attempts.values(), self._whole, every)
            told += tuple(charge for _, charged in claimed for charge in charged.items())
        return Charges(told, taken, claimed)

    def settle(self, charges: Charges, now: float) -> None:
        """Charge the exchange, and free the rest that was reserved. now: Unix seconds."""
        if self._taken is not None:
            bound, amounts = self._taken
            bound.settle(amounts, charges.taken, now)
        for reservation, charged in charges.claimed:
            self._ledger.settle(reservation, charged, now)
        self._settled = True
        self._of_attempts = {}
        self._whole = self._taken = None

    def add_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Add the headers about the limits of the exchange to `headers`: what is left, and a warning if a
        limit warns or a soft limit is exceeded (then operators are told, too). Does nothing without limits.
        """
        if (applied := self.applied) is None:
            return
        now, standing = self._seams.now(), self._ledger.standing
        if applied.watched and (
            text := self._accounting.watch.warning(applied.standing_claims(now), standing, now)
        ):
            headers.append((WARNING.encode(), text.encode()))
        form = FORMS.get(self._exchange.face, "standard")
        applied.rate_headers(form, now).add(headers, standing, now)
