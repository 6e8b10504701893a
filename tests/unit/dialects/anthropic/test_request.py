"""Requests of Anthropic's own clients: every member into the IR, and back as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import (
    FOREIGN,
    assistant,
    changed,
    foreign,
    lost,
    system,
    user,
    wire,
    written,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MEMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"system": "Be brief."}, {"system": (ir.Text("Be brief."),), "forms": {"system": "text"}}),
    (
        {"system": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"system": (ir.Text("A", cache=ir.CacheMark("1h")),)},
    ),
    ({"max_tokens": 0}, {"max_output": 0}),
    ({"temperature": 0.5}, {"sampling": ir.Sampling(temperature=0.5)}),
    ({"top_p": 0.9, "top_k": 40}, {"sampling": ir.Sampling(top_p=0.9, top_k=40)}),
    ({"stop_sequences": ["END"]}, {"sampling": ir.Sampling(stop=("END",))}),
    ({"stop_sequences": []}, {"sampling": ir.Sampling(stop=())}),
    ({"stream": True}, {"stream": True, "stream_usage": True}),
    ({"service_tier": "standard_only"}, {"tier": "default"}),
    ({"service_tier": "auto"}, {"tier": "auto"}),
    ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
    ({"metadata": {}}, {"metadata": {}}),
    ({"metadata": {"user_id": "u-1", "team": "x"}}, {"user": "u-1", "metadata": {"team": "x"}}),
    (
        {"cache_control": {"type": "ephemeral", "ttl": "5m"}},
        {"cache": ir.Caching(mark=ir.CacheMark("5m"))},
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"reasoning": ir.Reasoning("on", budget=2000)},
    ),
    (
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}},
        {"reasoning": ir.Reasoning("adaptive", "high", visible=False)},
    ),
    ({"thinking": {"type": "disabled"}}, {"reasoning": ir.Reasoning("off")}),
    ({"thinking": {"type": "between_tools"}}, {"reasoning": ir.Reasoning("between_tools")}),
    ({"output_config": {"effort": "low"}}, {"reasoning": ir.Reasoning(effort="low")}),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA, "name": "x"}}},
        {"output": ir.Output("schema", SCHEMA, strict=True, extra={"anthropic": {"format.name": "x"}})},
    ),
    (
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output": ir.Output("schema", SCHEMA, strict=True)},
    ),
    (
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
        {"output": ir.Output("schema", SCHEMA, strict=True, form="output_format")},
    ),
    (
        {"output_config": {"effort": "low"}, "output_format": {"type": "json_schema", "schema": SCHEMA}},
        {
            "reasoning": ir.Reasoning(effort="low"),
            "output": ir.Output("schema", SCHEMA, strict=True, form="output_format"),
        },
    ),
    (
        {"output_config": {"task_budget": {"type": "tokens", "total": 9}}},
        {"output": ir.Output(extra={"anthropic": {"task_budget": {"type": "tokens", "total": 9}}})},
    ),
    ({"output_config": {}}, {"output": ir.Output()}),
    (
        {"output_config": {"format": {"type": "grammar", "grammar": "x"}}},
        {"output": ir.Output(extra={"anthropic": {"format": {"type": "grammar", "grammar": "x"}}})},
    ),
    (
        {"thinking": {"type": "adaptive", "display": "a_new_one"}},
        {"reasoning": ir.Reasoning("adaptive", extra={"anthropic": {"display": "a_new_one"}})},
    ),
    ({"container": "c-1"}, {"extra": {"anthropic": {"container": "c-1"}}}),
    (
        {"tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}]},
        {"tools": (ir.Function("f", "d", SCHEMA),)},
    ),
    (
        {
            "tools": [
                {
                    "name": "f",
                    "input_schema": SCHEMA,
                    "strict": True,
                    "defer_loading": True,
                    "cache_control": {"type": "ephemeral"},
                }
            ]
        },
        {
            "tools": (
                ir.Function(
                    "f",
                    None,
                    SCHEMA,
                    strict=True,
                    cache=ir.CacheMark(),
                    extra={"anthropic": {"defer_loading": True}},
                ),
            )
        },
    ),
    ({"tools": []}, {"tools": ()}),
    ({"tool_choice": {"type": "auto"}}, {"tool_choice": ir.ToolChoice("auto")}),
    ({"tool_choice": {"type": "any"}}, {"tool_choice": ir.ToolChoice("any")}),
    ({"tool_choice": {"type": "none"}}, {"tool_choice": ir.ToolChoice("none")}),
    ({"tool_choice": {"type": "tool", "name": "f"}}, {"tool_choice": ir.ToolChoice("tool", ("f",))}),
    (
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tool_choice": ir.ToolChoice("auto"), "parallel": False},
    ),
    (
        {"tool_choice": {"type": "any", "disable_parallel_tool_use": False}},
        {"tool_choice": ir.ToolChoice("any"), "parallel": True},
    ),
    (
        {"tool_choice": {"type": "new_way", "x": 1}},
        {"tool_choice": ir.ToolChoice("native", native={"type": "new_way", "x": 1})},
    ),
]


@pytest.mark.parametrize(("members", "fields"), MEMBERS)
def test_each_member_becomes_its_field_and_comes_back(
    members: dict[str, Any], fields: dict[str, Any]
) -> None:
    asked = wire(**members)
    request = DIALECT.request.decode(asked)
    expected = {
        "dialect": "anthropic",
        "model": "claude",
        "messages": (ir.Message("user", (ir.Text("Hi"),), form="text"),),
        "max_output": 100,
        **fields,
    }
    assert request == ir.Request(**expected)
    report = Report("anthropic")
    assert DIALECT.request.encode(request, Target(report)).body == asked.body
    assert not report.losses
    assert not report.changes


def test_null_members_say_nothing() -> None:
    nulls = dict.fromkeys(
        ("system", "temperature", "tools", "tool_choice", "thinking", "metadata", "output_config", "stream")
    )
    assert DIALECT.request.decode(wire(**nulls)) == DIALECT.request.decode(wire())


def test_a_decoder_leaves_the_body_as_it_was() -> None:
    asked = wire(system="S", tools=[{"name": "f", "input_schema": SCHEMA, "x": 1}], container="c")
    before = {**asked.body}
    DIALECT.request.decode(asked)
    assert asked.body == before


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({}, {"anthropic-version": "2023-06-01"}),
        ({"anthropic-version": "2023-06-01"}, {"anthropic-version": "2023-06-01"}),
        ({"anthropic-version": "2026-10-21"}, {"anthropic-version": "2026-10-21"}),
        (
            {"anthropic-beta": "files-api-2025-04-14"},
            {"anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"},
        ),
    ],
)
def test_version_and_betas_travel_in_headers(headers: dict[str, str], sent: dict[str, str]) -> None:
    request = DIALECT.request.decode(wire(headers))
    assert DIALECT.request.encode(request, Target(Report("anthropic"))).headers == sent


def test_the_upstream_sees_its_own_name_of_the_model() -> None:
    request = DIALECT.request.decode(wire())
    out = DIALECT.request.encode(request, Target(Report("anthropic"), "claude-x"))
    assert out.body["model"] == "claude-x"
    assert (out.operation, out.method, out.path) == ("chat", "POST", "/messages")


def test_system_text_in_the_middle_stays_where_it_is() -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}], "clear_at": "never"},
    ]
    request = DIALECT.request.decode(wire(messages=messages))
    assert [message.role for message in request.messages] == ["user", "assistant", "user", "system"]
    assert written(request)[0]["messages"] == messages


def test_a_directive_without_content_comes_back_without() -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "system", "output_config": {"effort": "low"}},
    ]
    assert written(DIALECT.request.decode(wire(messages=messages)))[0]["messages"] == messages


def test_system_messages_added_on_the_way_join_the_system_field() -> None:
    request = DIALECT.request.decode(wire(system="Client's."))
    request = ir.Request(
        "anthropic",
        "claude",
        (system("Alias's."), *request.messages),
        request.system,
        max_output=9,
        forms=request.forms,
    )
    body, _ = written(request)
    assert body["system"] == [{"type": "text", "text": "Alias's."}, {"type": "text", "text": "Client's."}]
    assert body["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"tools": ["f"]}, "tools[0]"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(members: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.decode(wire(**members))
    assert caught.value.path == path


def test_the_brief_reading_says_what_an_answer_depends_on() -> None:
    assert DIALECT.request.brief(wire(stream=True)) == ir.Request(
        "anthropic", "claude", stream=True, stream_usage=True
    )
    assert DIALECT.request.brief(wire()) == ir.Request("anthropic", "claude")


# --- Requests of other protocols ----------------------------------------------------------------


def test_a_bound_is_always_sent_and_said_to_be_added() -> None:
    body, report = written(foreign())
    assert body["max_tokens"] == 8192
    assert changed(report) == [None]
    assert written(foreign(), Facts(max_output=64_000))[0]["max_tokens"] == 64_000


def test_the_client_s_bound_is_kept_and_limited_to_what_the_model_can() -> None:
    body, report = written(foreign(max_output=500), Facts(max_output=4096))
    assert (body["max_tokens"], report.losses) == (500, [])
    body, report = written(foreign(max_output=9000), Facts(max_output=4096))
    assert body["max_tokens"] == 4096
    assert lost(report) == [("max_output", "quality")]
    assert changed(report) == ["max_output"]


@pytest.mark.parametrize(
    ("sampling", "members", "losses"),
    [
        (ir.Sampling(temperature=0.7, top_p=0.9), {"temperature": 0.7, "top_p": 0.9}, []),
        (ir.Sampling(temperature=1.6), {"temperature": 1.0}, [("sampling.temperature", "quality")]),
        (ir.Sampling(top_k=5, min_p=0.1), {"top_k": 5}, [("sampling.min_p", "quality")]),
        (ir.Sampling(seed=0), {}, [("sampling.seed", "hint")]),
        (ir.Sampling(logit_bias={"1": 5}), {}, [("sampling.logit_bias", "meaning")]),
        (ir.Sampling(logit_bias={}), {}, []),
        (ir.Sampling(presence_penalty=0, frequency_penalty=0.0), {}, []),
        (
            ir.Sampling(presence_penalty=1, frequency_penalty=1, repetition_penalty=1.1),
            {},
            [
                ("sampling.frequency_penalty", "quality"),
                ("sampling.presence_penalty", "quality"),
                ("sampling.repetition_penalty", "quality"),
            ],
        ),
        (
            ir.Sampling(logprobs=True, top_logprobs=3),
            {},
            [("sampling.logprobs", "meaning"), ("sampling.top_logprobs", "meaning")],
        ),
        (ir.Sampling(logprobs=False, n=1), {}, []),
        (ir.Sampling(stop=("END", " \n")), {"stop_sequences": ["END"]}, [("sampling.stop", "meaning")]),
        (ir.Sampling(stop=("\n",)), {}, [("sampling.stop", "meaning")]),
    ],
)
def test_sampling_is_carried_limited_or_named(
    sampling: ir.Sampling, members: dict[str, Any], losses: list[tuple[str, str]]
) -> None:
    body, report = written(foreign(sampling=sampling, max_output=9))
    assert {key: body[key] for key in body.keys() - {"model", "max_tokens", "messages"}} == members
    assert lost(report) == losses


def test_newer_models_take_no_sampling_at_all() -> None:
    sampling = ir.Sampling(temperature=1, top_p=0.9, stop=("END",))
    body, report = written(foreign(sampling=sampling), Facts(sampling=False))
    assert "temperature" not in body
    assert "top_p" not in body
    assert body["stop_sequences"] == ["END"]
    assert lost(report) == [("sampling.temperature", "quality"), ("sampling.top_p", "quality")]


@pytest.mark.parametrize("dialect", [FOREIGN, "anthropic"])
def test_some_models_take_one_of_temperature_and_top_p(dialect: str) -> None:
    facts = Facts(sampling_pair=False)
    both = ir.Sampling(temperature=0.5, top_p=0.9)
    body, report = written(msgspec.structs.replace(foreign(sampling=both), dialect=dialect), facts)
    assert (body["temperature"], "top_p" in body) == (0.5, False)
    assert lost(report) == [("sampling.top_p", "quality")]
    assert "either temperature or top_p" in report.losses[0].reason
    body, report = written(foreign(sampling=ir.Sampling(top_p=0.9)), facts)
    assert (body["top_p"], report.losses) == (0.9, [])


def test_a_thinking_model_draws_with_its_own_temperature() -> None:
    sampling = ir.Sampling(temperature=0.2, top_p=0.5, top_k=3)
    body, report = written(foreign(sampling=sampling, reasoning=ir.Reasoning(effort="low")))
    assert body.keys().isdisjoint({"temperature", "top_p", "top_k"})
    assert len(report.losses) == 3
    body, report = written(
        foreign(sampling=ir.Sampling(temperature=1, top_p=0.97), reasoning=ir.Reasoning(effort="low"))
    )
    assert (body["temperature"], body["top_p"], report.losses) == (1, 0.97, [])


def test_several_answers_are_refused_not_made_one() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(sampling=ir.Sampling(n=2)))
    assert (caught.value.code, caught.value.path) == ("unsupported_value", "sampling.n")


@pytest.mark.parametrize(
    ("fields", "members", "losses"),
    [
        ({"user": "u"}, {"metadata": {"user_id": "u"}}, []),
        ({"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}, []),
        (
            {"user": "u", "safety_identifier": "s"},
            {"metadata": {"user_id": "u"}},
            [("safety_identifier", "hint")],
        ),
        ({"metadata": {"team": "x"}}, {}, [("metadata", "hint")]),
        ({"tier": "auto"}, {"service_tier": "auto"}, []),
        ({"tier": "default"}, {"service_tier": "standard_only"}, []),
        ({"tier": "priority"}, {"service_tier": "auto"}, []),
        ({"tier": "flex"}, {}, [("tier", "hint")]),
        ({"store": True}, {}, [("store", "hint")]),
        ({"store": False}, {}, []),
        ({"prediction": (ir.Text("x"),)}, {}, [("prediction", "hint")]),
        ({"moderation": {"model": "m"}}, {}, [("moderation", "meaning")]),
        ({"previous": "resp_1"}, {}, [("previous", "meaning")]),
        ({"conversation": {"id": "c"}}, {}, [("conversation", "meaning")]),
        ({"background": True}, {}, [("background", "quality")]),
        ({"stream": True, "stream_usage": False}, {"stream": True}, []),
        (
            {"cache": ir.Caching(key="k", mark=ir.CacheMark())},
            {"cache_control": {"type": "ephemeral"}},
            [("cache.key", "hint")],
        ),
        ({"extra": {FOREIGN: {"plugins": [], "gone": None}}}, {}, [("plugins", "hint")]),
    ],
)
def test_the_rest_is_carried_or_named(
    fields: dict[str, Any], members: dict[str, Any], losses: list[tuple[str, str]]
) -> None:
    body, report = written(foreign(max_output=9, **fields))
    assert {key: body[key] for key in body.keys() - {"model", "max_tokens", "messages"}} == members
    assert lost(report) == losses


def test_a_tier_of_another_name_is_a_change() -> None:
    assert changed(written(foreign(max_output=9, tier="priority"))[1]) == ["tier"]
    assert not changed(written(foreign(max_output=9, tier="default"))[1])


def test_thinking_is_replayed_signed_and_dropped_unsigned() -> None:
    signed = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "sig"))
    request = ir.Request(
        "anthropic", "claude", (user("Hi"), assistant(signed, ir.Thinking("Hm."), "Yes.")), max_output=9
    )
    body, report = written(request)
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "text", "text": "Yes."},
    ]
    assert lost(report) == [("messages[1].blocks[1]", "quality")]
    body, report = written(request, quirks=Quirks(signatures=False))
    assert body["messages"][1]["content"][1] == {"type": "thinking", "thinking": "Hm.", "signature": ""}
    assert not report.losses


def test_a_wire_request_needs_no_headers() -> None:
    assert DIALECT.request.decode(WireRequest("chat", {"messages": []})).messages == ()


def test_betas_that_change_answers_are_named_where_nobody_keeps_them() -> None:
    """Once each, as a hint; to the API itself they go back as the header that they were."""
    betas = "files-api-2025-04-14, context-1m-2025-08-07,interleaved-thinking-2025-05-14"
    asked = wire({"anthropic-beta": betas})
    request = DIALECT.request.decode(asked)
    report = Report("gemini")
    DIALECTS["gemini"].request.encode(request, Target(report, "m"))
    losses, _ = report.located(DIALECT.locator(asked))
    assert [(loss.path, loss.severity) for loss in losses] == [
        ("$.anthropic-beta.context-1m-2025-08-07", "hint"),
        ("$.anthropic-beta.interleaved-thinking-2025-05-14", "hint"),
    ]
    report = Report("anthropic")
    back = DIALECT.request.encode(request, Target(report, "claude"))
    assert back.body == {**asked.body, "model": "claude"}
    assert back.headers["anthropic-beta"] == betas
    assert report.losses == []


@pytest.mark.parametrize("cloud", ["bedrock-2023-05-31", "vertex-2023-10-16"])
def test_the_betas_are_in_bedrocks_body_and_in_vertex_ais_header(cloud: Any) -> None:
    asked = WireRequest(
        "chat",
        {"model": "claude", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]},
        headers={"anthropic-beta": "context-1m-2025-08-07"},
    )
    target = Target(Report(""), "claude-sonnet-4-5@20250929", Quirks(body_version=cloud))
    sent = DIALECT.request.encode(DIALECT.request.decode(asked), target)
    assert sent.params == {"model": "claude-sonnet-4-5@20250929"}
    assert sent.body["anthropic_version"] == cloud
    assert "model" not in sent.body
    if cloud.startswith("bedrock"):
        assert (sent.body["anthropic_beta"], sent.headers) == (["context-1m-2025-08-07"], {})
    else:
        assert "anthropic_beta" not in sent.body
        assert sent.headers == {"anthropic-beta": "context-1m-2025-08-07"}
