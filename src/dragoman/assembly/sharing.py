"""Shares what the workers of this gateway remember about keys and deployments.

The keeper is the process that does what must be done only once on a machine; it also passes messages on from
worker to worker. A message can be lost: the connection to a process is full, or the keeper ends before it
passes the message on. So the keeper regularly asks all workers what they know, and tells the combined answer
to all of them.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any, Final

import msgspec

from dragoman.routing.health import Calling, Health
from dragoman.routing.sharing import Mark, Sharing
from dragoman.seams.clock import Seams
from dragoman.seams.peers import Peers
from dragoman.seams.tasks import spawn

_LEARNT = "health"
"""The subject of messages with what a process has learnt."""
_KNOWN = "health.known"
"""The subject of the question for everything that a process knows. The question's value is the argument
`lately` of `Sharing.state`.
"""
EVERY: Final = 10.0
"""Seconds between two questions of the keeper."""
_LATELY: Final = 60.0
"""Seconds for which a mark (one fact that a process has learnt) is repeated after its time is over, because a
few questions may be lost, too.
"""


async def share(health: Health, peers: Peers, seams: Seams) -> asyncio.Task[None] | None:
    """From now on tell the other workers what this process learns, and use what they tell; this sets the
    attributes `share` and `recall` of `health`. Then ask the other processes what they know, and use it. Does
    nothing if this is the only process.

    Returns None, but in the keeper a task that repeats the question every `EVERY` seconds and tells all
    workers the combined answer; the caller has to cancel it at the end.
    """
    if peers.alone:
        return None
    sharing = Sharing(health)

    def tell(calling: Calling | None) -> None:
        if marks := sharing.learnt(calling, seams.monotonic()):
            peers.tell(_LEARNT, marks)

    def hear(value: Any) -> None:
        sharing.hear(msgspec.convert(value, list[Mark]), seams.monotonic())

    health.share = tell
    health.recall = lambda: sharing.recall(seams.monotonic())
    peers.receive(_LEARNT, hear)
    peers.receive(_KNOWN, lambda lately: sharing.state(seams.monotonic(), lately or inf))

    async def gather(lately: float | None = None) -> None:
        for known in await peers.ask(_KNOWN, lately):
            hear(known)
        if peers.keeps and (together := sharing.state(seams.monotonic(), lately or inf)):
            peers.tell(_LEARNT, together)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(EVERY)
            await gather(_LATELY)

    await gather()
    return spawn(repeat(), "gathering what the workers know") if peers.keeps else None
