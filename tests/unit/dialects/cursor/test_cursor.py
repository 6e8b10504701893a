"""Which bodies at chat's path are Cursor's; reading them ends in a request or in a clear error."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import CURSOR, DIALECTS, READINGS
from dragoman.dialects.translation import translated
from dragoman.errors import WireError

CHAT = DIALECTS["openai_chat"]
INPUT, MIXED, reading = CURSOR.input, CURSOR.mixed, CURSOR.reading
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
        CHAT.request.check(wire)
    face = reading(body)
    assert face is not None
    face.request.check(wire)
    return face.request.decode(wire)


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
    assert READINGS["openai_chat"] == CURSOR.reading


def test_flat_tools_are_those_of_chat() -> None:
    body = {"messages": [HELLO], "tools": [FLAT], "tool_choice": {"type": "custom", "name": "Patch"}}
    custom = {
        "name": "Patch",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}},
    }
    choice = {"type": "custom", "custom": {"name": "Patch"}}
    nested = {"messages": [HELLO], "tools": [{"type": "custom", "custom": custom}], "tool_choice": choice}
    request, chats = decoded(body), CHAT.request.decode(WireRequest("chat", nested))
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


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
THOUGHT = {"type": "thinking", "thinking": "Which?", "signature": "c2ln"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_blocks_stay_between_the_parts_that_they_stand_between(role: str) -> None:
    """A picture and the words about it; a call and what was said before it."""
    block = PICTURE if role == "user" else USE
    content = [text("a"), block, text("b"), block, text("c")]
    spoken = {"role": role, "content": content, **({"reasoning": "Hm."} if role == "assistant" else {})}
    blocks = decoded({"messages": [HELLO, spoken]}).messages[1].blocks
    of_block = ir.Media if role == "user" else ir.ToolCall
    own = blocks[-5:]
    assert [type(one) for one in own] == [ir.Text, of_block, ir.Text, of_block, ir.Text]
    assert [one.text for one in own if isinstance(one, ir.Text)] == ["a", "b", "c"]
    assert [type(one) for one in blocks[:-5]] == ([] if role == "user" else [ir.Thinking])


def test_a_picture_in_a_result_stays_in_it() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "Read", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "c1", "content": [text("see"), PICTURE]}
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    [block] = decoded({"messages": [HELLO, answer, result]}).messages[2].blocks
    assert isinstance(block, ir.ToolResult)
    assert [type(one) for one in block.content] == [ir.Text, ir.Media]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [HELLO], "system": "Be brief."},
        {"messages": [{"role": "user", "content": [text("a"), PICTURE]}]},
        {"messages": [HELLO, {"role": "assistant", "content": [THOUGHT, text("a")]}, HELLO]},
    ],
    ids=["system", "picture", "thought"],
)
def test_one_piece_of_anthropics_is_enough(body: dict[str, Any]) -> None:
    """Chat has no place for it, so that it would be lost."""
    request = decoded(body)
    assert request.dialect == "cursor"
    assert not any(isinstance(block, ir.Native) for one in request.messages for block in one.blocks)
    assert request.extra is None


def allowed(tool: dict[str, Any], *, beside: bool) -> dict[str, Any]:
    """A choice among one function. beside: what belongs to it stands beside the type, as in Responses."""
    inner = {"mode": "auto", "tools": [{"type": "function", **tool}]}
    return {"type": "allowed_tools", **(inner if beside else {"allowed_tools": inner})}


def allowed_at(member: str) -> str:
    return f"tool_choice.allowed_tools.tools[0].{member}"


def at(body: dict[str, Any]) -> str:
    """Where the mistake of a body is said to be."""
    face = reading(body)
    assert face is not None
    with pytest.raises(WireError) as caught:
        face.request.check(WireRequest("chat", body))
    assert set(re.findall(r"'(\w+[.\[][^']*)'", caught.value.message)) <= {caught.value.path}
    return caught.value.path


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (
            {"messages": [HELLO, {"role": "assistant", "content": [USE, {"type": "text"}]}]},
            "messages[1].content[1].text",
        ),
        (
            {"messages": [{"role": "tool", "tool_call_id": "a", "content": [RESULT]}]},
            "messages[0].content[0].type",
        ),
        ({"messages": [{"role": "user", "content": [USE]}]}, "messages[0].content[0].type"),
        ({"messages": [HELLO, {"role": "assistant", "content": [RESULT]}]}, "messages[1].content[0].type"),
        ({"input": "a", "tools": [{"type": "function", "function": {"name": 5}}]}, "tools[0].function.name"),
        ({"input": "a", "tools": [{"type": "function", "name": 5}]}, "tools[0].name"),
        ({"input": "a", "tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        (
            {"input": "a", "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": []}}},
            "tool_choice.allowed_tools.mode",
        ),
        (
            {"input": "a", "tool_choice": allowed({"function": {"name": "f"}}, beside=False)},
            allowed_at("function.name"),
        ),
        ({"messages": [HELLO], "tool_choice": {"type": "allowed_tools", "tools": []}}, "tool_choice.mode"),
        (
            {"messages": [HELLO], "tool_choice": allowed({"name": 5}, beside=True)},
            "tool_choice.tools[0]",
        ),
        ({"input": "a", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "a", "conversation": {"id": "conv_1"}}, "conversation"),
        ({"input": "a", "background": True}, "background"),
        ({"input": "a", "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"messages": [HELLO], "system": [{"type": "text"}]}, "system[0].text"),
        ({"messages": [HELLO], "system": [{"type": "image"}]}, "system[0].type"),
        ({"messages": [HELLO], "system": 5}, "system"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "a"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
    ],
)
def test_mistakes_are_placed_in_the_body_as_it_is_written(body: dict[str, Any], path: str) -> None:
    assert at(body) == path


@pytest.mark.parametrize("typed", [{"type": "item_reference"}, {"type": None}, {}])
def test_stored_items_are_not_referred_to(typed: dict[str, Any]) -> None:
    body = {"input": [HELLO, {**typed, "id": "msg_1"}]}
    with pytest.raises(WireError) as caught:
        INPUT.request.check(WireRequest("chat", body))
    assert caught.value.path == "input[1]"


@pytest.mark.parametrize(
    ("body", "where", "path"),
    [
        (
            {"messages": [{"role": "user", "content": [text("a"), RESULT, PICTURE]}]},
            (
                "messages[0].blocks[0]",
                "messages[0].blocks[1]",
                "messages[0].blocks[2]",
                "messages[0].blocks[3]",
            ),
            ("content[1]", "content[0]", "content[2]", "messages[0].content"),  # the last was added
        ),
        ({"messages": [HELLO], "system": [text("a")]}, ("system", "system[0]"), ("system", "system[0]")),
        (
            {"input": "a", "tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            ("tools[0].strict",),
            ("tools[0].function.strict",),
        ),
    ],
)
def test_losses_are_placed_in_the_body_as_it_is_written(
    body: dict[str, Any], where: tuple[str, ...], path: tuple[str, ...]
) -> None:
    face = reading(body)
    assert face is not None
    locate = face.locator(WireRequest("chat", body))
    for one, told in zip(where, path, strict=True):
        assert locate(one).endswith(told), one


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        ({"type": "auto"}, ir.ToolChoice("auto")),
        ({"type": "any"}, ir.ToolChoice("any")),
        ({"type": "none"}, ir.ToolChoice("none")),
        ({"type": "tool", "name": "Read"}, ir.ToolChoice("tool", ("Read",))),
        ("required", ir.ToolChoice("any")),
        ({"type": "theirs"}, ir.ToolChoice("native", native={"type": "theirs"})),
        (
            {"type": "function", "function": {"name": "Read"}},
            ir.ToolChoice("tool", ("Read",)),
        ),
    ],
)
def test_choices_of_all_spellings_stand_beside_a_foreign_tool(choice: Any, read: ir.ToolChoice) -> None:
    assert decoded({"messages": [HELLO], "tools": [FOREIGN], "tool_choice": choice}).tool_choice == read


def test_tools_of_chats_spelling_stand_beside_an_input() -> None:
    form = FLAT["format"]
    custom = {
        "name": "Patch",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}},
    }
    nested = [
        {"type": "custom", "custom": custom},
        {"type": "function", "function": {"name": "Read"}},
        {**FLAT, "name": "Other"},
    ]
    choice = {"mode": "required", "tools": [{"type": "function", "function": {"name": "Read"}}]}
    body = {"input": "a", "tools": nested, "tool_choice": {"type": "allowed_tools", "allowed_tools": choice}}
    request = decoded(body)
    tools = [tool for tool in request.tools or () if isinstance(tool, ir.Function)]
    assert [(tool.name, tool.kind, tool.format) for tool in tools] == [
        ("Patch", "custom", form),
        ("Read", "function", None),
        ("Other", "custom", form),
    ]
    assert request.tool_choice == ir.ToolChoice("any", ("Read",))


@pytest.mark.parametrize("spelling", ["chat", "responses"])
def test_a_choice_beside_an_input_may_be_spelled_as_chat_does(spelling: str) -> None:
    inner = {"name": "f"}
    choice = {"type": "function", "function": inner} if spelling == "chat" else {"type": "function", **inner}
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    request = decoded({"input": "a", "tools": [tool], "tool_choice": choice})
    assert request.tool_choice == ir.ToolChoice("tool", ("f",))


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


def test_free_text_in_chats_own_words_stays_as_it_is() -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "Patch", "input": "*** Begin"}}
    answer = {"role": "assistant", "content": [], "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
    request = decoded({"messages": [HELLO, answer, result], "tools": [FLAT]})
    assert request.messages[1].blocks == (ir.ToolCall("c1", "Patch", "*** Begin", "custom"),)
    [given] = request.messages[2].blocks
    assert isinstance(given, ir.ToolResult)
    assert given.kind == "custom"


def test_an_answer_of_calls_alone_loses_nothing() -> None:
    items = [
        HELLO,
        {"role": "assistant", "content": []},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "ok"},
    ]
    for dialect in DIALECTS.values():
        if "tools" in dialect.request.members:
            assert not translated({"input": items}, CHAT, dialect, model="m").losses, dialect.name


def test_usage_is_told_to_those_who_ask() -> None:
    for options, told in (({"include_usage": True}, True), ({"include_usage": False}, False), (None, None)):
        body = {"input": "Hello!", "stream": True, "stream_options": options}
        assert decoded(body).stream_usage is told
        assert INPUT.request.brief(WireRequest("chat", body)).stream_usage is told
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
        face.request.check(wire)
    except WireError:
        return
    assert face.request.brief(wire).model == body.get("model")
    try:
        request = face.request.decode(wire)
    except WireError:
        return
    assert len(request.messages) == len(body.get("messages") or request.messages)
