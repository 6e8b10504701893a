"""Shares what is remembered of keys and deployments with the other workers of this gateway."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.routing.health import Calling, Health
from dragoman.routing.sharing import Mark, Sharing
from dragoman.seams.clock import Seams
from dragoman.seams.peers import Peers

_LEARNT = "health"
"""The subject of what a process has learnt."""
_KNOWN = "health.known"
"""The subject of the question for all that a process knows."""


async def share(health: Health, peers: Peers, seams: Seams) -> None:
    """From now on tell the other workers what this process learns, and learn what they tell. First take over
    what they and the keeper know. The keeper then tells all of them what they know together: while there was
    no keeper, they could not tell each other.
    """
    if peers.alone:
        return
    sharing = Sharing(health)

    def tell(calling: Calling | None) -> None:
        if marks := sharing.learnt(calling, seams.monotonic()):
            peers.tell(_LEARNT, marks)

    def hear(value: Any) -> None:
        sharing.hear(msgspec.convert(value, list[Mark]), seams.monotonic())

    health.share = tell
    peers.receive(_LEARNT, hear)
    peers.receive(_KNOWN, lambda _: sharing.state(seams.monotonic()))
    for known in await peers.ask(_KNOWN):
        hear(known)
    if peers.keeps and (together := sharing.state(seams.monotonic())):
        peers.tell(_LEARNT, together)
