"""Work is counted, and no pattern takes longer than it may."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dragoman.verify.bounds import PATTERN_SECONDS, Budget, Exhausted, available
from dragoman.verify.patterns import compiled


def test_the_package_is_known_to_be_here() -> None:
    assert available()


def test_steps_run_out() -> None:
    budget = Budget(lambda: 0.0, steps=3)
    budget.spend(2)
    budget.spend()
    with pytest.raises(Exhausted):
        budget.spend()


def test_a_search_costs_a_step() -> None:
    budget = Budget(lambda: 0.0, steps=1)
    assert budget.search(compiled("b"), "abc")
    with pytest.raises(Exhausted):
        budget.search(compiled("b"), "abc")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a|aa)*$", "a" * 60 + "!"),
        ("^(x+x+)+y", "x" * 100_000),
        ("(?=(a+))*$(?<!b)", "a" * 100_000),
    ],
)
def test_a_pattern_without_end_is_stopped(pattern: str, text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(Exhausted):
        Budget(time.perf_counter).search(compiled(pattern), text)
    assert time.perf_counter() - began < 20 * PATTERN_SECONDS


def test_many_patterns_share_their_time() -> None:
    def ticking() -> Iterator[float]:
        now = 0.0
        while True:
            now += PATTERN_SECONDS / 4.5
            yield now

    clock = ticking()
    budget = Budget(lambda: next(clock))
    found = compiled("a")
    for _ in range(4):
        assert budget.search(found, "a")
    with pytest.raises(Exhausted):
        budget.search(found, "a")
