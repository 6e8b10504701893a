"""Accounts for an exchange that is passed to a provider as it is, in its only attempt: reserves the attempt
at the limits of its client and of its provider, tells the journal, and tells the client what its limits leave
if the exchange fails.
"""

from __future__ import annotations

from dragoman.engine.accounting import Expected
from dragoman.engine.meter import Meter
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange


async def enter_alone(meter: Meter, record: AttemptRecord) -> None:
    """Begin the only attempt of an exchange that uses no model: reserve one request at the limits of the
    client, reserve the attempt at those of its deployment and provider, and tell the journal. Raises
    RequestFailed if a limit or a failing journal refuses it. record: the attempt's record, with its
    `deployment`.
    """
    meter.alone = True
    if meter.applies(record.deployment):
        await meter.admit()
    await _begin(meter, record)


async def enter_unmeasured(meter: Meter, record: AttemptRecord) -> None:
    """Begin the only attempt of an exchange whose usage cannot be estimated: reserve one request, one token
    and the least amount of money, so that a limit that is used up refuses it. The usage that the answer
    states is charged at the end. Raises RequestFailed if a limit or a failing journal refuses it, also if a
    limit refuses requests with an unknown price. record: the attempt's record, with its `deployment`.
    """
    if meter.applies(record.deployment):
        await meter.admit()
        refuses = meter.applied is not None and meter.applied.refusing is not None
        await meter.expect(Expected(1, 0, None if refuses else 1))
    elif meter.bounded(record.deployment):
        meter.expected = Expected(1, 0, 1)
    await _begin(meter, record)


def end_failed(meter: Meter | None, exchange: Exchange, failed: RequestFailed, *, gone: bool) -> None:
    """Record the failure in the exchange, account for the exchange, and set `failed.headers` to the headers
    with which the client learns what its limits leave. meter: None = nothing is accounted for, and no headers
    are set. gone: whether the client has disconnected.
    """
    exchange.fault = failed.fault
    if meter is not None:
        meter.close(gone=gone)
        failed.headers = meter.headers([])


async def _begin(meter: Meter, record: AttemptRecord) -> None:
    await meter.renew()
    reserved = await meter.enter(record.deployment) if meter.bounded(record.deployment) else None
    meter.began(record, reserved)
