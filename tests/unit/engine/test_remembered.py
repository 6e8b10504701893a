"""What one request has learnt of keys and deployments decides whom the next one asks."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.routing.outcome import Outcome
from tests.unit.engine.stage import ONE, Reply, Stage, chat, refusal, whole

TWO_KEYS: dict[str, Any] = {**ONE, "keys": ["key-1", "key-2"]}
ASK_1 = "ask one with key-1: /v1/chat/completions"
ASK_2 = "ask one with key-2: /v1/chat/completions"
ASK_TWO = "ask two with key-3: /v1/chat/completions"
ANSWERED = ['answer 200 "Hello." usage 3+2', "= done"]
ROUTE = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "keys": ["key-3"]}}


def limited(seconds: str) -> Any:
    return refusal(429, **{"retry-after": seconds})


def test_a_key_that_rests_is_not_asked() -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", limited("60"), whole("Hello."), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, ASK_2, *ANSWERED]
    assert stage.plays(chat()) == [ASK_2, *ANSWERED]
    assert not stage.health.calm


def test_if_all_rest_for_long_nobody_is_asked() -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", limited("60"), limited("90"))
    refused = ["answer 429 rate_limit_exceeded: ", "= upstream/"]
    assert stage.plays(chat())[:2] == [ASK_1, ASK_2]
    told = stage.plays(chat())
    assert [line.startswith(start) for line, start in zip(told, refused, strict=True)] == [True, True]
    assert int(stage.client.headers["retry-after"]) == 60


def test_if_all_rest_for_a_moment_the_request_waits() -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", limited("5"), limited("90"), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, ASK_2, "5 s later", ASK_1, *ANSWERED]
    stage.script("one", limited("7"), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, "7 s later", ASK_1, *ANSWERED]
    stage.health.pools["one"].keys[0].fails("gpt", Outcome.KEY_TRANSIENT, 6.0, stage.seams.monotonic())
    stage.health.calm = False
    stage.script("one", whole("Hello."))
    assert stage.plays(chat()) == ["6 s later", ASK_1, *ANSWERED]


def test_who_fails_in_a_row_is_asked_after_the_others() -> None:
    stage = Stage(BOTH, settings=ROUTE)
    for _ in range(3):
        stage.script("one", refusal(503))
        stage.script("two", whole("Hello."))
        assert stage.plays(chat(model="m")) == [ASK_1, ASK_TWO, *ANSWERED]
    stage.script("two", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_TWO, *ANSWERED]
    stage.script("two", refusal(503))
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_TWO, ASK_1, *ANSWERED]  # it is never left out
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_1, *ANSWERED]  # and is back as it has answered


def test_who_is_back_makes_all_calm_again() -> None:
    stage = Stage(BOTH, settings=ROUTE)
    stage.script("one", refusal(503), whole("Hello."))
    stage.script("two", whole("Hello."))
    stage.plays(chat(model="m"))
    assert not stage.health.calm
    assert stage.plays(chat(model="m")) == [ASK_1, *ANSWERED]
    stage.script("one", whole("Hello."))
    stage.plays(chat(model="m"))
    assert stage.health.calm


@pytest.mark.parametrize("leaves", [0.0, 1.0])
def test_a_client_that_leaves_says_nothing_of_the_provider(leaves: float) -> None:
    stage = Stage({"one": {**TWO_KEYS, "key_choice": "least_used"}})
    stage.script("one", Reply(200, {"content-type": "application/json"}, [10.0, b"{}"]))
    stage.plays(chat(), leave=leaves)
    assert [key.running for key in stage.health.pools["one"].keys] == [0, 0]
    assert stage.health.breakers.states == {}


def test_keys_take_turns() -> None:
    stage = Stage({"one": {**TWO_KEYS, "key_choice": "round_robin"}})
    for asked in (ASK_1, ASK_2, ASK_1):
        stage.script("one", whole("Hello."))
        assert stage.plays(chat()) == [asked, *ANSWERED]
