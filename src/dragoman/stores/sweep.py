"""Sweeps a store, again and again, as long as it is open."""

from __future__ import annotations

import asyncio
import logging

from dragoman.seams.clock import Seams
from dragoman.state.store import Store, StoreFailed

log = logging.getLogger("dragoman.stores")

_PAUSE = 60.0
"""Seconds between two sweeps, about."""


async def keep_swept(store: Store, seams: Seams) -> None:
    """Forget what has expired, about once a minute, for ever. Processes that began together sweep apart."""
    while True:
        await asyncio.sleep(_PAUSE * (0.5 + seams.uniform()))
        try:
            await store.sweep(seams.now())
        except StoreFailed as failed:
            log.warning("expired entries of the store could not be deleted: %s", failed)
