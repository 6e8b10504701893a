"""A coding agent that speaks Responses works with a model behind any other protocol.

The agent's request has what such agents send: functions, free text with a grammar, tools in namespaces,
OpenAI's own tools that the agent runs, tools that are found by search, and a turn that called several.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.emulate import Emulation, emulate
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import check_grammar, split, streamed

AGENTS = DIALECTS["openai_responses"]
OTHERS = ("openai_chat", "anthropic", "gemini", "mistral")
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ADDED, DONE = "response.output_item.added", "response.output_item.done"
PATCH = '*** Begin Patch\n*** Add File: a.txt\n+say "hi" \\ ü\n*** End Patch'


def schema(**properties: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def function(name: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    about = f"What {name} does."
    return {"type": "function", "name": name, "description": about, "parameters": parameters, **more}


def namespace(name: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": f"The tools of {name}.", "tools": list(tools)}


TICKETS = namespace("mcp__tracker", function("find", schema(title="string"), defer_loading=True))
TOOLS: list[dict[str, Any]] = [
    function("run", schema(command="string"), strict=False),
    {
        "type": "custom",
        "name": "patch",
        "description": "Changes files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"},
    },
    namespace("agents", function("spawn", schema(task="string"), strict=False), function("run", schema())),
    namespace("mcp__browser", {"type": "custom", "name": "script", "description": "Runs a script."}),
    {"type": "web_search"},
    {
        "type": "tool_search",
        "execution": "client",
        "description": "Finds tools.",
        "parameters": schema(query="string"),
    },
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "apply_patch"},
    {"type": "image_generation"},
]


def said(role: str, text: str, **more: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **more}


HISTORY: list[dict[str, Any]] = [
    said("developer", "The sandbox is read-only."),
    said("user", "Mend the build."),
    {"type": "reasoning", "summary": [], "encrypted_content": "c2VhbGVk"},
    {"type": "function_call", "call_id": "call_1", "name": "run", "arguments": '{"command":"make"}'},
    {
        "type": "function_call",
        "call_id": "call_2",
        "namespace": "agents",
        "name": "spawn",
        "arguments": '{"task":"look"}',
    },
    said("assistant", "I look at it.", phase="commentary"),
    {"type": "function_call_output", "call_id": "call_1", "output": "it fails"},
    {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "seen"}]},
    {"type": "custom_tool_call", "call_id": "call_3", "name": "patch", "input": PATCH},
    {"type": "custom_tool_call_output", "call_id": "call_3", "output": "patched"},
    {
        "type": "tool_search_call",
        "call_id": "call_4",
        "execution": "client",
        "status": "completed",
        "arguments": {"query": "tickets"},
    },
    {
        "type": "tool_search_output",
        "call_id": "call_4",
        "execution": "client",
        "status": "completed",
        "tools": [TICKETS],
    },
    {
        "type": "shell_call",
        "call_id": "call_5",
        "status": "completed",
        "action": {"commands": ["ls", "pwd"], "timeout_ms": None},
    },
    {
        "type": "shell_call_output",
        "call_id": "call_5",
        "output": [{"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    },
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "call_6",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    {"type": "local_shell_call_output", "id": "call_6", "output": "a.txt"},
]


def body(*more: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "instructions": "You are a coding agent.",
        "input": [*HISTORY, *more],
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        **members,
    }


class Asked(NamedTuple):
    """A request on its way to an upstream."""

    wire: WireRequest
    emulation: Emulation
    report: Report
    lost: list[tuple[str, str]]


def asked(value: dict[str, Any], target: Dialect) -> Asked:
    wire = WireRequest("chat", value, path=AGENTS.paths.chat)
    AGENTS.request.check(wire)
    report = Report(target.name)
    emulation = emulate(AGENTS.request.decode(wire), target.abilities, UNKNOWN, STANDARD, report)
    written = target.request.encode(emulation.request, Target(report, "m"))
    losses, changes = report.located(AGENTS.locator(wire))
    assert all(change.reason for change in changes)
    return Asked(written, emulation, report, [(loss.path, loss.severity) for loss in losses])


FLAT = ("run", "patch", "agents__spawn", "agents__run", "mcp__browser__script")
OWN = ("tool_search", "local_shell", "shell", "apply_patch")
LOST = {
    "openai_chat": [
        ("$.input[2]", "quality"),
        ("$.input[2]", "quality"),
        ("$.input[5].phase", "hint"),
        ("$.tools[9]", "meaning"),
    ],
    "anthropic": [
        ("$.tools[1].format", "quality"),
        ("$.input[2]", "quality"),
        ("$.input[5].phase", "hint"),
        ("$.tools[9]", "meaning"),
    ],
    "gemini": [
        ("$.tools[1].format", "quality"),
        ("$.input[2]", "quality"),
        ("$.input[5].phase", "hint"),
        ("$.tools[9]", "meaning"),
    ],
    "mistral": [
        ("$.tools[1].format", "quality"),
        ("$.input[2]", "quality"),
        ("$.input[5].phase", "hint"),
        ("$.tools[4]", "meaning"),
        ("$.tools[9]", "meaning"),
    ],
}
"""What a model of each protocol is not told: thoughts sealed by another, and what there is not for it."""


@pytest.mark.parametrize("name", OTHERS)
def test_every_tool_that_the_agent_runs_is_offered(name: str) -> None:
    target = DIALECTS[name]
    sent = asked(body(), target)
    read = target.request.decode(sent.wire)
    offered = [tool.name for tool in read.tools or () if isinstance(tool, ir.Function)]
    assert offered == [*FLAT, *OWN, "mcp__tracker__find"]
    kinds = {tool.kind for tool in read.tools or () if isinstance(tool, ir.ProviderTool)}
    assert kinds == (set() if name == "mistral" else {"web_search"})
    late = [("$.tools", "hint")]  # `defer_loading` of a tool that the history brought
    assert sent.lost == LOST[name] + late


@pytest.mark.parametrize("name", OTHERS)
def test_the_history_has_every_call_with_its_result(name: str) -> None:
    target = DIALECTS[name]
    sent = asked(body(), target)
    assert "no result" not in json.dumps(sent.wire.body)
    blocks = [block for message in target.request.decode(sent.wire).messages for block in message.blocks]
    calls = [block for block in blocks if isinstance(block, ir.ToolCall)]
    called = ["run", "agents__spawn", "patch", "tool_search", "shell", "local_shell"]
    assert [call.name for call in calls] == called
    arguments = {call.name: call.arguments for call in calls}
    assert json.loads(arguments["agents__spawn"]) == {"task": "look"}
    assert json.loads(arguments["shell"]) == {"commands": ["ls", "pwd"]}
    assert json.loads(arguments["local_shell"]) == {"command": ["ls"]}
    patch = arguments["patch"] if name == "openai_chat" else json.loads(arguments["patch"])["input"]
    assert patch == PATCH
    results = [block for block in blocks if isinstance(block, ir.ToolResult)]
    assert [result.id for result in results] == [call.id for call in calls]
    said = [json.dumps([str(inner) for inner in result.content]) for result in results]
    told = ("it fails", "seen", "patched", "find", "a.txt", "a.txt")
    assert all(word in text for word, text in zip(told, said, strict=True))


@pytest.mark.parametrize("name", OTHERS)
def test_what_namespaces_are_for_is_told_once(name: str) -> None:
    sent = asked(body(), DIALECTS[name])
    text = json.dumps(sent.wire.body)
    assert text.count("The tools of agents.") == 1
    assert text.count("Tools whose names begin with `agents__`") == 1


def test_an_upstream_of_the_same_protocol_gets_everything_as_it_was() -> None:
    value = body()
    sent = asked(value, AGENTS)
    assert sent.emulation.undo is None
    assert sent.wire.body["tools"] == TOOLS
    assert AGENTS.request.decode(sent.wire) == AGENTS.request.decode(WireRequest("chat", value))
    assert sent.lost == []


# The way back -------------------------------------------------------------------------------------

CALLS: list[dict[str, Any]] = [
    {"type": "function_call", "name": "run", "arguments": '{"command":"ls"}'},
    {"type": "custom_tool_call", "name": "patch", "input": PATCH},
    {"type": "function_call", "name": "spawn", "arguments": '{"task":"ü"}', "namespace": "agents"},
    {"type": "function_call", "name": "run", "arguments": "{}", "namespace": "agents"},
    {"type": "custom_tool_call", "name": "script", "input": "1 + 1", "namespace": "mcp__browser"},
    {"type": "tool_search_call", "execution": "client", "arguments": {"query": "mail"}},
    {"type": "local_shell_call", "action": {"type": "exec", "env": {}, "command": ["ls"]}},
    {"type": "shell_call", "action": {"commands": ["ls"]}},
    {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a.txt"}},
    {"type": "function_call", "name": "find", "arguments": '{"title":"x"}', "namespace": "mcp__tracker"},
]
"""What OpenAI's own model would answer, without ids."""


def answer(target: Dialect) -> ir.Response:
    """The same from a model that knows the tools by the names that were sent to it."""
    custom = "custom" if "custom_tools" in target.abilities.features else "function"
    blocks: list[ir.Block] = [ir.Text("I begin.")]
    for number, item in enumerate(CALLS):
        name = item.get("name", item["type"].removesuffix("_call"))
        name = f"{item['namespace']}__{name}" if "namespace" in item else name
        if "input" in item:
            arguments = item["input"] if custom == "custom" else json.dumps({"input": item["input"]})
            blocks.append(ir.ToolCall(f"id_{number:06}", name, arguments, custom))  # type: ignore[arg-type]
            continue
        asked = item.get("arguments") or item.get("operation") or item["action"]
        if item["type"] == "local_shell_call":
            asked = {"command": asked["command"]}
        arguments = asked if isinstance(asked, str) else json.dumps(asked)
        blocks.append(ir.ToolCall(f"id_{number:06}", name, arguments))
    return ir.Response(
        target.name, "answer-1", "m", candidates=(ir.Candidate(tuple(blocks), ir.Stop("tool")),)
    )


def to_upstreams_client(target: Dialect) -> Reply:
    return Reply(ir.Request(target.name, "m", stream_usage=True), Report(target.name), "answer-1", 1)


def to_agent() -> Reply:
    value = body()
    request = AGENTS.request.decode(WireRequest("chat", value))
    return Reply(request, Report(AGENTS.name, "response"), "resp_1", 1, echo=value)


def bare(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items without what is the gateway's to choose; each has an id and a call_id of its own."""
    for member in ("id", "call_id"):
        ids = [item[member] for item in items if item["type"] != "message"]
        assert len(set(ids)) == len(ids) == len(CALLS)
    assert {item["status"] for item in items} == {"completed"}
    left = ("id", "call_id", "status")
    return [{key: value for key, value in item.items() if key not in left} for item in items[1:]]


@pytest.mark.parametrize("name", OTHERS)
def test_a_whole_answer_has_the_items_of_openais_own(name: str) -> None:
    target = DIALECTS[name]
    restorer = asked(body(), target).emulation.restorer(Report("t", "response"))
    assert restorer is not None
    wire = target.response.encode(answer(target), to_upstreams_client(target))
    response = restorer.whole(target.response.decode(json.loads(json.dumps(wire)), STANDARD))
    told = AGENTS.response.encode(Identify("t" * 32).whole(response), to_agent())
    Response.model_validate(told)
    assert bare(told["output"]) == CALLS


@pytest.mark.parametrize("name", OTHERS)
def test_a_streamed_answer_has_the_items_of_openais_own(name: str) -> None:
    target = DIALECTS[name]
    restorer, identify = asked(body(), target).emulation.restorer(Report("t", "response")), Identify("t" * 32)
    assert restorer is not None
    upstream = streamed(list(ir.unfold(answer(target))), target, to_upstreams_client(target))
    events = [seen for event in upstream for one in restorer.feed(event) for seen in identify.feed(one)]
    check_grammar(events)
    encoder = AGENTS.stream.encoder(to_agent())
    frames = [
        json.loads(frame) for event in events for frame in split(encoder.feed(event)) if frame[:1] == b"{"
    ]
    for frame in frames:
        EVENT.validate_python(frame)
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    ended = {frame["output_index"]: frame["item"] for frame in frames if frame["type"] == DONE}
    assert frames[-1]["type"] == "response.completed"
    assert frames[-1]["response"]["output"] == [item for _, item in sorted(ended.items())]
    begun = {frame["output_index"]: frame["item"] for frame in frames if frame["type"] == ADDED}
    for index, item in begun.items():
        for member in ("type", "id", "call_id", "name", "namespace"):
            assert item.get(member) == ended[index].get(member)
    message, *calls = ended.values()
    calls.sort(key=lambda item: item["call_id"])  # some protocols end no call before all of them end
    assert bare([message, *calls]) == CALLS
    inputs: dict[str, str] = {}
    for frame in frames:
        if frame["type"] == "response.custom_tool_call_input.delta":
            inputs[frame["item_id"]] = inputs.get(frame["item_id"], "") + frame["delta"]
    done = [frame for frame in frames if frame["type"] == "response.custom_tool_call_input.done"]
    assert [frame["input"] for frame in done] == [PATCH, "1 + 1"]
    assert inputs == {frame["item_id"]: frame["input"] for frame in done}


@pytest.mark.parametrize("name", OTHERS)
def test_the_next_turn_finds_its_calls_under_the_same_names(name: str) -> None:
    target = DIALECTS[name]
    restorer = asked(body(), target).emulation.restorer(Report("t", "response"))
    assert restorer is not None
    first = answer(target)
    items = AGENTS.response.encode(Identify("t" * 32).whole(restorer.whole(first)), to_agent())["output"]
    results: list[dict[str, Any]] = []
    for item in items[1:]:
        result: dict[str, Any] = {
            "type": f"{item['type']}_output",
            "call_id": item["call_id"],
            "output": "done",
        }
        if item["type"] == "tool_search_call":
            result = {**result, "type": "tool_search_output", "execution": "client", "tools": [TICKETS]}
        if item["type"] == "shell_call":
            result["output"] = [{"stdout": "done", "stderr": "", "outcome": {"type": "timeout"}}]
        results.append(result)
    sent = asked(body(*items, *results), target)
    blocks = [block for message in target.request.decode(sent.wire).messages for block in message.blocks]
    calls = [block for block in blocks if isinstance(block, ir.ToolCall)][-len(CALLS) :]
    wanted = [block for block in first.candidates[0].blocks if isinstance(block, ir.ToolCall)]
    assert [call.name for call in calls] == [call.name for call in wanted]
    got = [block.id for block in blocks if isinstance(block, ir.ToolResult)][-len(CALLS) :]
    assert got == [call.id for call in calls]
    assert "no result" not in json.dumps(sent.wire.body)
