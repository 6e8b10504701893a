"""Windows of time, and the names of counters. Pure.

The name of a counter states the limit, whom it counts and the window, so that all processes use the same one
without asking each other, and whoever reads the name knows when the counter is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from math import inf
from typing import Final, NamedTuple, get_args

from dragoman.accounts.limits import SECONDS, Limit, Resource, Window

_MONDAY: Final = 4 * 86_400
"""The first Monday after the beginning of 1970, in Unix seconds."""
_LONGEST: Final = 64
"""The most characters of a name that a counter shows; a longer one is replaced by its hash."""
_HASHED: Final = "#"
_RESOURCES: Final = frozenset(get_args(Resource))


class Span(NamedTuple):
    """One window of time, in Unix seconds: from `start` to `ends`, which is not part of it."""

    start: int
    ends: float


def span(window: Window | None, every: int, now: float) -> Span:
    """The window that a moment is in. window: None = for ever, as for `concurrency`. now: Unix seconds.

    Windows of several seconds, minutes or hours begin at multiples of their length since 1970 (UTC).
    """
    if window is None or window == "lifetime":
        return Span(0, inf)
    if window == "month":
        moment = datetime.fromtimestamp(now, UTC)
        year, month = moment.year, moment.month
        following = (year + 1, 1) if month == 12 else (year, month + 1)
        return Span(_first(year, month), _first(*following))
    length = SECONDS[window] * every
    offset = _MONDAY if window == "week" else 0
    start = int(now - offset) // length * length + offset
    return Span(start, start + length)


def _first(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())


class Counter(NamedTuple):
    """What the name of a counter says. name: of the limit. mark: of the models that the limit is for; "" =
    all. value: whom it counts: a key's name, a tag, …; `*` = everybody; `#` and 32 digits = the hash of a
    name. start: when the window began, in Unix seconds.
    """

    name: str
    resource: Resource
    window: Window | None
    every: int
    mark: str
    value: str
    start: int

    @property
    def ends(self) -> float:
        """When the window is over, in Unix seconds; infinity = never."""
        return span(self.window, self.every, self.start).ends


def prefix_of(limit: Limit, value: str) -> str:
    """The beginning of the name of a limit's counter; the window's start follows. value: whom it counts."""
    window = "" if limit.window is None else f"{limit.every}{limit.window}"
    return f"{limit.name}|{limit.resource}|{window}|{mark_of(limit.models)}|{shown(value)}|"


def read(counter: str) -> Counter | None:
    """What the name of a counter says; None = it is no such name."""
    head, _, start = counter.rpartition("|")
    parts = head.split("|", 4)
    if len(parts) != 5 or not start.isdecimal() or parts[1] not in _RESOURCES:
        return None
    name, resource, lasting, mark, value = parts
    window = lasting.lstrip("0123456789")
    if window and window not in get_args(Window):
        return None
    every = int(lasting[: len(lasting) - len(window)] or 1)
    return Counter(name, resource, window or None, every, mark, value, int(start))  # type: ignore[arg-type]


def shown(value: str) -> str:
    """A name as counters have it: itself; or, if it is long or cannot be printed, `#` and 32 digits of its
    hash. So names that clients invent have bounded length, and no counter is found by two names.
    """
    if len(value) <= _LONGEST and value.isprintable() and not value.startswith(_HASHED):
        return value
    return _HASHED + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def mark_of(models: Iterable[str] | None) -> str:
    """Eight digits that tell apart the limits of one name that are for different models; "" = for all."""
    if models is None:
        return ""
    return hashlib.sha256("\0".join(sorted(models)).encode("utf-8", "surrogatepass")).hexdigest()[:8]
