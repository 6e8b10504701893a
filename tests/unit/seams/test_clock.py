"""The values that come from outside: each has the range that its readers rely on."""

import re

import pytest

from dragoman.seams.clock import SYSTEM, Seams, Steady, steady


def test_the_clocks_and_the_random_values_of_this_machine() -> None:
    assert SYSTEM.now() > 1_700_000_000
    assert SYSTEM.monotonic() <= SYSTEM.monotonic()
    assert 0 <= SYSTEM.uniform() < 1
    ids = {SYSTEM.random_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", id_) for id_ in ids)


class Clocks:
    """A clock that can be set, beside one that goes on."""

    def __init__(self) -> None:
        self.wall, self.elapsed = 1_000.0, 50.0
        self.read = Steady(Seams(now=lambda: self.wall, monotonic=lambda: self.elapsed))

    def after(self, seconds: float, *, moved: float = 0.0) -> float:
        self.wall += seconds + moved
        self.elapsed += seconds
        return self.read()


def test_a_clock_that_is_set_back_a_little_goes_on_slowly_until_it_is_right() -> None:
    clocks = Clocks()
    assert clocks.after(5) == 1_005
    assert clocks.after(1, moved=-30) == pytest.approx(1_005.9)
    assert clocks.after(10) == pytest.approx(1_014.9)
    assert clocks.after(100) == clocks.wall == 1_086
    assert clocks.after(2) == clocks.wall


def test_a_clock_that_is_set_forward_or_far_back_is_believed() -> None:
    clocks = Clocks()
    assert clocks.after(1, moved=500) == 1_501
    assert clocks.after(1, moved=-500) == 1_002


def test_a_limit_is_not_given_twice_when_the_clock_is_set_back() -> None:
    """The counters of the window before are forgotten by then."""
    clocks = Clocks()
    clock = steady(Seams(now=lambda: clocks.wall, monotonic=lambda: clocks.elapsed))
    minutes = set()
    for moved in (0, 25, -30, 0):  # over the end of the minute, back, and over it again
        clocks.after(5, moved=moved)
        minutes.add(int(clock.now() // 60))
    assert minutes == {16, 17}
    assert int(clock.now() // 60) == 17
