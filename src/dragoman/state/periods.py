"""The hours, days and months (UTC) for which usage is added up, and how they cover a span of time. Pure.

Times are Unix seconds; the starts and ends of periods are whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

Step: TypeAlias = Literal["hour", "day", "month"]
STEPS: Final[tuple[Step, ...]] = ("hour", "day", "month")
"""The lengths of periods, the shortest first. The database stores the index of a length in this list."""
HOUR: Final = 3_600
DAY: Final = 86_400
_SECONDS: Final = {"hour": HOUR, "day": DAY}


class Segment(NamedTuple):
    """A part of a report's span: complete periods of one length (`step`), from `begin` to `end` (not
    included). bucket: the start of the report's bucket (its unit on the time axis) to which all of these
    periods belong; None = each of these periods is a bucket of its own.
    """

    step: Step
    begin: int
    end: int
    bucket: int | None


def start_of(step: Step, time: float) -> int:
    """Return the start of the period of this length that contains `time`. A period contains its start, but
    not its end.
    """
    seconds = _SECONDS.get(step)
    if seconds is not None:
        return int(time // seconds) * seconds
    moment = datetime.fromtimestamp(time, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())


def end_of(step: Step, time: float) -> int:
    """Return the end of the period of this length that contains `time`. The next period starts at this
    moment.
    """
    start = start_of(step, time)
    return start + _SECONDS[step] if step in _SECONDS else start_of(step, start + 32 * DAY)


def rounded_up(step: Step, time: float) -> int:
    """Return the earliest start of a period of this length that is not before `time`: `time` itself if a
    period starts then.
    """
    start = start_of(step, time)
    return start if start == time else end_of(step, time)


def buckets(begin: int, end: int, step: Step) -> Iterator[int]:
    """Yield the start of each period of this length that overlaps the span from `begin` to `end` (not
    included), in order. The first start may be before `begin`. `begin` must be before `end`.
    """
    start = start_of(step, begin)
    while start < end:
        yield start
        start = end_of(step, start)


def segments(begin: int, end: int, step: Step | None) -> list[Segment]:
    """Return the segments that exactly cover the span from `begin` to `end` (not included), in the order of
    time; [] = `begin` is not before `end`. begin, end: whole hours. step: the length of the buckets; the
    first and last bucket may be covered only in part. None = the whole span is one bucket, which starts at
    `begin`.
    """
    if begin >= end:
        return []
    if step is None:
        return list(_cover(begin, end, "month", begin))
    first, last = rounded_up(step, begin), start_of(step, end)
    if first > last:
        return list(_cover(begin, end, _finer(step), start_of(step, begin)))
    found = [*_cover(begin, first, _finer(step), start_of(step, begin))]
    if first < last:
        found.append(Segment(step, first, last, None))
    return [*found, *_cover(last, end, _finer(step), last)]


def _cover(begin: int, end: int, step: Step, bucket: int) -> Iterator[Segment]:
    """Yield the segments that cover the span from `begin` to `end`, which lies in one bucket, with periods of
    the length `step` or shorter ones. bucket: the start of the bucket.
    """
    if begin >= end:
        return
    first, last = rounded_up(step, begin), start_of(step, end)
    if first < last:
        yield from _cover(begin, first, _finer(step), bucket)
        yield Segment(step, first, last, bucket)
        yield from _cover(last, end, _finer(step), bucket)
    else:
        yield from _cover(begin, end, _finer(step), bucket)


def _finer(step: Step) -> Step:
    return STEPS[max(0, STEPS.index(step) - 1)]
