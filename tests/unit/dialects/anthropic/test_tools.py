"""Tools and tool_choice of other protocols, and Anthropic's own tools as others see them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target
from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import FOREIGN, changed, foreign, lost, system, user, wire, written

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
F, G = ir.Function("f", "does f", SCHEMA), ir.Function("g")
TOOLS = [
    {"name": "f", "description": "does f", "input_schema": SCHEMA},
    {"name": "g", "input_schema": {"type": "object", "properties": {}}},
]


@pytest.mark.parametrize(
    ("tool", "expected", "changes"),
    [
        (F, TOOLS[0], []),
        (G, TOOLS[1], []),
        (ir.Function("f", strict=True), {**TOOLS[1], "name": "f", "strict": True}, []),
        (ir.Function("f", strict=False), {**TOOLS[1], "name": "f", "strict": False}, []),
        (
            ir.Function("f", parameters={"properties": {}}),
            {"name": "f", "input_schema": {"type": "object", "properties": {}}},
            ["tools[0].parameters"],
        ),
        (
            ir.Function("f", parameters={"type": ["object", "null"], "properties": {}}),
            {"name": "f", "input_schema": {"type": "object", "properties": {}}},
            ["tools[0].parameters"],
        ),
        (
            ir.Function("f", cache=ir.CacheMark("30m")),
            {**TOOLS[1], "name": "f", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ["tools[0].cache"],
        ),
    ],
)
def test_a_function_is_written_with_a_schema(
    tool: ir.Function, expected: dict[str, Any], changes: list[str]
) -> None:
    body, report = written(foreign(tools=(tool,), max_output=9))
    assert body["tools"] == [expected]
    assert changed(report) == changes


def test_leftovers_of_a_tool_are_named() -> None:
    tool = ir.Function("f", extra={FOREIGN: {"function.examples": [1]}})
    assert lost(written(foreign(tools=(tool,)))[1]) == [("tools[0].function.examples", "hint")]


def test_a_free_text_tool_is_refused() -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(tools=(F, ir.Function("h", kind="custom"))))
    assert (caught.value.code, caught.value.path) == ("unsupported_value", "tools[1]")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"tool_choice": ir.ToolChoice("auto")}, {"type": "auto"}),
        ({"tool_choice": ir.ToolChoice("any")}, {"type": "any"}),
        ({"tool_choice": ir.ToolChoice("none")}, {"type": "none"}),
        ({"tool_choice": ir.ToolChoice("tool", ("f",))}, {"type": "tool", "name": "f"}),
        ({"parallel": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel": True}, None),
        (
            {"tool_choice": ir.ToolChoice("tool", ("f",)), "parallel": False},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_the_choice_is_written(fields: dict[str, Any], expected: dict[str, Any] | None) -> None:
    body, report = written(foreign(tools=(F, G), max_output=9, **fields))
    assert body.get("tool_choice") == expected
    assert body["tools"] == TOOLS
    assert not report.losses


def test_one_call_at_a_time_of_no_tools_says_nothing() -> None:
    body, report = written(foreign(tools=(F,), tool_choice=ir.ToolChoice("none"), parallel=False))
    assert body["tool_choice"] == {"type": "none"}
    assert lost(report) == [("parallel", "hint")]


@pytest.mark.parametrize("tools", [None, ()])
def test_without_tools_neither_tools_nor_choice_are_sent(tools: tuple[ir.Tool, ...] | None) -> None:
    body, report = written(foreign(tools=tools, tool_choice=ir.ToolChoice("any"), parallel=False))
    assert body.keys().isdisjoint({"tools", "tool_choice"})
    assert lost(report) == [("tool_choice", "hint"), ("parallel", "hint")]
    assert not written(foreign(tools=tools, tool_choice=ir.ToolChoice("auto")))[1].losses


def test_one_call_at_a_time_without_any_tool_is_named() -> None:
    assert lost(written(foreign(parallel=False))[1]) == [("parallel", "hint")]
    assert not written(foreign(parallel=True))[1].losses


def test_the_schema_of_no_parameters_is_not_shared() -> None:
    request = foreign(tools=(ir.Function("f"), ir.Function("g")))
    body = DIALECT.request.encode(request, Target(Report("anthropic"))).body
    assert body["tools"][0]["input_schema"] is not body["tools"][1]["input_schema"]


def test_a_subset_filters_the_tools() -> None:
    body, report = written(foreign(tools=(F, G), tool_choice=ir.ToolChoice("any", ("g",)), max_output=9))
    assert body["tools"] == [TOOLS[1]]
    assert body["tool_choice"] == {"type": "any"}
    assert changed(report) == ["tool_choice", "tools[0]"]


def test_a_choice_that_only_its_own_protocol_knows_is_lost() -> None:
    body, report = written(foreign(tools=(F,), tool_choice=ir.ToolChoice("native", native={"type": "shell"})))
    assert "tool_choice" not in body
    assert lost(report) == [("tool_choice", "meaning")]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (ir.ToolChoice("any"), "Answer by calling one of the tools. Do not answer in plain text."),
        (ir.ToolChoice("tool", ("f",)), "Answer by calling the tool `f`. Do not answer in plain text."),
    ],
)
def test_a_model_that_cannot_be_forced_is_asked(choice: ir.ToolChoice, words: str) -> None:
    asked = foreign(system("S"), user("Hi"), tools=(F,), tool_choice=choice, max_output=9)
    body, report = written(asked, Facts(forced_tool=False))
    assert body["tool_choice"] == {"type": "auto"}
    assert body["system"] == [{"type": "text", "text": "S"}, {"type": "text", "text": words}]
    assert lost(report) == [("tool_choice", "quality")]
    assert changed(report) == ["tool_choice"]


def test_an_own_system_text_is_kept_when_the_model_is_asked() -> None:
    request = DIALECT.request.decode(wire(system="S", tools=TOOLS, tool_choice={"type": "any"}))
    body, _ = written(request, Facts(forced_tool=False))
    assert body["system"][0] == {"type": "text", "text": "S"}
    assert len(body["system"]) == 2


# --- Tools that providers run -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "options"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, "web_search", None),
        (
            {
                "type": "web_search_20260318",
                "name": "web_search",
                "max_uses": 3,
                "allowed_domains": ["a.org"],
                "blocked_domains": None,
                "user_location": {"type": "approximate", "city": "Bonn", "region": None},
            },
            "web_search",
            {"max_uses": 3, "allowed_domains": ["a.org"], "location": {"city": "Bonn"}},
        ),
        ({"type": "code_execution_20260120", "name": "code_execution"}, "code_execution", None),
        (
            {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
            "tool_search",
            None,
        ),
        ({"type": "mcp_toolset", "mcp_server_name": "docs"}, "mcp", None),
        ({"type": "bash_20250124", "name": "bash"}, "bash", None),
    ],
)
def test_own_tools_are_named_by_what_they_do(
    value: dict[str, Any], kind: str, options: dict[str, Any] | None
) -> None:
    request = DIALECT.request.decode(wire(tools=[value]))
    rest = {"anthropic": {"mcp_server_name": "docs"}} if kind == "mcp" else None
    named = value.get("name")
    assert request.tools == (ir.ProviderTool("anthropic", kind, value, named, options=options, extra=rest),)
    body, report = written(request)
    assert body["tools"] == [value]
    assert not report.losses


def test_a_compatible_server_gets_neither_typed_tools_nor_betas() -> None:
    value = {"type": "bash_20250124", "name": "bash"}
    request = DIALECT.request.decode(wire({"anthropic-beta": "x"}, tools=[*TOOLS, value]))
    report = Report("anthropic")
    out = DIALECT.request.encode(request, Target(report, quirks=Quirks(server_tools=False)))
    assert out.body["tools"] == TOOLS
    assert out.headers == {"anthropic-version": "2023-06-01"}
    assert lost(report) == [("tools[2]", "meaning"), ("anthropic-beta.x", "hint")]


@pytest.mark.parametrize(
    "kind", ["bash_20250124", "computer_20250124", "memory_20250818", "text_editor_20250728"]
)
def test_a_cloud_has_the_tools_that_the_client_runs(kind: str) -> None:
    request = DIALECT.request.decode(wire(tools=[{"type": kind, "name": "n"}]))
    report = Report("anthropic")
    quirks = Quirks(server_tools=False, body_version="bedrock-2023-05-31")
    assert DIALECT.request.encode(request, Target(report, quirks=quirks)).body["tools"] == [
        {"type": kind, "name": "n"}
    ]
    assert not report.losses


def test_another_provider_s_search_becomes_ours() -> None:
    tool = ir.ProviderTool(
        FOREIGN,
        "web_search",
        {},
        options={
            "location": {"city": "Bonn"},
            "max_uses": 2,
            "allowed_domains": ["a.org"],
            "context_size": "low",
        },
    )
    body, report = written(foreign(tools=(tool,), max_output=9))
    assert body["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "user_location": {"type": "approximate", "city": "Bonn"},
            "max_uses": 2,
            "allowed_domains": ["a.org"],
        }
    ]
    assert lost(report) == [("tools[0].options.context_size", "quality")]
    assert changed(report) == ["tools[0]"]


@pytest.mark.parametrize(
    ("kind", "quirks"), [("file_search", Quirks()), ("web_search", Quirks(server_tools=False))]
)
def test_a_tool_that_is_not_there_is_lost(kind: str, quirks: Quirks) -> None:
    body, report = written(foreign(tools=(F, ir.ProviderTool(FOREIGN, kind, {}))), quirks=quirks)
    assert body["tools"] == [TOOLS[0]]
    assert lost(report) == [("tools[1]", "meaning")]
