"""Reads the names of the counters of limits, and computes the windows of time that counters count in. Pure.

The name of a counter tells the limit, whom the counter counts, and its window of time (`Counter` shows the
form). `accounts.windows` makes these names. Stores have to read them, because usage records state by these
names how much they charge to which counter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Resource: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens", "money", "concurrency"]
"""What a limit counts. `tokens`: input and output together. `concurrency`: requests that run at the same
time; it has no window.
"""
Window: TypeAlias = Literal["second", "minute", "hour", "day", "week", "month", "lifetime"]
SECONDS: Final[Mapping[Window, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
}
"""The length in seconds of each window that always has the same length."""
_MONDAY: Final = 4 * 86_400
"""The first Monday after the beginning of 1970 (UTC), in Unix seconds."""
_RESOURCES: Final = frozenset(get_args(Resource))
_LENGTH: Final = re.compile(rf"([1-9][0-9]{{0,8}})?({'|'.join(get_args(Window))})?")
"""Matches the length of a window in the name of a counter: the number of units, and the unit."""
_START: Final = re.compile(r"[0-9]{1,11}")
"""Matches the start of a window in the name of a counter: at most the year 5138, for which the end of a month
can be computed, too.
"""


class Span(NamedTuple):
    """One window of time, in Unix seconds. start: its first moment. ends: the first moment after it; infinity
    = it never ends.
    """

    start: int
    ends: float


def span(window: Window | None, every: int, now: float) -> Span:
    """Return the window that contains the moment `now` (Unix seconds). window: the unit of the window's
    length; None (for `concurrency`) and `lifetime` = the window from 0 to infinity. every: the number of
    units, at least 1; not used for None, `month` (always one calendar month, in UTC) and `lifetime`.

    Windows of seconds, minutes, hours and days begin at multiples of their length since the beginning of 1970
    (UTC), windows of weeks at multiples of their length since the first Monday of 1970.
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
    """The parts of a counter's name, such as `team-a|tokens|1day||alice|1735689600`. name: the name of the
    limit. resource: what it counts. window, every: the unit and the number of units of the window's length
    (`1day`); window None = there is no window. mark: a hash of the models that the limit is for; "" = all
    models. value: whom the counter counts (a key's name, a tag, …); `*` = everybody together; `#` and 32
    digits = the hash of a long name. start: when the window began, in Unix seconds.
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
        """When the window ends, in Unix seconds; infinity = never."""
        return span(self.window, self.every, self.start).ends


def escaped(name: str) -> str:
    """Return a limit's name as it is written at the beginning of its counters' names: `|` becomes `%7C` and
    `%` becomes `%25`, because `|` separates the parts of a counter's name. (The name of a limit may contain a
    client key's name, which may have `|`.)
    """
    return name.replace("%", "%25").replace("|", "%7C")


def windowless(counter: str) -> str:
    """Return the name of a counter without the start of its window: `l|tokens|1day||alice|1735689600` →
    `l|tokens|1day||alice`. Counters that differ only in the start of their window have the same result.
    """
    return counter.rpartition("|")[0]


def read(counter: str) -> Counter | None:
    """Return the parts of a counter's name; None = the text is not in the form of such a name. The limit's
    name is given back as it was before `escaped`.
    """
    head, _, start = counter.rpartition("|")
    parts = head.split("|", 4)
    if len(parts) != 5 or _START.fullmatch(start) is None or parts[1] not in _RESOURCES:
        return None
    name, resource, lasting, mark, value = parts
    name = name.replace("%7C", "|").replace("%25", "%")
    if (length := _LENGTH.fullmatch(lasting)) is None:
        return None
    every, window = int(length[1] or 1), length[2]
    return Counter(name, resource, window, every, mark, value, int(start))  # type: ignore[arg-type]
