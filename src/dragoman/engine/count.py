"""Counting the tokens of a prompt: by the provider that would answer it, where that has an endpoint for it;
else by our own count, which says where it is an estimate.

No failure of a provider fails a count: those that count are asked once each, for a few seconds together.
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
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.ways import Way, can
from dragoman.errors import RequestFailed
from dragoman.tokens import count as counted_here

PATIENCE: Final = 5.0
"""Seconds for all attempts together. Clients count before they ask, so nobody has an answer before that."""


async def count(runtime: Runtime, way: Way, asked: Asked, plan: Plan, delivery: Delivery) -> None:
    """Answer how many tokens the request's prompt has. Raises RequestFailed where it cannot be read."""
    # Deployments behind the first that does not count have other models, whose number is further from the
    # truth than an estimate.
    counting = tuple(takewhile(lambda one: can(runtime, asked, one), plan.route.deployments))
    if runtime.count_upstream and counting:
        once = msgspec.structs.replace(runtime, policy=msgspec.structs.replace(runtime.policy, retries=0))
        try:
            with runtime.deadlines.within(PATIENCE):
                await Flight(once, way, asked, plan.among(counting), delivery).run()
        except (RequestFailed, TimeoutError) as error:
            if delivery.client.begun:
                raise
            if isinstance(error, TimeoutError):
                asked.exchange.attempts[-1].fault = _TOO_LATE
        else:
            return
    await _count_here(asked, plan.route.deployments[0].model, delivery)


async def _count_here(asked: Asked, model: str, delivery: Delivery) -> None:
    """Answer with our own count, by the vocabulary of this model if that is known."""
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
    await delivery.client.answer(200, headers, payload.data)


_TOO_LATE: Final = ir.Fault(
    "timeout",
    f"The provider did not count the tokens within {PATIENCE:g} s.",
    code="counting_timeout",
    blame="upstream",
)
