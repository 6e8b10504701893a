"""Periods: where hours, days and months begin, and how spans are covered by them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.state.periods import HOUR, Segment, Step, buckets, end_of, rounded_up, segments, start_of


def at(*stated: int) -> int:
    return int(datetime(*stated, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


LEAP = at(2028, 2, 29, 13)


@pytest.mark.parametrize(
    ("step", "begin", "end"),
    [
        ("hour", at(2028, 2, 29, 13), at(2028, 2, 29, 14)),
        ("day", at(2028, 2, 29), at(2028, 3, 1)),
        ("month", at(2028, 2, 1), at(2028, 3, 1)),
    ],
)
def test_a_period_begins_and_ends_in_utc(step: Step, begin: int, end: int) -> None:
    assert (start_of(step, LEAP + 0.5), end_of(step, LEAP + 0.5)) == (begin, end)
    assert rounded_up(step, begin) == begin
    assert rounded_up(step, begin + 1) == end


def test_december_is_followed_by_january() -> None:
    assert end_of("month", at(2026, 12, 31, 23)) == at(2027, 1, 1)


def test_a_month_is_one_row_and_its_edges_are_days_and_hours() -> None:
    begin, end = at(2026, 1, 30, 22), at(2026, 3, 2, 3)
    assert segments(begin, end, None) == [
        Segment("hour", begin, at(2026, 1, 31), begin),
        Segment("day", at(2026, 1, 31), at(2026, 2, 1), begin),
        Segment("month", at(2026, 2, 1), at(2026, 3, 1), begin),
        Segment("day", at(2026, 3, 1), at(2026, 3, 2), begin),
        Segment("hour", at(2026, 3, 2), end, begin),
    ]


def test_a_span_inside_of_one_day_is_one_bucket_of_hours() -> None:
    begin = at(2026, 1, 30, 5)
    assert segments(begin, begin + 3 * HOUR, "day") == [
        Segment("hour", begin, begin + 3 * HOUR, at(2026, 1, 30))
    ]
    assert segments(begin, begin, "day") == []


hours = st.integers(at(2025, 12, 1) // HOUR, at(2027, 3, 1) // HOUR).map(lambda hour: hour * HOUR)
steps: Any = st.sampled_from(["hour", "day", "month", None])


@given(hours, hours, steps)
def test_segments_cover_a_span_once_and_each_bucket_begins_where_its_hours_do(
    one: int, other: int, step: Step | None
) -> None:
    begin, end = min(one, other), max(one, other)
    found = segments(begin, end, step)
    reached = begin
    for segment in found:
        assert segment.begin == reached < segment.end
        assert start_of(segment.step, segment.begin) == segment.begin
        assert start_of(segment.step, segment.end) == segment.end
        if segment.bucket is None:
            assert segment.step == step
        else:
            wanted = begin if step is None else start_of(step, segment.begin)
            assert segment.bucket == wanted
            assert step is None or start_of(step, segment.end - 1) == wanted
        reached = segment.end
    assert reached == end
    if step is not None and begin < end:
        assert next(buckets(begin, end, step)) == start_of(step, begin)
