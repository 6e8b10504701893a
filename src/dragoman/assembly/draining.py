"""When a gateway stops: how long its port stays open, and how much of the drain time is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

DRAIN_DELAY: Final = 5.0
"""Seconds; see `Draining.delay`."""
_PROBED_LATELY: Final = 60.0
"""Seconds for which a readiness check shows that a load balancer watches the gateway."""


class Draining:
    """The stop of one gateway. monotonic: returns monotonic seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._closes: float | None = None
        """When the port closes, or has closed (monotonic seconds); None = no stop was requested."""
        self._probed: float | None = None

    @property
    def begun(self) -> bool:
        """Whether a stop was requested."""
        return self._closes is not None

    def begin(self, delay: float = 0.0) -> None:
        """Record that a stop was requested. Only the first call counts. delay: seconds until the port closes
        and the drain time starts.
        """
        if self._closes is None:
            self._closes = self._monotonic() + delay

    def left(self, most: float) -> float:
        """Return the seconds until the drain time ends, at least 0. Before the port closes, they include the
        seconds until it closes. If no stop was requested, they are `most`. most: the whole drain time, which
        starts when the port closes.
        """
        gone = 0.0 if self._closes is None else self._monotonic() - self._closes
        return max(0.0, most - gone)

    def probed(self) -> None:
        """Record that a readiness check was made now."""
        self._probed = self._monotonic()

    def delay(self, stated: float | None) -> float:
        """Return the seconds for which the port stays open after a SIGTERM. stated: the setting
        `server.drain_delay`; None = `DRAIN_DELAY` if a readiness check was made in the last minute, else 0.
        """
        if stated is not None:
            return float(stated)
        lately = self._probed is not None and self._monotonic() - self._probed < _PROBED_LATELY
        return DRAIN_DELAY if lately else 0.0
