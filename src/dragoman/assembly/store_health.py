"""Finds out whether the store works, for `/health` and `/metrics`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dragoman.seams.deadlines import Deadlines
from dragoman.state.store import Store, StoreFailed

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
