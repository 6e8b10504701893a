"""Decodes and encodes tools and the tool choice. Tools are flat: they have no inner `function` object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from dragoman import ir
from dragoman.dialects.leftovers import lose_settings
from dragoman.dialects.naming import named as named_tool
from dragoman.dialects.openai.strictness import tool_strictness
from dragoman.dialects.openai_responses.builtins import offered
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.terms import NAME, leftovers, restore
from dragoman.dialects.request import states

_GROUP: Final = frozenset({"type", "name", "description", "tools"})
_FUNCTION: Final = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM: Final = frozenset({"type", "name", "description", "format"})
_KINDS: Final = {
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "code_interpreter": "code_execution",
}
_MODES: Final[dict[str, Literal["auto", "none", "any"]]] = {"auto": "auto", "none": "none", "required": "any"}
_WORDS: Final = {"auto": "auto", "none": "none", "any": "required"}
_NAMED: Final = frozenset({"type", "name"})
_SPACED: Final = _NAMED | {"namespace"}
_ALLOWED: Final = frozenset({"type", "mode", "tools"})
_CALLING: Final = ("tools", "tool_choice", "parallel")
"""The fields of a request that `encode_tools` writes."""

# --- Decoding ----------------------------------------------------------------------------------


def decode_tools(tools: Sequence[dict[str, Any]]) -> tuple[ir.Tool, ...]:
    """Decode `tools`, which must have passed the checks of the request. Functions and free-text tools
    (`custom`) become `ir.Function`, also those in a namespace (`is_group`), each with the same
    `ir.Namespace`. Any other tool, and any other namespace, becomes one `ir.ProviderTool`.
    """
    decoded: list[ir.Tool] = []
    for tool in tools:
        if tool.get("type") == "namespace" and is_group(tool):
            space = ir.Namespace(tool["name"], tool.get("description"), leftovers(tool, _GROUP))
            decoded += [_function(inner, space) for inner in tool["tools"]]
        elif tool.get("type") in _CLIENTS:
            decoded.append(_function(tool))
        else:
            decoded.append(_provided(tool))
    return tuple(decoded)


_CLIENTS: Final = frozenset({"function", "custom"})


def is_group(tool: Mapping[str, Any]) -> bool:
    """Whether a namespace (an entry of `tools`) has a name and at least one tool, and all its tools are
    functions or free-text (`custom`) tools.
    """
    inner = tool.get("tools")
    if type(tool.get("name")) is not str or type(inner) is not list or not inner:
        return False
    return all(type(one) is dict and one.get("type") in _CLIENTS for one in inner)


def _function(tool: dict[str, Any], space: ir.Namespace | None = None) -> ir.Function:
    get = tool.get
    if get("type") == "custom":
        stated: dict[str, Any] = {"kind": "custom", "format": get("format")}
        extra = leftovers(tool, _CUSTOM)
    else:
        stated = {"parameters": get("parameters"), "strict": get("strict")}
        extra = leftovers(tool, _FUNCTION)
    return ir.Function(tool["name"], get("description"), **stated, extra=extra, namespace=space)


def _provided(tool: dict[str, Any]) -> ir.ProviderTool:
    kind = str(tool.get("type"))
    common = _KINDS.get(kind, kind)
    options = _search_options(tool) if common == "web_search" else None
    extra = _unread(tool, common)
    name = tool.get("server_label") if kind == "mcp" else tool.get("name")
    return ir.ProviderTool(NAME, common, tool, name, options=options, function=offered(tool), extra=extra)


def _unread(tool: dict[str, Any], kind: str) -> ir.Extra:
    """Return, as leftovers, settings of a tool for which `ir.ProviderTool.options` has no place; None = there
    are none. kind: the tool's kind in the IR.
    """
    if kind == "code_execution" and tool.get("container") == _CONTAINER:
        return leftovers(tool, _RUN)
    if kind != "web_search":
        return leftovers(tool, _NAMED)
    extra = leftovers(tool, _SEARCH)
    if isinstance(filters := tool.get("filters"), dict):
        extra = ir.merge(extra, leftovers(filters, _FILTERS, "filters"))
    return extra


_CONTAINER: Final = {"type": "auto"}
_RUN: Final = frozenset({"type", "name", "container"})
_SEARCH: Final = frozenset({"type", "filters", "external_web_access", "search_context_size", "user_location"})
_FILTERS: Final = frozenset({"allowed_domains", "blocked_domains"})


def _search_options(tool: dict[str, Any]) -> dict[str, Any] | None:
    options: dict[str, Any] = {}
    filters, location = tool.get("filters"), tool.get("user_location")
    if isinstance(filters, dict):
        for member in ("allowed_domains", "blocked_domains"):
            if filters.get(member) is not None:
                options[member] = filters[member]
    if tool.get("external_web_access") is False:
        options["live"] = False
    if tool.get("search_context_size") is not None:
        options["context_size"] = tool["search_context_size"]
    if isinstance(location, dict):
        place = {key: value for key, value in location.items() if key != "type" and value is not None}
        if place:
            options["location"] = place
    return options or None


def decode_choice(choice: Any) -> ir.ToolChoice:
    """Decode `tool_choice`, a text or an object. A choice that the IR cannot express gets the mode "native",
    and is kept as it is in `native`. If such a choice is an object with nothing but a type, `provided` has
    the kind of the provider's tool of this type.
    """
    if type(choice) is str:
        mode = _MODES.get(choice)
        return ir.ToolChoice("native", native=choice) if mode is None else ir.ToolChoice(mode)
    kind = choice.get("type")
    if kind in _CLIENTS and type(choice.get("name")) is str:
        spaces = _spaces((choice,))
        return ir.ToolChoice(
            "tool", (choice["name"],), kind, extra=leftovers(choice, _SPACED), namespaces=spaces
        )
    if kind == "allowed_tools" and choice.get("mode") in {"auto", "required"}:
        tools = choice.get("tools") or ()
        if tools and all(_NAMED <= tool.keys() <= _SPACED and tool["type"] in _CLIENTS for tool in tools):
            names = tuple(tool["name"] for tool in tools)
            return ir.ToolChoice(
                _MODES[choice["mode"]],
                names,
                extra=leftovers(choice, _ALLOWED),
                namespaces=_spaces(tools),
            )
    provided = _KINDS.get(kind, kind) if type(kind) is str and choice.keys() == {"type"} else None
    return ir.ToolChoice("native", native=choice, provided=provided)


def _spaces(chosen: Sequence[dict[str, Any]]) -> tuple[str | None, ...]:
    spaces = tuple([tool.get("namespace") for tool in chosen])
    return spaces if any(spaces) else ()


# --- Encoding ----------------------------------------------------------------------------------


def encode_tools(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write `tools`, `tool_choice` and `parallel_tool_calls` into the body, as far as the request states
    them. For clients of other dialects, all three are written only if at least one tool can be written. Tools
    and choices from the configuration are written like those of other dialects. Losses and changes are
    reported.
    """
    foreign = Draft(draft.report, draft.quirks, draft.facts)
    if request.tools is not None:
        stated = draft if states(request, NAME, "tools") else foreign
        tools = _encode_all(request.tools, stated)
        if tools or stated.own:
            body["tools"] = tools
    may_call = "tools" in body or all(states(request, NAME, field) for field in _CALLING)
    if request.tool_choice is not None:
        if may_call:
            stated = draft if states(request, NAME, "tool_choice") else foreign
            _encode_choice(body, request.tool_choice, request.tools or (), stated)
        elif request.tool_choice.mode not in {"auto", "none"}:
            draft.report.lose("tool_choice", "the request has no tools", "meaning")
        else:
            draft.report.change("tool_choice", "", "the request has no tools")
            restore({}, request.tool_choice.extra, draft.report, "tool_choice")
    if request.parallel is not None:
        if may_call:
            body["parallel_tool_calls"] = request.parallel
        else:
            draft.report.change("parallel", "", "the request has no tools")


def _encode_all(tools: Sequence[ir.Tool], draft: Draft) -> list[dict[str, Any]]:
    """Encode the tools. Adjacent tools with equal namespaces are written inside one `namespace` tool. A tool
    that cannot be written is left out, which is reported as a loss.
    """
    out: list[dict[str, Any]] = []
    group: list[dict[str, Any]] = []
    of: ir.Namespace | None = None
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if (written := _encode_tool(tool, draft, where)) is None:
            continue
        space = tool.namespace if isinstance(tool, ir.Function) else None
        if space is not None and space != of:
            group = []
            out.append(_encode_group(space, group, draft, where))
        of = space
        (out if space is None else group).append(written)
    return out


def _encode_group(
    space: ir.Namespace, tools: list[dict[str, Any]], draft: Draft, where: str
) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "namespace", "name": space.name}
    if space.description is not None:
        out["description"] = space.description
    restore(out, space.extra, draft.report, f"{where}.namespace")
    out["tools"] = tools
    return out


def _encode_tool(tool: ir.Tool, draft: Draft, where: str) -> dict[str, Any] | None:
    if isinstance(tool, ir.ProviderTool):
        return _encode_provided(tool, draft, where)
    out: dict[str, Any] = {"type": tool.kind, "name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    if tool.kind == "custom":
        if tool.format is not None:
            out["format"] = tool.format
    else:
        if tool.parameters is not None:
            out["parameters"] = tool.parameters
        elif not draft.own:
            out["parameters"] = {"type": "object", "properties": {}}
            if tool.strict:
                out["parameters"]["additionalProperties"] = False
        if tool.strict is not None:
            out["strict"] = tool_strictness(tool, where, draft.report, own=draft.own)
        elif not draft.own:
            out["strict"] = False  # without the member a tool may count as strict
    if tool.cache is not None:
        draft.report.lose(where + ".cache", "tools have no cache breakpoints in the Responses API", "hint")
    if tool.extra is not None:
        restore(out, tool.extra, draft.report, where)
    return out


def _encode_provided(tool: ir.ProviderTool, draft: Draft, where: str) -> dict[str, Any] | None:
    if tool.cache is not None:
        draft.report.lose(where + ".cache", "tools have no cache breakpoints in the Responses API", "hint")
    if tool.dialect == NAME:
        return dict(tool.value)
    if tool.kind == "web_search":
        out = _encode_search(tool.options or {}, draft, where)
    elif tool.kind == "code_execution":
        out = {"type": "code_interpreter", "container": {"type": "auto"}}
        _lose_options(tool, draft, where)
    elif tool.kind == "image_generation":
        out = {"type": "image_generation"}
        _lose_options(tool, draft, where)
    else:
        draft.report.lose(where, f"the Responses API has no tool of the kind {tool.kind}", "meaning")
        return None
    lose_settings(tool, draft.report, where)
    draft.report.change(where, "tools", f"written as {out['type']}")
    return out


def _encode_search(options: Mapping[str, Any], draft: Draft, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "web_search"}
    for key, value in options.items():
        if key == "allowed_domains":
            out["filters"] = {"allowed_domains": value}
        elif key == "context_size":
            out["search_context_size"] = value
        elif key == "location":
            out["user_location"] = {"type": "approximate", **value}
        else:
            draft.report.lose(
                f"{where}.options.{key}", "this protocol has no such option of web search", "quality"
            )
    return out


def _lose_options(tool: ir.ProviderTool, draft: Draft, where: str) -> None:
    for key in tool.options or {}:
        draft.report.lose(
            f"{where}.options.{key}", "the tool has no such option in the Responses API", "quality"
        )


def _encode_choice(
    body: dict[str, Any], choice: ir.ToolChoice, tools: Sequence[ir.Tool], draft: Draft
) -> None:
    kinds = {tool.name: tool.kind for tool in tools if isinstance(tool, ir.Function)}
    spaces = choice.namespaces or (None,) * len(choice.names)
    word: Any
    if choice.mode == "native":
        if not draft.own:
            draft.report.lose("tool_choice", "this protocol has no such tool choice", "meaning")
            return
        word = choice.native
    elif choice.mode == "tool":
        name = choice.names[0]
        if draft.own or name in kinds:
            word = _chosen(choice.kind if draft.own else kinds[name], name, spaces[0])
        elif (word := _chosen_provided(name, tools, body["tools"])) is not None:
            draft.report.change("tool_choice", "tool_choice", "the provider's tool is the only allowed one")
        else:
            draft.report.lose("tool_choice", "the chosen tool is not in the request", "meaning")
            return
    elif choice.names and choice.mode != "none":
        grouped = {named_tool(tool): tool.kind for tool in tools if isinstance(tool, ir.Function)}
        named = [
            _chosen(grouped.get((space, name)) or kinds.get(name, "function"), name, space)
            for space, name in zip(spaces, choice.names, strict=True)
        ]
        word = {"type": "allowed_tools", "mode": _WORDS[choice.mode], "tools": named}
    else:
        word = _WORDS[choice.mode]
    if choice.extra is not None:
        restore(word if isinstance(word, dict) else {}, choice.extra, draft.report, "tool_choice")
    body["tool_choice"] = word


def _chosen_provided(name: str, tools: Sequence[ir.Tool], written: Sequence[Any]) -> dict[str, Any] | None:
    """Return the choice that forces a call of a provider's own tool; None = no such tool is written. name:
    the tool's name or kind. tools: those of the request. written: the same tools in the body, without those
    that are lost.
    """
    kinds = {
        tool.kind for tool in tools if isinstance(tool, ir.ProviderTool) and name in {tool.name, tool.kind}
    }
    for tool in written:
        if _KINDS.get(tool["type"], tool["type"]) in kinds:
            return {"type": "allowed_tools", "mode": "required", "tools": [{"type": tool["type"]}]}
    return None


def _chosen(kind: str, name: str, space: str | None) -> dict[str, Any]:
    chosen = {"type": kind, "name": name}
    return chosen if space is None else {**chosen, "namespace": space}
