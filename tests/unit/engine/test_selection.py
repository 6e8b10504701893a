"""Which deployments are left out by `when` and `max_cost`, as transcripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.observe.trace import candidates
from dragoman.routing.attempts import Policy
from tests.unit.engine.stage import CLAUDE, ONE, Reply, Stage, chat, refusal, whole

ASK_1 = "ask one with key-1: /v1/chat/completions"
ASK_2 = "ask two with key-1: /v1/chat/completions"
ASK_3 = "ask three with key-1: /v1/chat/completions"
HELLO = 'answer 200 "Hello." usage 3+2'
THREE: dict[str, Any] = {
    "one": ONE,
    "two": {**ONE, "base_url": "https://two.example/v1"},
    "three": {**ONE, "base_url": "https://three.example/v1"},
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def staged(settings: Mapping[str, Any], **replies: list[Reply]) -> Stage:
    """Three providers; without a script of its own, each says hello twice."""
    stage = Stage(THREE, settings=settings, policy=Policy(retries=0, jitter=0.0))
    for name in THREE:
        stage.script(name, *replies.get(name, [whole("Hello."), whole("Hello.")]))
    return stage


def pool(*deployments: Any, **more: Any) -> dict[str, Any]:
    return {"models": {"m": {"deployments": list(deployments), **more}}}


def asked(stage: Stage) -> str:
    """The provider that the first line says was asked."""
    return stage.lines[0].split()[1]


def dropped(stage: Stage) -> list[tuple[str, str]]:
    """The deployments that the trace says were left out, and why."""
    rows = candidates(stage.exchange)
    return [(row["deployment"], row["why"]) for row in rows if row["state"] == "dropped"]


# When ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "body", "holds"),
    [
        ({"tools": True}, {"tools": [TOOL]}, True),
        ({"tools": True}, {}, False),
        ({"tools": False}, {"tools": [TOOL]}, False),
        ({"images": True}, {"messages": [{"role": "user", "content": [PICTURE]}]}, True),
        ({"images": True}, {}, False),
        ({"structured": True}, {"response_format": {"type": "json_object"}}, False),
        ({"reasoning": True}, {"reasoning_effort": "low"}, True),
        ({"reasoning": True}, {"reasoning_effort": "none"}, False),
        ({"reasoning": False}, {}, True),
        ({"stream": True}, {}, False),
        ({"stream": False}, {}, True),
        ({"input_over": 100}, {"messages": [{"role": "user", "content": "word " * 300}]}, True),
        ({"input_over": 100}, {}, False),
        ({"input_up_to": 100}, {"messages": [{"role": "user", "content": "word " * 300}]}, False),
        ({"tags": ["paid"]}, {"tags": ["paid", "x"]}, True),
        ({"tags": ["paid"]}, {}, False),
        ({"without_tags": ["eu"]}, {"metadata": {"tags": ["eu"]}}, False),
        ({"protocols": ["openai_chat"]}, {}, True),
        ({"protocols": ["anthropic"]}, {}, False),
        ({"operations": ["chat"]}, {}, True),
        ({"operations": ["embed"]}, {}, False),
        ({"clients": ["anyone"]}, {}, False),
    ],
)
def test_a_deployment_is_asked_for_its_requests_only(
    when: dict[str, Any], body: dict[str, Any], holds: bool
) -> None:
    stage = staged(pool({"use": "one/gpt", "when": when}, "two/gpt"))
    stage.plays(chat(model="m", **body))
    assert asked(stage) == ("one" if holds else "two")
    assert stage.lines[1:] == [HELLO, "= done"]
    (name, value) = next(iter(when.items()))
    stated = f"[{', '.join(value)}]" if isinstance(value, list) else str(value).lower()
    told = [("one/gpt", f"`when: {{{name}: {stated}}}` does not hold")]
    assert dropped(stage) == ([] if holds else told)


def test_headers_are_conditions() -> None:
    settings = pool({"use": "one/gpt", "when": {"headers": {"X-Tenant": "acme-*"}}}, "two/gpt")
    for headers, name in (({"x-tenant": "acme-7"}, "one"), ({"x-tenant": "other"}, "two"), ({}, "two")):
        stage = staged(settings)
        stage.plays(chat(model="m"), headers=headers)
        assert asked(stage) == name


def test_conditions_hold_for_fallbacks_and_after_failures_too() -> None:
    settings: dict[str, Any] = {
        "models": {
            "m": {"use": "one/gpt", "fallbacks": ["n"]},
            "n": {"deployments": [{"use": "two/gpt", "when": {"tools": True}}, "three/gpt"]},
        }
    }
    stage = staged(settings, one=[refusal(503)] * 2)
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_3, HELLO, "= done"]
    assert dropped(stage) == [("two/gpt", "`when: {tools: true}` does not hold")]
    assert stage.plays(chat(model="m", tools=[TOOL])) == [ASK_1, ASK_2, HELLO, "= done"]


def test_deployments_of_a_pattern_have_their_own_conditions() -> None:
    """Also where an earlier deployment does not offer the name."""
    providers = {**THREE, "one": {**ONE, "models": ["other"]}}
    deployments = ["one/*", {"use": "two/*", "when": {"tools": True}}, "three/*"]
    stage = Stage(providers, settings={"models": {"eu/*": {"deployments": deployments}}})
    for name in ("two", "three"):
        stage.script(name, whole("Hello."))
    assert stage.plays(chat(model="eu/gpt"))[0] == ASK_3
    assert stage.plays(chat(model="eu/gpt", tools=[TOOL]))[0] == ASK_2


def test_an_alias_has_the_conditions_of_its_model() -> None:
    settings = {
        **pool({"use": "one/gpt", "when": {"tools": True}}, "two/gpt"),
        "aliases": {"a": "m", "*": "m"},
    }
    stage = staged(settings)
    for name in ("a", "whatever"):
        assert stage.plays(chat(model=name))[0] == ASK_2


def test_the_count_of_a_prompt_goes_where_its_chat_would_go() -> None:
    claude = {**CLAUDE, "quirks": {"counts": True}}
    deployments = [
        {"use": "one/gpt", "when": {"tools": True, "operations": ["chat"]}},
        {"use": "claude/x", "when": {"tools": False, "stream": True, "operations": ["chat"]}},
    ]
    stage = Stage({"one": ONE, "claude": claude}, settings=pool(*deployments))
    counted = Reply(200, {"content-type": "application/json"}, [b'{"input_tokens": 7}'])
    stage.script("claude", counted)
    said = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    stage.plays(json.dumps(said).encode(), "anthropic", operation="count")
    assert stage.lines[0] == "ask claude with key-c: /v1/messages/count_tokens"


def test_a_name_of_the_provider_has_no_conditions() -> None:
    stage = staged(pool({"use": "one/gpt", "when": {"tools": True}}))
    assert stage.plays(chat(model="one/gpt")) == [ASK_1, HELLO, "= done"]


def test_a_request_that_none_is_for_is_told_what_they_are_for() -> None:
    settings = pool(
        {"use": "one/gpt", "when": {"images": True}},
        {"use": "two/gpt", "when": {"input_over": 1000}},
        {"use": "three/gpt", "when": {"tags": ["secret-project"]}},
    )
    stage = staged(settings)
    assert stage.plays(chat(model="m")) == [
        (
            "answer 400 no_deployment: No deployment of the model 'm' is for this request. They are for: "
            "requests with images; prompts of more than 1000 tokens; other tags."
        ),
        "= client/route/no_deployment",
    ]
    assert json.loads(stage.client.body)["error"]["param"] == "model"
    assert [name for name, _ in dropped(stage)] == ["one/gpt", "two/gpt", "three/gpt"]
    assert dropped(stage)[2][1] == "`when: {tags: [secret-project]}` does not hold"


def test_a_client_that_none_is_for_is_refused() -> None:
    settings: dict[str, Any] = {
        **pool({"use": "one/gpt", "when": {"clients": ["team-a"]}}),
        "auth": {"keys": [{"name": "team-a", "key": "a-key-of-sixteen-characters"}]},
    }
    stage = staged(settings)
    stage.plays(chat(model="m"))
    assert stage.lines == [
        (
            "answer 403 no_deployment: No deployment of the model 'm' is for this request. They are for: "
            "other clients."
        ),
        "= client/route/no_deployment",
    ]


def test_a_prompt_that_is_too_long_for_all_is_told_as_for_a_window() -> None:
    """So clients that shorten their history do so, and the fallbacks for it are asked."""
    settings = pool({"use": "one/gpt", "when": {"input_up_to": 50}})
    stage = staged(settings)
    stage.plays(chat("word " * 300, model="m"))
    assert stage.lines[0].startswith(
        "answer 400 context_length_exceeded: This model's maximum context length is 50"
    )
    settings["models"]["m"]["fallbacks"] = {"context": ["two/gpt"]}
    assert staged(settings).plays(chat("word " * 300, model="m")) == [ASK_2, HELLO, "= done"]


def test_if_none_is_for_a_request_the_fallbacks_are_asked() -> None:
    stage = staged(pool({"use": "one/gpt", "when": {"tools": True}}, fallbacks=["two/gpt"]))
    assert stage.plays(chat(model="m")) == [ASK_2, HELLO, "= done"]


def test_policies_choose_among_those_that_are_left() -> None:
    settings = pool({"use": "one/gpt", "when": {"tools": True}}, "two/gpt", "three/gpt", policy="round_robin")
    stage = staged(settings)
    assert {stage.plays(chat(model="m"))[0] for _ in range(4)} == {ASK_2, ASK_3}


def test_other_operations_have_no_prompt() -> None:
    when = {"input_over": 0}
    body = json.dumps({"model": "m", "input": "word " * 99}).encode()
    answer = {"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    stage = staged(
        pool({"use": "one/e", "when": when}, {"use": "two/e", "when": {"operations": ["embed"]}}),
        two=[Reply(200, {"content-type": "application/json"}, [json.dumps(answer).encode()])],
    )
    stage.plays(body, operation="embed", path="/embeddings")
    assert stage.lines[0] == "ask two with key-1: /v1/embeddings"


# Max cost ------------------------------------------------------------------------------------------------


def priced(use: str, asked: float, answered: float, **more: Any) -> dict[str, Any]:
    return {"use": use, "price": {"input": asked, "output": answered}, **more}


def test_a_deployment_that_costs_too_much_is_not_asked_after_a_failure() -> None:
    settings = pool(priced("one/gpt", 1, 2), priced("two/gpt", 9, 9), priced("three/gpt", 3, 6), max_cost=3)
    stage = staged(settings, one=[refusal(503)])
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_3, HELLO, "= done"]
    assert dropped(stage) == [
        ("two/gpt", "`max_cost`: more than 3 times the cost of the first choice, one/gpt")
    ]


def test_nor_while_the_first_choice_rests() -> None:
    settings = pool(priced("one/gpt", 1, 2), priced("two/gpt", 9, 9), max_cost=3)
    stage = staged(settings, one=[refusal(429, **{"retry-after": "60"})])
    stage.plays(chat(model="m"))
    assert stage.lines[-1].startswith("= upstream/")
    assert stage.plays(chat(model="m"))[0].startswith("answer 429 ")
    assert [line for line in stage.lines if line == ASK_2] == []


def test_fallbacks_are_bound_by_the_model_that_was_asked() -> None:
    settings: dict[str, Any] = {
        "models": {
            "m": {"deployments": [priced("one/gpt", 1, 2)], "fallbacks": ["n", "three/gpt"], "max_cost": 3},
            "n": {"deployments": [priced("two/gpt", 9, 9)]},
            "o": {"deployments": [priced("three/gpt", 2, 2)]},
        }
    }
    stage = staged(settings, one=[refusal(503)])
    assert stage.plays(chat(model="m")) == [ASK_1, ASK_3, HELLO, "= done"]
    assert [name for name, _ in dropped(stage)] == ["two/gpt"]
    stage = staged(settings, one=[refusal(503)], three=[refusal(503)])
    assert stage.plays(chat(model="m"))[:2] == [ASK_1, ASK_3]
    assert stage.plays(chat(model="n"))[0] == ASK_2  # asked for itself it is no extra cost


def test_models_that_a_client_names_are_bound_too() -> None:
    settings = pool(priced("one/gpt", 1, 2), priced("two/gpt", 1, 2), max_cost=3)
    stage = staged(settings, one=[refusal(503)], two=[refusal(503)])
    lines = stage.plays(chat(model="m", models=["three/gpt"]))
    assert lines[:2] == [ASK_1, ASK_2]
    assert ASK_3 not in lines
    assert dropped(stage) == [("three/gpt", "`max_cost`: its price is not known")]


def test_what_a_request_needs_is_no_extra_cost() -> None:
    """If only a dearer deployment can do it, that is the first choice."""
    settings = pool(priced("one/gpt", 1, 2, supports={"images": False}), priced("two/gpt", 9, 9), max_cost=3)
    stage = staged(settings)
    stage.plays(chat(model="m", messages=[{"role": "user", "content": [PICTURE]}]))
    assert stage.lines == [ASK_2, HELLO, "= done"]


@pytest.mark.parametrize(("limit", "kept"), [(10, True), (10_000, False)])
def test_usd_are_counted_by_what_the_request_allows(limit: int, kept: bool) -> None:
    settings = pool(priced("one/gpt", 1, 2), priced("two/gpt", 1, 20), max_cost={"usd": 0.01})
    stage = staged(settings, one=[refusal(503)])
    stage.plays(chat(model="m", max_completion_tokens=limit))
    assert (ASK_2 in stage.lines) is kept


def test_several_answers_cost_more() -> None:
    settings = pool(priced("one/gpt", 1, 2), priced("two/gpt", 1, 20), max_cost={"usd": 0.01})
    stage = staged(settings, one=[refusal(503)])
    stage.plays(chat(model="m", max_completion_tokens=250, n=2))
    assert ASK_2 in stage.lines
    stage = staged(settings, one=[refusal(503)])
    stage.plays(chat(model="m", max_completion_tokens=250, n=4))
    assert ASK_2 not in stage.lines
