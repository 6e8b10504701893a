"""Decodes and encodes tools and the tool choice.

ToolChoice.form "required": the client wrote "required" instead of "any". A tool without the member `type`, or
with null, is a function.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import CHOICES
from dragoman.dialects.mistral.terms import NAME, leftovers, narrower, restore
from dragoman.dialects.tool_choices import allowed_names, lose_choice

_KIND: Final = frozenset({"type"})
_TOOL: Final = frozenset({"type", "function"})
_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})
_KINDS: Final = {"document_library": "file_search", "connector": "mcp"}
"""Mistral's name of one of its own tools -> the IR's name, where the two differ."""


def decode_tools(tools: list[dict[str, Any]]) -> tuple[ir.Tool, ...]:
    """Decode the tools of a request that has passed `check`."""
    return tuple([_tool(tool) for tool in tools])


def _tool(tool: dict[str, Any]) -> ir.Tool:
    kind = tool.get("type")
    if kind not in {None, "function"}:
        return ir.ProviderTool(NAME, _KINDS.get(kind, str(kind)), tool, extra=leftovers(tool, _KIND))
    function = tool["function"]
    get = function.get
    extra = ir.merge(leftovers(tool, _TOOL), leftovers(function, _FUNCTION, "function"))
    return ir.Function(function["name"], get("description"), get("parameters"), get("strict"), extra=extra)


def decode_choice(choice: Any) -> ir.ToolChoice:
    """Decode `tool_choice`: a known word, or an object that only names the one function that must be called.
    Any other value becomes a ToolChoice of the mode "native", which holds the value.
    """
    if isinstance(choice, str):
        if (mode := CHOICES.get(choice)) is None:
            return ir.ToolChoice("native", native=choice)
        return ir.ToolChoice(mode, form="required" if choice == "required" else None)
    if choice.keys() <= _TOOL and choice["function"].keys() == {"name"}:
        return ir.ToolChoice("tool", (choice["function"]["name"],))
    return ir.ToolChoice("native", native=choice)


def encode_tools(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write the tools, the tool choice and `parallel_tool_calls` into the body. If a request of another
    dialect has no tools left, none of the three is written. Losses and changes are reported. Raises WireError
    for a free-text tool that would be offered.
    """
    choice = request.tool_choice
    allowed = allowed_names(choice, draft.report)
    tools: list[dict[str, Any]] = []
    for index, tool in enumerate(request.tools or ()):
        where = f"tools[{index}]"
        if allowed is not None and tool.name not in allowed:
            draft.report.change(where, "tools", "left out: it is not an allowed tool")
        elif (written := _encode_tool(tool, draft, where)) is not None:
            tools.append(written)
    if tools or (draft.own and request.tools is not None):
        body["tools"] = tools
    if not (tools or draft.own):
        lose_choice(request, draft.report, restore)
        return
    if choice is not None and (word := _encode_choice(choice, request, draft)) is not None:
        body["tool_choice"] = word
    if choice is not None and choice.extra is not None:
        restore({}, choice.extra, draft.report, "tool_choice")
    if request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel


def _encode_tool(tool: ir.Tool, draft: Draft, where: str) -> dict[str, Any] | None:
    if isinstance(tool, ir.ProviderTool):
        if tool.dialect == NAME:
            return dict(tool.value)
        draft.report.lose(where, f"the Mistral API has no {tool.kind} tool")
        return None
    strict = None if tool.strict is None else {"strict": tool.strict}
    return narrower.encode_function(tool, draft, where, strict)


def _encode_choice(choice: ir.ToolChoice, request: ir.Request, draft: Draft) -> Any:
    if choice.mode == "native":
        if draft.own:
            return choice.native
        draft.report.lose("tool_choice", "the Mistral API has no such tool choice")
        return None
    if choice.mode == "tool":
        name = choice.names[0]
        functions = (tool.name for tool in request.tools or () if isinstance(tool, ir.Function))
        if draft.own or name in functions:
            return {"type": "function", "function": {"name": name}}
        draft.report.lose("tool_choice", "the request has no function of this name")
        return None
    return "required" if draft.own and choice.form == "required" else choice.mode
