"""The peak EWMA, and the choice of two."""

from __future__ import annotations

import math

import pytest

from dragoman.routing.policy_latency import MEMORY, UNMEASURED, Latency, Load, by_latency


def test_a_slower_answer_counts_at_once_and_faster_ones_gradually() -> None:
    latency = Latency()
    latency.measure(1.0, 0.0)
    latency.measure(9.0, 1.0)
    assert latency.read(1.0) == 9.0
    latency.measure(1.0, 2.0)
    assert 8.0 < latency.read(2.0) < 9.0
    for second in range(3, 200):
        latency.measure(1.0, float(second))
    assert latency.read(199.0) == pytest.approx(1.0, abs=0.05)


def test_what_is_not_measured_decays() -> None:
    latency = Latency()
    latency.measure(8.0, 10.0)
    assert latency.read(10.0 + MEMORY) == pytest.approx(8.0 / math.e)
    assert latency.read(5.0) == 8.0  # a clock never goes back, and messages may


def test_whoever_was_given_up_on_was_at_least_so_slow() -> None:
    latency = Latency()
    latency.measure(5.0, 0.0)
    latency.exceed(3.0, 0.0)
    assert latency.read(0.0) == 5.0
    latency.exceed(60.0, 1.0)
    assert latency.read(1.0) == 60.0


def test_the_cost_counts_what_runs() -> None:
    load = Load()
    assert load.cost(0.0, streamed=False) == 0.0
    load.running = 1
    assert load.cost(0.0, streamed=False) > UNMEASURED
    load.latency(streamed=True).measure(2.0, 0.0)
    assert load.cost(0.0, streamed=True) == 4.0
    assert load.cost(0.0, streamed=False) > UNMEASURED  # streams say nothing of whole answers
    load.forget()
    assert (load.cost(0.0, streamed=True), load.running) == (UNMEASURED + 1, 1)


@pytest.mark.parametrize(
    ("draws", "order"),
    [
        ((0.0, 0.0), [1, 2, 0]),  # the cheapest one and the next
        ((0.99, 0.99), [2, 1, 0]),  # the two that cost most
        ((0.5, 0.99), [2, 1, 0]),
        ((0.0, 0.99), [1, 2, 0]),
    ],
)
def test_the_better_one_of_two_is_first(draws: tuple[float, float], order: list[int]) -> None:
    drawn = iter(draws)
    assert by_latency([3.0, 1.0, 2.0], lambda: next(drawn)) == order


def test_one_alone_is_not_drawn() -> None:
    assert by_latency([3.0], lambda: 1 / 0) == [0]
