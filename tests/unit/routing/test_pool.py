"""Which key comes next, as transcripts: what each outcome does to a key, and what each choice makes of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from dragoman.routing.outcome import Outcome
from dragoman.routing.pool import REFUSED, Choice, Key, Pool, standing

CHOICES: list[Choice] = ["health_aware", "round_robin", "least_used"]


def pool(choice: Choice = "health_aware", count: int = 3) -> Pool:
    return Pool([Key(f"key-{number}", f"…{number}") for number in range(count)], choice)


def test_health_aware_keeps_to_the_first_key_that_can_be_asked() -> None:
    keys = pool()
    assert [list(keys.order("m", now).ready) for now in (0.0, 1.0)] == [[0, 1, 2], [0, 1, 2]]
    keys.keys[0].fails("m", Outcome.KEY_TRANSIENT, 20.0, 1.0)
    assert keys.order("m", 2.0).ready == [1, 2]
    assert keys.order("m", 2.0).resting == [(21.0, 0)]
    assert keys.order("m", 21.0).ready == [0, 1, 2]


def test_round_robin_goes_on_with_each_request() -> None:
    keys = pool("round_robin")
    assert [list(keys.order("m", 0.0).ready) for _ in range(4)] == [
        [0, 1, 2],
        [1, 2, 0],
        [2, 0, 1],
        [0, 1, 2],
    ]


def test_least_used_takes_who_has_the_fewest_running() -> None:
    keys = pool("least_used")
    for place, running in enumerate((2, 0, 1)):
        for _ in range(running):
            keys.keys[place].begin(0.0)
    assert list(keys.order("m", 0.0).ready) == [1, 2, 0]
    keys.keys[0].end()
    keys.keys[0].end()
    assert keys.order("m", 0.0).ready[0] in {0, 1}
    assert list(keys.order("m", 0.0).ready)[2] == 2


@pytest.mark.parametrize("choice", ["round_robin", "least_used"])
def test_ten_thousand_requests_are_spread_evenly(choice: Choice) -> None:
    keys = pool(choice, 4)
    first = Counter[int]()
    for _ in range(10_000):
        place = keys.order("m", 0.0).ready[0]
        first[place] += 1
        keys.keys[place].begin(0.0)
        keys.keys[place].end()
    assert set(first.values()) == {2_500}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_refused_key_stands_apart_for_a_while(choice: Choice) -> None:
    keys = pool(choice, 2)
    for key in keys.keys:
        key.begin(float(key.id[-1]))
        key.end()
    assert keys.keys[0].fails("m", Outcome.KEY_PERMANENT, None, 5.0)
    assert not keys.keys[0].fails("m", Outcome.KEY_PERMANENT, None, 6.0)  # told once
    for model in ("m", "m", "other"):
        order = keys.order(model, 7.0)
        assert (list(order.ready), list(order.refused)) == ([1], [0])
    keys.keys[1].fails("m", Outcome.KEY_PERMANENT, None, 9.0)
    order = keys.order("m", 50.0)
    assert (list(order.ready), list(order.refused)) == ([], [0, 1])  # the longest unasked one first
    keys.keys[0].works("m")
    assert list(keys.order("m", 50.0).ready) == [0]


def test_a_refused_key_is_asked_again_in_its_own_place() -> None:
    keys = pool(count=2)
    keys.keys[0].fails("m", Outcome.KEY_PERMANENT, None, 5.0)
    assert not keys.calm(5.0 + REFUSED - 1)
    assert list(keys.order("m", 5.0 + REFUSED).ready) == [0, 1]
    assert keys.calm(5.0 + REFUSED)
    assert keys.keys[0].fails("m", Outcome.KEY_PERMANENT, None, 700.0)  # and is told anew


def test_a_key_that_may_not_use_a_model_stands_apart_for_it() -> None:
    keys = pool(count=2)
    keys.keys[0].fails("m", Outcome.KEY_MODEL, None, 0.0)
    assert (list(keys.order("m", 1.0).ready), list(keys.order("m", 1.0).refused)) == ([1], [0])
    assert list(keys.order("other", 1.0).ready) == [0, 1]
    assert not keys.calm(1.0)
    keys.keys[1].fails("m", Outcome.KEY_MODEL, None, 0.0)
    keys.keys[1].works("m")
    assert list(keys.order("m", 2.0).ready) == [1]
    assert list(keys.order("m", REFUSED).ready) == [0, 1]
    assert keys.calm(REFUSED)


@pytest.mark.parametrize("outcome", [Outcome.SERVER, Outcome.CALLER, Outcome.DEPLOYMENT, Outcome.CROWDED])
def test_what_is_not_the_key_s_fault_changes_nothing(outcome: Outcome) -> None:
    keys = pool(count=2)
    assert not keys.keys[0].fails("m", outcome, 60.0, 0.0)
    assert list(keys.order("m", 1.0).ready) == [0, 1]


def test_a_429_without_a_time_rests_nobody() -> None:
    keys = pool(count=1)
    keys.keys[0].fails("m", Outcome.KEY_TRANSIENT, None, 0.0)
    assert list(keys.order("m", 0.0).ready) == [0]


def test_a_rest_is_never_shortened_and_a_key_alone_rests_too() -> None:
    keys = pool(count=1)
    key = keys.keys[0]
    key.fails("m", Outcome.KEY_TRANSIENT, 30.0, 0.0)
    key.fails("m", Outcome.KEY_TRANSIENT, 5.0, 0.0)
    order = keys.order("m", 1.0)
    assert (list(order.ready), list(order.resting)) == ([], [(30.0, 0)])
    assert key.resting(10.0) == {"m": 20.0}
    key.revive()
    assert list(keys.order("m", 1.0).ready) == [0]


def test_other_keys_keep_what_is_known_of_those_that_stay() -> None:
    keys = pool(count=2)
    keys.keys[1].fails("m", Outcome.KEY_PERMANENT, None, 0.0)
    renewed = keys.renewed([Key("key-1"), Key("new")], "round_robin")
    assert [key.retired is None for key in renewed.keys] == [False, True]
    assert list(renewed.order("m", 0.0).ready) == [1]
    assert [key.id for key in keys.keys] == ["key-0", "key-1"], "running requests know the keys' places"
    assert renewed.keys[0] is keys.keys[1]


def test_rests_are_bounded() -> None:
    key = Key("key")
    for number in range(3_000):
        key.fails(f"m{number}", Outcome.KEY_TRANSIENT, 1e6, 0.0)
    assert len(key.resting(0.0)) <= 1_024


def test_a_disabled_key_is_not_asked() -> None:
    keys = pool()
    keys.keys[0].disabled = True
    keys.keys[1].fails("m", Outcome.KEY_PERMANENT, None, 0.0)
    order = keys.order("m", 1.0)
    assert (order.ready, order.refused) == ([2], [1])
    assert not keys.calm(REFUSED + 1)
    keys.keys[0].disabled = False
    assert keys.calm(REFUSED + 1)


def test_what_is_known_of_a_key_can_be_told() -> None:
    key = Key("1")
    key.fails("m", Outcome.KEY_MODEL, None, 10.0)
    assert (key.barred(20.0), key.barred(10.0 + REFUSED)) == ({"m": REFUSED - 10.0}, {})
    assert key.retired_for(20.0) is None
    key.fails("m", Outcome.KEY_PERMANENT, None, 10.0)
    assert (key.retired_for(20.0), key.retired_for(10.0 + REFUSED)) == (REFUSED - 10.0, None)


def test_what_is_known_of_a_key_can_be_told_and_heard() -> None:
    one, two = Key("1"), Key("1")
    one.fails("m", Outcome.KEY_TRANSIENT, 20.0, 1.0)
    one.fails("n", Outcome.KEY_MODEL, None, 1.0)
    one.fails("n", Outcome.KEY_PERMANENT, None, 1.0)
    facts = list(one.facts())
    assert facts == [("rests", "m"), ("barred", "n"), ("retired", "")]
    assert [one.until(*fact) for fact in facts] == [21.0, 601.0, 601.0]
    for fact, model in facts:
        two.hear(fact, model, one.until(fact, model), "refused")
    assert two.rests_until("m", 2.0) == 21.0
    assert two.comes_last("n", 2.0)
    assert two.retired == "refused"
    for fact, model in facts:
        two.hear(fact, model, 0.0, "")
    assert two.unblemished(2.0)
    assert [two.until(*fact) for fact in facts] == [0.0, 0.0, 0.0]
    assert list(two.facts()) == []


def test_what_is_heard_of_models_is_bounded() -> None:
    key = Key("1")
    for number in range(2_000):
        key.hear("rests", f"m{number}", 50.0, "")
    assert len(list(key.facts())) == 1_024
    key.hear("rests", "m7", 60.0, "")
    assert key.until("rests", "m7") == 60.0


def test_a_spent_key_is_asked_after_the_others_until_there_is_more() -> None:
    keys = pool()
    assert keys.keys[0].spends("m", 20.0, 1.0)
    order = keys.order("m", 2.0)
    assert (order.ready, order.spent, order.resting) == ([1, 2], [0], [])
    assert keys.order("n", 2.0).ready == [0, 1, 2], "for another model nothing is known"
    assert keys.order("m", 21.0).ready == [0, 1, 2]
    assert not keys.calm(2.0)
    assert keys.calm(21.0)


def test_the_key_that_has_more_soonest_is_asked_first_of_those_that_are_spent() -> None:
    keys = pool(count=2)
    keys.keys[0].spends("m", 20.0, 1.0)
    assert keys.able("m", 2.0)
    keys.keys[1].spends("m", 10.0, 1.0)
    assert keys.order("m", 2.0).spent == [1, 0]
    assert not keys.able("m", 2.0)
    assert not keys.exhausted("m", 2.0), "a forecast is not told as a fact"


def test_only_a_later_attempt_shows_that_a_key_is_not_spent() -> None:
    key = Key("1")
    key.spends("m", 20.0, 5.0)
    key.works("m", 5.0)
    assert key.spent_until("m", 6.0) == 25.0
    key.works("n", 6.0)
    assert key.spent_until("m", 6.0) == 25.0
    key.works("m", 5.5)
    assert key.spent_until("m", 6.0) is None


def test_the_same_forecast_is_no_news() -> None:
    key = Key("1")
    assert not key.spends("m", 0.02, 1.0), "the next request hardly comes sooner"
    assert key.spends("m", 10.0, 1.0)
    assert not key.spends("m", 9.0, 2.01)
    key.works("m", 2.0)
    assert key.spent_until("m", 3.0) == 11.0, "it was said again"
    assert key.spends("m", 30.0, 3.0)
    assert key.spends("m", 0.2, 40.0)


def test_spent_keys_are_told_heard_and_revived() -> None:
    one, two = Key("1"), Key("1")
    one.spends("m", 20.0, 1.0)
    assert list(one.facts()) == [("spent", "m")]
    two.hear("spent", "m", one.until("spent", "m"), "", 1.0)
    assert two.spent_until("m", 2.0) == 21.0
    assert two.resting(2.0) == {"m": 19.0}
    two.works("m", 0.5)
    assert two.spent_until("m", 2.0) == 21.0
    two.hear("spent", "m", 0.0, "", 3.0)
    assert two.spent_until("m", 3.0) is None
    two.spends("n", 20.0, 3.0)
    two.works("m", 4.0)
    assert list(two.facts()) == [("spent", "n")]
    one.revive()
    assert one.unblemished(2.0)
    for number in range(3_000):
        one.spends(f"m{number}", 20.0, 1.0)
    assert len(list(one.facts())) <= 1_024


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({}, "ready"),
        ({"barred": {"m": 1.0}}, "barred"),
        ({"barred": {"m": 1.0}, "resting": {"m": 1.0}}, "resting"),
        ({"resting": {"m": 1.0}, "retired": "refused"}, "refused"),
        ({"retired": "refused", "disabled": True}, "disabled"),
    ],
)
def test_the_state_of_a_key_in_one_word(known: dict[str, Any], word: str) -> None:
    nothing: dict[str, Any] = {"disabled": False, "retired": None, "resting": {}, "barred": {}}
    assert standing(**{**nothing, **known}) == word


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.KEY_PERMANENT, "refused"),
        (Outcome.KEY_TRANSIENT, "resting"),
        (Outcome.KEY_MODEL, "barred"),
        (Outcome.SERVER, "ready"),
    ],
)
def test_the_state_of_a_key(outcome: Outcome, state: str) -> None:
    key = Key("id")
    key.fails("gpt", outcome, 30.0, 100.0)
    assert key.standing(101.0) == state
    assert key.standing(1000.0) == "ready"


def test_a_key_that_an_operator_has_disabled_is_no_barred_one() -> None:
    key = Key("id")
    key.fails("gpt", Outcome.KEY_MODEL, None, 100.0)
    key.disabled = True
    assert key.standing(101.0) == "disabled"
    assert Key("other").standing(1.0, shut=True) == "disabled"
