"""Finds out whether the store works, for `/health` and `/metrics`.

Reading does not show it: a store whose disk is full answers all questions. So a small row is written now and
then (`keep_probed`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from dragoman.seams.clock import Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.state.store import Store, StoreFailed

log = logging.getLogger("dragoman.assembly.store_health")
_LOOK: Final = 5.0
"""Seconds between two looks whether the store is to be probed, and so between two probes of one that fails.
"""
_EVERY: Final = 60.0
"""The average seconds between two probes of a store that works."""
_WAIT: Final = 0.5
"""The most seconds to wait until the store has counted its sessions."""


async def store_health(
    store: Store, deadlines: Deadlines, monotonic: Callable[[], float]
) -> tuple[dict[str, Any], int | None]:
    """Return (the JSON fields that describe the store, the number of sessions in it). The number is None if
    the store fails, is not open, or does not count the sessions within 0.5 seconds. A store that is not open
    is opened for this only if it has failed before. If a database answers, the fields include its `version`,
    and in `latency_ms` the milliseconds that it took to count.
    """
    health: dict[str, Any] = {"kind": store.kind}
    more: dict[str, Any] = {}
    sessions: int | None = None
    if store.is_open or store.healthy is False:
        began = monotonic()
        try:
            with deadlines.within(_WAIT):
                sessions = await store.sessions.count()
            if store.version is not None:
                more = {"version": store.version, "latency_ms": round((monotonic() - began) * 1000, 2)}
        except StoreFailed:
            pass  # the store has noted the failure itself
        except TimeoutError:
            return {**health, "healthy": False, "last_error": "it does not answer"}, None
    return {**health, "healthy": store.healthy, "last_error": store.last_error, **more}, sessions


async def keep_probed(store: Store, seams: Seams) -> None:
    """Probe the store again and again until the task is cancelled: every 30 to 90 s while it works and is
    open, every 5 s after a use or a probe has failed. A store that is not open, and has not failed, is not
    probed, so that nothing is opened for this. If a probe fails, and when one succeeds again, the log says
    so.
    """
    failing, due = False, 0.0
    while True:
        await asyncio.sleep(_LOOK)
        if store.healthy is not False and not (store.is_open and seams.monotonic() >= due):
            continue
        due = seams.monotonic() + _EVERY * (0.5 + seams.uniform())
        try:
            await store.probe()
        except Exception as failed:  # whatever it is, the next probe may succeed
            if not failing:
                unforeseen = None if isinstance(failed, StoreFailed) else failed
                log.warning("the store takes nothing that is written: %s", failed, exc_info=unforeseen)
            failing = True
        else:
            if failing:
                log.warning("the store takes what is written again")
            failing = False
