"""The assistant's message from the wire: what each member becomes."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.openai_chat.answer import decode_answer
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import again, read, told

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
FORMAT = {"format": "anthropic-claude-v1", "index": 0}
CITED = {"url": "https://a", "title": "A", "start_index": 1, "end_index": 3}
NOTE: dict[str, Any] = {"type": "url_citation", "url_citation": CITED}


def own(**members: Any) -> dict[str, dict[str, Any]]:
    return {"openai_chat": members}


READ: list[tuple[dict[str, Any], list[ir.Block]]] = [
    ({"content": "Hi."}, [ir.Text("Hi.")]),
    ({"content": ""}, []),
    ({"content": None}, []),
    ({"content": {"city": "Rome"}}, [ir.Text('{"city":"Rome"}', form="object")]),
    ({"content": [{"type": "text", "text": "a"}]}, [ir.Text("a")]),
    ({"content": None, "refusal": "No."}, [ir.Refusal("No.")]),
    ({"content": "Hi.", "refusal": None, "tool_calls": [], "annotations": []}, [ir.Text("Hi.")]),
    ({"reasoning": "hm", "content": "Hi."}, [ir.Thinking("hm", form="reasoning"), ir.Text("Hi.")]),
    ({"reasoning_content": "hm"}, [ir.Thinking("hm", form="reasoning_content")]),
    ({"reasoning_content": ""}, [ir.Thinking("", form="reasoning_content")]),
    (
        {"reasoning": "hm", "reasoning_content": "hm"},
        [ir.Thinking("hm", form="reasoning+reasoning_content")],
    ),
    (
        {"reasoning": "a", "reasoning_content": "b"},
        [ir.Thinking("a", form="reasoning"), ir.Thinking("b", form="reasoning_content")],
    ),
    (
        {
            "reasoning": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s", **FORMAT}],
        },
        [ir.Thinking("hm", sealed=ir.Sealed("openai_chat", "s"), form="details", extra=own(**FORMAT))],
    ),
    (
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        [ir.Thinking("hm", form="details_only")],
    ),
    (
        {"reasoning": "other", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        [ir.Thinking("other", form="reasoning"), ir.Thinking("hm", form="details_only")],
    ),
    (
        {
            "reasoning": "So.",
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "So."},
                {"type": "reasoning.encrypted", "data": "xx", "id": "rs_1"},
                {"type": "reasoning.odd", "x": 1},
            ],
        },
        [
            ir.Thinking(summary=("So.",), form="details"),
            ir.Thinking(
                sealed=ir.Sealed("openai_chat", "xx"), redacted=True, form="details", extra=own(id="rs_1")
            ),
            ir.Native("openai_chat", "reasoning.odd", {"type": "reasoning.odd", "x": 1}),
        ],
    ),
    ({"tool_calls": [CALL]}, [ir.ToolCall("c1", "look", '{"a": 1}')]),
    ({"tool_calls": [{**CALL, "index": 0}]}, [ir.ToolCall("c1", "look", '{"a": 1}')]),
    (
        {
            "tool_calls": [
                {"id": "c1", "type": "custom", "custom": {"name": "look", "input": "x"}, "index": 0}
            ]
        },
        [ir.ToolCall("c1", "look", "x", "custom")],
    ),
    ({"tool_calls": [{**CALL, "index": 3}]}, [ir.ToolCall("c1", "look", '{"a": 1}', extra=own(index=3))]),
    (
        {"tool_calls": [{"function": {"name": "look", "arguments": {"a": 1}}}]},
        [ir.ToolCall(None, "look", '{"a":1}')],
    ),
    ({"tool_calls": [{"id": "c", "function": {"name": "look"}}]}, [ir.ToolCall("c", "look", "")]),
    (
        {"tool_calls": [{"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}]},
        [ir.ToolCall("c2", "sql", "SELECT", "custom")],
    ),
    (
        {"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "s"}}}]},
        [ir.ToolCall("c1", "look", '{"a": 1}', sealed=ir.Sealed("gemini", "s"))],
    ),
    (
        {"tool_calls": [{**CALL, "custom": {"name": "", "input": ""}}]},
        [ir.ToolCall("c1", "look", '{"a": 1}', extra=own(custom={"name": "", "input": ""}))],
    ),
    (
        {"function_call": {"name": "look", "arguments": "{}"}},
        [ir.ToolCall(None, "look", "{}", kind="legacy")],
    ),
    (
        {"audio": {"id": "audio-1", "data": "AA", "transcript": "Hi.", "expires_at": 9}},
        [ir.Media("audio", data="AA", id="audio-1", transcript="Hi.", expires=9)],
    ),
    (
        {
            "content": "Hi.",
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
        },
        [ir.Text("Hi."), ir.Media("image", "image/png", "AA", form="images")],
    ),
    ({"images": [{"b64": "AA"}]}, [ir.Native("openai_chat", "images", {"b64": "AA"})]),
    (
        {
            "content": "Hi.",
            "annotations": [{"type": "url_citation", "url_citation": {**CITED, "content": "q"}}],
        },
        [ir.Text("Hi.", (ir.Citation("url", "https://a", "A", "q", 1, 3),))],
    ),
    (
        {"content": "Hi.", "annotations": [{"type": "file", "file": {"hash": "h"}}]},
        [ir.Text("Hi.", (ir.Citation("file", extra=own(file={"hash": "h"})),))],
    ),
    (
        {"content": None, "annotations": [NOTE]},
        [ir.Text("", (ir.Citation("url", "https://a", "A", None, 1, 3),), form="null")],
    ),
    (
        {"content": {"a": 1}, "annotations": [NOTE]},
        [ir.Text('{"a":1}', (ir.Citation("url", "https://a", "A", None, 1, 3),), form="object")],
    ),
    (
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "bcd"}], "annotations": [NOTE]},
        [ir.Text("a"), ir.Text("bcd", (ir.Citation("url", "https://a", "A", None, 0, 2),))],
    ),
    (
        {"content": [{"type": "odd"}], "annotations": [NOTE]},
        [
            ir.Native("openai_chat", "odd", {"type": "odd"}),
            ir.Text("", (ir.Citation("url", "https://a", "A", None, 1, 3),), form="null"),
        ],
    ),
]


@pytest.mark.parametrize(("message", "blocks"), READ)
def test_a_message_is_read_into_blocks(message: dict[str, Any], blocks: list[ir.Block]) -> None:
    assert decode_answer({"role": "assistant", **message}, "m") == (blocks, None)


def test_an_empty_content_is_kept_in_a_history_where_its_reader_may_care() -> None:
    assert decode_answer({"content": ""}, "m", history=True) == ([ir.Text("")], None)


def test_members_in_their_zero_form_are_leftovers() -> None:
    """Snowflake writes every member, the empty ones in their type's zero form."""
    zero: dict[str, Any] = {
        "refusal": "",
        "audio": {"id": "", "data": "", "transcript": "", "expires_at": 0},
        "function_call": {"name": "", "arguments": ""},
    }
    assert decode_answer({"role": "assistant", "content": "Hi.", **zero}, "m") == (
        [ir.Text("Hi.")],
        own(**zero),
    )


def test_unknown_members_are_leftovers_and_nulls_are_nothing() -> None:
    message = {"role": "assistant", "content": "Hi.", "graph_data": {"a": 1}, "llm_data": None}
    assert decode_answer(message, "m")[1] == own(graph_data={"a": 1})


def test_a_content_of_another_type_is_told_with_its_place() -> None:
    with pytest.raises(WireError) as caught:
        decode_answer({"content": 5}, "choices[0].message")
    assert caught.value.path == "choices[0].message.content"


CONTENTS: list[Any] = [None, "", "Hey", {"a": 1}]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("more", [{}, {"tool_calls": [CALL]}])
def test_annotations_come_back_whatever_the_content(content: Any, more: dict[str, Any]) -> None:
    said = {"role": "assistant", "content": content, "annotations": [NOTE], **more}
    (candidate,) = read(said, "tool_calls" if more else "stop").candidates
    (choice,) = told(*candidate.blocks, stop=candidate.stop, dialect="openai_chat")[0]["choices"]
    assert choice["message"] == {**said, "refusal": None}
    asked = again(
        {"role": "user", "content": "Well?"}, said, {"role": "tool", "tool_call_id": "c1", "content": "x"}
    )
    assert asked["messages"][1] == said


def test_annotations_of_a_list_of_parts_stay_in_a_request() -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "bcd"}]}
    said["annotations"] = [NOTE]
    assert again({"role": "user", "content": "Well?"}, said)["messages"][1] == said
