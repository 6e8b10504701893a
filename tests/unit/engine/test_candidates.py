"""Who is asked next, as transcripts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.engine.candidates import Candidates
from tests.unit.engine.stage import CLAUDE, ONE, TWO_KEYS, Reply, Stage, broken, chat, refusal, whole

ASK_1 = "ask one with key-1: /v1/chat/completions"
ASK_2 = "ask one with key-2: /v1/chat/completions"
ASK_TWO = "ask two with key-1: /v1/chat/completions"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
M = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
REFUSED = "The provider 'one' refused the gateway's API key for this model."


def test_a_server_that_fails_is_asked_again_after_a_wait() -> None:
    stage = Stage()
    stage.script("one", refusal(500), refusal(503), whole("Hello."))
    assert stage.plays(chat()) == [
        ASK_1,
        "1 s later",
        ASK_1,
        "2 s later",
        ASK_1,
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert stage.attempts == [
        "one/gpt relay 500 upstream_error",
        "one/gpt relay 503 server_is_overloaded",
        "one/gpt relay 200",
    ]
    assert stage.exchange.waited == 3.0
    assert stage.client.headers["x-dragoman-attempts"] == "3"


def test_the_last_error_is_told_when_nothing_is_left() -> None:
    stage = Stage()
    stage.script("one", refusal(500), refusal(500), refusal(500, "I give up."))
    assert stage.plays(chat()) == [
        ASK_1,
        "1 s later",
        ASK_1,
        "2 s later",
        ASK_1,
        "answer 502 upstream_error: I give up.",
        "= upstream/first_byte/upstream_error",
    ]


@pytest.mark.parametrize(("status", "error"), [(401, "invalid_api_key"), (429, "rate_limit_exceeded")])
def test_a_refused_key_gives_way_to_the_next_at_once(status: int, error: str) -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", refusal(status), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, ASK_2, 'answer 200 "Hello." usage 3+2', "= done"]
    assert stage.attempts == [f"one/gpt relay {status} {error}", "one/gpt relay 200"]


def test_clients_never_learn_that_a_key_was_refused() -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", refusal(401, "Bad key of jane@example.com."), refusal(401, "Bad key."))
    assert stage.plays(chat()) == [
        ASK_1,
        ASK_2,
        f"answer 502 upstream_credential_refused: {REFUSED}",
        "= gateway/first_byte/upstream_credential_refused",
    ]


def test_the_next_deployment_is_asked_with_its_own_model_and_protocol() -> None:
    settings = {"models": {"m": {"deployments": ["one/gpt", "claude/opus"]}}}
    stage = Stage({"one": ONE, "claude": CLAUDE}, settings=settings)
    stage.script("one", refusal(404, "There is no model gpt."))
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_CLAUDE, 'answer 200 "Hello." usage 3+2', "= done"]
    assert stage.attempts == ["one/gpt relay 404 not_found", "claude/opus translate(protocol) 200"]
    assert [body["model"] for body in stage.bodies] == ["gpt", "opus"]
    assert stage.exchange.answered == stage.client.headers["x-dragoman-deployment"] == "claude/opus"


def test_the_callers_own_mistake_is_told_at_once() -> None:
    stage = Stage(BOTH, settings=M)
    stage.script("one", refusal(400, "Temperature is too high."))
    assert stage.plays(chat(model="m")) == [
        ASK_1,
        "answer 400 invalid_request: Temperature is too high.",
        "= client/first_byte/invalid_request",
    ]


def test_a_short_retry_after_is_obeyed() -> None:
    stage = Stage()
    stage.script("one", refusal(429, **{"retry-after": "4"}), whole("Hello."))
    assert stage.plays(chat()) == [ASK_1, "4 s later", ASK_1, 'answer 200 "Hello." usage 3+2', "= done"]


def test_a_connection_that_breaks_is_no_end() -> None:
    stage = Stage(BOTH, settings=M)
    stage.script("one", Reply(connect=[broken()]))
    stage.script("two", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_TWO, 'answer 200 "Hello." usage 3+2', "= done"]
    assert stage.attempts == ["one/gpt relay connection_broken", "two/gpt relay 200"]


def test_every_key_of_every_deployment_is_called_once_in_order() -> None:
    """The first one without the state machine, which is made when it has failed."""
    stage = Stage({"one": TWO_KEYS, "two": BOTH["two"]}, settings=M)
    stage.script("one", refusal(401), refusal(401))
    stage.script("two", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_2, ASK_TWO, 'answer 200 "Hello." usage 3+2', "= done"]


def test_the_time_of_all_attempts_begins_when_it_is_asked_for_and_stands_still_in_queues() -> None:
    times = iter([100.0, 200.0])
    runtime: Any = SimpleNamespace(policy=SimpleNamespace(seconds=30.0))
    nothing: Any = None
    candidates = Candidates(runtime, nothing, nothing, times.__next__)
    candidates.stand_still(5.0)
    assert candidates.time_over() == 130.0
    candidates.stand_still(5.0)
    assert candidates.time_over() == 135.0
    runtime.policy.seconds = None
    assert Candidates(runtime, nothing, nothing, times.__next__).time_over() is None
