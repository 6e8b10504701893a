"""Tools and tool choice, decoded and encoded.

The member `strict_tools` is about all functions of a request; a true value becomes `strict` of each function.
Cohere can force a call of any tool, not of a certain tool: to force a certain tool, only that tool is sent.
https://docs.cohere.com/reference/chat, https://docs.cohere.com/docs/tool-use-parameter-types, read 2026-11.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.cohere.terms import NAME, leftovers, narrower, restore
from dragoman.dialects.tool_choices import lose_choice

_TOOL: Final = frozenset({"type", "function"})
_FUNCTION: Final = frozenset({"name", "description", "parameters"})
_CHOICES: Final[dict[str, Any]] = {"REQUIRED": "any", "NONE": "none"}
_CHOICE_WORDS: Final = {"any": "REQUIRED", "tool": "REQUIRED", "none": "NONE"}
STRICT: Final = "strict_tools"


def decode_tools(tools: list[dict[str, Any]], *, strict: bool) -> tuple[ir.Tool, ...]:
    """Decode the tools of a request. A tool without a type is a function; a tool of another type becomes an
    `ir.ProviderTool`. strict: whether the request's `strict_tools` is true.
    """
    return tuple([_tool(tool, strict=strict) for tool in tools])


def _tool(tool: dict[str, Any], *, strict: bool) -> ir.Tool:
    kind = tool.get("type")
    if kind is not None and kind != "function":
        return ir.ProviderTool(NAME, str(kind), tool)
    function = tool["function"]
    extra = ir.merge(leftovers(tool, _TOOL), leftovers(function, _FUNCTION, "function"))
    return ir.Function(
        function["name"],
        function.get("description"),
        function.get("parameters"),
        True if strict else None,
        extra=extra,
    )


def decode_choice(choice: Any) -> ir.ToolChoice:
    """Decode `tool_choice`. An unknown value stays unchanged, with the mode "native"."""
    mode = _CHOICES.get(choice) if type(choice) is str else None
    return ir.ToolChoice("native", native=choice) if mode is None else ir.ToolChoice(mode)


def encode_tools(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write `tools`, `strict_tools` and `tool_choice` into `body`; report changes and losses. If no tool can
    be written, nothing is written for a request of another dialect. Raises WireError for a free-text tool,
    unless it is left out because the choice does not allow it.
    """
    choice = request.tool_choice
    allowed = _offered(choice, request, draft)
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
    _encode_strictness(body, request, draft)
    if choice is not None:
        _encode_choice(body, choice, draft)
    if request.parallel is False:
        draft.report.lose("parallel", "the Cohere API cannot disable parallel tool calls", "quality")


def _offered(choice: ir.ToolChoice | None, request: ir.Request, draft: Draft) -> frozenset[str] | None:
    """Return the names of the tools that the choice allows, and report that the others are left out. None =
    all tools are offered: there is no choice, it names no tools, its mode is "none" or "native", or it names
    none of the request's tools (which is reported as a loss).
    """
    if choice is None or not choice.names or choice.mode not in {"auto", "any", "tool"}:
        return None
    names = frozenset(choice.names)
    if not any(tool.name in names for tool in request.tools or ()):
        draft.report.lose("tool_choice", "the chosen tool is not in the request")
        return None
    draft.report.change("tool_choice", "tools", "only the allowed tools are sent")
    return names


def _encode_tool(tool: ir.Tool, draft: Draft, where: str) -> dict[str, Any] | None:
    if isinstance(tool, ir.ProviderTool):
        if tool.dialect == NAME:
            return dict(tool.value)
        draft.report.lose(where, f"the Cohere API has no {tool.kind} tool")
        return None
    return narrower.encode_function(tool, draft, where)


def _encode_strictness(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write `strict_tools`: the value that a client of this dialect stated, otherwise True if all functions
    are strict. In a request of another dialect, each function must also have a required parameter:
    https://docs.cohere.com/docs/tool-use-parameter-types, read 2026-11. If a function does not fulfil this,
    `strict_tools` is not written, and the strictness of the strict functions is reported as lost.
    """
    functions = [
        (index, tool) for index, tool in enumerate(request.tools or ()) if isinstance(tool, ir.Function)
    ]
    stated = (request.forms or {}).get(STRICT) if draft.own else None
    if stated is not None:
        body[STRICT] = stated == "true"
        return
    strict = [(index, tool) for index, tool in functions if tool.strict]
    if not strict:
        return
    if len(strict) == len(functions) and (draft.own or all(_is_fit(tool) for _, tool in functions)):
        body[STRICT] = True
        for index, _ in strict:
            draft.report.change(f"tools[{index}].strict", STRICT, "strictness is stated for all tools")
        return
    for index, _ in strict:
        reason = "the Cohere API has strict tools only if all are strict and have a required parameter"
        draft.report.lose(f"tools[{index}].strict", reason, "quality")


def _is_fit(tool: ir.Function) -> bool:
    return bool((tool.parameters or {}).get("required"))


def _encode_choice(body: dict[str, Any], choice: ir.ToolChoice, draft: Draft) -> None:
    if choice.mode == "native" and draft.own:
        body["tool_choice"] = choice.native
    elif choice.mode == "native":
        draft.report.lose("tool_choice", "the Cohere API has no such tool choice")
    elif (word := _CHOICE_WORDS.get(choice.mode)) is not None:
        body["tool_choice"] = word
        if choice.mode == "tool":
            draft.report.change("tool_choice", "tool_choice", "a call of the only tool offered is forced")
    if choice.extra is not None:
        restore({}, choice.extra, draft.report, "tool_choice")
