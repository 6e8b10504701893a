"""What an exchange keeps of its decisions: candidates with reasons, times of attempts, waits, outcomes."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.exchange import Wait
from dragoman.observe.trace import candidates, detail
from tests.unit.engine.stage import CONNECTING, ONE, Reply, Stage, chat, refusal, whole

TWO_KEYS: dict[str, Any] = {**ONE, "keys": ["secret-key-number-1111", "secret-key-number-2222"]}
BOTH: dict[str, Any] = {"one": TWO_KEYS, "two": {**ONE, "keys": ["secret-key-number-3333"]}}
ROUTE = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}


def states(stage: Stage) -> list[tuple[str, str | None, str, list[int]]]:
    rows = candidates(stage.exchange)
    return [(row["deployment"], row["key"], row["state"], row["attempts"]) for row in rows]


def test_a_calm_request_names_its_deployments_alone() -> None:
    stage = Stage(BOTH, settings=ROUTE)
    stage.script("one", whole("Hello."))
    stage.plays(chat(model="m"))
    assert stage.exchange.weighed == ()
    assert states(stage) == [("one/gpt", "1111", "called", [1]), ("two/gpt", None, "not_needed", [])]


def test_after_a_failure_each_key_is_named() -> None:
    stage = Stage(BOTH, settings=ROUTE)
    stage.script("one", refusal(503), whole("Hello."))
    stage.plays(chat(model="m"))
    assert states(stage) == [
        ("one/gpt", "1111", "called", [1]),
        ("one/gpt", "2222", "called", [2]),
        ("two/gpt", "3333", "not_needed", []),
    ]


def test_who_rests_and_who_was_refused_is_told_with_why() -> None:
    stage = Stage(BOTH, settings=ROUTE)
    stage.script("one", refusal(429, **{"retry-after": "60"}), refusal(401), whole("Hello."))
    stage.script("two", whole("Hello."), whole("Hello."))
    stage.plays(chat(model="m"))
    assert [one.outcome for one in stage.exchange.attempts] == ["key_transient", "key_permanent", None]
    stage.plays(chat(model="m"))
    rows = candidates(stage.exchange)
    assert [(row["key"], row["state"], row["seconds"]) for row in rows] == [
        ("3333", "called", None),
        ("1111", "resting", 60.0),
        ("2222", "refused", None),
    ]
    assert rows[1]["why"] == "the API key is rate limited"


def test_a_mistake_of_the_client_ends_the_round() -> None:
    stage = Stage(BOTH, settings=ROUTE)
    stage.script("one", refusal(400))
    stage.plays(chat(model="m"))
    assert [row[2] for row in states(stage)] == ["called", "not_called", "not_called"]
    assert stage.exchange.attempts[0].outcome == "caller"


@pytest.mark.parametrize("window", [1, 100_000])
def test_who_is_dropped_before_is_named_with_the_reason(window: int) -> None:
    uses = [{"use": "one/gpt", "context_window": 1}, {"use": "two/gpt", "context_window": window}]
    stage = Stage(BOTH, settings={"models": {"m": {"deployments": uses}}})
    if window == 1:
        stage.plays(chat(model="m"))
        assert [row[:3:2] for row in states(stage)] == [("one/gpt", "dropped"), ("two/gpt", "dropped")]
        return
    stage.script("two", whole("Hello."))
    stage.plays(chat(model="m"))
    assert [row[:3:2] for row in states(stage)] == [("two/gpt", "called"), ("one/gpt", "dropped")]
    assert stage.exchange.dropped == (("one/gpt", "its context window is too small"),)


def test_the_times_of_an_attempt() -> None:
    stage = Stage()
    answer = whole("Hello.")
    stage.script("one", Reply(200, answer.headers, (1.5, *answer.pieces), (2.0, b"", 3.0)))
    stage.plays(chat())
    (attempt,) = detail(stage.exchange)["attempts"]
    times = [attempt[name] for name in ("began_ms", "connected_ms", "first_byte_ms", "ended_ms")]
    assert times == [0.0, 2000.0, 5000.0, 6500.0]
    assert (attempt["first_content_ms"], attempt["outcome"]) == (6500.0, "answered")


def test_an_attempt_without_a_connection_has_no_such_time() -> None:
    stage = Stage({"one": {**ONE, "timeouts": {"total": "2s"}}})
    stage.script("one", *[Reply(connect=[CONNECTING])] * 3)
    stage.plays(chat())
    (first, *_) = detail(stage.exchange)["attempts"]
    assert (first["connected_ms"], first["first_byte_ms"], first["ended_ms"]) == (None, None, 2000.0)
    assert (first["outcome"], first["error"]["code"]) == ("server", "total_timeout")


def test_waits_say_for_what() -> None:
    stage = Stage()
    stage.script("one", refusal(503), refusal(503, **{"retry-after": "3"}), whole("Hello."))
    stage.plays(chat())
    assert [(wait.reason, wait.seconds) for wait in stage.exchange.waits] == [
        ("backoff", 1.0),
        ("retry_after", 3.0),
    ]
    stage.script("one", refusal(429, **{"retry-after": "5"}), whole("Hello."))
    stage.plays(chat())
    assert stage.exchange.waits == (Wait("retry_after", stage.exchange.began, 5.0),)


def test_a_refused_key_is_named_by_its_place() -> None:
    stage = Stage({"one": TWO_KEYS})
    stage.script("one", refusal(401), whole("Hello."))
    stage.plays(chat())
    refused, answered = stage.exchange.attempts
    assert (refused.key_tail, bool(refused.key_source)) == ("1111", True)
    assert answered.key_source is None
