"""What the name of a counter of limits says: which limit, whom it counts, and which window of time. Pure.

Usage records state by these names what they charge to counters. So stores have to read the names;
`accounts.windows` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Resource: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens", "money", "concurrency"]
"""What is limited. `tokens`: of input and output together. `concurrency`: requests that run at once, which
have no window.
"""
Window: TypeAlias = Literal["second", "minute", "hour", "day", "week", "month", "lifetime"]
SECONDS: Final[Mapping[Window, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
}
"""The length in seconds of those windows whose length is always the same."""
_MONDAY: Final = 4 * 86_400
"""The first Monday after the beginning of 1970, in Unix seconds."""
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


def escaped(name: str) -> str:
    """The name of a limit as the names of its counters begin: without `|`, which a key's name may have."""
    return name.replace("%", "%25").replace("|", "%7C")


def read(counter: str) -> Counter | None:
    """What the name of a counter says; None = it is no such name."""
    head, _, start = counter.rpartition("|")
    parts = head.split("|", 4)
    if len(parts) != 5 or not start.isdecimal() or parts[1] not in _RESOURCES:
        return None
    name, resource, lasting, mark, value = parts
    name = name.replace("%7C", "|").replace("%25", "%")
    window = lasting.lstrip("0123456789")
    if window and window not in get_args(Window):
        return None
    every = int(lasting[: len(lasting) - len(window)] or 1)
    return Counter(name, resource, window or None, every, mark, value, int(start))  # type: ignore[arg-type]
