"""Smooth weighted round robin."""

from __future__ import annotations

from dragoman.routing.policy_turns import Turns, by_turns


def firsts(turns: Turns, weights: dict[str, float], count: int) -> str:
    names = list(weights)
    return "".join(names[by_turns(names, list(weights.values()), turns)[0]] for _ in range(count))


def test_turns_are_smooth() -> None:
    assert firsts(Turns(), {"a": 5, "b": 1, "c": 1}, 7) == "aabacaa"


def test_nobody_is_ahead_by_more_than_a_turn() -> None:
    turns, weights = Turns(), {"a": 7.0, "b": 3.0, "c": 2.0}
    counts = dict.fromkeys(weights, 0)
    for number in range(1, 241):
        counts[firsts(turns, weights, 1)] += 1
        assert all(abs(counts[name] - number * weight / 12) < 1.5 for name, weight in weights.items())


def test_the_others_follow_by_their_credit() -> None:
    turns = Turns()
    assert by_turns(["a", "b", "c"], [3, 1, 2], turns) == [0, 2, 1]


def test_turns_can_be_skipped_once() -> None:
    assert firsts(Turns(1), {"a": 1, "b": 1, "c": 1}, 4) == "bcab"
    assert firsts(Turns(4), {"a": 3, "b": 1}, 4) == firsts(Turns(), {"a": 3, "b": 1}, 4)


def test_names_of_earlier_configurations_are_forgotten() -> None:
    turns = Turns()
    for number in range(3000):
        by_turns([f"{number}", "b"], [1, 1], turns)
    assert len(turns.credit) < 1100
