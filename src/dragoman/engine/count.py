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
from dragoman.engine.flight import Flight
from dragoman.engine.operate import able
from dragoman.engine.runtime import Runtime
from dragoman.engine.work import Work
from dragoman.errors import RequestFailed
from dragoman.routing.route import Deployment
from dragoman.tokens import count as counted_here

PATIENCE: Final = 5.0
"""Seconds for all attempts together. Clients count before they ask, so nobody has an answer before that."""


async def count(runtime: Runtime, work: Work) -> None:
    """Answer how many tokens the request's prompt has. Raises RequestFailed where it cannot be read."""
    first = work.route.deployments[0]
    if (asked := _counting(runtime, work)) and await _told(runtime, work, asked):
        return
    await _count_here(work, first)


def _counting(runtime: Runtime, work: Work) -> tuple[Deployment, ...]:
    """Who is asked: the deployments that count, up to the first that does not. Those behind it have other
    models, whose number is further from the truth than an estimate.
    """
    if not runtime.count_upstream:
        return ()
    upstreams, face = runtime.upstreams, work.face.name
    return tuple(
        takewhile(
            lambda deployment: (
                able(upstreams[deployment.provider], "count", face, deployment.model) is not None
            ),
            work.route.deployments,
        )
    )


async def _told(runtime: Runtime, work: Work, asked: tuple[Deployment, ...]) -> bool:
    """Ask providers. False = none has told a number in time."""
    work.route = msgspec.structs.replace(work.route, deployments=asked)
    once = msgspec.structs.replace(runtime, policy=msgspec.structs.replace(runtime.policy, retries=0))
    try:
        with runtime.deadlines.within(PATIENCE):
            await Flight(once, work).run()
    except (RequestFailed, TimeoutError) as error:
        if work.client.begun:
            raise
        if isinstance(error, TimeoutError):
            work.exchange.attempts[-1].fault = _TOO_LATE
        return False
    return True


async def _count_here(work: Work, deployment: Deployment) -> None:
    """Answer with our own count, by the vocabulary of this deployment's model if that is known."""
    exchange = work.exchange
    exchange.answered = exchange.mode = None
    exchange.losses, exchange.changes = exchange.taken
    counted = await work.step(lambda: counted_here(work.request, deployment.model))
    reply = OperationReply(work.request, Report(work.face.name, "response"))
    payload = work.codec.client.encode(ir.TokenCount(counted.tokens), reply)
    headers = [] if counted.exact else [(b"x-dragoman-estimated", b"1")]
    if exchange.attempts:
        headers.append((b"x-dragoman-attempts", b"%d" % len(exchange.attempts)))
    await work.client.answer(200, headers, payload.data)


_TOO_LATE: Final = ir.Fault(
    "timeout",
    f"The provider did not count the tokens within {PATIENCE:g} s.",
    code="counting_timeout",
    blame="upstream",
)
