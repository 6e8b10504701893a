"""Tools and the choice among them, both ways."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import WireError
from tests.unit.dialects.mistral.speaking import again, changed, decoded, foreign, lost, written

EMPTY: dict[str, Any] = {"type": "object", "properties": {}}
LOOK = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": EMPTY}}
DRAW = {"type": "function", "function": {"name": "draw", "parameters": EMPTY, "strict": True, "tone": 1}}
LIBRARY = {"type": "document_library", "library_ids": ["l-1"]}
CONNECTOR = {"type": "connector", "connector_id": "c-1"}
PICTURES = {"type": "image_generation"}


def test_tools_come_back_as_they_were() -> None:
    tools = [LOOK, DRAW, LIBRARY, CONNECTOR, PICTURES]
    assert decoded(tools=tools).tools == (
        ir.Function("look", "Looks.", EMPTY),
        ir.Function("draw", None, EMPTY, strict=True, extra={"mistral": {"function.tone": 1}}),
        ir.ProviderTool("mistral", "file_search", LIBRARY, extra={"mistral": {"library_ids": ["l-1"]}}),
        ir.ProviderTool("mistral", "mcp", CONNECTOR, extra={"mistral": {"connector_id": "c-1"}}),
        ir.ProviderTool("mistral", "image_generation", PICTURES),
    )
    assert again(tools=tools)["tools"] == tools
    assert again(tools=[])["tools"] == []


def test_a_tool_without_a_type_is_a_function() -> None:
    for tool in ({"function": LOOK["function"]}, {"type": None, "function": LOOK["function"]}):
        assert decoded(tools=[tool]).tools == (ir.Function("look", "Looks.", EMPTY),)


CHOICES: list[tuple[Any, ir.ToolChoice]] = [
    ("auto", ir.ToolChoice("auto")),
    ("none", ir.ToolChoice("none")),
    ("any", ir.ToolChoice("any")),
    ("required", ir.ToolChoice("any", form="required")),
    ({"type": "function", "function": {"name": "look"}}, ir.ToolChoice("tool", ("look",))),
    ("confirm", ir.ToolChoice("native", native="confirm")),
    (
        {"type": "function", "function": {"name": "look", "mode": 1}},
        ir.ToolChoice("native", native={"type": "function", "function": {"name": "look", "mode": 1}}),
    ),
]


@pytest.mark.parametrize(("wire", "choice"), CHOICES)
def test_choices_come_back_as_they_were(wire: Any, choice: ir.ToolChoice) -> None:
    assert decoded(tools=[LOOK], tool_choice=wire).tool_choice == choice
    assert again(tools=[LOOK], tool_choice=wire)["tool_choice"] == wire


def test_a_type_that_is_left_out_goes_without_saying() -> None:
    assert decoded(tool_choice={"function": {"name": "look"}}).tool_choice == ir.ToolChoice("tool", ("look",))


# --- From elsewhere ----------------------------------------------------------------------------

TOOLS = (ir.Function("look", parameters=EMPTY), ir.Function("draw", parameters=EMPTY))


@pytest.mark.parametrize(
    ("choice", "word"),
    [
        (ir.ToolChoice("any"), "any"),
        (ir.ToolChoice("auto"), "auto"),
        (ir.ToolChoice("none"), "none"),
        (ir.ToolChoice("tool", ("draw",)), {"type": "function", "function": {"name": "draw"}}),
    ],
)
def test_choices_of_others(choice: ir.ToolChoice, word: Any) -> None:
    body, report = written(foreign(tools=TOOLS, tool_choice=choice, parallel=False))
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (word, False)
    assert not report.losses


@pytest.mark.parametrize("mode", ["auto", "any"])
def test_only_the_allowed_tools_are_offered(mode: Any) -> None:
    body, report = written(foreign(tools=TOOLS, tool_choice=ir.ToolChoice(mode, ("draw",))))
    assert [tool["function"]["name"] for tool in body["tools"]] == ["draw"]
    assert body["tool_choice"] == mode
    assert changed(report) == {"tool_choice", "tools[0]"}


def test_choices_that_cannot_be_made() -> None:
    native = ir.ToolChoice("native", native={}, extra={"elsewhere": {"x": 1}})
    body, report = written(foreign(tools=TOOLS, tool_choice=native))
    assert "tool_choice" not in body
    assert lost(report) == {"tool_choice": "meaning", "tool_choice.x": "hint"}
    body, report = written(foreign(tools=TOOLS, tool_choice=ir.ToolChoice("tool", ("fly",))))
    assert "tool_choice" not in body
    assert lost(report) == {"tool_choice": "meaning"}
    search = ir.ProviderTool("anthropic", "web_search", {}, "web_search")
    chosen = ir.ToolChoice("tool", ("web_search",))
    body, report = written(foreign(tools=(*TOOLS, search), tool_choice=chosen))
    assert "tool_choice" not in body
    assert lost(report) == {"tool_choice": "meaning", "tools[2]": "meaning"}


def test_a_choice_among_no_tools() -> None:
    search = ir.ProviderTool("anthropic", "web_search", {})
    body, report = written(foreign(tools=(search,), tool_choice=ir.ToolChoice("any"), parallel=False))
    assert body.keys() == {"model", "messages"}
    assert lost(report) == {"tools[0]": "meaning", "tool_choice": "hint", "parallel": "hint"}
    _, report = written(foreign(tools=(), tool_choice=ir.ToolChoice("auto"), parallel=True))
    assert not report.losses


def test_a_function_gets_a_schema_and_loses_its_mark() -> None:
    tool = ir.Function("look", cache=ir.CacheMark(), extra={"elsewhere": {"x": 1}})
    body, report = written(foreign(tools=(tool,)))
    assert body["tools"] == [{"type": "function", "function": {"name": "look", "parameters": EMPTY}}]
    assert lost(report) == {"tools[0].cache": "hint", "tools[0].x": "hint"}


def test_free_text_tools_are_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(tools=(ir.Function("plot", kind="custom"),)))
    assert (caught.value.path, caught.value.code) == ("tools[0]", "unsupported_value")
