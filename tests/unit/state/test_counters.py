"""Windows of time, and what the names of counters say of them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.state.counters import Span, Window, read, span, windowless


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "every", "moment", "start", "ends"),
    [
        ("second", 1, "2026-11-23T15:04:05.700000", "2026-11-23T15:04:05", "2026-11-23T15:04:06"),
        ("minute", 1, "2026-11-23T15:04:59.999999", "2026-11-23T15:04:00", "2026-11-23T15:05:00"),
        ("minute", 1, "2026-11-23T15:05:00", "2026-11-23T15:05:00", "2026-11-23T15:06:00"),
        ("minute", 5, "2026-11-23T15:04:59", "2026-11-23T15:00:00", "2026-11-23T15:05:00"),
        ("hour", 6, "2026-11-23T15:04:59", "2026-11-23T12:00:00", "2026-11-23T18:00:00"),
        ("day", 1, "2026-11-23T23:59:59", "2026-11-23T00:00:00", "2026-11-24T00:00:00"),
        ("week", 1, "2026-11-23T00:00:00", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),  # a Monday
        ("week", 1, "2026-11-22T23:59:59", "2026-11-16T00:00:00", "2026-11-23T00:00:00"),
        ("month", 1, "2026-11-30T23:59:59", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
        ("month", 1, "2026-12-31T23:59:59", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("month", 1, "2028-02-29T12:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
    ],
)
def test_windows_are_aligned_to_utc(window: Window, every: int, moment: str, start: str, ends: str) -> None:
    assert span(window, every, at(moment)) == Span(int(at(start)), at(ends))


@pytest.mark.parametrize("window", ["lifetime", None])
def test_some_last_for_ever(window: Window | None) -> None:
    assert span(window, 1, 1e9) == Span(0, inf)


@given(
    st.sampled_from(["second", "minute", "hour", "day", "week", "month"]),
    st.integers(1, 24),
    st.floats(0, 4e9),
)
def test_a_window_contains_its_moment_and_nothing_lies_between_two(
    window: Window, every: int, now: float
) -> None:
    every = every if window in ("second", "minute", "hour") else 1
    start, ends = span(window, every, now)
    assert start <= now < ends
    assert span(window, every, ends).start == ends
    assert span(window, every, start) == (start, ends)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a|b|c|d|e|f",
        "a|requests|1fortnight||k|0",
        "a|requests|1day||k|x",
        "a|tokens|0day||k|1",
        "a|tokens|00||k|1",
        "a|tokens|1month||k|999999999999999",
        "a|tokens|1day||k|" + "1" * 5000,
        "a|tokens|" + "1" * 5000 + "day||k|1",
        "a|tokens|1day||k|²",
    ],
)
def test_what_is_no_counter(text: str) -> None:
    assert read(text) is None


def test_all_windows_of_a_counter_have_one_name_without_the_window() -> None:
    assert windowless("each|requests|1minute||a|b|60") == windowless("each|requests|1minute||a|b|120")
    assert windowless("each|requests|1minute||a|60") != windowless("each|requests|1minute||b|60")


@given(
    st.integers(0, 10**10),
    st.sampled_from(["second", "minute", "hour", "day", "week", "month", "lifetime", ""]),
    st.integers(0, 10**8),
)
def test_every_counter_that_can_be_read_has_an_end(every: int, window: str, start: int) -> None:
    counter = read(f"a|tokens|{every or ''}{window}||k|{start * 999}")
    assert (counter is None) == (every >= 10**9)
    assert counter is None or counter.ends >= 0
