"""A row that costs more than the kept figures allow is named; a shaking machine is not taken for a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.figures import Figure
from bench.growth import Kept, comparison, grown

MACHINE = {"processor": "A", "Python": "CPython 3.11.7"}


def _counted(value: float) -> Figure:
    return Figure("count", "counted", "thousand an answer", (100.0,), (100 * value,), "ratio", exact=True)


def _timed(*ratios: float) -> Figure:
    floor = (10.0,) * len(ratios)
    return Figure("time", "timed", "µs an answer", floor, tuple(10 * one for one in ratios), "ratio")


def _kept(**values: float) -> Kept:
    return Kept("2026-11-23", "A", "CPython 3.11.7", values)


@pytest.mark.parametrize(("now", "named"), [(0.8, False), (0.84, False), (0.85, True)])
def test_a_counted_row_may_grow_by_five_percent(now: float, named: bool) -> None:
    assert bool(grown([_counted(now)], _kept(count=0.8), MACHINE)) is named


@pytest.mark.parametrize(("ratios", "named"), [((0.81, 1.2, 1.3), False), ((0.9, 1.2, 1.3), True)])
def test_a_timed_row_has_grown_when_its_best_round_has(ratios: tuple[float, ...], named: bool) -> None:
    assert bool(grown([_timed(*ratios)], _kept(time=0.8), MACHINE)) is named


def test_the_largest_growth_comes_first() -> None:
    lines = grown([_counted(0.88), _timed(1.6)], _kept(count=0.8, time=0.8), MACHINE)
    assert lines == ["timed: 0.80 to 1.60, 100 % more", "counted: 0.80 to 0.88, 10 % more"]


def test_values_of_another_processor_and_ratios_of_another_python_are_not_compared() -> None:
    value = Figure("memory", "memory", "MB", gateway=(90.0,))
    kept = _kept(memory=60.0, count=0.8)
    assert grown([value], kept, MACHINE)
    assert grown([value], kept, MACHINE | {"processor": "B"}) == []
    assert grown([_counted(1.0)], kept, MACHINE | {"processor": "B"})
    assert grown([_counted(1.0)], kept, MACHINE | {"Python": "CPython 3.13.0"}) == []


def test_what_was_not_kept_or_does_not_last_is_not_compared() -> None:
    passing = Figure("late", "late", "%", gateway=(9.0,), lasting=False)
    assert grown([passing, _counted(1.0)], _kept(late=1.0), MACHINE) == []
    assert "late" not in Kept.of("2026-11-23", MACHINE, [passing]).values


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert Kept.read(file) is None
    kept = Kept.of("2026-11-23", MACHINE, [_counted(0.8), Figure("none", "nothing", "s")])
    kept.write(file)
    assert Kept.read(file) == kept == _kept(count=0.8)


def test_the_report_says_what_was_compared() -> None:
    assert comparison(None, MACHINE).startswith("No figures are kept")
    assert comparison(_kept(), MACHINE) == "Held against the figures of 2026-11-23: a row may grow by 5 %."
    assert "another processor (A)" in comparison(_kept(), MACHINE | {"processor": "B"})
    assert "Not held" in comparison(_kept(), MACHINE | {"Python": "CPython 3.13.0"})
