"""Sweeps a store about once a minute: expired entries, and entries beyond the store's limits, are deleted."""

from __future__ import annotations

import asyncio
import logging

from dragoman.seams.clock import Seams
from dragoman.state.exchanges import Exchanges
from dragoman.state.store import Store, StoreFailed

log = logging.getLogger("dragoman.stores")

_PAUSE = 60.0
"""The average seconds from the end of a sweep to the start of the next."""


async def keep_swept(store: Store | Exchanges, seams: Seams) -> None:
    """Sweep the store again and again until the task is cancelled, each time (also the first) after a pause
    of 30 to 90 seconds. If a sweep raises an Exception, log it and continue; after a StoreFailed, further
    ones are not logged until a sweep has succeeded.

    The interval is random, so that processes that started together do not sweep at the same time.
    """
    failing = False
    while True:
        await asyncio.sleep(_PAUSE * (0.5 + seams.uniform()))
        try:
            await store.sweep(seams.now())
            failing = False
        except StoreFailed as failed:
            if not failing:
                log.warning("expired entries of the store could not be deleted: %s", failed)
            failing = True
        except Exception:  # whatever it is, the next sweep may succeed
            log.exception("expired entries of the store could not be deleted")
