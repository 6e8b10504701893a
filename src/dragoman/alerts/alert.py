"""One alert, and whether it goes out: pure, told the time."""

from __future__ import annotations

from typing import Any, Final

import msgspec

OUTAGE: Final = "outage"
RECOVERY: Final = "recovery"
_SUBJECTS: Final = 1_024
"""The most subjects that are remembered; one more makes the oldest be forgotten."""


class Alert(msgspec.Struct, frozen=True):
    """What has happened. type: "key_refused", "keys_exhausted", "outage", "recovery", "usage_waiting",
    "limit_warning" or "limit_reached". at: Unix seconds. provider, deployment: whom it is about; no
    deployment = the provider as a whole, which did not answer a check, or answers again; None or "" = it is
    about no provider. key: the last characters of a key, None = it is about no key. limit: its name and what
    it allows; whose: whom it counts ("key ci-agent"), None = everybody. message: one sentence for a person,
    without secrets.
    """

    type: str
    at: float
    provider: str | None
    deployment: str | None
    message: str
    key: str | None = None
    limit: str | None = None
    whose: str | None = None

    @property
    def name(self) -> str:
        """Whom it is about: the deployment, or the provider as a whole (then without a `/`); or the limit."""
        return self.deployment or self.provider or self.limit or ""

    @property
    def subject(self) -> tuple[str, ...]:
        """Two alerts with the same subject say the same, so the second one need not be sent. A key that is
        refused for several models is one subject.
        """
        if self.type == "key_refused":
            return (self.type, self.provider or "", self.key or "")
        return (self.type, self.name) if self.limit is None else (self.type, self.limit, self.whose or "")


def read(value: Any) -> Alert:
    """The alert in a message from another process. value: the alert, as `msgspec.to_builtins` writes it."""
    return msgspec.convert(value, Alert)


class Quiet:
    """Lets an alert pass at most once in `every` seconds for each subject; other alerts on the subject are
    dropped.

    A recovery passes only if an outage has passed before it, and then always. A new outage after a recovery,
    but within `every` seconds of the outage before, is held back until these are over; if a recovery comes
    first, it is dropped. An outage that lasts is told again, and so is a new one after a recovery that nobody
    has seen.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self._told: dict[tuple[str, ...], float] = {}
        """By subject, when it was told last."""
        self._down: set[str] = set()
        """The deployments and providers whose outage was told last."""
        self._held: dict[str, Alert] = {}
        """By deployment or provider, the outage that came too soon."""

    def passes(self, alert: Alert, now: float) -> bool:
        """Whether an alert goes out now. now: monotonic seconds."""
        name = alert.name
        if alert.type == RECOVERY:
            self._held.pop(name, None)
            if name not in self._down:
                return False
            self._down.discard(name)
            return True
        if now - self._told.get(alert.subject, float("-inf")) < self.every:
            if alert.type == OUTAGE and name not in self._down:
                self._held[name] = alert
            return False
        self._note(alert, now)
        return True

    def due(self) -> float | None:
        """When the next held outage goes out (monotonic seconds); None = none is held."""
        return min((self._told[alert.subject] + self.every for alert in self._held.values()), default=None)

    def released(self, now: float) -> list[Alert]:
        """The held outages that go out now."""
        ready = [alert for alert in self._held.values() if self._told[alert.subject] + self.every <= now]
        for alert in ready:
            del self._held[alert.name]
            self._note(alert, now)
        return ready

    def _note(self, alert: Alert, now: float) -> None:
        self._told.pop(alert.subject, None)
        if len(self._told) >= _SUBJECTS:
            self._forget(next(iter(self._told)))
        self._told[alert.subject] = now
        if alert.type == OUTAGE:
            self._down.add(alert.name)

    def _forget(self, subject: tuple[str, ...]) -> None:
        del self._told[subject]
        if subject[0] == OUTAGE:
            self._held.pop(subject[1], None)
            self._down.discard(subject[1])
