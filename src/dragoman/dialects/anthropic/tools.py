"""Decodes and encodes tool definitions and `tool_choice`."""

from __future__ import annotations

import re
from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import marked
from dragoman.dialects.anthropic.block_encoder import encode_mark
from dragoman.dialects.anthropic.terms import NAME, leftovers, restore
from dragoman.dialects.leftovers import lose_settings
from dragoman.dialects.request import Target, states
from dragoman.dialects.tool_choices import allowed_names, lose_choice
from dragoman.errors import WireError

_FUNCTION = frozenset({"type", "name", "description", "input_schema", "strict"})
_PLAIN = frozenset({"name", "description", "input_schema"})
_CHOICE = frozenset({"type", "name", "disable_parallel_tool_use"})
_MODES = frozenset({"auto", "any", "none"})
_DATED = re.compile(r"_\d{8}$")
_KINDS = {
    "tool_search_tool_bm25": "tool_search",
    "tool_search_tool_regex": "tool_search",
    "mcp_toolset": "mcp",
}
_SEARCH_OPTIONS = ("max_uses", "allowed_domains", "blocked_domains")
_TOOL = frozenset({"type", "name", "user_location", *_SEARCH_OPTIONS})

_PROVIDED = {
    "web_search": "web_search_20250305",
    "web_fetch": "web_fetch_20250910",
    "code_execution": "code_execution_20250825",
}
"""Kind of a provider's tool in the IR -> its `type` in this dialect, in an old version, which more models
accept than the newest one."""

_CLIENT_RUN = frozenset({"bash", "computer", "memory", "text_editor"})
"""Kinds of tools that Anthropic has defined and the client runs. The clouds that host Claude have them, too:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html,
read in 2026-11."""


def decode_tools(values: list[Any]) -> tuple[ir.Tool, ...]:
    """Decode the `tools` of a request. A tool without a `type`, or of the type "custom", becomes ir.Function;
    any other becomes ir.ProviderTool. Raises WireError for an entry that is not an object.
    """
    tools: list[ir.Tool] = []
    for index, value in enumerate(values):
        if type(value) is not dict:
            raise WireError("must be an object", f"tools[{index}]")
        kind = value.get("type")
        tools.append(_function(value) if kind is None or kind == "custom" else _provided(value, str(kind)))
    return tuple(tools)


def _function(value: dict[str, Any]) -> ir.Function:
    if value.keys() <= _PLAIN:
        return ir.Function(value.get("name", ""), value.get("description"), value.get("input_schema"))
    mark, extra = marked(value, _FUNCTION)
    return ir.Function(
        value.get("name", ""),
        value.get("description"),
        value.get("input_schema"),
        value.get("strict"),
        cache=mark,
        extra=extra,
        form=value.get("type"),
    )


def _provided(value: dict[str, Any], kind: str) -> ir.ProviderTool:
    bare = _DATED.sub("", kind)
    options = {key: value[key] for key in _SEARCH_OPTIONS if value.get(key) is not None}
    location = value.get("user_location")
    if isinstance(location, dict):
        options["location"] = {
            key: kept for key, kept in location.items() if key != "type" and kept is not None
        }
    mark, extra = marked(value, _TOOL)
    return ir.ProviderTool(
        NAME, _KINDS.get(bare, bare), value, value.get("name"), mark, options or None, extra=extra
    )


def encode_tools(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    """Write `tools` and `tool_choice` into the body; losses and changes are reported. If the choice lists the
    allowed tools, all other tools are left out. `disable_parallel_tool_use` of `tool_choice` says whether
    parallel calls are permitted. A forced call that the model is known to refuse becomes "auto", and a text
    in the body's `system` asks for the call. Raises WireError for an allowed free-text tool.
    """
    own, choice = states(request, NAME, "tools"), request.tool_choice
    free = own and states(request, NAME, "tool_choice") and states(request, NAME, "parallel")
    allowed = allowed_names(choice, target.report)
    tools = []
    for index, tool in enumerate(request.tools or ()):
        if allowed is not None and tool.name not in allowed:
            target.report.change(f"tools[{index}]", "tools", "left out: it is not an allowed tool")
        elif (written := _encode_tool(tool, target, index, own=own)) is not None:
            tools.append(written)
    if not tools and not free:
        lose_choice(request, target.report, restore)
        return
    if tools or (own and request.tools is not None):
        body["tools"] = tools
    if choice is not None or (request.parallel is False and tools):
        _encode_choice(choice, request, target, body)


def _encode_tool(tool: ir.Tool, target: Target, index: int, *, own: bool) -> dict[str, Any] | None:
    if type(tool) is ir.ProviderTool:
        return _encode_provided(tool, target, f"tools[{index}]")
    assert type(tool) is ir.Function
    if tool.kind == "custom":
        raise WireError("the Messages API has no free-text tools", f"tools[{index}]", "unsupported_value")
    parameters = tool.parameters
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    if parameters is None:  # the API requires a schema
        out["input_schema"] = {"type": "object", "properties": {}}
    elif parameters.get("type") == "object":
        out["input_schema"] = parameters
    else:
        out["input_schema"] = {**parameters, "type": "object"}
        target.report.change(
            f"tools[{index}].parameters", "input_schema.type", "the Messages API requires `type: object`"
        )
    if tool.strict is not None:
        out["strict"] = tool.strict
    if tool.cache is not None:
        out["cache_control"] = encode_mark(tool.cache, target.report, f"tools[{index}].cache")
    if tool.form == "custom" and own:
        out["type"] = tool.form
    restore(out, tool.extra, target.report, f"tools[{index}]")
    return out


def _encode_provided(tool: ir.ProviderTool, target: Target, where: str) -> dict[str, Any] | None:
    known = target.quirks.server_tools
    if tool.dialect == NAME and (
        known or (tool.kind in _CLIENT_RUN and target.quirks.body_version != "none")
    ):
        return dict(tool.value)
    kind = _PROVIDED.get(tool.kind)
    if kind is None or not known:
        who = "the Messages API" if known else "this provider of the Messages API"
        target.report.lose(where, f"{who} has no tool of the kind {tool.kind}", "meaning")
        return None
    out: dict[str, Any] = {"type": kind, "name": tool.kind}
    for key, value in (tool.options or {}).items():
        if key in _SEARCH_OPTIONS and tool.kind != "code_execution":
            out[key] = value
        elif key == "location" and tool.kind == "web_search":
            out["user_location"] = {"type": "approximate", **value}
        else:
            target.report.lose(f"{where}.options.{key}", f"the tool {kind} has no such setting", "quality")
    if tool.cache is not None:
        out["cache_control"] = encode_mark(tool.cache, target.report, f"{where}.cache")
    lose_settings(tool, target.report, where)
    target.report.change(where, "tools", f"written as {kind}")
    return out


def decode_choice(value: dict[str, Any]) -> tuple[ir.ToolChoice, bool | None]:
    """Decode `tool_choice`. Returns (the choice, whether parallel calls are permitted); None as the second
    value = not stated. A choice of unknown type gets the mode "native", which holds the whole object; the
    second value is then None.
    """
    mode = value.get("type")
    single = value.get("disable_parallel_tool_use")
    parallel = None if single is None else not single
    extra = leftovers(value, _CHOICE)
    if mode == "tool":
        return ir.ToolChoice("tool", (value.get("name", ""),), extra=extra), parallel
    if mode in _MODES:
        return ir.ToolChoice(mode, extra=extra), parallel
    return ir.ToolChoice("native", native=value), None


def _encode_choice(
    choice: ir.ToolChoice | None, request: ir.Request, target: Target, body: dict[str, Any]
) -> None:
    out: dict[str, Any] = {"type": "auto"}
    if choice is not None and choice.mode == "native":
        if request.dialect != NAME:
            target.report.lose("tool_choice", "the Messages API has no tool of the chosen kind", "meaning")
            return
        out = dict(choice.native)
    elif choice is not None:
        out["type"] = choice.mode
        if choice.mode == "tool":
            out["name"] = name = choice.names[0] if choice.names else ""
            if request.dialect != NAME and all(tool["name"] != name for tool in body["tools"]):
                target.report.lose("tool_choice", "the chosen tool is not in the request", "meaning")
                return
        if choice.mode in {"any", "tool"} and target.facts.forced_tool is False:
            _ask_for_call(choice, target, body)
            out = {"type": "auto"}
        restore(out, choice.extra, target.report, "tool_choice")
    if request.parallel is not None and out["type"] != "none":
        out["disable_parallel_tool_use"] = not request.parallel
    elif request.parallel is False:
        target.report.lose("parallel", "tool_choice is none, so no tools are used", "hint")
    body["tool_choice"] = out


def _ask_for_call(choice: ir.ToolChoice, target: Target, body: dict[str, Any]) -> None:
    """Add a text to the body's `system` that asks for a tool call, and report this. The caller has found that
    the model refuses a forced tool call.
    """
    wanted = f"the tool `{choice.names[0]}`" if choice.mode == "tool" and choice.names else "one of the tools"
    system = body.setdefault("system", [])
    if isinstance(system, str):
        body["system"] = system = [{"type": "text", "text": system}]
    system.append({"type": "text", "text": f"Answer by calling {wanted}. Do not answer in plain text."})
    target.report.change(
        "tool_choice", "system", "the model rejects a forced tool call: the system prompt asks for it instead"
    )
    target.report.lose("tool_choice", "the model may respond without the tool call", "quality")


def is_forced(choice: ir.ToolChoice | None, target: Target) -> bool:
    """Whether the choice forces a tool call, and the model is not known to refuse a forced tool call. choice:
    None gives False.
    """
    return choice is not None and choice.mode in {"any", "tool"} and target.facts.forced_tool is not False
