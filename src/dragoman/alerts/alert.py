"""An alert, and the rules by which repeated alerts are dropped or delayed. No function reads the clock;
callers pass the time.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

OUTAGE: Final = "outage"
RECOVERY: Final = "recovery"
_SUBJECTS: Final = 1_024
"""The most subjects that `Quiet` remembers. One more makes it forget the subject whose alert passed longest
ago: then the next alert on it passes, a delayed outage is dropped, and the recovery of an outage, too.
"""


class Alert(msgspec.Struct, frozen=True):
    """Something that an operator should know.

    type: "key_refused", "keys_exhausted", "outage", "recovery", "usage_waiting", "limit_warning" or
    "limit_reached". at: Unix seconds. provider: the provider that the alert is about, None or "" = none.
    deployment: the deployment that the alert is about (`provider/model`), None = no single one; an outage or
    a recovery without a deployment is about the provider as a whole. message: a text for a person, without
    secrets. key: the last characters of a provider's key, None = no key, or a key of which nothing may be
    shown. limit: the limit's name and its amount ("each: 5 USD per day"), None = no limit. whose: what the
    limit counts for ("key ci-agent"), None = for everybody, or the alert is not about a limit.
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
        """The name of what the alert is about: of the deployment; if there is none, of the provider, which
        contains no `/`; if there is none either, the limit's text; else "".
        """
        return self.deployment or self.provider or self.limit or ""

    @property
    def subject(self) -> tuple[str, ...]:
        """The value by which `Quiet` recognises repetitions: (type, `limit`, `whose`) for an alert about a
        limit, (type, provider, key) for a refused key, else (type, `name`).
        """
        if self.type == "key_refused":
            return (self.type, self.provider or "", self.key or "")
        return (self.type, self.name) if self.limit is None else (self.type, self.limit, self.whose or "")


def read(value: Any) -> Alert:
    """Return the alert from which `msgspec.to_builtins` has made `value`, to send it to another process."""
    return msgspec.convert(value, Alert)


class Quiet:
    """Decides which alerts go out to one receiver, so that repetitions do not. "An alert passes" means that
    `Quiet` lets it go out.

    An alert is dropped if another one on the same subject has passed within the last `every` seconds;
    otherwise it passes. There are different rules for two types:

    - A recovery passes only if an outage of the same deployment or provider has passed, and no recovery has
      passed since. Otherwise it is dropped. `every` does not matter.
    - An outage that comes after a recovery, but too soon after the last outage, is delayed until `every`
      seconds are over (`released`). If a recovery comes before that, both are dropped.

    An outage that lasts is told again if its alert comes again after `every` seconds. Only the latest
    `_SUBJECTS` subjects are remembered.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self._told: dict[tuple[str, ...], float] = {}
        """By subject, when an alert on it last passed (monotonic seconds)."""
        self._down: set[str] = set()
        """The deployments and providers whose outage has passed, and no recovery has come since. A subject
        that is forgotten is removed.
        """
        self._held: dict[str, Alert] = {}
        """By deployment or provider, the outage that is delayed."""

    def passes(self, alert: Alert, now: float) -> bool:
        """Return whether an alert goes out now, and remember what later decisions need. False = the alert is
        dropped, or delayed (`released`). now: monotonic seconds.
        """
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
        """Return when the next delayed outage goes out (monotonic seconds); None = none is delayed."""
        return min((self._told[alert.subject] + self.every for alert in self._held.values()), default=None)

    def released(self, now: float) -> list[Alert]:
        """Return the delayed outages whose time has come. They count as passed now, and are not returned
        again. now: monotonic seconds; inf = return all.
        """
        ready = [alert for alert in self._held.values() if self._told[alert.subject] + self.every <= now]
        for alert in ready:
            self._note(alert, now)
        return ready

    def _note(self, alert: Alert, now: float) -> None:
        self._told.pop(alert.subject, None)
        if len(self._told) >= _SUBJECTS:
            self._forget(next(iter(self._told)))
        self._told[alert.subject] = now
        if alert.type == OUTAGE:
            self._held.pop(alert.name, None)
            self._down.add(alert.name)

    def _forget(self, subject: tuple[str, ...]) -> None:
        del self._told[subject]
        if subject[0] == OUTAGE:
            self._held.pop(subject[1], None)
            self._down.discard(subject[1])
