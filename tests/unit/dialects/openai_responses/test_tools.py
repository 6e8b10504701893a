"""Tools in namespaces, and those that OpenAI defines and a client runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.builtins import stands_for
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.items import encode_items
from dragoman.dialects.openai_responses.locate import place
from tests.unit.dialects.openai_responses.asking import again, read, wire

LOOK: dict[str, Any] = {"type": "function", "name": "look", "parameters": {"type": "object"}}
RUN: dict[str, Any] = {"type": "custom", "name": "run"}


def group(name: str, *tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "tools": list(tools), **more}


def tool_of(tools: list[dict[str, Any]]) -> ir.ProviderTool:
    """The only tool of a request, which is kept whole."""
    decoded = read(tools=tools).tools
    assert decoded is not None
    assert len(decoded) == 1
    assert isinstance(decoded[0], ir.ProviderTool)
    return decoded[0]


@pytest.mark.parametrize(
    "tools",
    [
        [group("a", LOOK, RUN, description="A."), LOOK, group("b", LOOK)],
        [group("a", LOOK), group("b", LOOK), {"type": "web_search"}, group("a", RUN)],
        [group("a", {**LOOK, "defer_loading": True}, icon="x")],
        [group("empty")],
        [group("odd", LOOK, {"type": "web_search"})],
        [{"type": "namespace", "tools": [LOOK]}],
    ],
)
def test_namespaces_come_back_as_they_were(tools: list[dict[str, Any]]) -> None:
    assert again(tools=tools)["tools"] == tools


def test_the_tools_of_a_namespace_are_the_clients() -> None:
    tools = read(tools=[LOOK, group("a", LOOK, RUN, description="A.")]).tools
    space = ir.Namespace("a", "A.")
    assert tools == (
        ir.Function("look", parameters={"type": "object"}),
        ir.Function("look", parameters={"type": "object"}, namespace=space),
        ir.Function("run", kind="custom", namespace=space),
    )


def test_what_no_client_runs_alone_is_kept_whole() -> None:
    tool = tool_of([group("odd", LOOK, {"type": "web_search"})])
    assert (tool.kind, tool.name, tool.function) == ("namespace", "odd", None)


@pytest.mark.parametrize(
    ("choice", "decoded"),
    [
        (
            {"type": "function", "name": "look", "namespace": "a"},
            ir.ToolChoice("tool", ("look",), namespaces=("a",)),
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [
                    {"type": "function", "name": "look"},
                    {"type": "custom", "name": "look", "namespace": "a"},
                    {"type": "function", "name": "gone", "namespace": "b"},
                ],
            },
            ir.ToolChoice("any", ("look", "look", "gone"), namespaces=(None, "a", "b")),
        ),
    ],
)
def test_a_choice_may_name_a_namespace(choice: dict[str, Any], decoded: ir.ToolChoice) -> None:
    tools = [LOOK, group("a", {**RUN, "name": "look"})]
    assert read(tools=tools, tool_choice=choice).tool_choice == decoded
    assert again(tools=tools, tool_choice=choice)["tool_choice"] == choice


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("tools[0]", "$.tools[0]"),
        ("tools[1].strict", "$.tools[1].tools[0].strict"),
        ("tools[2].name", "$.tools[1].tools[1].name"),
        ("tools[2].namespace.description", "$.tools[1].description"),
        ("tools[3].options.live", "$.tools[2].external_web_access"),
        ("tools[4]", "$.tools[3].tools[0]"),
        ("tools[5].extra", "$.tools"),
    ],
)
def test_places_lead_into_namespaces(where: str, path: str) -> None:
    request = wire(tools=[LOOK, group("a", LOOK, RUN), {"type": "web_search"}, group("b", LOOK)])
    assert place(request, where) == path


def test_a_search_of_what_is_indexed_alone_says_so() -> None:
    live = tool_of([{"type": "web_search", "external_web_access": True}])
    indexed = tool_of([{"type": "web_search", "external_web_access": False}])
    assert (live.options, indexed.options) == (None, {"live": False})


# Tools that the client runs -----------------------------------------------------------------------

SEARCH = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds.",
    "parameters": {"type": "object"},
}


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        (SEARCH, "tool_search"),
        ({"type": "local_shell"}, "local_shell"),
        ({"type": "shell"}, "shell"),
        ({"type": "shell", "environment": {"type": "local"}}, "shell"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, None),
        ({"type": "apply_patch"}, "apply_patch"),
        ({"type": "tool_search"}, None),
        ({**SEARCH, "execution": "server"}, None),
        ({**SEARCH, "parameters": None}, None),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, None),
    ],
)
def test_what_the_client_runs_is_a_function_too(tool: dict[str, Any], name: str | None) -> None:
    decoded = tool_of([tool])
    assert (None if decoded.function is None else decoded.function.name) == name
    assert again(tools=[tool])["tools"] == [tool]


ITEMS: list[tuple[dict[str, Any], ir.Block | None]] = [
    (
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "x"}},
        ir.ToolCall("c", "tool_search", '{"query":"x"}', "builtin"),
    ),
    ({"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {}}, None),
    (
        {
            "type": "tool_search_output",
            "call_id": "c",
            "execution": "client",
            "tools": [LOOK, group("a", RUN), {"type": "function"}, 7],
        },
        ir.ToolResult("c", (ir.Text("These tools were found and can be called from now on: look, run"),)),
    ),
    (
        {"type": "tool_search_output", "call_id": "c", "execution": "client", "tools": []},
        ir.ToolResult("c", (ir.Text("No tools were found."),)),
    ),
    (
        {
            "type": "local_shell_call",
            "call_id": "c",
            "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5},
        },
        ir.ToolCall("c", "local_shell", '{"command":["ls"],"timeout_ms":5}', "builtin"),
    ),
    (
        {
            "type": "local_shell_call",
            "call_id": "c",
            "action": {"type": "exec", "command": ["ls"], "env": {"A": "b"}},
        },
        ir.ToolCall("c", "local_shell", '{"command":["ls"],"env":{"A":"b"}}', "builtin"),
    ),
    (
        {"type": "local_shell_call_output", "id": "c", "output": "a"},
        ir.ToolResult("c", (ir.Text("a"),)),
    ),
    (
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"], "timeout_ms": None}},
        ir.ToolCall("c", "shell", '{"commands":["ls"]}', "builtin"),
    ),
    (
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a"}]},
        ir.ToolResult("c", (ir.Text('[{"stdout":"a"}]'),)),
    ),
    (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        ir.ToolCall("c", "apply_patch", '{"type":"delete_file","path":"a"}', "builtin"),
    ),
    (
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed"},
        ir.ToolResult("c", (ir.Text("failed"),)),
    ),
    ({"type": "apply_patch_call", "call_id": "c", "operation": "odd"}, None),
    ({"type": "shell_call", "action": {"commands": ["ls"]}}, None),
    ({"type": "additional_tools", "tools": [LOOK]}, ir.Text("More tools are available from here on.")),
    ({"type": "compaction", "encrypted_content": "x"}, None),
]


@pytest.mark.parametrize(("item", "block"), ITEMS)
def test_what_items_say_to_models_of_other_protocols(item: dict[str, Any], block: ir.Block | None) -> None:
    assert stands_for(item) == block
    (message,) = read(input=[item]).messages
    (native,) = message.blocks
    assert isinstance(native, ir.Native)
    assert native.stands_for == block
    if isinstance(block, ir.ToolCall | ir.ToolResult):
        assert message.role == ("assistant" if isinstance(block, ir.ToolCall) else "user")
    assert again(input=[item])["input"] == [item]


@pytest.mark.parametrize(
    ("kind", "tools"),
    [
        ("additional_tools", [LOOK, group("a", RUN)]),
        ("tool_search_output", [LOOK, group("a", RUN), {"type": "function"}, {"name": "no type"}, None]),
        ("tool_search_output", [LOOK, group("a", RUN), {**LOOK, "parameters": 7}, group("b", {})]),
    ],
)
def test_what_the_history_makes_known_are_tools(kind: str, tools: list[Any]) -> None:
    (message,) = read(input=[{"type": kind, "role": "developer", "call_id": "c", "tools": tools}]).messages
    assert [(tool.name, getattr(tool, "namespace", None)) for tool in message.tools] == [
        ("look", None),
        ("run", ir.Namespace("a")),
    ]


@pytest.mark.parametrize("number", [0, 4, 5, 7, 9])
def test_a_call_is_written_as_the_item_that_it_came_from(number: int) -> None:
    item, block = ITEMS[number]
    assert isinstance(block, ir.ToolCall)
    (written,) = encode_items((block,), Draft(Report("openai_responses")))
    action = {key: value for key, value in item.get("action", {}).items() if value is not None}
    assert written == ({**item, "action": action} if action else item)


@pytest.mark.parametrize("arguments", ['{"commands":["l', "[]", '"ls"', "\ud800"])
def test_arguments_that_no_such_item_holds_are_shown_as_they_are(arguments: str) -> None:
    call = ir.ToolCall("c", "shell", arguments, "builtin")
    (written,) = encode_items((call,), Draft(Report("openai_responses")))
    assert written == {"type": "function_call", "call_id": "c", "name": "shell", "arguments": arguments}


def test_a_call_without_arguments_has_an_empty_object() -> None:
    (written,) = encode_items((ir.ToolCall("c", "tool_search", "", "builtin"),), Draft(Report("x")))
    assert written["arguments"] == json.loads("{}")
