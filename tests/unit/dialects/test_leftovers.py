"""Members that no field carries: kept, put back where they were, and lost by name elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers, lose_items, lose_items_of
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.wire.json import encode

KNOWN = frozenset({"a"})
OWN = Leftovers("own")


def restored(
    extra: ir.Extra, out: dict[str, Any], leftovers: Leftovers = OWN
) -> tuple[dict[str, Any], Report]:
    report = Report("own")
    leftovers.restore(out, extra, report, "messages[0]")
    return out, report


def test_what_is_known_leaves_nothing() -> None:
    assert OWN.of({"a": 1}, KNOWN) is None
    assert OWN.of({}, KNOWN) is None


def test_what_is_not_known_is_kept_under_the_dialects_name() -> None:
    assert OWN.of({"a": 1, "b": 2}, KNOWN) == {"own": {"b": 2}}
    assert OWN.of({"a": 1, "b": 2}, KNOWN, "function") == {"own": {"function.b": 2}}


def test_a_null_says_something_only_where_it_does() -> None:
    assert OWN.of({"b": None}, KNOWN) is None
    assert Leftovers("own", nulls=True).of({"b": None}, KNOWN) == {"own": {"b": None}}


def test_what_was_left_over_stands_again_where_it_stood() -> None:
    out, report = restored({"own": {"b": 2, "inner.c": 3}}, {"a": 1, "inner": {}})
    assert out == {"a": 1, "b": 2, "inner": {"c": 3}}
    assert not report.losses


DOTTED = ["a.b", "inner.c", ".x", "x.", "..", "inner..c"]


@pytest.mark.parametrize("member", DOTTED)
@pytest.mark.parametrize("whole", [True, False])
def test_a_dot_in_a_members_own_name_leads_nowhere(member: str, whole: bool) -> None:
    own = Leftovers("own", whole=whole)
    outer, within = own.of({"a": 1, member: 2}, KNOWN), own.of({member: 3}, frozenset(), "inner")
    out, report = restored(ir.merge(outer, within), {"a": 1, "inner": {"c": 0}}, own)
    assert out == {"a": 1, member: 2, "inner": {"c": 0, member: 3}}
    assert not report.losses
    _, report = restored({"other": (outer or {})["own"] | (within or {})["own"]}, {})
    assert [loss.path for loss in report.losses] == [f"messages[0].{member}", f"messages[0].inner.{member}"]


ASKED: list[tuple[str, dict[str, Any]]] = [
    (
        "openai_chat",
        {"stream": True, "stream_options": {"include_usage": True}, "stream_options.include_usage": False},
    ),
    ("openai_chat", {"response_format": {"type": "json_object"}, "response_format.type": "text"}),
    ("openai_responses", {"text": {"format": {"type": "text"}, "format.type": "x"}, "text.format": "y"}),
    ("anthropic", {"max_tokens": 9, "thinking": {"type": "disabled", "a.b": 1}, "thinking.type": "enabled"}),
    ("mistral", {"response_format": {"type": "json_object"}, "response_format.type": "text"}),
    ("ollama", {"options": {"seed": 1, "a.b": 2}, "options.seed": 2}),
    ("cohere", {"thinking": {"type": "enabled"}, "thinking.type": "disabled"}),
    ("gemini", {"generationConfig": {"seed": 1, "a.b": 2}, "generationConfig.seed": 2}),
    ("bedrock", {"inferenceConfig": {"maxTokens": 1}, "inferenceConfig.maxTokens": 2, "other.member": 3}),
]
SAID: dict[str, dict[str, Any]] = {
    "openai_responses": {"input": "a"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "a"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
}


@pytest.mark.parametrize(("dialect", "members"), ASKED)
def test_a_dotted_member_of_a_request_changes_no_other_one(dialect: str, members: dict[str, Any]) -> None:
    body = SAID.get(dialect, {"messages": [{"role": "user", "content": "a"}]}) | members
    codec = DIALECTS[dialect].request
    request = codec.decode(WireRequest("chat", {"model": "m", **body}, params={"model": "m"}))
    written = codec.encode(request, Target(Report(dialect), "m")).body
    assert {member: written.get(member) for member in members} == members
    assert "other" not in written


@pytest.mark.parametrize(("whole", "out"), [(True, {"inner": {"c": 3}}), (False, {"inner.c": 3})])
def test_an_object_of_which_nothing_else_is_left(whole: bool, out: dict[str, Any]) -> None:
    assert restored({"own": {"inner.c": 3}}, {}, Leftovers("own", whole=whole))[0] == out


def test_what_belongs_to_another_dialect_is_lost_by_name() -> None:
    out, report = restored({"other": {"b": 2, "c": None}}, {})
    assert out == {}
    [loss] = report.losses
    assert (loss.path, loss.reason, loss.severity) == (
        "messages[0].b",
        "this field of other requests is not translated",
        "hint",
    )
    top = Report("own")
    OWN.restore({}, {"other": {"b": 2}}, top, "")
    assert [loss.path for loss in top.losses] == ["b"]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_responses", {"input": "a", "store": False, "text": {"theirs": 1}}),
        ("openai_responses", {"input": "a", "store": False, "reasoning": {"theirs": 1}}),
        ("anthropic", {"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "theirs": None}),
        ("openai_chat", {"messages": [{"role": "user", "content": "a"}], "theirs": {"deep": [1]}}),
    ],
)
def test_a_request_of_the_own_dialect_keeps_what_nobody_knows(dialect: str, body: dict[str, Any]) -> None:
    codec = DIALECTS[dialect]
    request = codec.request.decode(WireRequest("chat", {"model": "m", **body}))
    assert codec.request.encode(request, Target(Report(dialect), "m")).body.items() >= body.items()


SETTINGS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "anthropic": (
        {
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "web_search_20250305", "name": "web_search", "odd": 1}],
        },
        {"$.tools[0].odd"},
    ),
    "gemini": (
        {
            "contents": [{"parts": [{"text": "x"}]}],
            "tools": [{"googleSearch": {"timeRangeFilter": {"startTime": "2026-01-01T00:00:00Z"}}}],
        },
        {"$.tools[0].googleSearch.timeRangeFilter"},
    ),
    "openai_chat": (
        {
            "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "x:web_search", "odd": 1, "parameters": {"odd": 2, "max_uses": 3}}],
            "web_search_options": {"odd": 4},
        },
        {"$.tools[0].odd", "$.tools[0].parameters.odd", "$.web_search_options.odd"},
    ),
    "openai_responses": (
        {
            "input": "x",
            "tools": [
                {"type": "web_search", "odd": 1, "filters": {"odd": 2}},
                {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}},
            ],
        },
        {"$.tools[0].odd", "$.tools[0].filters.odd", "$.tools[1].container"},
    ),
}


@pytest.mark.parametrize("source", SETTINGS)
@pytest.mark.parametrize("target", ["anthropic", "gemini", "openai_responses"])
def test_settings_of_a_tool_that_becomes_another_providers_are_lost_by_name(source: str, target: str) -> None:
    if source == target:
        return
    body, places = SETTINGS[source]
    told = translated({"model": "m", **body}, DIALECTS[source], DIALECTS[target], model="m")
    assert len(told.body["tools"]) >= 1
    found = {(loss.path, loss.severity) for loss in told.losses}
    assert {(place, "quality") for place in places} <= found


ITEM = ir.Item("msg_1", "completed", "final_answer", {"openai_responses": {"odd": 1}})


def test_what_an_item_states_beside_its_block_is_lost_by_name() -> None:
    said = ir.Message("assistant", (ir.Text("a"), ir.Text("b", item=ITEM)))
    asked = ir.Request("openai_responses", "m", (ir.Message("user", (ir.Text("x"),)), said))
    report = Report("other")
    lose_items(asked, report)
    place = "messages[1].blocks[1].item"
    assert [(loss.path, loss.severity) for loss in report.losses] == [
        (f"{place}.phase", "hint"),
        (f"{place}.odd", "hint"),
    ]
    answered = ir.Response("openai_responses", "r", "m", candidates=(ir.Candidate(said.blocks),))
    report = Report("other", "response")
    lose_items_of(answered, report)
    place = "candidates[0].blocks[1].item"
    assert [loss.path for loss in report.losses] == [f"{place}.phase", f"{place}.odd"]


@pytest.mark.parametrize("face", [name for name in DIALECTS if name != "openai_responses"])
def test_no_protocol_without_items_loses_what_they_state_in_silence(face: str) -> None:
    asked = ir.Request("openai_responses", "m", (ir.Message("user", (ir.Text("x", item=ITEM),)),))
    report = Report(face)
    DIALECTS[face].request.encode(asked, Target(report))
    place = "messages[0].blocks[0].item"
    assert {f"{place}.phase", f"{place}.odd"} <= {loss.path for loss in report.losses}
    if DIALECTS[face].face is None:
        return
    said = ir.Response(
        "openai_responses",
        "r",
        "m",
        candidates=(ir.Candidate((ir.Text("a", item=ITEM),), ir.Stop("end")),),
    )
    place = "candidates[0].blocks[0].item"
    wanted = {f"{place}.phase", f"{place}.odd"}
    report = Report(face, "response")
    reply = Reply(ir.Request(face, "m"), report, id="a", created=1)
    DIALECTS[face].response.encode(said, reply)
    assert wanted <= {loss.path for loss in report.losses}
    report = Report(face, "response")
    reply = Reply(ir.Request(face, "m", stream=True), report, id="a", created=1)
    encoder = DIALECTS[face].stream.encoder(reply)
    for event in ir.unfold(said):
        encoder.feed(event)
    assert wanted <= {loss.path for loss in report.losses}


@pytest.mark.parametrize("stream", [False, True])
def test_a_dotted_member_of_an_answer_changes_no_other_one(stream: bool) -> None:
    """Members of the body, of a choice and of its message, in whole answers and in chunks of chat."""
    face = DIALECTS["openai_chat"]
    said = "delta" if stream else "message"
    choice = {"index": 0, said: {"content": "Hi", "a.b": 1}, "message.content": "No", "finish_reason": "stop"}
    body = {"id": "c", "created": 1, "model": "m", "choices": [choice], "usage.total_tokens": 5, "x.y": 6}
    reply = Reply(ir.Request("openai_chat", "m", stream=stream), Report("openai_chat", "response"), "a", 1)
    if stream:
        decoder, encoder = face.stream.decoder(STANDARD), face.stream.encoder(reply)
        events = [*decoder.feed(encode(body)), *decoder.feed(b"[DONE]"), *decoder.close()]
        told = b"".join(map(encoder.feed, events)).decode()
    else:
        told = encode(face.response.encode(face.response.decode(body, STANDARD), reply)).decode()
    for member in (
        '"content":"Hi"',
        '"a.b":1',
        '"message.content":"No"',
        '"usage.total_tokens":5',
        '"x.y":6',
    ):
        assert member in told, (member, told)
