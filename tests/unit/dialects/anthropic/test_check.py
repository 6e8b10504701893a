"""What a client's mistakes are called, and where they are."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import wire

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "string"}}}
TOOL: dict[str, Any] = {"name": "f", "input_schema": SCHEMA}
MARKED = "messages[1].content[0].cache_control"
MISSING, TYPE, VALUE = "missing_required_parameter", "invalid_type", "invalid_value"


def said(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": role, "content": list(blocks)}]}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"max_tokens": 0},
        {"temperature": 1, "top_p": 0, "top_k": 0},
        {"temperature": None, "system": None, "tools": None},
        {"system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}]},
        {"stream": True, "stop_sequences": ["END"], "service_tier": "auto", "unknown": {"a": 1}},
        {"metadata": {"user_id": None}, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"thinking": {"type": "a_new_one"}},
        {"output_config": {"effort": "a_new_one", "format": {"type": "json_schema", "schema": SCHEMA}}},
        {"tools": [TOOL, {**TOOL, "name": "g", "type": "custom", "description": None, "strict": True}]},
        {"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
        {"tool_choice": {"type": "auto"}},
        {
            "tools": [{"type": "mcp_toolset", "mcp_server_name": "s"}],
            "tool_choice": {"type": "tool", "name": "any"},
        },
        {"mcp_servers": [], "tool_choice": {"type": "tool", "name": "ask"}},
        said({"type": "text", "text": " "}),
        said({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}),
        said(
            {"type": "document", "source": {"type": "content", "content": []}, "citations": {"enabled": True}}
        ),
        said({"type": "document", "source": {"type": "a_new_one"}}),
        said({"type": "a_new_one", "text": 5}),
        said({"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "x"}]}),
        said({"type": "tool_result", "tool_use_id": "toolu_1"}),
        said({"type": "thinking", "thinking": ""}, role="assistant"),
        said(
            {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}
        ),
        said(
            {
                "type": "tool_result",
                "tool_use_id": "toolu_1",
                "content": [{"type": "tool_reference", "tool_name": "f"}],
            }
        ),
        said({"type": "a_new_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "found"}}),
        said({"type": "web_search_tool_result", "tool_use_id": "a", "content": [{"type": "a_new_one"}]}),
        said(role="assistant"),  # an empty last turn of the assistant's is a prefill of nothing
        {"messages": [{"role": "assistant", "content": []}, {"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "assistant", "content": ""}, {"role": "user", "content": "Hi"}]},
        said({"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": ""}]}),
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "system", "output_config": {"effort": "low"}},
            ]
        },
    ],
)
def test_what_the_specification_allows_passes(members: dict[str, Any]) -> None:
    DIALECT.request.check(wire(**members))


@pytest.mark.parametrize(
    ("members", "path", "code"),
    [
        ({"max_tokens": None}, "max_tokens", TYPE),
        ({"max_tokens": -1}, "max_tokens", VALUE),
        ({"max_tokens": 1.5}, "max_tokens", TYPE),
        ({"max_tokens": True}, "max_tokens", TYPE),
        ({"max_tokens": "100"}, "max_tokens", TYPE),
        ({"model": 5}, "model", TYPE),
        ({"messages": None}, "messages", TYPE),
        ({"messages": []}, "messages", VALUE),
        ({"messages": {}}, "messages", TYPE),
        ({"messages": ["Hi"]}, "messages[0]", TYPE),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role", MISSING),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "messages[0].role", VALUE),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages[0].role", VALUE),
        ({"messages": [{"role": "user"}]}, "messages[0].content", MISSING),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content", VALUE),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", VALUE),
        (
            {"messages": [{"role": "assistant"}, {"role": "user", "content": "Hi"}]},
            "messages[0].content",
            MISSING,
        ),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", TYPE),
        (said("Hi"), "messages[1].content[0]", TYPE),
        (said({"text": "Hi"}), "messages[1].content[0].type", TYPE),
        (said({"type": "text"}), "messages[1].content[0].text", MISSING),
        (said({"type": "text", "text": ""}), "messages[1].content[0].text", VALUE),
        (said({"type": "text", "text": 5}), "messages[1].content[0].text", TYPE),
        (said({"type": "image"}), "messages[1].content[0].source", MISSING),
        (said({"type": "image", "source": "x"}), "messages[1].content[0].source", TYPE),
        (said({"type": "image", "source": {}}), "messages[1].content[0].source.type", TYPE),
        (said({"type": "image", "source": {"type": "url"}}), "messages[1].content[0].source.url", MISSING),
        (
            said({"type": "image", "source": {"type": "url", "url": 5}}),
            "messages[1].content[0].source.url",
            TYPE,
        ),
        (
            said({"type": "image", "source": {"type": "base64", "data": "AA=="}}),
            "messages[1].content[0].source.media_type",
            MISSING,
        ),
        (
            said({"type": "document", "source": {"type": "text", "data": "x"}, "title": 5}),
            "messages[1].content[0].title",
            TYPE,
        ),
        (
            said({"type": "tool_use", "name": "f", "input": {}}, role="assistant"),
            "messages[1].content[0].id",
            MISSING,
        ),
        (
            said({"type": "tool_use", "id": "a", "name": "f"}, role="assistant"),
            "messages[1].content[0].input",
            MISSING,
        ),
        (
            said({"type": "tool_use", "id": "a", "input": {}}, role="assistant"),
            "messages[1].content[0].name",
            MISSING,
        ),
        (said({"type": "thinking"}, role="assistant"), "messages[1].content[0].thinking", MISSING),
        (said({"type": "tool_reference"}), "messages[1].content[0].tool_name", MISSING),
        (
            said(
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "tool_reference", "tool_name": 5}],
                }
            ),
            "messages[1].content[0].content[0].tool_name",
            TYPE,
        ),
        (
            said({"type": "search_result", "source": "s", "title": "t"}),
            "messages[1].content[0].content",
            MISSING,
        ),
        (
            said({"type": "search_result", "source": "s", "title": "t", "content": [7]}),
            "messages[1].content[0].content[0]",
            TYPE,
        ),
        (
            said(
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [
                        {
                            "type": "search_result",
                            "source": "s",
                            "title": "t",
                            "content": [{"type": "text", "text": 5}],
                        }
                    ],
                }
            ),
            "messages[1].content[0].content[0].content[0].text",
            TYPE,
        ),
        (
            said({"type": "document", "source": {"type": "content", "content": 5}}),
            "messages[1].content[0].source.content",
            TYPE,
        ),
        (
            said({"type": "document", "source": {"type": "content", "content": [{"type": "text"}]}}),
            "messages[1].content[0].source.content[0].text",
            MISSING,
        ),
        (
            said({"type": "web_search_tool_result", "tool_use_id": "a", "content": 5}),
            "messages[1].content[0].content",
            TYPE,
        ),
        (
            said({"type": "mcp_tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": 5}]}),
            "messages[1].content[0].content[0].text",
            TYPE,
        ),
        (
            said({"type": "tool_use", "id": "a", "name": "f", "input": "{}"}, role="assistant"),
            "messages[1].content[0].input",
            TYPE,
        ),
        (said({"type": "tool_result", "content": "x"}), "messages[1].content[0].tool_use_id", MISSING),
        (
            said({"type": "tool_result", "tool_use_id": "a", "content": 5}),
            "messages[1].content[0].content",
            TYPE,
        ),
        (
            said({"type": "tool_result", "tool_use_id": "a", "is_error": "no"}),
            "messages[1].content[0].is_error",
            TYPE,
        ),
        (
            said({"type": "tool_result", "tool_use_id": "a", "content": ["x"]}),
            "messages[1].content[0].content[0]",
            TYPE,
        ),
        (
            said({"type": "tool_result", "tool_use_id": "a", "content": [{}]}),
            "messages[1].content[0].content[0].type",
            TYPE,
        ),
        (
            said({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}),
            "messages[1].content[0].content[0].text",
            MISSING,
        ),
        (said({"type": "redacted_thinking"}, role="assistant"), "messages[1].content[0].data", MISSING),
        ({"system": 5}, "system", TYPE),
        ({"system": [{"type": "image"}]}, "system[0].type", VALUE),
        ({"system": [{"type": "text"}]}, "system[0].text", MISSING),
        ({"temperature": 1.1}, "temperature", VALUE),
        ({"temperature": -0.1}, "temperature", VALUE),
        ({"temperature": "hot"}, "temperature", TYPE),
        ({"top_p": 2}, "top_p", VALUE),
        ({"top_k": -1}, "top_k", VALUE),
        ({"top_k": 1.5}, "top_k", TYPE),
        ({"stream": "yes"}, "stream", TYPE),
        ({"stop_sequences": "END"}, "stop_sequences", TYPE),
        ({"stop_sequences": ["END", 5]}, "stop_sequences[1]", TYPE),
        ({"stop_sequences": ["END", "\n"]}, "stop_sequences[1]", VALUE),
        ({"service_tier": 5}, "service_tier", TYPE),
        ({"metadata": {"user_id": 5}}, "metadata.user_id", TYPE),
        ({"metadata": "me"}, "metadata", TYPE),
        ({"cache_control": {}}, "cache_control.type", MISSING),
        ({"thinking": "on"}, "thinking", TYPE),
        ({"thinking": {"budget_tokens": 2000}}, "thinking.type", MISSING),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens", MISSING),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}}, "thinking.budget_tokens", VALUE),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1024},
            "thinking.budget_tokens",
            VALUE,
        ),
        ({"output_config": {"effort": 3}}, "output_config.effort", TYPE),
        ({"output_config": {"format": {"type": "json"}}}, "output_config.format.type", VALUE),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema", MISSING),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "text"}}}},
            "output_config.format.schema.type",
            VALUE,
        ),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema", MISSING),
        (
            {
                "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
                "output_format": {"type": "json_schema", "schema": SCHEMA},
            },
            "output_format",
            VALUE,
        ),
        (said({"type": "text", "text": "Hi", "cache_control": "ephemeral"}), MARKED, TYPE),
        (said({"type": "text", "text": "Hi", "cache_control": {}}), f"{MARKED}.type", MISSING),
        (
            said({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": 5}}),
            f"{MARKED}.ttl",
            TYPE,
        ),
        ({"tools": [{**TOOL, "cache_control": True}]}, "tools[0].cache_control", TYPE),
        (
            {"tools": [{"type": "web_search_20250305", "name": "s", "cache_control": "x"}]},
            "tools[0].cache_control",
            TYPE,
        ),
        ({"tools": {}}, "tools", TYPE),
        ({"tools": ["f"]}, "tools[0]", TYPE),
        ({"tools": [{"input_schema": SCHEMA}]}, "tools[0].name", MISSING),
        ({"tools": [{**TOOL, "name": 5}]}, "tools[0].name", TYPE),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools[0].name", VALUE),
        ({"tools": [{**TOOL, "name": ""}]}, "tools[0].name", VALUE),
        ({"tools": [{**TOOL, "name": "x" * 129}]}, "tools[0].name", VALUE),
        ({"tools": [TOOL, TOOL]}, "tools[1].name", VALUE),
        ({"tools": [{**TOOL, "type": 5}]}, "tools[0].type", TYPE),
        ({"tools": [{**TOOL, "description": 5}]}, "tools[0].description", TYPE),
        ({"tools": [{**TOOL, "strict": "yes"}]}, "tools[0].strict", TYPE),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema", MISSING),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema", TYPE),
        ({"tools": [{"name": "f", "input_schema": {}}]}, "tools[0].input_schema.type", VALUE),
        (
            {
                "tools": [
                    {"name": "f", "input_schema": {"type": "object", "properties": {"x": {"type": "text"}}}}
                ]
            },
            "tools[0].input_schema.properties.x.type",
            "invalid_function_parameters",
        ),
        ({"tool_choice": "auto"}, "tool_choice", TYPE),
        ({"tool_choice": {}}, "tool_choice.type", MISSING),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type", VALUE),
        ({"tool_choice": {"type": "any"}}, "tool_choice", VALUE),
        ({"tools": [], "tool_choice": {"type": "any"}}, "tool_choice", VALUE),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name", MISSING),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name", VALUE),
        (
            {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}},
            "tool_choice.disable_parallel_tool_use",
            TYPE,
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(members: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(wire(**members))
    assert (caught.value.path, caught.value.code) == (path, code)
    assert caught.value.message
    assert "`" not in caught.value.message
    assert "$." not in caught.value.message


@pytest.mark.parametrize("member", ["max_tokens", "messages"])
def test_a_missing_member_is_said_to_be_missing(member: str) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    del body[member]
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(WireRequest("chat", body))
    assert (caught.value.path, caught.value.code, caught.value.message) == (
        member,
        MISSING,
        f"{member} is required",
    )


def test_interleaved_thinking_may_exceed_max_tokens() -> None:
    members: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 5000}}
    DIALECT.request.check(wire({"anthropic-beta": "a,interleaved-thinking-2025-05-14"}, **members))


def test_the_route_decides_about_a_missing_model() -> None:
    body = {"max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    DIALECT.request.check(WireRequest("chat", body))
