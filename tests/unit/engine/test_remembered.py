"""What one request has learnt of keys and deployments decides whom the next one asks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.routing.outcome import Outcome
from tests.unit.engine.stage import ONE, USED, Reply, Stage, chat, refusal, stream, streamed, whole

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


SPENT = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}
PLENTY = {"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "2s"}


def saying(reply: Reply, headers: dict[str, str]) -> Reply:
    return Reply(reply.status, {**reply.headers, **headers}, reply.pieces)


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"], ids=["relay", "translate"])
def test_a_key_of_which_an_answer_says_that_nothing_is_left_is_not_asked(dialect: str, streams: bool) -> None:
    stage = Stage({"one": {**TWO_KEYS, "dialect": dialect}})
    good = (
        stream(*streamed("Hello.", usage=USED, dialect=dialect))
        if streams
        else whole("Hello.", dialect=dialect)
    )
    slow = msgspec.structs.replace(good, pieces=[2.0, *good.pieces])
    asks = chat(stream=streams)
    stage.script("one", saying(good, SPENT), saying(slow, PLENTY), good)
    assert " with key-1:" in stage.plays(asks)[0]
    assert not stage.health.calm
    assert " with key-2:" in stage.plays(asks)[0]
    assert " with key-1:" in stage.plays(asks)[0]
    assert stage.health.calm


def test_what_a_stream_forecasts_counts_from_its_first_bytes() -> None:
    """The other requests that come while it lasts."""
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", saying(stream(5.0, *streamed("Hello.")), SPENT))
    stage.plays(chat(stream=True))
    assert stage.health.pools["one"].keys[0].until("spent", "gpt") == pytest.approx(2.0)


def test_a_key_that_is_alone_is_asked_whatever_its_answers_forecast() -> None:
    stage = Stage({"one": ONE})
    stage.script("one", saying(whole("Hello."), SPENT), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, *ANSWERED]
    assert stage.plays(chat()) == [ASK_1, *ANSWERED]


def test_a_failure_forecasts_as_well_but_a_refusal_says_for_how_long_itself() -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", saying(refusal(404), SPENT), whole("Hello."), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, ASK_2, *ANSWERED]
    assert stage.plays(chat()) == [ASK_2, *ANSWERED]
    day = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1d", "retry-after": "1"}
    stage.health.revive()
    stage.script("one", saying(refusal(429), day), whole("Hello."))
    stage.plays(chat())
    first = stage.health.pools["one"].keys[0]
    assert (first.until("rests", "gpt"), first.until("spent", "gpt")) == (1.0, 0.0)


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
