"""Reports: which queries can be answered, and how cells become a report."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.state.periods import DAY, HOUR, end_of, start_of
from dragoman.state.usage_report import Cell, Known, Query, best, made, problem, widened
from dragoman.state.usage_sums import Sums

NOW = 1_772_000_000
BEGIN = NOW // DAY * DAY


def query(**more: Any) -> Query:
    return Query(**{"begin": BEGIN, "end": BEGIN + 2 * DAY, **more})


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"end": BEGIN}, "to"),
        ({"by": ("key", "model", "tenant")}, "group_by"),
        ({"by": ("key", "key")}, "group_by"),
        ({"by": ("tag", "model")}, "group_by"),
        ({"by": ("model",), "only": {"end_user": "u"}}, "end_user"),
        ({"by": ("end_user",), "step": "hour"}, "step"),
        ({"top": 0}, "top"),
        ({"end": BEGIN + 365 * DAY, "step": "hour"}, "step"),
        ({"end": BEGIN + 30 * DAY, "step": "hour", "by": ("key",), "top": 1000}, "top"),
    ],
)
def test_a_query_that_cannot_be_answered_names_its_field(more: dict[str, Any], field: str) -> None:
    found = problem(query(**more))
    assert found is not None
    assert found[0] == field


def test_other_queries_have_no_problem() -> None:
    assert problem(query(by=("tag",), only={"tag": "a"})) is None
    assert problem(query(by=("key", "model"), only={"provider": "p"}, step="hour")) is None


def test_a_span_is_rounded_outwards_to_hours_and_to_days_where_hours_are_gone() -> None:
    odd = query(begin=BEGIN + HOUR + 1, end=BEGIN + DAY + HOUR + 1)
    assert widened(odd).begin == BEGIN + HOUR
    assert widened(odd).end == BEGIN + DAY + 2 * HOUR
    older = widened(odd, Known(hours=BEGIN + DAY))
    assert (older.begin, older.end) == (BEGIN, BEGIN + DAY + 2 * HOUR)
    oldest = widened(odd, Known(hours=BEGIN + 9 * DAY, days=BEGIN + 9 * DAY))
    assert (oldest.begin, oldest.end) == (start_of("month", BEGIN), end_of("month", BEGIN + DAY))


def test_what_is_known_depends_on_the_buckets() -> None:
    known = Known(3, 2, 1)
    assert [known.since(step) for step in ("hour", "day", "month", None)] == [3, 2, 1, 1]


def one(requests: int) -> Sums:
    return Sums({"requests": requests})


def test_cells_become_groups_by_rank_and_the_others_come_last() -> None:
    cells = [
        Cell(BEGIN, ("a",), one(1)),
        Cell(BEGIN, None, one(100)),
        Cell(BEGIN + DAY, ("b",), one(5)),
        Cell(BEGIN, ("b",), one(2)),
    ]
    report = made(query(by=("key",), step="day"), cells, None, BEGIN + DAY + 1)
    assert [(group.values, group.sums["requests"]) for group in report.groups] == [
        (("b",), 7),
        (("a",), 1),
        (None, 100),
    ]
    assert report.total["requests"] == 108
    assert [(bucket.begin, bucket.complete) for bucket in report.buckets] == [
        (BEGIN, True),
        (BEGIN + DAY, False),
    ]
    assert [group.sums["requests"] for group in report.buckets[0].groups] == [2, 1, 100]


def test_a_bucket_that_the_span_has_in_part_is_not_complete() -> None:
    report = made(query(begin=BEGIN + HOUR, step="day"), [], None, NOW + 10 * DAY)
    assert [bucket.complete for bucket in report.buckets] == [False, True]


def test_the_best_are_those_with_the_largest_amounts() -> None:
    assert best({("a",): 1, ("c",): 3, ("b",): 3}, 2) == [("b",), ("c",)]


def test_no_period_begins_before_the_earliest_usage_that_counts() -> None:
    odd = query(not_before=BEGIN + 0.5)
    assert widened(odd).begin == BEGIN + HOUR
    assert widened(query(not_before=float(BEGIN))).begin == BEGIN
    assert widened(odd, Known(hours=BEGIN + 9 * DAY)).begin == BEGIN + DAY
    month = widened(odd, Known(hours=BEGIN + 90 * DAY, days=BEGIN + 90 * DAY)).begin
    assert month == end_of("month", BEGIN)
    late = widened(query(not_before=BEGIN + 9 * DAY + 1.0))
    assert late.begin == late.end == BEGIN + 9 * DAY + HOUR
    assert made(late, [], None, NOW).groups == []


def test_a_report_on_an_empty_span_has_no_buckets() -> None:
    late = widened(query(step="day", not_before=BEGIN + 9 * DAY + 1.0))
    assert late.begin == late.end
    assert made(late, [], None, NOW).buckets == []
