"""Which deployment comes first after failures, as transcripts."""

from __future__ import annotations

from dragoman.routing.breaker import Breakers, Limits
from dragoman.routing.outcome import Outcome

NAMES = ("a/m", "b/m", "c/m")


def breakers(**limits: float) -> Breakers:
    return Breakers(Limits(**{"failures": 2, "pause": 10.0, "pause_max": 30.0, **limits}))  # type: ignore[arg-type]


def fails(made: Breakers, name: str, now: float, outcome: Outcome = Outcome.SERVER) -> bool:
    return made.failed(name, outcome, now, made.began(name, now))


def test_the_order_of_the_route_is_kept_while_all_answer() -> None:
    made = breakers()
    assert list(made.order(NAMES, 0.0)) == [0, 1, 2]
    assert not fails(made, "a/m", 0.0)
    assert list(made.order(NAMES, 0.0)) == [0, 1, 2]  # one failure is none yet
    assert not made.succeeded("a/m")
    assert not fails(made, "a/m", 1.0)
    assert made.states["a/m"].failed == 1


def test_who_fails_in_a_row_comes_last_for_a_while() -> None:
    made = breakers()
    assert [fails(made, "a/m", now) for now in (0.0, 1.0)] == [False, True]
    assert list(made.order(NAMES, 2.0)) == [1, 2, 0]
    assert [fails(made, "b/m", now) for now in (3.0, 4.0)] == [False, True]
    assert list(made.order(NAMES, 5.0)) == [2, 0, 1]
    assert [fails(made, "c/m", now) for now in (5.0, 6.0)] == [False, True]
    assert list(made.order(NAMES, 7.0)) == [0, 1, 2]  # all are open: none is left out


def test_one_request_tries_it_and_decides() -> None:
    made = breakers()
    fails(made, "a/m", 0.0)
    fails(made, "a/m", 0.0)
    assert list(made.order(NAMES, 9.9)) == [1, 2, 0]
    assert list(made.order(NAMES, 10.0)) == [0, 1, 2]
    trial = made.began("a/m", 10.0)
    assert list(made.order(NAMES, 10.0)) == [1, 2, 0]  # others do not wait for the trial
    assert made.failed("a/m", Outcome.SERVER, 11.0, trial)
    assert list(made.order(NAMES, 30.9)) == [1, 2, 0]  # twice as long
    trial = made.began("a/m", 31.0)
    assert made.failed("a/m", Outcome.SERVER, 31.0, trial)
    assert made.states["a/m"].until == 61.0  # up to the bound
    made.began("a/m", 61.0)
    assert made.succeeded("a/m")
    assert list(made.order(NAMES, 61.0)) == [0, 1, 2]
    assert made.states == {}


def test_a_trial_that_says_nothing_is_followed_by_another() -> None:
    made = breakers()
    fails(made, "a/m", 0.0)
    fails(made, "a/m", 0.0)
    made.abandoned("a/m", made.began("a/m", 10.0))
    assert list(made.order(NAMES, 10.0)) == [0, 1, 2]
    made.failed("a/m", Outcome.KEY_TRANSIENT, 11.0, made.began("a/m", 10.0))
    assert list(made.order(NAMES, 11.0)) == [0, 1, 2]


def test_only_the_trial_itself_ends_the_trial() -> None:
    """Neither a call that began before the pause, nor an earlier trial that took longer than the pause."""
    made = breakers()
    under_way = made.began("a/m", 0.0)
    fails(made, "a/m", 0.0)
    fails(made, "a/m", 0.0)
    first = made.began("a/m", 10.0)
    made.abandoned("a/m", under_way)
    made.failed("a/m", Outcome.KEY_TRANSIENT, 11.0, under_way)
    assert not made.failed("a/m", Outcome.SERVER, 12.0, under_way), "nor does it double the pause"
    assert made.states["a/m"].trying
    assert list(made.order(NAMES, 12.0)) == [1, 2, 0]
    second = made.began("a/m", 20.0)
    assert first != second
    made.abandoned("a/m", first)
    assert list(made.order(NAMES, 21.0)) == [1, 2, 0]
    assert made.failed("a/m", Outcome.SERVER, 22.0, second)
    assert made.states["a/m"].until == 42.0


def test_only_the_provider_s_failures_count() -> None:
    made = breakers()
    for outcome in set(Outcome) - {Outcome.SERVER}:
        for _ in range(5):
            assert not fails(made, "a/m", 0.0, outcome)
    assert made.states == {}


def test_requests_that_were_under_way_do_not_prolong_the_pause() -> None:
    made = breakers()
    fails(made, "a/m", 0.0)
    assert fails(made, "a/m", 0.0)
    assert not made.failed("a/m", Outcome.SERVER, 5.0)
    assert made.states["a/m"].until == 10.0


def test_it_can_be_switched_off() -> None:
    made = breakers(failures=0)
    assert not any(fails(made, "a/m", 0.0) for _ in range(100))
    assert list(made.order(NAMES, 0.0)) == [0, 1, 2]


def test_what_is_remembered_is_bounded() -> None:
    made = breakers()
    for number in range(3_000):
        fails(made, f"a/m{number}", 0.0)
    assert len(made.states) <= 1_024


def test_the_deployments_of_a_provider_that_fail() -> None:
    made = breakers()
    for name in ("a/m", "b/m", "a/n/x"):
        fails(made, name, 0.0)
    assert (made.known("a"), made.known("c")) == (["a/m", "a/n/x"], [])


def test_while_it_is_tried_it_counts_as_open_for_another_pause() -> None:
    """So other processes, which are told the same time, take over if the one that tries it has died."""
    made = breakers()
    fails(made, "a/m", 0.0)
    fails(made, "a/m", 0.0)
    trial = made.began("a/m", 12.0)
    assert trial
    assert made.states["a/m"].until == 22.0
    assert not made.began("a/m", 13.0), "another one is no trial"
    made.abandoned("a/m", trial)
    assert made.states["a/m"].until == 10.0
    assert not made.began("b/m", 13.0)


def test_a_provider_that_does_not_answer_a_check_comes_last() -> None:
    made = breakers()
    assert made.calm
    assert made.checked("a", 0.0, 60.0)
    assert not made.checked("a", 10.0, 70.0), "no news"
    assert (made.calm, made.ails("a"), made.ails("b")) == (False, True, False)
    assert list(made.order(["a/m", "a/n", "b/m"], 69.0)) == [2, 0, 1]
    assert list(made.order(["a/m", "b/m"], 70.0)) == [0, 1], "who checks has ended"
    made.forget(70.0)
    assert made.calm
    made.checked("a", 80.0, 160.0)
    assert made.overrules("a", 80.0)
    assert made.calm, "a request was answered meanwhile"
    made.checked("a", 90.0, 160.0)
    assert made.checked("a", 100.0, None)
    assert not made.checked("a", 110.0, None)
    assert made.calm


def test_an_answered_check_ends_pauses_but_not_for_ever() -> None:
    made = breakers()
    for name in ("a/m", "b/m"):
        fails(made, name, 0.0)
        fails(made, name, 0.0)
    assert not made.checked("a", 1.0, None)
    assert list(made.order(NAMES, 1.0)) == [0, 2, 1]
    assert made.failed("a/m", Outcome.SERVER, 2.0, made.began("a/m", 1.0))
    made.checked("a", 3.0, None)
    assert list(made.order(NAMES, 3.0)) == [2, 1, 0], "its provider answers, and it fails nevertheless"
    made.checked("a", 4.0, 60.0)
    made.checked("a", 5.0, None)
    assert list(made.order(NAMES, 5.0)) == [0, 2, 1], "its provider was down"
    made.began("a/m", 5.0)
    made.checked("a", 6.0, 60.0)
    made.checked("a", 7.0, None)
    assert made.states["a/m"].until == 25.0, "a trial runs"
    made.succeeded("a/m")
    assert list(made.order(NAMES, 8.0)) == [0, 2, 1]


def test_who_is_down_and_open_comes_after_who_is_open() -> None:
    made = breakers()
    fails(made, "a/m", 0.0)
    fails(made, "a/m", 0.0)
    fails(made, "b/m", 0.0)
    fails(made, "b/m", 0.0)
    made.checked("a", 0.0, 60.0)
    assert list(made.order(NAMES, 1.0)) == [2, 1, 0]
    assert list(made.order(NAMES, 11.0)) == [1, 2, 0]


def test_who_is_open_is_told_until_its_trial_may_begin() -> None:
    made = breakers(failures=1, pause=5.0)
    assert not made.is_open("a/m", 0.0)
    fails(made, "a/m", 0.0)
    assert made.is_open("a/m", 4.9)
    assert not made.is_open("a/m", 5.0)
    made.began("a/m", 5.0)
    assert made.is_open("a/m", 5.0)
    assert not made.is_open("b/m", 0.0)


def test_only_an_attempt_that_began_after_a_failed_check_overrules_it() -> None:
    made = breakers()
    made.checked("a", 10.0, 60.0)
    made.checked("a", 20.0, 70.0)
    assert not made.overrules("a", 9.0), "it began while the provider still answered"
    assert made.down_until("a") == 70.0
    assert not made.overrules("b", 30.0)
    assert made.overrules("a", 15.0)
    assert (made.down_until("a"), made.calm) == (0.0, True)
    assert not made.overrules("a", 16.0)
