"""The attempts of an exchange as transcripts: what a refusal teaches, and what ends an attempt."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.upstreams.answers import AnswerLimits
from tests.unit.engine.stage import (
    CLAUDE,
    CONNECTING,
    ONE,
    USED,
    Own,
    Reply,
    Stage,
    broken,
    chat,
    json_reply,
    refusal,
    stream,
    streamed,
    whole,
)

ASK_1 = "ask one with key-1: /v1/chat/completions"
ASK_2 = "ask one with key-2: /v1/chat/completions"
ASK_TWO = "ask two with key-1: /v1/chat/completions"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
M = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
REFUSED = "The provider 'one' refused the gateway's API key for this model."
UNEXPECTED = "The request to 'own' failed unexpectedly; the gateway's log has the details."
OPENAI = {"openai": {"keys": "key-o"}}


# What one attempt leaves to the next ----------------------------------------------------------------------


def test_nothing_that_an_attempt_lost_or_cost_is_said_of_the_next() -> None:
    settings = {"models": {"m": {"deployments": ["claude/opus", "one/gpt"]}}}
    stage = Stage({"one": ONE, "claude": CLAUDE}, settings=settings)
    stage.script("claude", refusal(529, dialect="anthropic"))
    stage.script("one", json_reply({"id": "1", "object": "chat.completion", "choices": []}))
    stage.plays(chat(model="m", logit_bias={"1": 1}))
    assert stage.attempts == ["claude/opus translate(protocol) 529 server_is_overloaded", "one/gpt relay 200"]
    assert stage.losses == []


COHERE: dict[str, Any] = {"dialect": "cohere", "base_url": "https://cohere.example/v2", "keys": "key-h"}
FAILED = {"id": "1", "message": {"role": "assistant", "content": []}, "finish_reason": "ERROR"}
BROKEN = {
    "id": "1",
    "object": "chat.completion",
    "choices": [{"index": 0, "error": {"code": 502, "message": "It broke."}}],
}


@pytest.mark.parametrize(
    ("name", "answered", "used"),
    [
        (
            "cohere",
            {**FAILED, "usage": {"tokens": {"input_tokens": 7, "output_tokens": 4}}},
            ir.Usage(7, output=4),
        ),
        ("two", {**BROKEN, "usage": {"prompt_tokens": 7, "completion_tokens": 4}}, ir.Usage(7, output=4)),
    ],
)
def test_what_a_failed_answer_states_to_have_used_counts(
    name: str, answered: dict[str, Any], used: ir.Usage
) -> None:
    settings = {"models": {"m": {"deployments": [f"{name}/x", "one/gpt"]}}}
    stage = Stage({**BOTH, "cohere": COHERE}, settings=settings)
    stage.script(name, *[json_reply(answered)] * 3)
    stage.script("one", whole("Hello."))
    assert 'answer 200 "Hello." usage 3+2' in stage.plays(chat(model="m"))
    first, *_, last = stage.exchange.attempts
    assert (first.deployment, first.usage) == (f"{name}/x", used)
    assert last.usage == ir.Usage(3, output=2)


# What a refusal teaches --------------------------------------------------------------------------------


def test_a_refused_seal_is_left_out_and_named() -> None:
    stage = Stage({"claude": CLAUDE})
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2VhbA=="}
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes?"}]},
        {"role": "user", "content": "Go on."},
    ]
    said = refusal(400, "messages.1.content.0: Invalid `signature` in `thinking` block", "anthropic")
    stage.script("claude", said, whole("Hello.", dialect="anthropic"))
    body = chat(model="claude/opus", max_tokens=9, messages=history)
    assert stage.plays(body, "anthropic") == [
        ASK_CLAUDE,
        ASK_CLAUDE,
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert stage.attempts == [
        "claude/opus relay 400 invalid_request",
        "claude/opus translate(seals) 200",
    ]
    assert b"c2VhbA==" in stage.sent[0]
    assert b"c2VhbA==" not in stage.sent[1]
    assert "$.messages[1]: the provider rejected the encrypted reasoning or signatures" in stage.losses


def test_seals_are_left_out_once_and_no_more() -> None:
    stage = Stage({"claude": CLAUDE})
    said = refusal(400, "Invalid `signature` in `thinking` block", "anthropic")
    stage.script("claude", said, said)
    lines = stage.plays(chat(model="claude/opus", max_tokens=9), "anthropic")
    assert lines[:3] == [
        ASK_CLAUDE,
        ASK_CLAUDE,
        "answer 400 invalid_request: Invalid `signature` in `thinking` block",
    ]


def test_a_model_of_the_other_api_is_asked_there_from_then_on() -> None:
    stage = Stage(OPENAI)
    only = "This model is only supported in v1/responses and not in v1/chat/completions."
    answer = whole("Hello.", dialect="openai_responses")
    stage.script("openai", refusal(404, only), answer, answer)
    chats, responses = (f"ask openai with key-o: /v1/{path}" for path in ("chat/completions", "responses"))
    assert stage.plays(chat(model="openai/o9")) == [
        chats,
        responses,
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert stage.attempts == [
        "openai/o9 relay 404 not_found",
        "openai/o9 translate(protocol) 200",
    ]
    assert stage.plays(chat(model="openai/o9"))[0] == responses


def test_where_no_protocol_has_the_model_the_first_error_is_told() -> None:
    stage = Stage(OPENAI)
    first = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
    second = "The requested model 'o9' is not supported with the Responses API."
    stage.script("openai", refusal(404, first), refusal(404, second))
    assert stage.plays(chat(model="openai/o9")) == [
        "ask openai with key-o: /v1/chat/completions",
        "ask openai with key-o: /v1/responses",
        f"answer 404 model_not_found: {first}",
        "= client/first_byte/model_not_found",
    ]


def test_a_model_that_does_not_think_is_asked_again_without_thinking() -> None:
    settings = {"models": {"m": {"use": "openai/gpt", "api": "openai_responses"}}}
    stage = Stage(OPENAI, settings=settings)
    stage.script(
        "openai",
        refusal(400, "Encrypted content is not supported with this model."),
        whole("Hello.", dialect="openai_responses"),
        whole("Hello.", dialect="openai_responses"),
    )
    ask = "ask openai with key-o: /v1/responses"
    assert stage.plays(chat(model="m")) == [ask, ask, 'answer 200 "Hello." usage 3+2', "= done"]
    assert stage.plays(chat(model="m")) == [ask, 'answer 200 "Hello." usage 3+2', "= done"]
    assert ["include" in body for body in stage.bodies] == [True, False, False]


# Time --------------------------------------------------------------------------------------------------


def test_an_attempt_that_takes_too_long_in_all_gives_way() -> None:
    slow = {**ONE, "timeouts": {"total": "5s"}}
    stage = Stage({"one": slow, "two": BOTH["two"]}, settings=M)
    stage.script("one", Reply(connect=[60.0]))
    stage.script("two", whole("Hello."))
    assert stage.plays(chat(model="m")) == [
        ASK_1,
        "5 s later",
        "break off one",
        ASK_TWO,
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert stage.attempts == ["one/gpt relay total_timeout", "two/gpt relay 200"]


def test_pings_alone_are_silence() -> None:
    stage = Stage(BOTH, settings=M, limits=AnswerLimits(silence=3.0))
    stage.script("one", stream(b": ping\n\n", 2.0, b": ping\n\n", 60.0))
    stage.script("two", stream(*streamed("Hello.")))
    assert stage.plays(chat(model="m", stream=True)) == [
        ASK_1,
        "3 s later",
        "break off one",
        ASK_TWO,
        "begin 200",
        'write start "Hello."',
        "write …",
        "end finish done",
        "= done",
    ]
    assert stage.attempts[0] == "one/gpt relay 200 answer_without_content"


def test_a_stream_that_has_begun_may_last_longer_than_its_silence() -> None:
    stage = Stage(limits=AnswerLimits(silence=3.0))
    first, *rest = streamed("Hello.")
    stage.script("one", stream(first, 2.0, streamed("a")[1], *(5.0, streamed("b")[1]) * 3, *rest))
    lines = stage.plays(chat(stream=True))
    assert lines[-1] == "= done"
    assert stage.attempts == ["one/gpt relay 200"]


# Who fails without a word ------------------------------------------------------------------------------


def test_an_upstream_of_ones_own_may_fail_with_anything() -> None:
    stage = Stage(
        {"one": ONE},
        settings={"models": {"m": {"deployments": ["own/x", "one/gpt"]}}},
        own=Own([ZeroDivisionError("of the upstream")]),
    )
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m")) == [
        "ask own/x",
        "leave own",
        ASK_1,
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert stage.attempts == ["own/x translate(protocol) upstream_failed", "one/gpt relay 200"]


def test_what_clients_read_of_it_has_no_details(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(own=Own(*[[ZeroDivisionError("of the upstream")]] * 3))
    assert stage.plays(chat(model="own/x"))[-2:] == [
        f"answer 502 upstream_failed: {UNEXPECTED}",
        "= upstream/first_byte/upstream_failed",
    ]
    assert "of the upstream" in caplog.text


# A client that goes away -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "leave", "lines", "usage"),
    [
        (
            Reply(connect=[60.0, CONNECTING]),
            2.0,
            [ASK_1, "2 s later", "break off one", "= client/connect"],
            "",
        ),
        (Reply(connect=[60.0]), 2.0, [ASK_1, "2 s later", "break off one", "= client/first_byte"], ""),
        (refusal(500), 0.5, [ASK_1, "0.5 s later", "= client/route"], ""),
        (
            stream(streamed("x")[0], 60.0),
            2.0,
            [ASK_1, "2 s later", "break off one", "= client/first_byte"],
            "8+0 estimated",
        ),
    ],
    ids=["connect", "first_byte", "route", "start-up frames"],
)
def test_a_client_that_leaves_ends_the_call(reply: Reply, leave: float, lines: list[str], usage: str) -> None:
    stage = Stage()
    stage.script("one", reply)
    assert stage.plays(chat(stream=True), leave=leave) == lines
    assert stage.usage == usage


# A hook's word is final --------------------------------------------------------------------------------


class Refuses:
    """Ends every stream at its first event."""

    def on_event(self, exchange: Exchange, event: ir.Event) -> None:
        raise RequestFailed(ir.Fault("unavailable", "Not now.", code="house_rule"))


def test_what_a_hook_has_ended_no_other_deployment_answers() -> None:
    stage = Stage(BOTH, settings=M, hooks=[Refuses()])
    stage.script("one", stream(*streamed("Hello.", usage=USED)))
    assert stage.plays(chat(model="m", stream=True)) == [
        ASK_1,
        "break off one",
        "answer 503 house_rule: Not now.",
        "= client/first_byte/house_rule",
    ]


# What is counted -----------------------------------------------------------------------------------------


def test_a_request_is_counted_once_its_connection_is_there() -> None:
    sent: list[str | None] = []
    stage = Stage(BOTH, settings=M, sent=sent.append)
    stage.script("one", Reply(connect=[broken(), 1.0]))
    stage.script("two", refusal(503), whole("Hello."))
    assert stage.plays(chat(model="m"))[-1] == "= done"
    assert sent == ["two/gpt", "two/gpt"]
