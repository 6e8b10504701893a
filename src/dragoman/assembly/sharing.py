"""Shares what is remembered of keys and deployments with the other workers of this gateway.

A message can be lost: a line is full, or the keeper ends with it. So the keeper asks all workers now and then
what they know, and tells all of them what they know together.
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
"""The subject of what a process has learnt."""
_KNOWN = "health.known"
"""The subject of the question for all that a process knows. Its value: as `lately` of `Sharing.state`."""
EVERY: Final = 10.0
"""Seconds between two questions of the keeper."""
_LATELY: Final = 60.0
"""Seconds for which a mark that is over is repeated: a few questions may be lost as well."""


async def share(health: Health, peers: Peers, seams: Seams) -> asyncio.Task[None] | None:
    """From now on tell the other workers what this process learns, and learn what they tell. First take over
    what they and the keeper know. The keeper then tells all of them what they know together: while there was
    no keeper, they could not tell each other. Returns the task that does this again and again, which has to
    be cancelled in the end; None = this process has no such task.
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
