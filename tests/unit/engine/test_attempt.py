"""One call: the named edits of its request, and what its answer is encoded for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from tests.unit.engine.stage import CALL, ONE, USED, Stage, chat, stream, streamed, whole

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("asked_for", "shown"),
    [("m", "m"), ("one/gpt", "gpt-2026"), ("gpt", "gpt-2026")],
    ids=["name", "deployment", "model"],
)
@pytest.mark.parametrize("mode", ["relay", "translate"])
def test_answers_call_the_model_as_the_client_does_where_it_used_a_name(
    asked_for: str, shown: str, mode: str
) -> None:
    settings = {"models": {"m": {"use": "one/gpt"}}}
    stage = Stage({"one": {**ONE, "models": ["gpt"]}}, settings=settings)
    body = json.loads(whole("Hello.").pieces[0])  # type: ignore[arg-type]
    stage.script("one", whole("Hello."))
    stage.replies("one")[0].pieces = [json.dumps({**body, "model": "gpt-2026"}).encode()]
    more: dict[str, Any] = {} if mode == "relay" else {"anthropic": {"x": 1}}
    stage.plays(json.dumps({**json.loads(chat(model=asked_for)), **more}).encode())
    assert stage.exchange.mode == mode
    assert json.loads(stage.client.body)["model"] == shown


def test_the_caller_of_the_engine_may_say_what_the_model_is_called() -> None:
    stage = Stage()
    stage.script("one", whole("Hello."))
    stage.plays(chat(), shown="ours")
    assert json.loads(stage.client.body)["model"] == "ours"


def test_configured_members_are_merged_deeply_and_win() -> None:
    stage = Stage(
        {"one": {**ONE, "body": {"extra": {"a": 1, "deep": {"x": 1}}, "seed": 7, "user": "gateway"}}}
    )
    stage.script("one", whole("Hello."))
    stage.plays(chat(extra={"b": 2, "deep": {"y": 2}}, seed=3))
    sent = stage.bodies[0]
    assert sent["extra"] == {"a": 1, "b": 2, "deep": {"x": 1, "y": 2}}
    assert (sent["seed"], sent["user"]) == (7, "gateway")


GOOGLE = {"dialect": "gemini", "base_url": "https://g.example/v1beta", "keys": "key-g"}
TALK = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("top_k", ["topK", "top_k"])
@pytest.mark.parametrize(
    ("own", "own_k", "face"),
    [
        ("generationConfig", "topK", "gemini"),
        ("generation_config", "top_k", "gemini"),
        ("generationConfig", "topK", "anthropic"),
    ],
)
def test_a_configured_member_is_sent_once_in_either_spelling(
    config: str, top_k: str, own: str, own_k: str, face: str
) -> None:
    configured = {config: {top_k: 2}, "service_tier": "flex"}
    stage = Stage({"g": {**GOOGLE, "body": configured}})
    stage.script("g", whole("Hello.", dialect="gemini"))
    if face == "gemini":
        body = json.dumps({**TALK, own: {own_k: 1, "seed": 3}}).encode()
        path = "/v1beta/models/{model}:generateContent"
        stage.plays(body, face, path=path, params={"model": "g/gemini"})
    else:
        stage.plays(chat(model="g/gemini", max_tokens=9, top_k=1), face)
    (sent,) = stage.bodies
    assert {"generationConfig", "generation_config"} & sent.keys() == {own}
    assert sent[own] == {own_k: 2} | ({"seed": 3} if face == "gemini" else {"maxOutputTokens": 9})
    assert sent["service_tier"] == "flex"


def test_of_a_member_in_both_spellings_the_last_is_sent_also_beside_a_configured_one() -> None:
    stage = Stage({"g": {**GOOGLE, "body": {"generationConfig": {"seed": 5}}}})
    stage.script("g", whole("Hello.", dialect="gemini"))
    body = json.dumps({**TALK, "generation_config": {"topK": 1, "top_k": 2}}).encode()
    stage.plays(body, "gemini", path="/v1beta/models/{model}:generateContent", params={"model": "g/gemini"})
    assert stage.bodies[0]["generation_config"] == {"top_k": 2, "seed": 5}


@pytest.mark.parametrize("always", [False, True])
def test_usage_is_told_where_every_stream_ends_with_it(always: bool) -> None:
    settings = {"aliases": {"short": {"route": "one/gpt", "defaults": {"temperature": 0.1}}}}
    stage = Stage(settings=settings, always_usage=always)
    stage.script("one", stream(*streamed("Hello.", usage=USED)), stream(*streamed("Hello.", usage=USED)))
    for model, mode in (("short", "translate"), ("one/gpt", "relay")):
        lines = stage.plays(chat(model=model, stream=True))
        assert stage.exchange.mode == mode
        assert any("usage 3+2" in line for line in lines) is always


def test_calls_without_ids_get_some_where_both_codecs_meet() -> None:
    nameless = ir.ToolCall(None, "look", "{}")
    stage = Stage({"o": {"dialect": "ollama", "base_url": "https://o.example", "keys": "key-o"}})
    stage.script("o", whole(nameless, CALL, dialect="ollama"))
    stage.plays(chat(model="o/x", tools=[TOOL]))
    calls = json.loads(stage.client.body)["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls}) == 2
    assert all(call["id"] and "ex_" not in call["id"] for call in calls)


def test_an_answer_is_held_to_its_form() -> None:
    form = {
        "type": "json_schema",
        "json_schema": {
            "name": "n",
            "schema": {"type": "object", "required": ["a"], "properties": {"a": {}}},
        },
    }
    stage = Stage()
    stage.script("one", whole("{}"), whole('{"a": 1}'))
    lines = stage.plays(chat(response_format=form), headers={"x-dragoman-check-output": "1"})
    assert lines[1:] == ["1 s later", lines[0], 'answer 200 "{"a": 1}" usage 3+2', "= done"]
