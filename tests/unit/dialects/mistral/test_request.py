"""Requests, member by member, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.mistral import DIALECT
from dragoman.errors import WireError
from tests.unit.dialects.mistral.speaking import (
    HELLO,
    added,
    again,
    changed,
    decoded,
    foreign,
    lost,
    wire,
    written,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
NAMED = {"name": "a", "description": "A.", "schema": SCHEMA, "strict": True}
MEMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"temperature": 0.3, "top_p": 0.9}, {"sampling": ir.Sampling(temperature=0.3, top_p=0.9)}),
    ({"top_k": 40, "random_seed": 7}, {"sampling": ir.Sampling(top_k=40, seed=7)}),
    (
        {"frequency_penalty": 0.1, "presence_penalty": -1, "repetition_penalty": 1.1},
        {"sampling": ir.Sampling(frequency_penalty=0.1, presence_penalty=-1, repetition_penalty=1.1)},
    ),
    ({"stop": ["a", "b"]}, {"sampling": ir.Sampling(stop=("a", "b"))}),
    ({"stop": "a"}, {"sampling": ir.Sampling(stop=("a",)), "forms": {"stop": "string"}}),
    (
        {"n": 2, "logprobs": True, "top_logprobs": 3},
        {"sampling": ir.Sampling(n=2, logprobs=True, top_logprobs=3)},
    ),
    ({"max_tokens": 64}, {"max_output": 64}),
    ({"stream": True}, {"stream": True}),
    ({"stream": False}, {"forms": {"stream": "false"}}),
    ({"parallel_tool_calls": False}, {"parallel": False}),
    ({"metadata": {"team": "maps"}}, {"metadata": {"team": "maps"}}),
    ({"prompt_cache_key": "k"}, {"cache": ir.Caching("k")}),
    ({"service_tier": "auto"}, {"tier": "auto"}),
    ({"service_tier": "standard_only"}, {"tier": "default"}),
    ({"reasoning_effort": "high"}, {"reasoning": ir.Reasoning(effort="high")}),
    ({"prompt_mode": "reasoning"}, {"reasoning": ir.Reasoning("on")}),
    ({"prompt_mode": "other"}, {"reasoning": ir.Reasoning("other")}),
    ({"response_format": {"type": "text"}}, {"output": ir.Output("text", form="response_format")}),
    ({"response_format": {"type": "json_object"}}, {"output": ir.Output("json", form="response_format")}),
    (
        {"response_format": {"type": "json_schema", "json_schema": NAMED}},
        {"output": ir.Output("schema", SCHEMA, "a", "A.", strict=True)},
    ),
    (
        {"response_format": {"type": "grammar", "rule": "x"}},
        {"output": ir.Output("text", form="native", extra={"mistral": {"type": "grammar", "rule": "x"}})},
    ),
    (
        {"min_tokens": 1, "safe_prompt": True, "guardrails": [{"block_on_error": True}]},
        {
            "extra": {
                "mistral": {"min_tokens": 1, "safe_prompt": True, "guardrails": [{"block_on_error": True}]}
            }
        },
    ),
]


@pytest.mark.parametrize(("members", "fields"), MEMBERS, ids=[str(list(members)) for members, _ in MEMBERS])
def test_every_member_comes_back_as_it_was(members: dict[str, Any], fields: dict[str, Any]) -> None:
    request = decoded(**members)
    for field, value in fields.items():
        assert getattr(request, field) == value
    assert again(**members) == {"model": "m", "messages": [HELLO], **members}


def test_null_members_say_nothing() -> None:
    nothing = dict.fromkeys(sorted(DIALECT.request.members - {"model", "messages"}))
    assert again(**nothing) == {"model": "m", "messages": [HELLO]}


def test_brief_agrees_with_the_whole() -> None:
    request = DIALECT.request.brief(wire(stream=True))
    assert (request.dialect, request.model, request.stream, request.stream_usage) == (
        "mistral",
        "m",
        True,
        None,
    )
    assert DIALECT.request.brief(wire()).stream is False


# --- From elsewhere ----------------------------------------------------------------------------


def sampled(**fields: Any) -> tuple[dict[str, Any], Any]:
    body, report = written(foreign(sampling=ir.Sampling(**fields)))
    return {key: value for key, value in body.items() if key not in {"model", "messages"}}, report


def test_a_seed_has_its_own_name() -> None:
    body, report = sampled(seed=7, stop=("a",))
    assert body == {"random_seed": 7, "stop": ["a"]}
    assert not report.losses


def test_values_beyond_the_limits_are_named() -> None:
    body, report = sampled(temperature=2, seed=-1)
    assert body == {"temperature": 1.5}
    assert lost(report) == {"sampling.temperature": "quality", "sampling.seed": "hint"}
    assert sampled(temperature=1.5)[0] == {"temperature": 1.5}
    assert not sampled(temperature=1.5)[1].losses


def test_the_least_nucleus_is_a_little_more_than_nothing() -> None:
    body, report = sampled(top_p=0)
    assert body == {"top_p": 0.01}
    assert changed(report) == {"sampling.top_p"}
    assert not report.losses
    assert again(top_p=0)["top_p"] == 0


def test_what_the_sampling_lacks() -> None:
    body, report = sampled(min_p=0.1, logit_bias={"5": 1}, top_logprobs=2)
    assert body == {"top_logprobs": 2, "logprobs": True}
    assert lost(report) == {"sampling.min_p": "quality", "sampling.logit_bias": "meaning"}
    assert added(report) == {"logprobs"}


def test_a_model_that_takes_no_sampling() -> None:
    sampling = ir.Sampling(temperature=0.1, top_p=0.5, top_k=3, seed=1)
    body, report = written(foreign(sampling=sampling), Facts(sampling=False))
    assert body.keys() == {"model", "messages", "random_seed"}
    assert lost(report) == dict.fromkeys(
        ("sampling.temperature", "sampling.top_p", "sampling.top_k"), "quality"
    )


def test_what_has_no_place_is_lost() -> None:
    request = foreign(
        user="u",
        safety_identifier="s",
        store=True,
        previous="r",
        conversation="c",
        background=True,
        cache=ir.Caching("k", "implicit", "1h", "24h", ir.CacheMark(), {"elsewhere": {"x": 1}}),
        output=ir.Output(verbosity="low", audio={"voice": "a"}, modalities=("text",)),
        extra={"elsewhere": {"y": 1}},
    )
    body, report = written(request)
    assert body.keys() == {"model", "messages", "prompt_cache_key"}
    assert lost(report) == {
        "user": "hint",
        "safety_identifier": "hint",
        "store": "hint",
        "previous": "meaning",
        "conversation": "meaning",
        "background": "quality",
        "cache.mode": "hint",
        "cache.ttl": "hint",
        "cache.retention": "hint",
        "cache.mark": "hint",
        "cache.x": "hint",
        "output.verbosity": "quality",
        "output.audio": "hint",
        "y": "hint",
    }


def test_an_answer_that_is_no_text_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(output=ir.Output(modalities=("text", "audio"))))
    assert (caught.value.path, caught.value.code) == ("output.modalities", "unsupported_modality")


@pytest.mark.parametrize(
    ("tier", "word", "named"),
    [
        ("auto", "auto", set()),
        ("default", "standard_only", set()),
        ("priority", "auto", {"tier"}),
        ("fast", "auto", {"tier"}),
        ("flex", None, set()),
    ],
)
def test_tiers(tier: str, word: str | None, named: set[str]) -> None:
    body, report = written(foreign(tier=tier))
    assert body.get("service_tier") == word
    assert changed(report) == named
    assert lost(report) == ({} if word else {"tier": "hint"})


def test_a_schema_gets_a_name() -> None:
    body, report = written(foreign(output=ir.Output("schema", SCHEMA)))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }
    assert not report.losses
    assert written(foreign(output=ir.Output("json")))[0]["response_format"] == {"type": "json_object"}
    assert "response_format" not in written(foreign(output=ir.Output("text")))[0]


@pytest.mark.parametrize(
    ("reasoning", "facts", "effort", "named"),
    [
        (ir.Reasoning(effort="high"), Facts(), "high", set()),
        (ir.Reasoning("off"), Facts(), "none", set()),
        (ir.Reasoning("on", budget=4000), Facts(), "high", {"reasoning.budget"}),
        (ir.Reasoning("on"), Facts(), "medium", {"reasoning.mode"}),
        (ir.Reasoning(effort="low"), Facts(efforts=("none", "high")), "high", {"reasoning.effort"}),
        (ir.Reasoning(effort="low"), Facts(reasoning=False), None, {"reasoning"}),
        (ir.Reasoning(effort="low", summary="auto", visible=True), Facts(), "low", {"reasoning.summary"}),
        (ir.Reasoning(effort="low", extra={"elsewhere": {"x": 1}}), Facts(), "low", {"reasoning.x"}),
    ],
)
def test_reasoning(reasoning: ir.Reasoning, facts: Facts, effort: str | None, named: set[str]) -> None:
    body, report = written(foreign(reasoning=reasoning), facts)
    assert body.get("reasoning_effort") == effort
    assert named <= {*lost(report), *changed(report)}


def test_thoughts_are_shown_as_they_are() -> None:
    _, report = written(foreign(reasoning=ir.Reasoning(effort="high", summary="auto", visible=True)))
    assert not report.losses
    assert changed(report) == {"reasoning.summary", "reasoning.visible"}
    _, report = written(foreign(reasoning=ir.Reasoning(effort="high", summary="concise", visible=False)))
    assert lost(report) == {"reasoning.summary": "hint", "reasoning.visible": "hint"}


def test_a_stream_is_asked_for_without_options() -> None:
    body, report = written(foreign(stream=True, stream_usage=True))
    assert body == {"model": "m", "messages": [HELLO], "stream": True}
    assert not report.changes
