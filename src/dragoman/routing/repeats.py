"""Decides which events are written to the log, so that a deployment that fails and recovers again and again
does not get a line each time. Pure: the caller gives the time.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dragoman.routing.event import Event

EVERY: Final = 60.0
"""Seconds in which events about the same subject (`Repeats.of`) are logged once."""
_MOST: Final = 1_024
"""The most subjects that are remembered. When there are so many, the next line makes it forget all others."""


class _Line(msgspec.Struct):
    """The latest line about a subject (`Repeats.of`). at: when it was logged (monotonic seconds). since: how
    many events came after it and were not logged.
    """

    at: float
    since: int = 0


class Repeats:
    """Makes the lines for the log of one process from events, and remembers which lines it has made."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str | None, ...], _Line] = {}

    def of(self, event: Event, now: float) -> str | None:
        """Count an event, and return its line for the log: its message. None = the event is left out, because
        the latest line about its subject is less than `EVERY` seconds old. The subject is the event's kind,
        provider, deployment and key. If events about the same subject were left out since the latest line,
        the new line says how many. now: monotonic seconds.
        """
        subject = (event.kind, event.provider, event.deployment, event.key)
        before = self._lines.get(subject)
        if before is not None and now - before.at < EVERY:
            before.since += 1
            return None
        if len(self._lines) >= _MOST:
            self._lines.clear()
        self._lines[subject] = _Line(now)
        if before is None or not before.since:
            return event.message
        return f"{event.message} (and {before.since} more times in the last {now - before.at:.0f} s)"
