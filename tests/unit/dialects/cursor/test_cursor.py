"""Which bodies at chat's path are Cursor's; reading them ends in a request or in a clear error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects import cursor
from dragoman.dialects.cursor import INPUT, MIXED, reading
from dragoman.dialects.dialect import Dialect, WireRequest
from dragoman.dialects.table import DIALECTS, READINGS
from dragoman.errors import WireError

CHAT = DIALECTS["openai_chat"]
HELLO = {"role": "user", "content": "Hello!"}
FLAT = {
    "type": "custom",
    "name": "Patch",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
FOREIGN = {"name": "Read", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "text", "is_error": True}


def decoded(body: dict[str, Any]) -> ir.Request:
    wire = WireRequest("chat", body)
    with pytest.raises(WireError):
        CHAT.check(wire)
    face = reading(body)
    assert face is not None
    face.check(wire)
    return face.decode_request(wire)


@pytest.mark.parametrize(
    ("body", "face"),
    [
        ({"input": "Hello!"}, INPUT),
        ({"input": [], "messages": []}, INPUT),
        ({"input": [], "messages": [HELLO]}, None),
        ({"messages": [HELLO]}, None),
        ({"messages": [HELLO], "tools": [FLAT]}, MIXED),
        ({"messages": [HELLO], "tools": [{"type": "function", "name": "f"}]}, MIXED),
        ({"messages": [HELLO], "tools": [FOREIGN]}, MIXED),
        ({"messages": [HELLO], "tools": [{"type": "function"}]}, None),
        ({"messages": [HELLO], "tools": [{"name": "f", "parameters": {}}]}, None),
        ({"messages": [HELLO], "tools": [{"type": "web_search", "name": "web_search"}]}, None),
        ({"messages": [HELLO], "tool_choice": {"type": "any"}}, MIXED),
        ({"messages": [HELLO], "tool_choice": {"type": "function", "function": {"name": "f"}}}, None),
        ({"messages": [HELLO], "system": "Be brief."}, MIXED),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, MIXED),
        ({"messages": [{"role": "user", "content": []}]}, None),
        ({"messages": [{"role": "assistant", "content": []}]}, None),
        ({}, None),
    ],
)
def test_which_body_is_what(body: dict[str, Any], face: Dialect | None) -> None:
    assert reading(body) is face
    assert READINGS["openai_chat"] is cursor.reading


def test_flat_tools_are_those_of_chat() -> None:
    body = {"messages": [HELLO], "tools": [FLAT], "tool_choice": {"type": "custom", "name": "Patch"}}
    custom = {
        "name": "Patch",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}},
    }
    choice = {"type": "custom", "custom": {"name": "Patch"}}
    nested = {"messages": [HELLO], "tools": [{"type": "custom", "custom": custom}], "tool_choice": choice}
    request, chats = decoded(body), CHAT.decode_request(WireRequest("chat", nested))
    assert (request.tools, request.tool_choice) == (chats.tools, chats.tool_choice)
    assert request.dialect == "openai_chat"
    assert request.forms == {"custom": "function"}


def test_a_subset_of_tools_is_chosen() -> None:
    chosen = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "Patch"}]}
    request = decoded({"messages": [HELLO], "tools": [FLAT], "tool_choice": chosen})
    assert request.tool_choice == ir.ToolChoice("any", ("Patch",))


def test_blocks_of_anthropics_keep_their_order_and_their_words() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    request = decoded(
        {
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                HELLO,
                {"role": "assistant", "content": [{"type": "text", "text": "I look."}, USE]},
                {"role": "user", "content": [picture, RESULT, {"type": "text", "text": "Well?"}]},
                {"role": "assistant", "content": [USE]},
            ],
            "tools": [FOREIGN],
            "tool_choice": {"type": "tool", "name": "Read", "disable_parallel_tool_use": True},
        }
    )
    call = ir.ToolCall("toolu_1", "Read", '{"path":"a"}')
    result = ir.ToolResult("toolu_1", (ir.Text("text"),), error=True, form="text")
    assert request.dialect == "cursor"
    assert request.system == (ir.Text("Be brief."),)
    assert [type(block) for block in request.messages[1].blocks] == [ir.Text, ir.ToolCall]
    assert request.messages[2].blocks[0].id == result.id  # type: ignore[union-attr]
    assert [type(block) for block in request.messages[2].blocks] == [ir.ToolResult, ir.Media, ir.Text]
    [made] = request.messages[3].blocks
    assert isinstance(made, ir.ToolCall)
    assert (made.id, made.name, made.kind) == (call.id, call.name, call.kind)
    assert request.tools is not None
    [tool] = request.tools
    assert isinstance(tool, ir.Function)
    assert tool.parameters == {"type": "object"}
    assert tool.cache is not None
    assert (request.tool_choice, request.parallel) == (ir.ToolChoice("tool", ("Read",)), False)


@pytest.mark.parametrize("shape", ["chat", "input"])
def test_free_text_comes_back_as_free_text(shape: str) -> None:
    """Also where the item of a function has an id, which no free-text call may have."""
    patch, other = {"name": "Patch", "arguments": "*** Begin"}, {"name": "Read", "arguments": "{}"}
    tools = [FLAT, {"type": "function", "name": "Read"}]
    if shape == "chat":
        calls = [{"id": f"c{n}", "type": "function", "function": one} for n, one in enumerate((patch, other))]
        results = [{"role": "tool", "tool_call_id": f"c{n}", "content": "ok"} for n in (0, 1)]
        answer = {"role": "assistant", "content": [], "tool_calls": calls}
        body: dict[str, Any] = {"messages": [HELLO, answer, *results], "tools": tools}
    else:
        items: list[dict[str, Any]] = [HELLO]
        for n, one in enumerate((patch, other)):
            items.append({"type": "function_call", "id": f"fc_{n}", "call_id": f"c{n}", **one})
            items.append({"type": "function_call_output", "call_id": f"c{n}", "output": "ok"})
        body = {"input": items, "tools": tools}
    request = decoded(body)
    blocks = [block for message in request.messages for block in message.blocks]
    calls_made = [block for block in blocks if isinstance(block, ir.ToolCall)]
    results_given = [block for block in blocks if isinstance(block, ir.ToolResult)]
    assert [call.kind for call in calls_made] == ["custom", "function"]
    assert calls_made[0].arguments == "*** Begin"
    assert calls_made[0].item is None
    assert [result.kind for result in results_given] == ["custom", "function"]


def test_usage_is_told_to_those_who_ask() -> None:
    for options, told in (({"include_usage": True}, True), ({"include_usage": False}, False), (None, None)):
        body = {"input": "Hello!", "stream": True, "stream_options": options}
        assert decoded(body).stream_usage is told
        assert INPUT.brief(WireRequest("chat", body)).stream_usage is told
        assert decoded(body).extra is None


SCALAR = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "function", "custom", "tool_use"])
)
KEYS = st.sampled_from(
    [
        *("type", "name", "id", "input", "content", "messages", "role", "tools", "tool_choice", "system"),
        *("function", "custom", "input_schema", "format", "grammar", "tool_use_id", "tool_calls", "text"),
    ]
)
ANY = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, ANY, max_size=5))
def test_any_body_is_read_or_refused(body: dict[str, Any]) -> None:
    face = reading(body)
    if face is None:
        return
    wire = WireRequest("chat", body)
    try:
        face.check(wire)
    except WireError:
        return
    assert face.brief(wire).model == body.get("model")
    try:
        request = face.decode_request(wire)
    except WireError:
        return
    assert len(request.messages) == len(body.get("messages") or request.messages)
