"""Why candidates stood in their order, as it can be told when everything is otherwise again."""

from __future__ import annotations

from dragoman import ir
from dragoman.routing.health import Health
from dragoman.routing.outcome import Outcome
from dragoman.routing.pool import Key, Pool
from dragoman.routing.reasons import Weighed, weighed
from dragoman.routing.route import Candidate, Deployment, Route

ONE, TWO, OWN = Deployment("one", "m"), Deployment("two", "m"), Deployment("own", "m")
ALL = Route("all", (ONE, TWO, OWN))


def health() -> Health:
    made = Health()
    made.pools = {
        "one": Pool([Key("1a", "aaaa"), Key("1b", "bbbb")]),
        "two": Pool([Key("2a", "cccc")]),
    }
    return made


def fails(made: Health, candidate: Candidate, kind: ir.Kind, now: float, after: float | None = None) -> None:
    fault = ir.Fault(kind, kind, retry_after=after, blame="upstream")
    made.learn(made.began(candidate, now), fault, now)


def told(made: Health, now: float, begun: Candidate | None = None) -> tuple[Weighed, ...]:
    return weighed(made, ALL, made.order(ALL, now), now, begun)


def test_nothing_is_known_against_anybody() -> None:
    assert told(health(), 0.0) == (
        Weighed("one/m", "aaaa", "ready"),
        Weighed("one/m", "bbbb", "ready"),
        Weighed("two/m", "cccc", "ready"),
        Weighed("own/m", None, "ready"),
    )


def test_who_rests_who_was_refused_and_who_fails() -> None:
    made = health()
    fails(made, Candidate(ONE, 0), "rate_limit", 0.0, 20.0)
    fails(made, Candidate(ONE, 1), "authentication", 0.0)
    for now in (0.0, 1.0, 2.0):
        fails(made, Candidate(TWO, 0), "unavailable", now)
    assert told(made, 5.0) == (
        Weighed("own/m", None, "ready"),
        Weighed("two/m", "cccc", "failing", 2.0, "3 failures in a row"),
        Weighed("one/m", "aaaa", "resting", 15.0, Outcome.KEY_TRANSIENT.value),
        Weighed("one/m", "bbbb", "refused", None, Outcome.KEY_PERMANENT.value),
    )
    made.began(Candidate(TWO, 0), 8.0)
    assert told(made, 8.0)[1].why == "3 failures in a row; another request tries it now"


def test_a_key_that_may_not_use_the_model() -> None:
    made = health()
    fails(made, Candidate(ONE, 0), "permission", 0.0)
    assert told(made, 1.0)[-1] == Weighed("one/m", "aaaa", "refused", None, Outcome.KEY_MODEL.value)


def test_who_has_begun_and_may_be_called_again_is_named_once() -> None:
    made = health()
    begun = Candidate(ONE, 0)
    fails(made, begun, "unavailable", 0.0)
    assert [one.key_tail for one in told(made, 1.0, begun)] == ["aaaa", "bbbb", "cccc", None]


def test_who_has_begun_is_first_as_it_was_before_it_failed() -> None:
    made = health()
    begun = Candidate(ONE, 0)
    fails(made, begun, "rate_limit", 0.0, 20.0)
    assert [(one.key_tail, one.state) for one in told(made, 1.0, begun)] == [
        ("aaaa", "ready"),
        ("bbbb", "ready"),
        ("cccc", "ready"),
        (None, "ready"),
    ]


def test_who_is_disabled_and_whose_provider_does_not_answer() -> None:
    made = health()
    made.enable("one", "1b", enabled=False)
    made.enable("own", enabled=False)
    made.checked("two", 0.0, 90.0)
    assert told(made, 10.0) == (
        Weighed("one/m", "aaaa", "ready"),
        Weighed("two/m", "cccc", "failing", 80.0, "its provider did not answer a check"),
        Weighed("one/m", "bbbb", "disabled", None, "an operator has disabled it"),
        Weighed("own/m", None, "disabled", None, "an operator has disabled it"),
    )


def test_a_key_with_nothing_left_is_named_with_the_end_of_that() -> None:
    made = health()
    made.spent("one", "1a", "m", 20.0, 0.0)
    assert [(one.key_tail, one.state, one.seconds) for one in told(made, 5.0)] == [
        ("bbbb", "ready", None),
        ("cccc", "ready", None),
        (None, "ready", None),
        ("aaaa", "resting", 15.0),
    ]


def test_nobody_comes_after_others_for_no_time() -> None:
    made = health()
    for now in (0.0, 1.0, 2.0):
        fails(made, Candidate(TWO, 0), "unavailable", now)
    assert told(made, 7.0)[2] == Weighed("two/m", "cccc", "ready"), "it is due for a trial, in its own place"
    made.began(Candidate(TWO, 0), 7.0)
    assert told(made, 60.0)[3] == Weighed(
        "two/m", "cccc", "failing", None, "3 failures in a row; another request tries it now"
    )
