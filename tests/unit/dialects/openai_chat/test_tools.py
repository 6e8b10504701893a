"""Tools and the choice among them, both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from tests.unit.dialects.openai_chat.speaking import again, changed, decoded, foreign, lost, written

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
LOOK = ir.Function("look", "Looks.", SCHEMA, strict=True)
LOOKING = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": True},
}
SEARCH = {
    "search_context_size": "low",
    "user_location": {"type": "approximate", "approximate": {"city": "Rome"}},
}
TOOLS: list[tuple[dict[str, Any], tuple[ir.Tool, ...]]] = [
    ({"tools": []}, ()),
    ({"tools": [LOOKING]}, (LOOK,)),
    ({"tools": [{"type": "function", "function": {"name": "look"}}]}, (ir.Function("look"),)),
    (
        {"tools": [{**LOOKING, "odd": 1, "function": {"name": "look", "returns": 2}}]},
        (ir.Function("look", extra={"openai_chat": {"odd": 1, "function.returns": 2}}),),
    ),
    (
        {
            "tools": [
                {"type": "function", "function": {"name": "look"}, "cache_control": {"type": "ephemeral"}}
            ]
        },
        (ir.Function("look", cache=ir.CacheMark(form="cache_control")),),
    ),
    (
        {"tools": [{"type": "custom", "custom": {"name": "sql", "description": "Asks."}}]},
        (ir.Function("sql", "Asks.", kind="custom"),),
    ),
    (
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {
                        "name": "sql",
                        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
                    },
                }
            ]
        },
        (ir.Function("sql", kind="custom", format={"type": "grammar", "syntax": "lark", "definition": "x"}),),
    ),
    (
        {"tools": [{"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}]},
        (ir.Function("sql", kind="custom", format={"type": "text"}),),
    ),
    (
        {"tools": [{"type": "browser_search"}]},
        (ir.ProviderTool("openai_chat", "browser_search", {"type": "browser_search"}),),
    ),
    (
        {"web_search_options": SEARCH},
        (
            ir.ProviderTool(
                "openai_chat",
                "web_search",
                {"web_search_options": SEARCH},
                options={"context_size": "low", "location": {"city": "Rome"}},
            ),
        ),
    ),
    (
        {"tools": [LOOKING], "web_search_options": {}},
        (LOOK, ir.ProviderTool("openai_chat", "web_search", {"web_search_options": {}})),
    ),
    (
        {
            "tools": [
                {
                    "type": "openrouter:web_search",
                    "parameters": {
                        "max_uses": 2,
                        "allowed_domains": ["a"],
                        "excluded_domains": ["b"],
                        "user_location": {"type": "approximate", "city": "Rome"},
                    },
                }
            ]
        },
        (
            ir.ProviderTool(
                "openai_chat",
                "web_search",
                {
                    "type": "openrouter:web_search",
                    "parameters": {
                        "max_uses": 2,
                        "allowed_domains": ["a"],
                        "excluded_domains": ["b"],
                        "user_location": {"type": "approximate", "city": "Rome"},
                    },
                },
                options={
                    "max_uses": 2,
                    "allowed_domains": ["a"],
                    "blocked_domains": ["b"],
                    "location": {"city": "Rome"},
                },
            ),
        ),
    ),
]


@pytest.mark.parametrize(("members", "tools"), TOOLS)
def test_tools_are_read_and_come_back_as_they_were(
    members: dict[str, Any], tools: tuple[ir.Tool, ...]
) -> None:
    request = decoded(**members)
    assert request.tools == tools
    body, report = written(request)
    assert {key: value for key, value in body.items() if key not in {"model", "messages"}} == members
    assert not report.losses


CHOICES: list[tuple[Any, ir.ToolChoice]] = [
    ("auto", ir.ToolChoice("auto")),
    ("none", ir.ToolChoice("none")),
    ("required", ir.ToolChoice("any")),
    ("any", ir.ToolChoice("any", form="any")),
    ({"type": "function", "function": {"name": "look"}}, ir.ToolChoice("tool", ("look",))),
    ({"type": "custom", "custom": {"name": "sql"}}, ir.ToolChoice("tool", ("sql",), "custom")),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [
                    {"type": "function", "function": {"name": "look"}},
                    {"type": "custom", "custom": {"name": "sql"}},
                ],
            },
        },
        ir.ToolChoice("any", ("look", "sql")),
    ),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "mcp", "server": "x"}]},
        },
        ir.ToolChoice(
            "native",
            native={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "mcp", "server": "x"}]},
            },
        ),
    ),
    ({"type": "mcp", "server": "x"}, ir.ToolChoice("native", native={"type": "mcp", "server": "x"})),
    ("sometimes", ir.ToolChoice("native", native="sometimes")),
]


@pytest.mark.parametrize(("choice", "value"), CHOICES)
def test_a_choice_is_read_and_comes_back_as_it_was(choice: Any, value: ir.ToolChoice) -> None:
    sql = {"type": "custom", "custom": {"name": "sql"}}
    request = decoded(tools=[LOOKING, sql], tool_choice=choice)
    assert request.tool_choice == value
    assert written(request)[0]["tool_choice"] == choice


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("auto", ir.ToolChoice("auto", form="function_call")),
        ("none", ir.ToolChoice("none", form="function_call")),
        ({"name": "look"}, ir.ToolChoice("tool", ("look",), form="function_call")),
    ],
)
def test_functions_of_before_tools_come_back_as_functions(call: Any, value: ir.ToolChoice) -> None:
    functions = [{"name": "look", "description": "Looks.", "parameters": SCHEMA, "odd": 1}]
    request = decoded(functions=functions, function_call=call)
    assert request.forms == {"tools": "functions"}
    assert request.tools == (ir.Function("look", "Looks.", SCHEMA, extra={"openai_chat": {"odd": 1}}),)
    assert request.tool_choice == value
    body = written(request)[0]
    assert (body["functions"], body["function_call"]) == (functions, call)
    assert "tools" not in body


def test_a_vendor_gets_its_own_word_for_any_call() -> None:
    quirks = Quirks(required_word="any")
    assert again(tools=[LOOKING], tool_choice="required", quirks=quirks)["tool_choice"] == "any"


def test_strict_is_left_out_where_it_is_refused() -> None:
    body, report = written(decoded(tools=[LOOKING]), Quirks(refuses=frozenset({"strict"})))
    assert "strict" not in body["tools"][0]["function"]
    assert lost(report) == {"tools[0].strict": "quality"}


@pytest.mark.parametrize(
    ("members", "path"),
    [
        (lambda search: {"web_search_options": search}, "$.web_search_options.user_location.odd"),
        (
            lambda search: {"tools": [{"type": "openrouter:web_search", "parameters": search}]},
            "$.tools[0].parameters.user_location.odd",
        ),
    ],
)
def test_members_of_a_searchs_location(members: Any, path: str) -> None:
    near = {"city": "Rome", "region": None}
    search = {"user_location": {"type": "approximate", "approximate": near, "odd": 1}}
    wire = WireRequest(
        "chat", {"model": "m", "messages": [{"role": "user", "content": "x"}], **members(search)}
    )
    report = Report("anthropic")
    request = DIALECTS["openai_chat"].request.decode(wire)
    body = DIALECTS["anthropic"].request.encode(request, Target(report, "m")).body
    assert body["tools"][0]["user_location"] == {"type": "approximate", "city": "Rome"}
    losses, _ = report.located(DIALECTS["openai_chat"].locator(wire))
    assert [(loss.path, loss.severity) for loss in losses] == [(path, "quality")]


# --- Other dialects' tools ---------------------------------------------------------------------


def search(**options: Any) -> ir.ProviderTool:
    return ir.ProviderTool(
        "elsewhere", "web_search", {"type": "theirs"}, "web_search", options=options or None
    )


def test_a_foreign_web_search_becomes_the_option_of_the_request() -> None:
    tool = search(context_size="high", location={"city": "Rome"}, max_uses=2)
    body, report = written(foreign(tools=(tool,)))
    assert body["web_search_options"] == {
        "search_context_size": "high",
        "user_location": {"type": "approximate", "approximate": {"city": "Rome"}},
    }
    assert "tools" not in body
    assert lost(report) == {"tools[0].options.max_uses": "quality"}
    assert changed(report) == {"tools[0]"}


def test_a_foreign_tool_of_another_kind_is_a_loss() -> None:
    tool = ir.ProviderTool("elsewhere", "code_execution", {})
    _, report = written(foreign(tools=(tool,)))
    assert lost(report) == {"tools[0]": "meaning"}
    quirks = Quirks(refuses=frozenset({"web_search_options"}))
    assert lost(written(foreign(tools=(search(),)), quirks)[1]) == {"tools[0]": "meaning"}


def test_no_choice_is_sent_without_tools() -> None:
    request = foreign(tools=(), tool_choice=ir.ToolChoice("any"), parallel=False)
    body, report = written(request)
    assert body.keys() == {"model", "messages"}
    assert lost(report) == {"tool_choice": "hint", "parallel": "hint"}
    assert lost(written(foreign(tool_choice=ir.ToolChoice("any")))[1]) == {"tool_choice": "hint"}
    assert written(foreign(tool_choice=ir.ToolChoice("auto")))[0].keys() == {"model", "messages"}


def test_a_foreign_choice_is_written_or_named() -> None:
    def chosen(choice: ir.ToolChoice, *tools: ir.Tool) -> tuple[Any, dict[str, str]]:
        body, report = written(foreign(tools=(ir.Function("look"), *tools), tool_choice=choice))
        return body.get("tool_choice"), lost(report)

    assert chosen(ir.ToolChoice("any", form="theirs")) == ("required", {})
    named = {"type": "function", "function": {"name": "look"}}
    assert chosen(ir.ToolChoice("tool", ("look",))) == (named, {})
    subset = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}}
    assert chosen(ir.ToolChoice("auto", ("look",))) == (subset, {})
    assert chosen(ir.ToolChoice("native", native={})) == (None, {"tool_choice": "meaning"})
    assert chosen(ir.ToolChoice("tool", ("web_search",)), search()) == (None, {"tool_choice": "meaning"})
    extra = {"elsewhere": {"odd": 1}}
    assert chosen(ir.ToolChoice("auto", extra=extra)) == ("auto", {"tool_choice.odd": "hint"})


def test_our_own_choice_without_tools_is_ours_to_send() -> None:
    body = written(decoded(tool_choice="auto", parallel_tool_calls=True))[0]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("auto", True)


def test_parallel_calls_are_steered_with_tools() -> None:
    assert written(foreign(tools=(LOOK,), parallel=False))[0]["parallel_tool_calls"] is False


def test_search_options_of_another_shape_are_kept_whole() -> None:
    tool = {"type": "x:web_search", "parameters": "all"}
    assert decoded(tools=[tool]).tools == (ir.ProviderTool("openai_chat", "web_search", tool),)


@pytest.mark.parametrize("tools", [(search(),), (ir.Function("look"), search())])
@pytest.mark.parametrize("choice", [ir.ToolChoice("none"), ir.ToolChoice("auto", ("look",))])
def test_a_search_that_the_client_forbids_is_left_out(
    tools: tuple[ir.Tool, ...], choice: ir.ToolChoice
) -> None:
    body, report = written(foreign(tools=tools, tool_choice=choice))
    assert "web_search_options" not in body
    assert lost(report) == {}
    assert [change.path for change in report.changes] == [f"tools[{len(tools) - 1}]"]


def test_unknown_members_of_allowed_tools_are_kept_or_named() -> None:
    named = {"type": "function", "function": {"name": "look"}}
    choice = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [named], "odd": 1},
        "further": True,
    }
    request = decoded(tools=[named], tool_choice=choice)
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("auto", ("look",))
    assert written(request)[0]["tool_choice"] == choice
    report = Report("anthropic")
    DIALECTS["anthropic"].request.encode(request, Target(report, "m"))
    assert {"tool_choice.allowed_tools.odd", "tool_choice.further"} <= {loss.path for loss in report.losses}
