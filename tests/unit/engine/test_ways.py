"""Why an attempt is translated instead of relayed, and which stages the operations pass."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from dragoman import ir
from dragoman.config.lasting import Sessions
from dragoman.dialects.request import PROMPTED, Operation
from dragoman.engine.ways import WAYS
from dragoman.exchange import Exchange, Reason
from dragoman.turns.sessions import Remembering, SessionTurn
from tests.unit.engine.stage import CLAUDE, ONE, Own, Stage, chat, events, json_reply, refusal, whole

SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "object", "additionalProperties": False}, "strict": True},
}
FORM = whole("{}")


def seen(stage: Stage) -> list[str]:
    """The reasons of the last attempt."""
    return list(stage.exchange.attempts[-1].reasons)


def test_nothing_stands_against_a_plain_request() -> None:
    stage = Stage()
    stage.script("one", whole("Hello."))
    stage.plays(chat())
    assert (stage.exchange.mode, seen(stage)) == ("relay", [])


def test_another_protocol() -> None:
    stage = Stage({"claude": CLAUDE})
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    stage.plays(chat(model="claude/opus"))
    assert (stage.exchange.mode, seen(stage)) == ("translate", ["protocol"])


def test_no_protocol() -> None:
    stage = Stage(own=Own([events("Hello.")]))
    stage.plays(chat(model="own/x"))
    assert seen(stage) == ["protocol"]


def test_a_vendor_that_does_not_take_all_of_it() -> None:
    stage = Stage({"one": {**ONE, "quirks": {"max_tokens_field": "max_tokens"}}})
    stage.script("one", whole("Hello."))
    stage.plays(chat(max_completion_tokens=9))
    assert stage.bodies[0]["max_tokens"] == 9
    assert seen(stage) == ["vendor"]


TOOL = {"type": "function", "function": {"name": "look"}}
CALLED = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({}, []),
        ({"tools": [TOOL]}, ["model"]),
        (
            {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": None, "tool_calls": [CALLED]},
                    {"role": "tool", "tool_call_id": "1", "content": "x"},
                ]
            },
            ["model"],
        ),
    ],
)
def test_a_model_that_is_told_of_tools_in_words(body: dict[str, Any], reasons: list[str]) -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "tool_mode": "xml"}}})
    stage.script("one", whole("Hello."))
    stage.plays(json.dumps({**json.loads(chat(model="m")), **body}).encode())
    assert seen(stage) == reasons
    assert "tools" not in stage.bodies[0]


@pytest.mark.parametrize("mode", ["tags", "open"])
def test_a_model_that_thinks_in_its_text(mode: str) -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "reasoning_text": mode}}})
    stage.script("one", whole(f"{'<think>' if mode == 'tags' else ''}Hm.\n</think>\n\nHello."))
    stage.plays(chat(model="m"))
    assert seen(stage) == ["model"]


@pytest.mark.parametrize(
    ("body", "reasons"),
    [({"tools": [TOOL]}, ["model"]), ({"tools": [TOOL], "stream": False}, []), ({}, [])],
)
def test_a_model_that_does_not_stream_with_tools(body: dict[str, Any], reasons: list[str]) -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "supports": {"streams_tools": False}}}})
    stage.script("one", whole("Hello."))
    stage.plays(json.dumps({**json.loads(chat(model="m", stream=True)), **body}).encode())
    assert seen(stage) == reasons
    assert stage.bodies[0].get("stream", False) is (not reasons and body.get("stream", True))


def test_a_model_that_does_not_take_all_of_it() -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "supports": {"structured": False}}}})
    stage.script("one", whole("{}"))
    stage.plays(chat(model="m", response_format=SCHEMA))
    assert seen(stage) == ["model"]


@pytest.mark.parametrize("name", ["one", "anthropic"])
def test_members_for_one_provider(name: str) -> None:
    stage = Stage()
    stage.script("one", whole("Hello."))
    stage.plays(json.dumps({**json.loads(chat()), name: {"odd": 1.1}}).encode())
    assert seen(stage) == ["addressed"]
    assert stage.bodies[0].get("odd") == (1.1 if name == "one" else None)
    assert name not in stage.bodies[0]


def test_a_session_before_it() -> None:
    stage = Stage()
    stage.script("one", whole("Hello."))
    turn = SessionTurn(Remembering(stage.store, Sessions(), stage.seams, print), "team", "s")
    stage.plays(chat(), turn=turn)
    assert seen(stage) == ["continued"]


def test_seals_of_another_provider() -> None:
    stage = Stage({"claude": CLAUDE})
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": "dgm1.gemini.abcd"}
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [foreign, {"type": "text", "text": "Yes?"}]},
        {"role": "user", "content": "Go on."},
    ]
    stage.plays(chat(model="claude/opus", max_tokens=9, messages=history), "anthropic")
    assert seen(stage) == ["seals"]
    assert b"dgm1." not in stage.sent[0]


def test_an_alias_that_adds_something() -> None:
    stage = Stage(settings={"aliases": {"short": {"route": "one/gpt", "defaults": {"max_tokens": 5}}}})
    stage.script("one", whole("Hello."))
    stage.plays(chat(model="short"))
    assert seen(stage) == ["alias"]


class Watches:
    """Sees every event."""

    def on_event(self, exchange: Exchange, event: ir.Event) -> None:
        """Change nothing."""


def test_a_hook_that_sees_answers() -> None:
    stage = Stage(hooks=[Watches()])
    stage.script("one", whole("Hello."))
    stage.plays(chat())
    assert seen(stage) == ["hook"]


def test_a_prompt_that_is_shortened() -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "context_window": 64}}})
    stage.script("one", whole("Hello.", dialect="openai_chat"))
    said = [{"role": "user", "content": word * 30} for word in ("a ", "b ", "c ")]
    body = json.dumps({"model": "m", "input": said, "truncation": "auto", "max_output_tokens": 16}).encode()
    stage.plays(body, "openai_responses")
    assert "truncation" in seen(stage)


def test_an_answer_that_is_held_to_a_schema() -> None:
    stage = Stage()
    stage.script("one", whole("{}"))
    stage.plays(chat(response_format=SCHEMA), headers={"x-dragoman-check-output": "1"})
    assert seen(stage) == ["output_check"]


def test_an_operation_that_cannot_be_relayed() -> None:
    stage = Stage()
    stage.script("one", json_reply({"results": [{"index": 0, "relevance_score": 0.5}], "model": "r"}))
    body = json.dumps({"model": "one/r", "query": "a", "documents": ["b"]}).encode()
    assert stage.plays(body, operation="rerank")[0] == "ask one with key-1: /v1/rerank"
    assert seen(stage) == ["operation"]


def test_every_reason_has_its_story() -> None:
    assert set(get_args(Reason)) == {
        *("protocol", "operation", "vendor", "model", "addressed", "continued", "seals", "alias", "hook"),
        *("truncation", "output_check", "continuing"),
    }


# The way of an operation -------------------------------------------------------------------------------


def test_a_vendor_with_words_of_its_own_for_an_operation() -> None:
    stage = Stage({"one": {**ONE, "quirks": {"pictures": "xai"}}})
    stage.script("one", json_reply({"created": 1, "data": [{"b64_json": "AAAA"}]}))
    stage.plays(json.dumps({"model": "one/x", "prompt": "a cat"}).encode(), operation="image")
    assert stage.attempts == ["one/x translate(vendor) 200"]


def test_a_refusal_teaches_nothing_beside_chat() -> None:
    stage = Stage({"openai": {"keys": "key-o"}})
    stage.script("openai", refusal(404, "This model is only supported in v1/responses."))
    body = json.dumps({"model": "openai/e", "input": "a"}).encode()
    stage.plays(body, operation="embed")
    assert len(stage.exchange.attempts) == 1


def test_hooks_do_not_change_what_is_no_chat() -> None:
    class Never:
        def before(self, exchange: Exchange, request: Any) -> None:
            raise AssertionError

    stage = Stage(hooks=[Never()])
    vectors = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "e",
    }
    stage.script("one", json_reply(vectors))
    body = json.dumps({"model": "one/e", "input": "a"}).encode()
    assert stage.plays(body, operation="embed")[-1] == "= done"


def test_who_has_no_endpoint_for_it_is_not_asked() -> None:
    settings = {"models": {"m": {"deployments": ["claude/opus", "one/e"]}}}
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings=settings)
    vectors = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "e",
    }
    stage.script("one", json_reply(vectors))
    body = json.dumps({"model": "m", "input": "a"}).encode()
    assert stage.plays(body, operation="embed")[0] == "ask one with key-1: /v1/embeddings"
    alone = json.dumps({"model": "claude/opus", "input": "a"}).encode()
    assert stage.plays(alone, operation="embed") == [
        "answer 400 unsupported_value: This model's provider does not offer embeddings.",
        "= client/route/unsupported_value",
    ]


def test_every_operation_has_a_way() -> None:
    assert WAYS.keys() == set(get_args(Operation))
    assert [name for name, way in WAYS.items() if way.learns] == ["chat"]
    assert {name for name, way in WAYS.items() if way.hooked} == PROMPTED
