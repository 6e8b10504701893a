"""A chat in the words of its upstream: what is said otherwise, what is lost, and what cannot be said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.config.lasting import Sessions
from dragoman.exchange import Exchange
from dragoman.turns.sessions import Remembering, SessionTurn
from tests.unit.engine.stage import (
    CLAUDE,
    ONE,
    USED,
    Own,
    Stage,
    chat,
    events,
    refusal,
    stream,
    streamed,
    whole,
)

ASK = "ask claude with key-c: /v1/messages"
ASK_ONE = "ask one with key-1: /v1/chat/completions"
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


def claude(body: bytes, face: str = "openai_chat", **more: Any) -> Stage:
    """One request to a provider of another protocol."""
    stage = Stage({"claude": CLAUDE}, **more)
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    stage.plays(body, face)
    return stage


def test_what_the_protocol_cannot_carry_is_named_with_its_place() -> None:
    stage = claude(chat(model="claude/opus", logit_bias={"1": 1}))
    assert [loss.path for loss in stage.exchange.losses] == ["$.logit_bias"]
    assert stage.client.headers["x-dragoman-losses"] == "1"


def test_what_is_added_is_named() -> None:
    stage = claude(chat(model="claude/opus"))
    assert stage.bodies[0]["max_tokens"] > 0
    assert [change.to for change in stage.exchange.changes] == ["$.max_tokens"]


def test_what_cannot_be_said_at_all_is_refused_in_the_clients_words() -> None:
    parts = [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]
    stage = claude(chat(model="claude/opus", messages=[{"role": "user", "content": parts}]))
    assert stage.sent == []
    assert stage.lines[0].startswith("answer 400 unsupported_modality: ")
    assert json.loads(stage.client.body)["error"]["param"].startswith("messages[0].content[0]")
    assert stage.lines[1] == "= client/encode/unsupported_modality"


def test_another_deployment_may_be_able_to_say_it() -> None:
    parts = [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]
    settings = {"models": {"m": {"deployments": ["claude/opus", "one/gpt"]}}}
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings=settings)
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m", messages=[{"role": "user", "content": parts}]))[0] == ASK_ONE


def test_what_is_lacking_is_emulated_and_undone() -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "supports": {"structured": False}}}})
    stage.script("one", whole(ir.ToolCall("call_1", "n", '{"a": 1}')))
    assert stage.plays(chat(model="m", response_format=SCHEMA)) == [
        ASK_ONE,
        'answer 200 "{"a": 1}" usage 3+2',
        "= done",
    ]
    assert "response_format" not in stage.bodies[0]
    assert stage.bodies[0]["tools"][0]["function"]["name"] == "n"


@pytest.mark.parametrize(("include", "place"), [(None, "added"), (False, "changed")])
def test_usage_is_asked_for_the_record(include: bool | None, place: str) -> None:
    stage = Stage(settings={"aliases": {"short": {"route": "one/gpt", "defaults": {"temperature": 0.1}}}})
    stage.script("one", stream(*streamed("Hello.", usage=USED)))
    options: dict[str, Any] = {} if include is None else {"stream_options": {"include_usage": include}}
    stage.plays(chat(model="short", stream=True, **options))
    assert stage.bodies[0]["stream_options"] == {"include_usage": True}
    assert stage.usage == "3+2"
    told = [change.path for change in stage.exchange.changes if change.to.endswith("include_usage")]
    assert told == ([None] if place == "added" else ["$.stream_options.include_usage"])


def test_members_for_another_provider_are_lost_and_named() -> None:
    body = json.loads(chat(model="claude/opus"))
    stage = claude(json.dumps({**body, "gemini": {"x": 1}, "claude": {"odd": True}}).encode())
    assert stage.bodies[0]["odd"] is True
    assert "gemini" not in stage.bodies[0]
    assert stage.losses == ["$.gemini: its fields are for another provider"]


def test_a_window_that_is_too_small_shortens_where_the_client_allows_it() -> None:
    stage = Stage(settings={"models": {"m": {"use": "one/gpt", "context_window": 64}}})
    stage.script("one", whole("Hello."))
    said = [{"role": "user", "content": word * 40} for word in ("a ", "b ", "c ")]
    body = {"model": "m", "input": said, "truncation": "auto", "max_output_tokens": 16}
    stage.plays(json.dumps(body).encode(), "openai_responses")
    assert len(stage.bodies[0]["messages"]) < 3
    assert stage.bodies[0]["messages"][-1]["content"].startswith("c ")


def test_seals_of_a_session_stay_with_their_provider() -> None:
    settings = {"models": {"m": {"deployments": ["claude/opus", "one/gpt"]}}}
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings=settings)
    thought = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "c2VhbA=="))
    turn = [
        SessionTurn(Remembering(stage.store, Sessions(), stage.seams, print), "team", "s") for _ in range(2)
    ]
    stage.script("claude", whole(thought, "Hello.", dialect="anthropic"), refusal(529, dialect="anthropic"))
    stage.script("one", whole("Bye."))
    stage.plays(chat(model="m"), turn=turn[0])
    assert stage.plays(chat("And?", model="m"), turn=turn[1])[:2] == [ASK, ASK_ONE]
    assert b"c2VhbA==" in stage.sent[1]
    assert b"c2VhbA==" not in stage.sent[2]
    assert "can only be read by its own provider, claude" in str(stage.losses)


def test_what_only_a_server_of_its_protocol_can_be_asked() -> None:
    body = json.dumps({"model": "claude/opus", "prompt": {"id": "pmpt_1"}, "input": "Hi"}).encode()
    stage = claude(body, "openai_responses")
    assert stage.sent == []
    assert stage.lines[0].startswith("answer 400 ")
    assert json.loads(stage.client.body)["error"]["param"] == "prompt"


class Watches:
    """Sees every event, so nothing is relayed."""

    def on_event(self, exchange: Exchange, event: ir.Event) -> None:
        """Change nothing."""


def test_a_server_of_its_protocol_is_asked_it_without_a_relay() -> None:
    provider = {"dialect": "openai_responses", "base_url": "https://r.example/v1", "keys": "key-r"}
    stage = Stage({"r": provider}, hooks=[Watches()])
    stage.script("r", whole("Hello.", dialect="openai_responses"))
    body = json.dumps({"model": "r/gpt", "prompt": {"id": "pmpt_1"}, "input": "Hi"}).encode()
    assert stage.plays(body, "openai_responses")[1] == 'answer 200 "Hello." usage 3+2'
    assert stage.bodies[0]["prompt"] == {"id": "pmpt_1"}
    assert stage.attempts == ["r/gpt translate(hook) 200"]


def test_an_upstream_of_ones_own_gets_the_request_itself() -> None:
    aliases = {"short": {"route": "own/x", "defaults": {"temperature": 0.1}}}
    stage = Stage(own=(own := Own([events("Hello.")])), settings={"aliases": aliases})
    stage.plays(chat(model="short", logit_bias={"1": 1}))
    assert own.requests[0].sampling.temperature == 0.1
    assert stage.losses == []
