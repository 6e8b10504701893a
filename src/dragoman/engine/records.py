"""Computes what the attempts of one exchange cost, and makes the usage record of the exchange (see
`state.usage`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
"""The `price` of a usage line whose cost is the one that the provider's answer states."""
OWN: Final = "the tenant's own key"
"""The `price` of a usage line of an attempt with a key that the tenant has brought: the provider bills the
tenant.
"""
RatesOf: TypeAlias = Callable[[str], Rates | None]
"""Returns the prices of a deployment (`provider/model`); None = no prices are known."""

Billed: TypeAlias = list[tuple[AttemptRecord, Sequence[UsageLine]]]
"""The attempts of an exchange, each with its usage lines."""


def bill(exchange: Exchange, rates: RatesOf, at: float) -> Billed:
    """Return each attempt with its usage lines (`lines_of_attempt`, which also sets fields of the attempt).
    Sets the exchange's `cost` (nano-USD of all attempts, None = a part is unknown) and `priced` (nano-USD of
    the known parts). at: Unix seconds; the prices of this time are used.
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
    """Return the usage lines of one attempt: first the line for its deployment, then one for each further
    model that its provider has used. Sets the attempt's `cost` (of all lines), `price` (of the first line)
    and `priced`, and sets its `usage` to None if the counts in it are impossible. at: Unix seconds; the
    prices of this time are used.
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
    """Return {name of the counter: amount} that these lines charge to the counters of a reservation. Counters
    of requests at once (`concurrency`) are left out; each counter of requests is charged 1. The amounts are
    requests, tokens or nano-USD, as the counter's limit counts them.
    """
    return charged(reservation.claims.values(), *used_by(lines))


def charges_of(
    billed: Billed,
    of_attempts: Iterable[tuple[AttemptRecord, Reservation]],
    whole: Reservation | None,
    every: Sequence[UsageLine],
) -> list[tuple[Reservation, dict[str, int]]]:
    """Return (reservation, {counter: amount to charge}) for each reservation of an exchange. of_attempts:
    attempts with what is reserved at their own limits. whole: what is reserved for the exchange, None =
    nothing; nothing is charged to it if there was no attempt. every: all usage lines of the exchange.
    """
    charges: list[tuple[Reservation, dict[str, int]]] = []
    for record, reservation in of_attempts:
        own = next((own for attempt, own in billed if attempt is record), ())
        charges.append((reservation, charge_of(reservation, own)))
    if whole is not None:
        charges.append((whole, charge_of(whole, every) if billed else {}))
    return charges


def used_by(lines: Sequence[UsageLine]) -> tuple[int, int, int]:
    """Return (input tokens, output tokens, nano-USD) of these lines, as limits count them. If only a part of
    a line's cost is known, that part counts. A line that the provider bills to the tenant costs nothing here.
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
    """Return the usage line of one deployment in an attempt. used: (the deployment, its usage); usage None =
    unknown.
    """
    deployment, usage = used
    units, guessed = {} if usage is None else units_of(usage), False
    if attempt.units and usage is attempt.usage:
        beside = _beside(attempt.units, units)
        units, guessed = {**beside, **units}, attempt.guessed and bool(beside)
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
        guessed or (usage is not None and usage.estimated),
        outcome or ("" if attempt.fault is None else "failed"),
        attempt.key_id,
        attempt.own,
        price,
    )


def _beside(measured: dict[str, int], stated: dict[str, int]) -> dict[str, int]:
    """Return the measured amounts, by unit, that count beside the stated ones: all of them if nothing is
    stated, otherwise only those that are not tokens.
    """
    if not stated:
        return measured
    return {unit: amount for unit, amount in measured.items() if unit not in _TOKENS}


def _has_answered(exchange: Exchange, attempt: AttemptRecord) -> bool:
    """Whether an attempt has answered something else than a count of tokens, and its `units` are None ({} =
    they are counted elsewhere).
    """
    if attempt.units is not None or exchange.operation == "count":
        return False
    return attempt.first is not None and attempt.fault is None


def totals(lines: Sequence[UsageLine]) -> dict[str, int]:
    """Return the amounts of all lines together, by unit. For one line this is the line's own `units`, so the
    caller must not change it.
    """
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
    """Return the record of an exchange that is about to call a provider. This record is final if the process
    is killed; otherwise `closed_record` replaces it. deployment: the deployment that is called; None = none.
    expected: what the exchange may use; None = unknown. reserved: (counter, reserved amount) for the counters
    of limits.
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
    """Return the record of an exchange that ends. lines: the usage lines of all attempts. settled: (counter,
    amount) for the counters that are charged. status: the status of a whole answer that is sent next; None =
    use the status in the exchange. gone: whether the client has disconnected. now: monotonic seconds. ended:
    Unix seconds.
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
    """Return the tags of the client's key and then those of the request, each once."""
    if exchange.caller is None or not exchange.caller.tags:
        return exchange.tags
    return tuple(dict.fromkeys((*exchange.caller.tags, *exchange.tags)))


def _provider(deployment: str | None) -> str | None:
    return None if deployment is None else deployment.partition("/")[0]
