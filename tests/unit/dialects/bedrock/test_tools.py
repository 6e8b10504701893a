"""Tools: what each choice becomes where the API has no word for it."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from tests.unit.dialects.bedrock.speaking import CLAUDE, NOVA, again, asked, assistant, reasons, sent, user

F = ir.Function("f", "Does f.", {"type": "object", "properties": {}})
G = ir.Function("g")
SPEC = {"toolSpec": {"name": "f", "description": "Does f.", "inputSchema": {"json": F.parameters}}}
BARE = {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
CALLED = (user("Hi"), assistant(ir.ToolCall("1", "f", "{}")), user(ir.ToolResult("1", (ir.Text("a"),))))


def test_functions_without_a_description_or_a_schema() -> None:
    assert sent(asked(tools=(F, G)))[0]["toolConfig"] == {"tools": [SPEC, BARE]}
    odd = ir.Function("g", "", {"properties": {}})
    body, report = sent(asked(tools=(odd,)))
    assert body["toolConfig"]["tools"] == [BARE | {"toolSpec": BARE["toolSpec"]}]
    assert [change.path for change in report.changes] == ["tools[0].description", "tools[0].parameters"]


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (ir.ToolChoice("any"), {"any": {}}),
        (ir.ToolChoice("tool", ("f",)), {"tool": {"name": "f"}}),
        (ir.ToolChoice("auto"), None),
    ],
)
def test_choices(choice: ir.ToolChoice, wire: Any) -> None:
    assert sent(asked(tools=(F,), tool_choice=choice))[0]["toolConfig"].get("toolChoice") == wire


def test_only_functions_can_be_forced() -> None:
    search = ir.ProviderTool("anthropic", "web_search", {}, "web_search")
    choice = ir.ToolChoice("tool", ("web_search",))
    request = asked(tools=(F, search), tool_choice=choice)
    for body, report in (sent(request), sent(request, NOVA)):
        assert "toolChoice" not in body["toolConfig"]
        assert ("tool_choice", "meaning") in reasons(report)


def test_no_tool_may_be_called() -> None:
    none = ir.ToolChoice("none")
    body, report = sent(asked(tools=(F,), tool_choice=none))
    assert "toolConfig" not in body
    assert report.losses == []
    body, report = sent(asked(*CALLED, tools=(F,), tool_choice=none))
    assert body["toolConfig"] == {"tools": [SPEC]}
    assert reasons(report) == [("tool_choice", "quality")]


def test_no_tool_of_the_providers_may_be_called_either() -> None:
    search, none = ir.ProviderTool("elsewhere", "web_search", {}), ir.ToolChoice("none")
    body, report = sent(asked(*CALLED, tools=(F, search), tool_choice=none), NOVA)
    assert body["toolConfig"] == {"tools": [SPEC]}
    assert reasons(report) == [("tool_choice", "quality")]
    assert [change.path for change in report.changes] == ["tools[1]"]
    body, report = sent(asked(*CALLED, tools=(search,), tool_choice=none), NOVA)
    assert [list(tool) for tool in body["toolConfig"]["tools"]] == [["toolSpec"]]
    assert reasons(report) == [("tool_choice", "quality")]
    body, report = sent(asked(tools=(F,), tool_choice=ir.ToolChoice("none", extra={"other": {"a": 1}})))
    assert [path for path, _ in reasons(report)] == ["tool_choice.a"]


def test_calls_in_the_history_need_tools() -> None:
    body, report = sent(asked(*CALLED))
    spec = {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}]}
    assert [change.to for change in report.changes] == ["toolConfig.tools"]


def test_only_the_allowed_tools_are_sent() -> None:
    body, _ = sent(asked(tools=(F, G), tool_choice=ir.ToolChoice("any", ("g",))))
    assert body["toolConfig"] == {"tools": [BARE], "toolChoice": {"any": {}}}


def test_a_model_that_refuses_a_forced_call_is_asked_for_it() -> None:
    choice = ir.ToolChoice("tool", ("f",))
    body, report = sent(asked(tools=(F,), tool_choice=choice), facts=Facts(forced_tool=False))
    assert "toolChoice" not in body["toolConfig"]
    assert body["system"] == [{"text": "Answer by calling the tool `f`. Do not answer in plain text."}]
    assert reasons(report) == [("tool_choice", "quality")]


def test_strictness_and_parallel_calls_are_lost() -> None:
    strict = ir.Function("f", parameters=F.parameters, strict=True)
    _, report = sent(asked(tools=(strict,), parallel=False))
    assert reasons(report) == [("tools[0].strict", "quality"), ("parallel", "quality")]


def test_tools_of_the_provider() -> None:
    search = ir.ProviderTool("anthropic", "web_search", {}, "web_search", options={"max_uses": 2})
    body, report = sent(asked(tools=(search,)), NOVA)
    assert body["toolConfig"]["tools"] == [{"systemTool": {"name": "nova_grounding"}}]
    assert reasons(report) == [("tools[0].options.max_uses", "quality")]
    body, report = sent(asked(tools=(search,)), CLAUDE)
    assert "toolConfig" not in body
    assert reasons(report) == [("tools[0]", "meaning")]


def test_own_tools_stay_as_they_are() -> None:
    config = {
        "tools": [
            SPEC,
            {"cachePoint": {"type": "default"}},
            {"systemTool": {"name": "nova_grounding"}},
            {"new": {}},
        ],
        "toolChoice": {"aNewOne": {}},
    }
    body = {"messages": [], "toolConfig": config}
    assert again(body) == body
