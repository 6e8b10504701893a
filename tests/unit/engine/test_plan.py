"""What was planned: the name, its alias, how strictly it is answered, and which deployments are left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.capacity.heavy import HeavySteps, Steps
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.engine.decode import decode_small
from dragoman.engine.plan import route
from dragoman.exchange import Exchange
from dragoman.routing.route import Deployment, Provider, Route
from dragoman.routing.table import Table
from tests.unit.engine.stage import CLAUDE, ONE, Stage, chat, refusal, whole

ASK = "ask one with key-1: /v1/chat/completions"
ANSWER = 'answer 200 "Hello." usage 3+2'


def played(settings: dict[str, Any], body: bytes, **inbound: Any) -> Stage:
    """One request to a gateway whose provider says hello."""
    stage = Stage({"one": ONE}, settings=settings)
    stage.script("one", whole("Hello."))
    stage.plays(body, **inbound)
    return stage


# The name ----------------------------------------------------------------------------------------------


def test_a_name_that_is_not_granted_is_refused_before_it_is_looked_up() -> None:
    for model in ("one/gpt", "nothing/here"):
        stage = played({}, chat(model=model), models=Grants(("one/other",)))
        assert stage.lines[0].startswith("answer 403 model_not_granted: This API key is not allowed to use")
        assert stage.lines[0].endswith("It may use: one/other.")


def test_a_key_that_may_use_nothing_is_told_no_names() -> None:
    stage = played({}, chat(), models=Grants(()))
    assert stage.lines[0].endswith("This API key is not allowed to use the model 'one/gpt'.")


def test_a_granted_name_is_served() -> None:
    assert played({}, chat(), models=Grants(("one/gpt",))).lines == [ASK, ANSWER, "= done"]


def test_the_default_model_has_to_be_granted_as_well() -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}]}).encode()
    settings = {"default_model": "one/gpt"}
    assert played(settings, body).lines == [ASK, ANSWER, "= done"]
    refused = played(settings, body, models=Grants(("one/other",)))
    assert refused.lines[0].startswith("answer 403 model_not_granted: ")
    assert refused.exchange.asked == "one/gpt"


def test_a_name_that_stands_for_nothing() -> None:
    assert played({}, chat(model="nothing/here")).lines[0].startswith("answer 404 model_not_found: ")


# What an alias adds ------------------------------------------------------------------------------------


def test_an_alias_fills_in_what_is_left_open() -> None:
    alias = {
        "route": "one/gpt",
        "defaults": {"temperature": 0.1, "max_tokens": 5},
        "system_prompt": "Be brief.",
    }
    body = played({"aliases": {"short": alias}}, chat(model="short", temperature=0.9)).bodies[0]
    assert (body["temperature"], body["messages"][0]) == (0.9, {"role": "system", "content": "Be brief."})
    own = [{"role": "system", "content": "Be long."}, {"role": "user", "content": "Hi"}]
    body = played({"aliases": {"short": alias}}, chat(model="short", messages=own)).bodies[0]
    assert body["messages"] == own


OPENING = (ir.Message("user", (ir.Text("Who are you?"),)), ir.Message("assistant", (ir.Text("A cat."),)))


def named(stage: Stage) -> Stage:
    """A stage with a name that was made while it runs, and begins each conversation."""
    route = Route("cat", (Deployment("one", "gpt"),), opening=OPENING)
    stage.rename(Table.build([Provider("one", "one")]).also({"cat": route}))
    stage.script("one", whole("Hello."))
    return stage


def test_a_name_may_begin_each_conversation() -> None:
    stage = named(Stage())
    stage.plays(chat(model="cat"))
    assert [message["content"] for message in stage.bodies[0]["messages"]] == ["Who are you?", "A cat.", "Hi"]
    assert stage.attempts == ["one/gpt translate(alias) 200"]


def test_a_conversation_with_a_system_message_has_begun() -> None:
    stage = named(Stage())
    own = [{"role": "system", "content": "Be a dog."}, {"role": "user", "content": "Hi"}]
    stage.plays(chat(model="cat", messages=own))
    assert stage.bodies[0]["messages"] == own
    assert stage.attempts == ["one/gpt relay 200"]


def test_places_are_counted_without_what_a_name_adds() -> None:
    stage = Stage({"claude": CLAUDE})
    route = Route("cat", (Deployment("claude", "opus"),), opening=OPENING)
    stage.rename(Table.build([Provider("claude", "claude")]).also({"cat": route}))
    parts = [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]
    stage.plays(chat(model="cat", messages=[{"role": "user", "content": parts}]))
    assert json.loads(stage.client.body)["error"]["param"].startswith("messages[0].content[0]")


# How strictly ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "header", "refused"),
    [
        (None, None, False),
        (None, "1", True),
        (None, "all", True),
        (True, None, True),
        (True, "0", True),
        (False, "0", False),
        ("all", "1", True),
    ],
)
def test_the_stricter_of_client_and_model_counts(model: Any, header: str | None, refused: bool) -> None:
    named: dict[str, Any] = (
        {"use": "claude/opus"} if model is None else {"use": "claude/opus", "strict": model}
    )
    stage = Stage({"claude": CLAUDE}, settings={"models": {"m": named}})
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    headers = {} if header is None else {"x-dragoman-strict": header}
    stage.plays(chat(model="m", logit_bias={"1": 1}), headers=headers)
    assert (stage.sent == []) is refused
    if refused:
        assert stage.lines[0].startswith("answer 400 untranslatable: the request cannot be translated for")


def test_a_hint_is_refused_only_where_nothing_may_be_lost() -> None:
    for header, refused in (("1", False), ("all", True)):
        stage = Stage({"claude": CLAUDE})
        stage.script("claude", whole("Hello.", dialect="anthropic"))
        stage.plays(chat(model="claude/opus", prompt_cache_key="k"), headers={"x-dragoman-strict": header})
        assert (stage.sent == []) is refused


def test_what_reading_took_out_is_refused_before_anybody_is_chosen() -> None:
    stage = played({}, chat(guardrails=["pii"]), headers={"x-dragoman-strict": "1"})
    assert stage.lines[0].startswith("answer 400 untranslatable: the request cannot be sent without loss: ")
    assert stage.lines[1] == "= client/route/untranslatable"


def test_an_odd_wish_is_told() -> None:
    stage = played({}, chat(), headers={"x-dragoman-strict": "maybe"})
    assert stage.lines[0] == (
        "answer 400 invalid_value: Invalid value for the header 'x-dragoman-strict': expected 1, 0 or all."
    )


# Who is left -------------------------------------------------------------------------------------------


def test_who_cannot_do_it_is_left_out() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    plain = {"use": "claude/opus"}
    settings: dict[str, Any] = {"models": {"no": {**plain, "supports": {"tools": False}}}}
    stage = Stage({"claude": CLAUDE}, settings=settings)
    assert stage.plays(chat(model="no", tools=[tool])) == [
        "answer 400 unsupported_value: This model does not support tools.",
        "= client/route/unsupported_value",
    ]
    assert b'"param":"tools"' in stage.client.body


def test_who_has_too_small_a_window_is_left_out() -> None:
    windows = [{"use": "claude/opus", "context_window": 5}, {"use": "one/gpt", "context_window": 5000}]
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings={"models": {"m": {"deployments": windows}}})
    stage.script("one", whole("Hello."))
    assert stage.plays(chat("word " * 50, model="m"))[0] == ASK
    lines = stage.plays(chat("word " * 6000, model="m"))
    assert lines[0].startswith("answer 400 context_length_exceeded: ")
    assert lines[1] == "= client/route/context_length_exceeded"


def test_what_a_name_adds_counts_for_the_window_that_a_provider_lists() -> None:
    """The client's body alone fits, and is so short that its tokens need not be counted."""
    stage = Stage({"claude": CLAUDE, "one": ONE})
    windows = (Deployment("claude", "opus", listed=1000), Deployment("one", "gpt", listed=100_000))
    long = (ir.Message("user", (ir.Text("word " * 3000),)), ir.Message("assistant", (ir.Text("Yes."),)))
    route = Route("cat", windows, opening=long)
    stage.rename(Table.build([Provider("one", "one"), Provider("claude", "claude")]).also({"cat": route}))
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="cat"))[0] == ASK


def test_what_only_the_author_refuses_goes_to_who_is_known_to_take_it() -> None:
    body = chat(model="m", max_tokens=9, temperature=1.5)
    author = {"anthropic": {"keys": "key-a"}}
    stage = Stage(author, settings={"models": {"m": {"use": "anthropic/claude"}}})
    assert stage.plays(body, "anthropic")[0].startswith("answer 400 ")
    assert stage.exchange.end is not None
    assert stage.exchange.end.startswith("client/route/")
    wide = {"claude": {**CLAUDE, "quirks": {"widens": ["temperature"]}}}
    stage = Stage(
        {**author, **wide}, settings={"models": {"m": {"deployments": ["anthropic/c", "claude/c"]}}}
    )
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert stage.plays(body, "anthropic")[0] == "ask claude with key-c: /v1/messages"


# What the answer is held to ----------------------------------------------------------------------------

FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "n",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
}


@pytest.mark.parametrize(
    ("configured", "header", "checked"), [(True, None, True), (True, "0", False), (False, "1", True)]
)
def test_the_client_has_the_last_word_on_checks(configured: bool, header: str | None, checked: bool) -> None:
    settings = {"models": {"m": {"use": "one/gpt", "check_output": configured}}}
    stage = Stage(settings=settings)
    stage.script("one", *[whole('{"a": "no"}')] * 3)
    stage.plays(
        chat(model="m", response_format=FORM),
        headers={} if header is None else {"x-dragoman-check-output": header},
    )
    assert (stage.lines[-1] != "= done") is checked


def test_without_the_extra_no_answer_can_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.engine.plan.available", lambda: False)
    stage = played({}, chat(response_format=FORM), headers={"x-dragoman-check-output": "1"})
    assert stage.lines[0].startswith("answer 400 unsupported_value: Structured output cannot be validated: ")


def test_a_request_without_a_form_is_relayed() -> None:
    assert played({}, chat(), headers={"x-dragoman-check-output": "1"}).attempts == ["one/gpt relay 200"]


# Models that the provider asks -------------------------------------------------------------------------

TWO = {**ONE, "base_url": "https://two.example/v1", "keys": "key-2"}
ADVISED = [{"type": "advisor_20260301", "name": "advisor", "model": "opus"}]


@pytest.mark.parametrize(
    ("member", "place"),
    [({"fallbacks": [{"model": "opus"}]}, "fallbacks[0].model"), ({"tools": ADVISED}, "tools[0].model")],
)
def test_a_model_that_the_provider_is_to_ask_has_to_be_granted(member: dict[str, Any], place: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    body = json.dumps({"model": "claude/haiku", "max_tokens": 9, "messages": messages, **member}).encode()
    for granted, allowed in (("claude/opus", True), ("opus", True), ("one/opus", False)):
        stage = Stage({"claude": CLAUDE})
        stage.script("claude", whole("Hello.", dialect="anthropic"))
        stage.plays(body, "anthropic", models=Grants(("claude/haiku", granted)))
        if allowed:
            assert stage.attempts == ["claude/haiku relay 200"]
            assert stage.bodies[0][place.partition("[")[0]] == member[place.partition("[")[0]]
        else:
            assert stage.sent == []
            assert stage.client.status == 403
            message = json.loads(stage.client.body)["error"]["message"]
            assert message.startswith(f"{place}: This API key is not allowed to use the model 'opus'.")


def test_a_deployment_where_the_further_model_is_not_granted_drops_out() -> None:
    deployments = [{"use": "one/gpt"}, {"use": "two/gpt"}]
    models = {"m": {"deployments": deployments, "fallbacks": ["f"]}, "f": {"use": "one/gpt"}}
    stage = Stage({"one": ONE, "two": TWO}, settings={"models": models})
    stage.script("two", refusal(503))
    plugin = {"id": "fusion", "analysis_models": ["big"]}
    stage.plays(chat(model="m", plugins=[plugin]), models=Grants(("m", "two/big")))
    assert {line.partition("/")[0] for line in stage.attempts} == {"two"}


def test_limits_count_the_models_that_the_provider_may_ask() -> None:
    table = Table.build([Provider("one", "one")])
    for fallbacks, counted in (([], ("one/gpt",)), ([{"model": "big"}], ("one/gpt", "one/big"))):
        messages = [{"role": "user", "content": "Hi"}]
        body = {"model": "one/gpt", "max_tokens": 9, "messages": messages, "fallbacks": fallbacks}
        inbound = Inbound(DIALECTS["anthropic"], json.dumps(body).encode(), {})
        exchange = Exchange("ex_1", "req_1", "anthropic", "POST", "/", began=0.0, created=0.0)
        asked = decode_small(exchange, inbound, Steps(HeavySteps(), None), always_usage=False)
        assert route(table, asked).route.counted == counted
