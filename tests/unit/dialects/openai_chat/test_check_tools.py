"""Tools that cannot be called and choices that cannot be made, told with path and code."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.speaking import wire


def tool(name: Any = "look", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def custom(**format: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": "sql", "format": format}}


GRAMMAR = {"syntax": "lark", "definition": "start: /a/"}
FORMAT = "tools[0].custom.format"
WRONG: list[tuple[WireRequest, str, str | None]] = [
    # Tools
    (wire(tools={}), "tools", "invalid_type"),
    (wire(tools=["look"]), "tools[0]", "invalid_type"),
    (wire(tools=[{}]), "tools[0].type", "missing_required_parameter"),
    (wire(tools=[{"type": 5}]), "tools[0].type", "invalid_type"),
    (wire(tools=[{"type": "function"}]), "tools[0].function", "missing_required_parameter"),
    (wire(tools=[{"type": "function", "function": "look"}]), "tools[0].function", "invalid_type"),
    (
        wire(tools=[tool(), {"type": "function", "function": {}}]),
        "tools[1].function.name",
        "missing_required_parameter",
    ),
    (wire(tools=[tool("a b")]), "tools[0].function.name", "invalid_value"),
    (wire(tools=[tool("ä")]), "tools[0].function.name", "invalid_value"),
    (wire(tools=[tool("")]), "tools[0].function.name", "invalid_value"),
    (wire(tools=[tool("a" * 65)]), "tools[0].function.name", "string_above_max_length"),
    (wire(tools=[tool(5)]), "tools[0].function.name", "invalid_type"),
    (wire(tools=[tool(description=1)]), "tools[0].function.description", "invalid_type"),
    (wire(tools=[tool(strict="yes")]), "tools[0].function.strict", "invalid_type"),
    (wire(tools=[tool(parameters=[])]), "tools[0].function.parameters", "invalid_type"),
    (
        wire(tools=[tool(parameters={"type": "string"})]),
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    (
        wire(tools=[tool(parameters={"type": "object", "required": "city"})]),
        "tools[0].function.parameters.required",
        "invalid_function_parameters",
    ),
    (wire(tools=[{"type": "custom"}]), "tools[0].custom", "missing_required_parameter"),
    (wire(tools=[{"type": "custom", "custom": {}}]), "tools[0].custom.name", "missing_required_parameter"),
    (
        wire(tools=[{"type": "custom", "custom": {"name": "a", "format": {"type": "grammar"}}}]),
        "tools[0].custom.format.grammar",
        "missing_required_parameter",
    ),
    (wire(functions=[{"name": "a b"}]), "functions[0].name", "invalid_value"),
    (wire(functions="look"), "functions", "invalid_type"),
    (wire(functions=[5]), "functions[0]", "invalid_type"),
    # The choice among them
    (wire(tool_choice="sometimes"), "tool_choice", "invalid_value"),
    (wire(tool_choice="required"), "tool_choice", "invalid_value"),
    (wire(tool_choice=5), "tool_choice", "invalid_type"),
    (wire(tool_choice={}), "tool_choice.type", "missing_required_parameter"),
    (wire(tool_choice={"type": []}), "tool_choice.type", "invalid_type"),
    (wire(tool_choice={"type": "function"}), "tool_choice.function", "missing_required_parameter"),
    (
        wire(tools=[tool()], tool_choice={"type": "function", "function": {}}),
        "tool_choice.function.name",
        "missing_required_parameter",
    ),
    (
        wire(tools=[tool()], tool_choice={"type": "function", "function": {"name": "other"}}),
        "tool_choice",
        "invalid_value",
    ),
    (
        wire(tools=[tool()], tool_choice={"type": "allowed_tools"}),
        "tool_choice.allowed_tools",
        "missing_required_parameter",
    ),
    (
        wire(
            tools=[tool()],
            tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "any", "tools": []}},
        ),
        "tool_choice.allowed_tools.mode",
        "invalid_value",
    ),
    (
        wire(
            tools=[tool()],
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [tool("other")]},
            },
        ),
        "tool_choice",
        "invalid_value",
    ),
    (wire(functions=[{"name": "look"}], function_call="required"), "function_call", "invalid_value"),
    (
        wire(functions=[{"name": "look"}], function_call={"name": "other"}),
        "function_call",
        "invalid_value",
    ),
    (
        wire(functions=[{"name": "look"}], function_call={}),
        "function_call.name",
        "missing_required_parameter",
    ),
    # Names, and the grammars of free text
    (wire(tools=[tool("a"), tool("b"), tool("a")]), "tools[2].function.name", "invalid_value"),
    (wire(tools=[tool("sql"), custom(type="text")]), "tools[1].custom.name", "invalid_value"),
    (wire(functions=[{"name": "a"}, {"name": "a"}]), "functions[1].name", "invalid_value"),
    (wire(tools=[custom()]), f"{FORMAT}.type", "missing_required_parameter"),
    (wire(tools=[custom(type="xml")]), f"{FORMAT}.type", "invalid_value"),
    (wire(tools=[custom(type="grammar")]), f"{FORMAT}.grammar", "missing_required_parameter"),
    (wire(tools=[custom(type="grammar", grammar=[])]), f"{FORMAT}.grammar", "invalid_type"),
    (
        wire(tools=[custom(type="grammar", grammar={"syntax": "lark"})]),
        f"{FORMAT}.grammar.definition",
        "missing_required_parameter",
    ),
    (
        wire(tools=[custom(type="grammar", grammar={**GRAMMAR, "syntax": "ebnf"})]),
        f"{FORMAT}.grammar.syntax",
        "invalid_value",
    ),
    (
        wire(tools=[custom(type="grammar", grammar={**GRAMMAR, "definition": 5})]),
        f"{FORMAT}.grammar.definition",
        "invalid_type",
    ),
    (
        wire(tools=[{"type": "custom", "custom": {"name": "sql", "description": 5}}]),
        "tools[0].custom.description",
        "invalid_type",
    ),
]


@pytest.mark.parametrize(("request_", "path", "code"), WRONG)
def test_tools_that_cannot_be_called_are_refused(request_: WireRequest, path: str, code: str | None) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(request_)
    assert (caught.value.path, caught.value.code) == (path, code)


RIGHT = [
    wire(tools=[{"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}]),
    wire(functions=[{"name": "look"}], function_call="auto"),
    wire(
        tools=[tool(), {"type": "mcp"}],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "mcp"}]}},
    ),
    wire(tools=[{"type": "openrouter:web_search", "parameters": {}}]),
    wire(tools=[tool(parameters={})], tool_choice="none"),
    wire(tools=[tool()], tool_choice="any"),
    wire(tools=[tool()], tool_choice={"type": "function", "function": {"name": "look"}}),
    wire(
        tools=[tool()],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool()]}},
    ),
    wire(
        tools=[{"type": "custom", "custom": {"name": "sql"}}],
        tool_choice={"type": "custom", "custom": {"name": "sql"}},
    ),
    wire(tools=[tool()], tool_choice={"type": "mcp"}),
    wire(functions=[{"name": "look"}], function_call={"name": "look"}),
]


@pytest.mark.parametrize("request_", RIGHT)
def test_what_providers_take_passes(request_: WireRequest) -> None:
    DIALECT.request.check(request_)


@pytest.mark.parametrize("syntax", ["lark", "regex"])
def test_grammars_pass(syntax: str) -> None:
    DIALECT.request.check(wire(tools=[custom(type="grammar", grammar={**GRAMMAR, "syntax": syntax})]))


def test_tools_without_a_name_of_their_own_may_repeat() -> None:
    DIALECT.request.check(wire(tools=[{"type": "openrouter:web_search"}, {"type": "openrouter:web_search"}]))
