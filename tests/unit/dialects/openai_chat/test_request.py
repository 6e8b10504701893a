"""Requests: every member into the IR and back as it was, and what another dialect's request becomes."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import Quirks
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import (
    added,
    again,
    decoded,
    foreign,
    lost,
    wire,
    written,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
NAMED = {"name": "place", "description": "A place.", "schema": SCHEMA, "strict": True}
MEMBERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"temperature": 0.5}, {"sampling": ir.Sampling(temperature=0.5)}),
    ({"top_p": 0.9, "seed": 7}, {"sampling": ir.Sampling(top_p=0.9, seed=7)}),
    ({"top_k": 40, "min_p": 0.1}, {"sampling": ir.Sampling(top_k=40, min_p=0.1)}),
    ({"repetition_penalty": 1.1}, {"sampling": ir.Sampling(repetition_penalty=1.1)}),
    (
        {"frequency_penalty": 1, "presence_penalty": -1},
        {"sampling": ir.Sampling(frequency_penalty=1, presence_penalty=-1)},
    ),
    ({"stop": "END"}, {"sampling": ir.Sampling(stop=("END",)), "forms": {"stop": "string"}}),
    ({"stop": ["a", "b"]}, {"sampling": ir.Sampling(stop=("a", "b"))}),
    ({"stop": []}, {"sampling": ir.Sampling(stop=())}),
    ({"n": 3}, {"sampling": ir.Sampling(n=3)}),
    ({"logprobs": True, "top_logprobs": 2}, {"sampling": ir.Sampling(logprobs=True, top_logprobs=2)}),
    ({"logit_bias": {"50256": -100}}, {"sampling": ir.Sampling(logit_bias={"50256": -100})}),
    ({"max_completion_tokens": 10}, {"max_output": 10}),
    ({"max_tokens": 10}, {"max_output": 10, "forms": {"max_output": "max_tokens"}}),
    ({"stream": True}, {"stream": True}),
    ({"stream": False}, {"forms": {"stream": "false"}}),
    (
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": True, "stream_usage": True},
    ),
    (
        {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
        {
            "stream": True,
            "stream_usage": False,
            "extra": {"openai_chat": {"stream_options.include_obfuscation": False}},
        },
    ),
    (
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"stream": True, "extra": {"openai_chat": {"stream_options.include_obfuscation": False}}},
    ),
    ({"user": "u", "safety_identifier": "s"}, {"user": "u", "safety_identifier": "s"}),
    ({"metadata": {"k": "v"}}, {"metadata": {"k": "v"}}),
    ({"service_tier": "flex"}, {"tier": "flex"}),
    ({"store": True}, {"store": True}),
    (
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h"},
        {"cache": ir.Caching("k", retention="24h")},
    ),
    (
        {"prompt_cache_options": {"mode": "explicit", "ttl": "30m", "prewarm": True}},
        {
            "cache": ir.Caching(
                mode="explicit",
                ttl="30m",
                extra={"openai_chat": {"prompt_cache_options.prewarm": True}},
            )
        },
    ),
    ({"response_format": {"type": "text"}}, {"output": ir.Output("text", form="response_format")}),
    ({"response_format": {"type": "json_object"}}, {"output": ir.Output("json", form="response_format")}),
    (
        {"response_format": {"type": "json_schema", "json_schema": NAMED}},
        {"output": ir.Output("schema", SCHEMA, "place", "A place.", strict=True)},
    ),
    (
        {"response_format": {"type": "json_schema", "schema": SCHEMA}},
        {"output": ir.Output("schema", SCHEMA, form="json_schema")},
    ),
    (
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"output": ir.Output("schema", SCHEMA, form="json_object")},
    ),
    ({"guided_json": SCHEMA}, {"output": ir.Output("schema", SCHEMA, form="guided_json")}),
    (
        {"structured_outputs": {"json": SCHEMA}, "verbosity": "low"},
        {"output": ir.Output("schema", SCHEMA, verbosity="low", form="structured_outputs")},
    ),
    (  # nothing else has a regular expression's form
        {"structured_outputs": {"json": SCHEMA, "regex": "a+"}},
        {"extra": {"openai_chat": {"structured_outputs": {"json": SCHEMA, "regex": "a+"}}}},
    ),
    (
        {"response_format": {"type": "text"}, "guided_json": SCHEMA},
        {
            "output": ir.Output("text", form="response_format"),
            "extra": {"openai_chat": {"guided_json": SCHEMA}},
        },
    ),
    (
        {"response_format": {"type": "json_object", "value": SCHEMA}},
        {"output": ir.Output("schema", SCHEMA, form="json_object.value")},
    ),
    (
        {"response_format": {"type": "json_schema", "value": SCHEMA, "odd": 1}},
        {"output": ir.Output("schema", SCHEMA, extra={"openai_chat": {"odd": 1}}, form="json_schema.value")},
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": {**NAMED, "odd": 1}, "more": 2}},
        {
            "output": ir.Output(
                "schema",
                SCHEMA,
                "place",
                "A place.",
                strict=True,
                extra={"openai_chat": {"more": 2, "json_schema.odd": 1}},
            )
        },
    ),
    (
        {"response_format": {"type": "regex", "regex": {"regex": "a+"}}},
        {
            "output": ir.Output(
                "text", form="native", extra={"openai_chat": {"type": "regex", "regex": {"regex": "a+"}}}
            )
        },
    ),
    (
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}, "verbosity": "low"},
        {
            "output": ir.Output(
                modalities=("text", "audio"), audio={"voice": "alloy", "format": "wav"}, verbosity="low"
            )
        },
    ),
    (
        {"provider": {"order": ["x"]}, "prediction": {"type": "content", "content": "x", "odd": 1}},
        {
            "prediction": (ir.Text("x"),),
            "forms": {"prediction": "string"},
            "extra": {"openai_chat": {"provider": {"order": ["x"]}, "prediction.odd": 1}},
        },
    ),
    (
        {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
        {"prediction": (ir.Text("x"),)},
    ),
    (
        {"moderation": {"model": "omni-moderation-latest"}},
        {"moderation": {"model": "omni-moderation-latest"}},
    ),
    ({"parallel_tool_calls": False}, {"parallel": False}),
]


@pytest.mark.parametrize(("members", "fields"), MEMBERS, ids=[", ".join(m[0]) for m in MEMBERS])
def test_a_member_is_read_and_comes_back_as_it_was(members: dict[str, Any], fields: dict[str, Any]) -> None:
    request = decoded(**members)
    hello = ir.Message("user", (ir.Text("Hello!"),))
    assert request == ir.Request("openai_chat", "m", (hello,), **fields)
    body, report = written(request)
    assert body == wire(**members).body
    assert not report.losses
    assert not report.changes


def test_nulls_say_nothing() -> None:
    nulls = dict.fromkeys([*sorted(DIALECT.request.members - {"model", "messages"}), "unheard_of"])
    assert decoded(**nulls) == decoded()


def test_no_member_that_the_ir_carries_is_a_leftover() -> None:
    members: dict[str, Any] = {}
    for stated, _ in MEMBERS:
        members |= stated
    left = decoded(**members).extra
    assert left is not None
    assert not left["openai_chat"].keys() & DIALECT.request.members


def test_the_body_that_was_read_is_not_touched() -> None:
    request = wire(stream=True, stream_options={"include_usage": True}, tools=[], odd={"a": 1})
    before = repr(request.body)
    DIALECT.request.decode(request)
    assert repr(request.body) == before


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": True},
        {"functions": [{"name": "f"}]},
        {"functions": [{"name": "f"}], "tools": []},
    ],
)
def test_the_brief_reading_agrees(members: dict[str, Any]) -> None:
    request = wire(**members)
    whole, brief = DIALECT.request.decode(request), DIALECT.request.brief(request)
    assert (brief.model, brief.stream, brief.stream_usage) == (whole.model, whole.stream, whole.stream_usage)
    assert (brief.forms or {}).get("tools") == (whole.forms or {}).get("tools")


# --- Vendors' deviations -----------------------------------------------------------------------


def test_a_vendor_gets_the_word_for_the_limit_that_it_knows() -> None:
    quirks = Quirks(max_tokens_field="max_tokens")
    assert again(max_completion_tokens=5, quirks=quirks)["max_tokens"] == 5
    assert again(max_tokens=5)["max_tokens"] == 5
    assert written(foreign(max_output=5))[0]["max_completion_tokens"] == 5
    assert written(foreign(max_output=5), quirks)[0]["max_tokens"] == 5


def test_what_a_vendor_refuses_is_left_out_and_named() -> None:
    refuses = frozenset({"logit_bias", "metadata", "seed", "user", "odd", "tools"})
    request = decoded(logit_bias={"5": 1}, metadata={"k": "v"}, seed=7, odd=1, temperature=1)
    body, report = written(request, Quirks(refuses=refuses))
    assert body.keys() == {"model", "messages", "temperature"}
    assert lost(report) == {
        "sampling.logit_bias": "meaning",
        "metadata": "hint",
        "sampling.seed": "hint",
        "odd": "hint",
    }


def test_several_candidates_are_refused_where_the_vendor_gives_one() -> None:
    quirks = Quirks(refuses=frozenset({"n"}))
    with pytest.raises(WireError) as caught:
        written(decoded(n=2), quirks)
    assert (caught.value.path, caught.value.code) == ("sampling.n", "unsupported_value")
    body, report = written(decoded(n=1), quirks)
    assert "n" not in body
    assert not report.losses


def test_a_schema_becomes_json_where_the_vendor_knows_no_schema() -> None:
    request = decoded(response_format={"type": "json_schema", "json_schema": NAMED})
    body, report = written(request, Quirks(json_schema=False))
    assert body["response_format"] == {"type": "json_object"}
    assert lost(report) == {"output.schema": "quality"}


@pytest.mark.parametrize(
    "request_", [decoded(response_format={"type": "json_object"}), foreign(output=ir.Output("json"))]
)
def test_json_becomes_a_schema_where_the_vendor_knows_schemas_alone(request_: ir.Request) -> None:
    assert written(request_)[0]["response_format"] == {"type": "json_object"}
    body, report = written(request_, Quirks(json_object=False))
    named = {"name": "answer", "schema": {"type": "object"}}
    assert body["response_format"] == {"type": "json_schema", "json_schema": named}
    assert [change.to for change in report.changes] == ["response_format"]
    assert not report.losses


def test_a_single_stop_sequence_becomes_a_list_where_the_vendor_wants_one() -> None:
    assert again(stop="END")["stop"] == "END"
    assert again(stop="END", quirks=Quirks(stop_list=True))["stop"] == ["END"]


def test_stream_options_are_left_out_where_they_are_refused() -> None:
    quirks = Quirks(stream_options=False)
    body, report = written(decoded(stream=True, stream_options={"include_usage": True}), quirks)
    assert "stream_options" not in body
    assert lost(report) == {"stream_usage": "hint"}


def test_sampling_is_left_out_for_models_that_refuse_it() -> None:
    body, report = written(decoded(temperature=0.5, top_p=0.5, seed=7), facts=Facts(sampling=False))
    assert body.keys() == {"model", "messages", "seed"}
    assert lost(report) == {"sampling.temperature": "quality", "sampling.top_p": "quality"}


# --- Other dialects' requests ------------------------------------------------------------------


def test_a_foreign_stream_asks_for_usage_because_its_client_is_always_told() -> None:
    body, report = written(foreign(stream=True))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert added(report) == {"stream_options.include_usage"}


def test_our_own_client_decides_about_usage_itself() -> None:
    assert "stream_options" not in again(stream=True)
    asked = {"include_usage": False}
    assert again(stream=True, stream_options=asked)["stream_options"] == asked


FOREIGN_FIELDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, str]]] = [
    ({"sampling": ir.Sampling(top_k=5)}, {}, {"sampling.top_k": "quality"}),
    (
        {"sampling": ir.Sampling(min_p=0.1, repetition_penalty=1.1)},
        {},
        {"sampling.min_p": "quality", "sampling.repetition_penalty": "quality"},
    ),
    ({"sampling": ir.Sampling(stop=("a",), n=2)}, {"stop": ["a"], "n": 2}, {}),
    ({"sampling": ir.Sampling(top_logprobs=3)}, {"top_logprobs": 3, "logprobs": True}, {}),
    ({"tier": "flex"}, {"service_tier": "flex"}, {}),
    ({"tier": "batch"}, {}, {"tier": "hint"}),
    ({"user": "u"}, {"user": "u"}, {}),
    ({"output": ir.Output("json")}, {"response_format": {"type": "json_object"}}, {}),
    (
        {"output": ir.Output("schema", SCHEMA)},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        {},
    ),
    ({"output": ir.Output("text", form="theirs")}, {}, {}),
    ({"cache": ir.Caching(key="k", mode="auto")}, {"prompt_cache_key": "k"}, {"cache": "hint"}),
    ({"cache": ir.Caching(mark=ir.CacheMark("5m"))}, {}, {"cache.mark": "hint"}),
    ({"previous": "resp-1"}, {}, {"previous": "meaning"}),
    ({"conversation": {"id": "c"}}, {}, {"conversation": "meaning"}),
    ({"background": True}, {}, {"background": "quality"}),
    ({"prediction": (ir.Text("x"),)}, {"prediction": {"type": "content", "content": "x"}}, {}),
    (
        {"prediction": (ir.Text("x"), ir.Text("y"))},
        {
            "prediction": {
                "type": "content",
                "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
            }
        },
        {},
    ),
    ({"background": False}, {}, {}),
    ({"extra": {"elsewhere": {"odd": 1, "none": None}}}, {}, {"odd": "hint"}),
]


@pytest.mark.parametrize(("fields", "members", "losses"), FOREIGN_FIELDS)
def test_a_foreign_field_is_written_or_named(
    fields: dict[str, Any], members: dict[str, Any], losses: dict[str, str]
) -> None:
    body, report = written(foreign(**fields))
    assert {k: v for k, v in body.items() if k not in {"model", "messages"}} == members
    assert lost(report) == losses


def test_extensions_go_to_vendors_that_take_them() -> None:
    quirks = Quirks(extensions=frozenset({"top_k"}))
    body, report = written(foreign(sampling=ir.Sampling(top_k=5, min_p=0.1)), quirks)
    assert body["top_k"] == 5
    assert lost(report) == {"sampling.min_p": "quality"}


def test_a_top_level_system_field_leads_the_messages() -> None:
    one = written(foreign(system=(ir.Text("Be brief."),)))[0]["messages"]
    assert one[0] == {"role": "system", "content": "Be brief."}
    two = written(foreign(system=(ir.Text("Be brief."), ir.Text("Be kind."))))[0]["messages"]
    assert two[0]["content"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]


def test_usage_that_nobody_asked_for_is_not_missed() -> None:
    quirks = Quirks(stream_options=False)
    body, report = written(decoded(stream=True, stream_options={"include_usage": False}), quirks)
    assert "stream_options" not in body
    assert not report.losses


def test_a_refused_stream_option_is_no_loss_to_the_client() -> None:
    quirks = Quirks(refuses=frozenset({"stream_options"}))
    body, report = written(foreign(stream=True), quirks)
    assert "stream_options" not in body
    assert not report.losses


def test_an_older_member_beside_the_newer_one_is_no_wish_but_is_not_forgotten() -> None:
    older = {"functions": [{"name": "g"}], "function_call": "none"}
    newer = {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"}
    request = decoded(**newer, **older)
    assert request.extra == {"openai_chat": older}
    assert {**newer, **older}.items() <= written(request)[0].items()
    assert decoded(**newer, function_call="none").extra == {"openai_chat": {"function_call": "none"}}
    assert decoded(tools=newer["tools"], function_call="none").extra is None


def test_a_schema_of_another_form_of_answer_is_a_leftover() -> None:
    form = {"type": "json_object", "json_schema": {"name": "a"}}
    request = decoded(response_format=form)
    assert request.output is not None
    assert (request.output.kind, request.output.extra) == (
        "json",
        {"openai_chat": {"json_schema": {"name": "a"}}},
    )
    assert written(request)[0]["response_format"] == form
