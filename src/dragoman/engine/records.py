"""Makes the usage record of one exchange from its attempts. See `state.usage`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from dragoman.accounts.caller import ANYONE, Caller
from dragoman.accounts.claims import charged
from dragoman.accounts.ledger import Reservation
from dragoman.engine.accounting import Expected
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.ir.units import INPUT, OUTPUT, billed_of, told_cost, told_speed, units_of
from dragoman.ir.usage import Usage
from dragoman.providers.rates import Rates
from dragoman.state.usage import UsageLine, UsageRecord

_INPUT: Final = frozenset(INPUT)
_OUTPUT: Final = frozenset(OUTPUT)
_TOKENS: Final = _INPUT | _OUTPUT
TOLD: Final = "what the provider states"
"""The `price` of a line if the answer states what it has cost."""
OWN: Final = "the tenant's own key"
"""The `price` of a line if the provider bills the tenant."""
RatesOf: TypeAlias = Callable[[str], Rates | None]
"""The prices of a deployment (`provider/model`); None = none is known."""

Billed: TypeAlias = list[tuple[AttemptRecord, Sequence[UsageLine]]]
"""The lines of each attempt."""


def bill(exchange: Exchange, rates: RatesOf, at: float) -> Billed:
    """What each attempt has used: a line for the attempt, and one for each further model that its provider
    has worked with. Sets `cost` and `price` of the attempts, and `cost` and `priced` of the
    exchange. at: Unix seconds, by which prices are chosen.
    """
    if len(exchange.attempts) == 1:
        (attempt,) = exchange.attempts
        own = lines_of_attempt(exchange, attempt, rates, at)
        exchange.cost = attempt.cost
        exchange.priced = sum([line.priced or line.cost or 0 for line in own])
        return [(attempt, own)]
    billed: Billed = []
    cost: int | None = 0
    priced = 0
    for attempt in exchange.attempts:
        own = lines_of_attempt(exchange, attempt, rates, at)
        billed.append((attempt, own))
        for line in own:
            priced += line.priced or line.cost or 0
        cost = None if cost is None or attempt.cost is None else cost + attempt.cost
    exchange.cost, exchange.priced = cost, priced
    return billed


def lines_of_attempt(
    exchange: Exchange, attempt: AttemptRecord, rates: RatesOf, at: float
) -> Sequence[UsageLine]:
    """The lines of one attempt. Sets its `cost`, `price` and `priced`, and removes a usage with impossible
    counts.
    """
    usage = attempt.usage
    if usage is not None and not usage.plausible():
        usage = attempt.usage = None
    line = _line(exchange, attempt, (attempt.deployment, usage), rates, at)
    attempt.cost, attempt.price = line.cost, line.price
    if usage is None or not usage.others:
        attempt.priced = ((line.deployment, line.priced),) if line.priced else ()
        return (line,)
    lines = [line]
    provider = line.provider
    for model, other in usage.others:
        further = _line(exchange, attempt, (f"{provider}/{model}", other), rates, at)
        known = attempt.cost is not None and further.cost is not None
        attempt.cost = (attempt.cost or 0) + (further.cost or 0) if known else None
        lines.append(further)
    attempt.priced = tuple((one.deployment, one.priced or one.cost or 0) for one in lines)
    return lines


def charge_of(reservation: Reservation, lines: Sequence[UsageLine]) -> dict[str, int]:
    """The amounts to charge to the counters of a reservation for these lines, by the counter's name."""
    return charged(reservation.claims.values(), *used_by(lines))


def used_by(lines: Sequence[UsageLine]) -> tuple[int, int, int]:
    """The tokens of input and of output of these lines, and their cost, as limits count it. If a cost is only
    known in part, that part counts. A cost that the provider bills to the tenant does not count.
    """
    taken = given = cost = 0
    for line in lines:
        for unit, amount in line.units.items():
            if unit in _INPUT:
                taken += amount
            elif unit in _OUTPUT:
                given += amount
        if not line.own:
            cost += line.priced or line.cost or 0
    return taken, given, cost


def _line(
    exchange: Exchange, attempt: AttemptRecord, used: tuple[str, Usage | None], rates: RatesOf, at: float
) -> UsageLine:
    """The line of one deployment. used: the deployment, and its usage; None = unknown."""
    deployment, usage = used
    units = {} if usage is None else units_of(usage)
    if attempt.units and usage is attempt.usage:
        units = {**_beside(attempt.units, units), **units}
    if not units and not (usage is not None and usage.stated) and _has_answered(exchange, attempt):
        units = {"requests": 1}
    outcome = attempt.outcome
    cost: int | None = 0
    priced: int | None = None
    price = ""
    if attempt.own:
        price = OWN
    elif units:
        found = rates(deployment)
        if found is None:
            cost, priced = None, 0
        else:
            told = told_cost(usage) if found.told and usage is not None and not usage.estimated else None
            if told is not None:
                cost, price = told, TOLD
            else:
                billed = units if usage is None else billed_of(usage, units)
                speed = None if usage is None else told_speed(usage)
                cost, known, price = found.cost(billed, at, speed or attempt.tier or exchange.tier)
                priced = known if cost is None else None
    return UsageLine(
        deployment,
        deployment.partition("/")[0],
        units,
        cost,
        priced,
        attempt.guessed or (usage is not None and usage.estimated),
        outcome or ("" if attempt.fault is None else "failed"),
        attempt.key_id,
        attempt.own,
        price,
    )


def _beside(measured: dict[str, int], stated: dict[str, int]) -> dict[str, int]:
    """The measured amounts that count beside what the provider has stated: if it states tokens, only its own
    count.
    """
    if not stated:
        return measured
    return {unit: amount for unit, amount in measured.items() if unit not in _TOKENS}


def _has_answered(exchange: Exchange, attempt: AttemptRecord) -> bool:
    """Whether an attempt has given an answer that costs something, although nobody has stated how much. It
    counts as one request then.
    """
    if attempt.units is not None or exchange.operation == "count":
        return False
    return attempt.first is not None and attempt.fault is None


def totals(lines: Sequence[UsageLine]) -> dict[str, int]:
    """The units of all lines together."""
    if len(lines) == 1:
        return lines[0].units
    total: dict[str, int] = {}
    for line in lines:
        for unit, amount in line.units.items():
            total[unit] = total.get(unit, 0) + amount
    return total


def opened_record(
    exchange: Exchange,
    operation: str,
    deployment: str | None,
    expected: Expected | None,
    reserved: tuple[tuple[str, int], ...],
) -> UsageRecord:
    """The record of an exchange that is about to call a provider. operation: what is asked. deployment: the
    one that is called. expected: what the exchange may use, None = nothing was counted. reserved: (counter,
    reserved amount) for the counters of limits.
    """
    caller: Caller = exchange.caller or ANYONE
    # By place, in the order of the fields: this many names would take longer than everything else here.
    return UsageRecord(
        exchange.id,
        exchange.created,
        exchange.created,  # ended
        exchange.client,
        caller.key,
        caller.tenant,
        caller.team,
        caller.user,
        exchange.end_user,
        tags_of(exchange),
        exchange.face,
        operation,
        exchange.asked,
        deployment,
        _provider(deployment),
        exchange.streamed,
        {} if expected is None else {"input": expected.taken, "output": expected.given},
        None if expected is None else expected.cost,
        0 if expected is None else expected.cost or 0,
        True,  # estimated
        reserved,
        "gateway/killed",
        True,  # failed
        True,  # cut
    )


def closed_record(
    exchange: Exchange,
    lines: Sequence[UsageLine],
    settled: tuple[tuple[str, int], ...],
    *,
    operation: str,
    status: int | None,
    gone: bool,
    now: float,
    ended: float,
) -> UsageRecord:
    """The record of an exchange that ends. settled: (counter, amount) for the counters that are charged.
    status: of the answer that is about to be sent; None = that of the exchange. gone: the client has
    disconnected. now: monotonic seconds. ended: Unix seconds.
    """
    caller: Caller = exchange.caller or ANYONE
    first, deployment = exchange.first, exchange.answered
    return UsageRecord(  # by place: see `opened_record`
        exchange.id,
        exchange.created,
        ended,
        exchange.client,
        caller.key,
        caller.tenant,
        caller.team,
        caller.user,
        exchange.end_user,
        tags_of(exchange),
        exchange.face,
        operation,
        exchange.asked,
        deployment,
        _provider(deployment),
        exchange.streamed,
        lines[0].units if len(lines) == 1 else totals(lines),
        exchange.cost,
        exchange.priced or 0,
        lines[0].estimated if len(lines) == 1 else any(line.estimated for line in lines),
        settled,
        exchange.ending(gone=gone),
        gone or exchange.fault is not None,
        False,  # cut
        exchange.status if status is None else status,
        None if first is None else first - exchange.began,
        now - exchange.began,
        exchange.overhead(now),
        len(exchange.attempts),
        tuple(lines),
    )


def tags_of(exchange: Exchange) -> tuple[str, ...]:
    """The tags of the client's key and of the request, each once."""
    if exchange.caller is None or not exchange.caller.tags:
        return exchange.tags
    return tuple(dict.fromkeys((*exchange.caller.tags, *exchange.tags)))


def _provider(deployment: str | None) -> str | None:
    return None if deployment is None else deployment.partition("/")[0]
