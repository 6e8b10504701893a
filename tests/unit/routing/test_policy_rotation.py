"""Who is first by time or by number."""

from __future__ import annotations

from dragoman.routing.policy_rotation import Rotated, rotated, state
from dragoman.routing.policy_turns import Turns
from dragoman.routing.spread import Rotation

NAMES = ["a", "b", "c"]


def turns(requests: int, start: int = 0) -> Turns:
    made = Turns(start)
    made.requests = requests
    return made


def test_the_others_follow_in_turn() -> None:
    assert rotated(NAMES, Rotation(requests=2), turns(2), 0.0) == ["b", "c", "a"]
    assert rotated(NAMES, Rotation(every=10.0), turns(2), 25.0) == ["c", "a", "b"]
    assert rotated([], Rotation(every=10.0), turns(2), 25.0) == []


def test_by_number_each_worker_begins_at_another_place() -> None:
    firsts = [rotated(NAMES, Rotation(requests=5), turns(4, worker), 0.0)[0] for worker in range(4)]
    assert firsts == ["a", "b", "c", "a"]


def test_the_state_says_who_is_next_and_when() -> None:
    told = state("m", NAMES, Rotation(every=600.0), turns(0), 1_700_000_000.0)
    assert told == Rotated("m", "b", "c", changes=1_700_000_400.0)
    assert state("m", NAMES, Rotation(requests=5), turns(14), 0.0) == Rotated("m", "c", "a", requests=1)
    assert state("m", ["a"], Rotation(requests=5), turns(0), 0.0) == Rotated("m", "a", "a", requests=5)
