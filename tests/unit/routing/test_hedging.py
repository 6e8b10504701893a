"""When an attempt is late, and how many may have a second one beside them."""

from __future__ import annotations

import pytest

from dragoman.routing import hedging
from dragoman.routing.hedging import FEW, SAVED, WINDOW, Budget, Hedge, HedgeMemory, Times


def test_the_percentile_of_the_latest_answers() -> None:
    times = Times()
    for seconds in range(1, FEW):
        times.add(float(seconds))
    assert times.late() is None
    times.add(float(FEW))
    assert times.late() == 20.0, "of 20 answers one is slower than 95 of 100"
    for seconds in range(1, 101):
        times.add(float(seconds))
    assert 94.0 <= (times.late() or 0.0) <= 96.0


def test_old_answers_are_forgotten() -> None:
    times = Times()
    for _ in range(WINDOW):
        times.add(9.0)
    for _ in range(WINDOW):
        times.add(1.0)
    assert times.late() == 1.0
    assert len(times._latest) == len(times._sorted) == WINDOW


def test_the_order_of_coming_does_not_matter() -> None:
    times, other = Times(), Times()
    for place in range(WINDOW + 37):
        times.add(float(place * 61 % 97))
    for seconds in sorted(times._latest):
        other.add(seconds)
    assert sorted(times._latest) == times._sorted
    assert times.late() == other.late()


def test_the_first_second_attempt_is_free_and_each_request_adds_its_share() -> None:
    budget = Budget()
    spent = 0
    for _ in range(1000):
        budget.earn(0.05)
        spent += budget.spend()
    assert spent in {50, 51}


def test_not_more_than_a_few_are_saved_up() -> None:
    budget = Budget()
    for _ in range(10_000):
        budget.earn(0.05)
    assert sum(budget.spend() for _ in range(100)) == SAVED


def test_a_stated_time_needs_no_answers() -> None:
    memory = HedgeMemory()
    assert memory.late(Hedge("m", 2.0), "p/gpt", streamed=True) == 2.0
    assert memory.late(Hedge("m"), "p/gpt", streamed=True) is None


def test_streams_and_whole_answers_are_apart() -> None:
    memory = HedgeMemory()
    for _ in range(FEW):
        memory.times("p/gpt", streamed=True).add(1.0)
        memory.times("p/gpt", streamed=False).add(7.0)
    assert memory.late(Hedge("m"), "p/gpt", streamed=True) == 1.0
    assert memory.late(Hedge("m"), "p/gpt", streamed=False) == 7.0
    assert memory.late(Hedge("m"), "q/gpt", streamed=False) is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hedging, "_MOST", 3)
    memory = HedgeMemory()
    for number in range(10):
        memory.times(f"p/{number}", streamed=True)
        memory.budget(f"m{number}")
    assert len(memory._times) <= 3
    assert len(memory._budgets) <= 3
    assert memory.budget("m9") is memory.budget("m9")
