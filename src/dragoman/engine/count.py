"""Counts the tokens of a prompt. The provider that would answer the prompt is asked for the number, if it has
an endpoint for this and the configuration allows it. If it gives none, the gateway counts them, and says so
if its number is an estimate.

Only the deployments before the route's first one without such an endpoint are asked. If they fail, the
gateway counts, unless the client has been sent headers already. There are no retries, and one short time
limit holds for all calls together (`PATIENCE`).
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import OperationReply
from dragoman.engine.asked import Asked
from dragoman.engine.delivery import Delivery
from dragoman.engine.flight import Flight
from dragoman.engine.media import Media
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.ways import Way, can
from dragoman.errors import RequestFailed
from dragoman.tokens import count as counted_here

PATIENCE: Final = 5.0
"""Seconds for all attempts together, until one of them has the number. The client waits for the number before
it sends its real request.
"""


async def count(runtime: Runtime, way: Way, asked: Asked, plan: Plan, delivery: Delivery) -> None:
    """Send the client the number of tokens in its prompt. Raises RequestFailed if no provider has counted and
    the prompt cannot be decoded. Raises the failure of the calls (RequestFailed or TimeoutError) if the
    client has been sent headers already.
    """
    # Only the deployments before the first one that cannot count are called. Later deployments have other
    # models, whose number is less accurate than an estimate.
    counting = tuple(takewhile(lambda one: can(runtime, asked, one), plan.route.deployments))
    if runtime.count_upstream and counting:
        once = msgspec.structs.replace(runtime, policy=msgspec.structs.replace(runtime.policy, retries=0))
        try:
            with runtime.deadlines.within(PATIENCE) as delivery.patience:
                media = Media(runtime.fetcher, asked.exchange.client or "")
                await Flight(
                    once, way, asked, plan.among(counting).without_fallbacks(), delivery, media
                ).run()
        except (RequestFailed, TimeoutError) as error:
            if delivery.client.begun:
                raise
            if isinstance(error, TimeoutError) and asked.exchange.attempts:  # else it waited in a queue
                asked.exchange.attempts[-1].fault = _TOO_LATE
        else:
            return
    await _count_here(asked, plan.route.deployments[0].model, delivery)


async def _count_here(asked: Asked, model: str, delivery: Delivery) -> None:
    """Send the gateway's own count: exact if the vocabulary of `model` is known and installed and the prompt
    is plain text that is not too long, otherwise an estimate.
    """
    exchange, codec = asked.exchange, asked.codec
    assert codec is not None
    exchange.answered = exchange.mode = None
    exchange.losses, exchange.changes = exchange.taken
    counted = await asked.step(lambda: counted_here(asked.request, model))
    reply = OperationReply(asked.request, Report(asked.face.name, "response"))
    payload = codec.client.encode(ir.TokenCount(counted.tokens), reply)
    headers = [] if counted.exact else [(b"x-dragoman-estimated", b"1")]
    if exchange.attempts:
        headers.append((b"x-dragoman-attempts", b"%d" % len(exchange.attempts)))
    await delivery.answer(200, headers, payload.data)


_TOO_LATE: Final = ir.Fault(
    "timeout",
    f"The provider did not count the tokens within {PATIENCE:g} s.",
    code="counting_timeout",
    blame="upstream",
)
