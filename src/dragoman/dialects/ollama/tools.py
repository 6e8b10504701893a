"""Decodes and encodes tools. Ollama has no tool choice; a client's choice only decides which tools are
offered.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.ollama.terms import leftovers, narrower, restore

_TOOL: Final = frozenset({"type", "function"})
_FUNCTION: Final = frozenset({"name", "description", "parameters"})


def decode_tools(tools: list[dict[str, Any]]) -> tuple[ir.Tool, ...]:
    """Decode the tools of a request that has passed `check`. Each becomes an ir.Function; its `type` is
    dropped, and other unknown members become leftovers.
    """
    return tuple([_tool(tool) for tool in tools])


def _tool(tool: dict[str, Any]) -> ir.Tool:
    function = tool["function"]
    extra = ir.merge(leftovers(tool, _TOOL), leftovers(function, _FUNCTION, "function"))
    return ir.Function(function["name"], function.get("description"), function.get("parameters"), extra=extra)


def encode_tools(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write the functions that the request's tool choice allows into `body`, as `tools`; if there are none,
    `body` gets no `tools`. Providers' own tools, strict schemas, a forced call, and a ban on parallel calls
    are reported as lost. Raises WireError for an allowed free-text tool.
    """
    choice = request.tool_choice
    allowed = _offered(choice, draft)
    tools: list[dict[str, Any]] = []
    for index, tool in enumerate(request.tools or ()):
        where = f"tools[{index}]"
        if allowed is not None and tool.name not in allowed:
            draft.report.change(where, "tools", "left out: it is not an allowed tool")
        elif (written := _encode(tool, draft, where)) is not None:
            tools.append(written)
    if tools:
        body["tools"] = tools
    if request.parallel is False:
        draft.report.lose("parallel", "the Ollama API cannot disable parallel tool calls", "quality")
    if choice is not None and choice.extra is not None:
        restore({}, choice.extra, draft.report, "tool_choice")


def _offered(choice: ir.ToolChoice | None, draft: Draft) -> frozenset[str] | None:
    """Return the names of the tools to offer under this tool choice; None = all tools, an empty set = no
    tool. choice: None = the request has none. What cannot be written, such as a forced call, is reported.
    """
    report = draft.report
    if choice is None:
        return None
    if choice.mode in {"any", "tool"}:
        report.lose(
            "tool_choice", "the Ollama API cannot force a tool call: the model may respond without one"
        )
    elif choice.mode == "native":
        report.lose("tool_choice", "the Ollama API has no such tool choice")
    elif choice.mode == "none":
        report.change("tool_choice", "tools", "no tools are sent, so that none is called")
        return frozenset()
    elif choice.names:
        report.change("tool_choice", "tools", "only the allowed tools are sent")
    return frozenset(choice.names) if choice.names else None


def _encode(tool: ir.Tool, draft: Draft, where: str) -> dict[str, Any] | None:
    if isinstance(tool, ir.ProviderTool):
        draft.report.lose(where, f"the Ollama API has no {tool.kind} tool")
        return None
    if tool.strict:
        draft.report.lose(
            where + ".strict", "the Ollama API does not enforce the schemas of tool calls", "quality"
        )
    return narrower.encode_function(tool, draft, where)
