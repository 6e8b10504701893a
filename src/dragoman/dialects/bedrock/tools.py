"""Decodes and encodes `toolConfig`: the tools and the tool choice.

The API refuses a history with calls or results if the request has no tools; then tools are made from the
names of the calls. The API has no tool choice "none": the tools are left out, unless the history has calls. A
request that came in this dialect is written as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.block_decoder import decode_mark
from dragoman.dialects.bedrock.block_encoder import Scope, encode_mark
from dragoman.dialects.bedrock.terms import API, NAME, leftovers, restore
from dragoman.dialects.leftovers import lose_settings
from dragoman.dialects.request import Target
from dragoman.dialects.tool_choices import allowed_names
from dragoman.errors import WireError

_TOOL: Final = frozenset({"toolSpec"})
_SPEC: Final = frozenset({"name", "description", "inputSchema", "strict"})
_KINDS: Final = {"nova_grounding": "web_search", "nova_code_interpreter": "code_execution"}
"""Name of a `systemTool` -> the kind of the tool in the IR."""
_SYSTEM_TOOLS: Final = {kind: name for name, kind in _KINDS.items()}
_MODES: Final = ("auto", "any")
_EMPTY: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def decode_tools(config: Mapping[str, Any]) -> tuple[ir.Tool, ...]:
    """Decode the tools of a `toolConfig`; () = it has none. A `toolSpec` with a JSON schema becomes an
    ir.Function, any other entry an ir.ProviderTool that holds it unchanged. A usual cache point
    (`decode_mark`) becomes the cache mark of the tool before it, if there is one without a mark.
    """
    tools: list[ir.Tool] = []
    for value in config.get("tools") or ():
        mark = decode_mark(value)
        if mark is not None and tools and tools[-1].cache is None:
            tools[-1] = msgspec.structs.replace(tools[-1], cache=mark)
        else:
            tools.append(_tool(value))
    return tuple(tools)


def _tool(value: dict[str, Any]) -> ir.Tool:
    spec = value.get("toolSpec")
    schema = spec.get("inputSchema") if type(spec) is dict else None
    if type(spec) is not dict or type(schema) is not dict or schema.keys() != {"json"}:
        name = (value.get("systemTool") or {}).get("name")
        kind = next(iter(value), "")
        return ir.ProviderTool(NAME, _KINDS.get(str(name), kind), value, name)
    extra = ir.merge(leftovers(value, _TOOL), leftovers(spec, _SPEC, "toolSpec"))
    return ir.Function(
        spec.get("name", ""), spec.get("description"), schema["json"], spec.get("strict"), extra=extra
    )


_PLAIN: Final[dict[str, ir.ToolChoice]] = {"auto": ir.ToolChoice("auto"), "any": ir.ToolChoice("any")}


def decode_choice(config: Mapping[str, Any]) -> ir.ToolChoice | None:
    """Decode the `toolChoice` of a `toolConfig` that `check` has accepted; None = there is none. A choice in
    an unknown form gives the mode "native", which holds the choice unchanged.
    """
    choice = config.get("toolChoice")
    if choice is None:
        return None
    kind = next(iter(choice), "")
    if len(choice) == 1 and kind in _PLAIN and choice[kind] == {}:
        return _PLAIN[kind]
    if len(choice) == 1 and kind == "tool" and choice[kind].keys() == {"name"}:
        return ir.ToolChoice("tool", (choice[kind]["name"],))
    return ir.ToolChoice("native", native=choice)


def encode_tools(request: ir.Request, target: Target, scope: Scope, body: dict[str, Any]) -> None:
    """Write the tools and the tool choice into `body` as `toolConfig`; report changes and losses. For
    requests of other dialects: without tools to write, tools are made from the calls in the history; if the
    model refuses a forced call, a text in `system` asks for it instead. Raises WireError for a free-text
    tool, unless the tool choice lists the allowed tools without it.
    """
    own, report, choice = scope.own, target.report, request.tool_choice
    called = _called(request.messages)
    forbidden = choice is not None and choice.mode == "none" and not own
    allowed = allowed_names(choice, report, "toolConfig.tools")
    tools: list[dict[str, Any]] = []
    for index, tool in enumerate(request.tools or ()):
        if allowed is not None and tool.name not in allowed:
            report.change(f"tools[{index}]", "toolConfig.tools", "left out: it is not an allowed tool")
        elif forbidden and called and isinstance(tool, ir.ProviderTool):
            report.change(f"tools[{index}]", "toolConfig.tools", "left out: no tool may be called")
        else:
            tools += _encode_tool(tool, target, scope, f"tools[{index}]")
    if forbidden:
        assert choice is not None
        restore({}, choice.extra, report, "tool_choice")
        tools, choice = _no_tools(tools, called, target, len(request.tools or ())), None
    if not tools and called and not own:
        tools = [{"toolSpec": {"name": name, "inputSchema": {"json": _EMPTY}}} for name in called]
        report.add("toolConfig.tools", f"{API} requires the tools whose calls are in the history")
    if tools or (own and request.tools is not None):
        body["toolConfig"] = {"tools": tools}
    if request.parallel is False and tools:
        report.lose("parallel", f"{API} cannot forbid parallel tool calls")
    if choice is None:
        return
    if tools or own:
        _encode_choice(choice, target, body, own=own)
    elif choice.mode not in {"auto", "none"}:
        report.lose("tool_choice", "the request has no tools", "hint")
    else:
        restore({}, choice.extra, report, "tool_choice")


def _no_tools(
    tools: list[dict[str, Any]], called: Iterable[str], target: Target, count: int
) -> list[dict[str, Any]]:
    if tools and not called:
        for index in range(count):
            target.report.change(f"tools[{index}]", "toolConfig", "left out: no tool may be called")
        target.report.change("tool_choice", "toolConfig", "no tool may be called: the tools are left out")
        return []
    if called:
        why = f"{API} cannot forbid tool calls, and requires the tools of the calls in the history"
        target.report.lose("tool_choice", why, "quality")
    return tools


def _called(messages: Iterable[ir.Message]) -> list[str]:
    """Return the names of the client's tools that the history calls, each name once, in the order of the
    first calls.
    """
    return list(
        dict.fromkeys(
            block.name
            for message in messages
            for block in message.blocks
            if isinstance(block, ir.ToolCall) and block.by == "client"
        )
    )


def _encode_tool(tool: ir.Tool, target: Target, scope: Scope, where: str) -> list[dict[str, Any]]:
    if isinstance(tool, ir.ProviderTool):
        written = _provided(tool, target, scope, where)
    else:
        written = [_function(tool, target, scope, where)]
    if tool.cache is not None and written:
        written += encode_mark(tool.cache, scope, where)
    return written


def _provided(tool: ir.ProviderTool, target: Target, scope: Scope, where: str) -> list[dict[str, Any]]:
    if tool.dialect == NAME:
        return [dict(tool.value)]
    name = _SYSTEM_TOOLS.get(tool.kind)
    if name is None or scope.family != "nova":
        target.report.lose(where, f"{API} has no tool of the kind {tool.kind} for this model", "meaning")
        return []
    for option in tool.options or ():
        target.report.lose(f"{where}.options.{option}", f"the tool {name} has no settings", "quality")
    lose_settings(tool, target.report, where)
    target.report.change(where, "toolConfig.tools", f"written as {name}")
    return [{"systemTool": {"name": name}}]


def _function(tool: ir.Function, target: Target, scope: Scope, where: str) -> dict[str, Any]:
    report = target.report
    if tool.kind == "custom":
        raise WireError(f"{API} has no free-text tools", where, "unsupported_value")
    spec: dict[str, Any] = {"name": tool.name}
    if tool.description or (scope.own and tool.description is not None):
        spec["description"] = tool.description
    elif tool.description is not None:
        report.change(f"{where}.description", "", f"{API} rejects an empty description")
    parameters = _EMPTY if tool.parameters is None else tool.parameters
    if not scope.own and parameters.get("type") != "object":
        parameters = {**parameters, "type": "object"}
        report.change(f"{where}.parameters", "inputSchema.json.type", f"{API} requires `type: object`")
    spec["inputSchema"] = {"json": parameters}
    if tool.strict is not None and scope.own:
        spec["strict"] = tool.strict
    elif tool.strict:
        report.lose(f"{where}.strict", "most models at Bedrock refuse strict tools", "quality")
    out = {"toolSpec": spec}
    restore(out, tool.extra, report, where)
    return out


def _encode_choice(choice: ir.ToolChoice, target: Target, body: dict[str, Any], *, own: bool) -> None:
    report = target.report
    restore({}, choice.extra, report, "tool_choice")
    if choice.mode == "native":
        if own:
            body.setdefault("toolConfig", {})["toolChoice"] = choice.native
        else:
            report.lose("tool_choice", f"{API} has no such tool choice")
        return
    if choice.mode in {"any", "tool"} and target.facts.forced_tool is False and not own:
        _ask_for_call(choice, target, body)
        return
    if choice.mode == "tool" and not own and choice.names[0] not in _specified(body):
        report.lose("tool_choice", f"{API} can force only a function of the request")
        return
    if choice.mode == "tool":
        written: dict[str, Any] = {"tool": {"name": choice.names[0] if choice.names else ""}}
    else:
        written = {choice.mode: {}}
    if own or choice.mode != "auto":  # "auto" is the default, and some models refuse the member
        body.setdefault("toolConfig", {})["toolChoice"] = written


def _specified(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the functions in the `toolConfig` of a body."""
    tools = body.get("toolConfig", {}).get("tools", ())
    return frozenset(tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool)


def _ask_for_call(choice: ir.ToolChoice, target: Target, body: dict[str, Any]) -> None:
    """Add a text to `system` that asks for the call that the choice forces; report the change, and a loss,
    because the model may ignore the text.
    """
    wanted = f"the tool `{choice.names[0]}`" if choice.mode == "tool" and choice.names else "one of the tools"
    text = f"Answer by calling {wanted}. Do not answer in plain text."
    body.setdefault("system", []).append({"text": text})
    why = "the model rejects a forced tool call: the system prompt asks for it instead"
    target.report.change("tool_choice", "system", why)
    target.report.lose("tool_choice", "the model may respond without the tool call", "quality")
