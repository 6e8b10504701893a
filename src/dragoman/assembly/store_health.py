"""Asks the store how it is, for the health answer and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dragoman.seams.deadlines import Deadlines
from dragoman.state.store import Store, StoreFailed

_WAIT: Final = 0.5
"""Seconds to wait until the store has counted its sessions."""


async def store_health(
    store: Store, deadlines: Deadlines, monotonic: Callable[[], float]
) -> tuple[dict[str, Any], int | None]:
    """The JSON members that tell of the store, and the number of its sessions: None = it did not count them
    in time, or is not open (as long as nothing has failed, it is not opened for this). A database that
    answers has two members more: its `version`, and in `latency_ms` how long it took to count.
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
