"""Decodes and encodes tools and the tool choice.

`Request.forms["tools"] == "functions"` and ToolChoice.form "function_call" say that the client used OpenAI's
older members `functions` and `function_call`. ToolChoice.form "any" says that it wrote "any", some vendors'
word for `required`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.capabilities import is_allowed
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.terms import CHOICES
from dragoman.dialects.leftovers import lose_settings
from dragoman.dialects.openai.strictness import tool_strictness
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.openai_chat.marks import finish
from dragoman.dialects.openai_chat.parts import decode_mark
from dragoman.dialects.tool_choices import lose_choice

_TOOL: Final = frozenset({"type", "function"})
_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})
_CUSTOM_TOOL: Final = frozenset({"type", "custom"})
_CUSTOM: Final = frozenset({"name", "description", "format"})
_SEARCH: Final = "web_search_options"
_SEARCH_OPTIONS: Final = frozenset(
    {"max_uses", "allowed_domains", "excluded_domains", "search_context_size", "user_location"}
)
_PLACED: Final = frozenset({"type", "approximate"})
_VENDORS: Final = frozenset({"type", "parameters"})


def decode_tools(body: Mapping[str, Any]) -> tuple[ir.Tool, ...] | None:
    """Return the request's tools: `tools` or, if it is missing or null, the older `functions`; after them the
    web search of `web_search_options`. None = all three members are missing or null. body: has passed the
    checks of requests.
    """
    tools: list[ir.Tool] = []
    if (wire := body.get("tools")) is not None:
        tools.extend([_tool(tool) for tool in wire])
    elif (functions := body.get("functions")) is not None:
        tools.extend([_function(function, leftovers(function, _FUNCTION)) for function in functions])
    elif body.get(_SEARCH) is None:
        return None
    if (search := body.get(_SEARCH)) is not None:
        options = _search_options(search)
        extra = _search_leftovers(search)
        tools.append(ir.ProviderTool(NAME, "web_search", {_SEARCH: search}, options=options, extra=extra))
    return tuple(tools)


def _tool(tool: dict[str, Any]) -> ir.Tool:
    kind = tool.get("type")
    if kind == "function":
        function = tool["function"]
        if len(tool) == 2 and function.keys() <= _FUNCTION:
            return _function(function, None)
        known = _TOOL
        if (mark := decode_mark(tool)) is not None and mark.form:
            known |= {mark.form}
        extra = ir.merge(leftovers(tool, known), leftovers(function, _FUNCTION, "function"))
        return _function(function, extra, mark)
    if kind == "custom":
        custom = tool["custom"]
        return ir.Function(
            custom["name"],
            custom.get("description"),
            kind="custom",
            format=_decode_format(custom.get("format")),
            extra=ir.merge(leftovers(tool, _CUSTOM_TOOL), leftovers(custom, _CUSTOM, "custom")),
        )
    kind = str(kind)
    if "web_search" in kind:
        settings = tool.get("parameters")
        extra = leftovers(tool, _VENDORS)
        extra = ir.merge(extra, _search_leftovers(settings, "parameters"))
        return ir.ProviderTool(NAME, "web_search", tool, options=_search_options(settings), extra=extra)
    return ir.ProviderTool(NAME, kind, tool, extra=leftovers(tool, _VENDORS - {"parameters"}))


def _function(function: dict[str, Any], extra: ir.Extra, mark: ir.CacheMark | None = None) -> ir.Function:
    get = function.get
    return ir.Function(
        function["name"], get("description"), get("parameters"), get("strict"), cache=mark, extra=extra
    )


def _decode_format(format: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the `format` of a free-text tool as in the IR, where a grammar is flat: {type, syntax,
    definition}. Any other format is returned unchanged. None = the tool states no format.
    """
    if format is not None and format.get("type") == "grammar" and format.keys() == {"type", "grammar"}:
        return {"type": "grammar", **format["grammar"]}
    return format


def _search_options(search: Any) -> dict[str, Any] | None:
    """Return the options of a web search, under the names of `ir.ProviderTool.options`. None = there are
    none. search: the search's settings in the request, of any shape.
    """
    if type(search) is not dict:
        return None
    options = {
        ours: search[theirs]
        for theirs, ours in (
            ("max_uses", "max_uses"),
            ("allowed_domains", "allowed_domains"),
            ("excluded_domains", "blocked_domains"),
            ("search_context_size", "context_size"),
        )
        if search.get(theirs) is not None
    }
    place = search.get("user_location")
    if isinstance(place, dict):
        near = place.get("approximate")
        place = near if isinstance(near, dict) else place
        stated = {key: value for key, value in place.items() if key not in _PLACED and value is not None}
        if stated:
            options["location"] = stated
    return options or None


def _search_leftovers(search: Any, within: str = "") -> ir.Extra:
    """Return the leftovers of a web search's settings: members of unknown names and, if `user_location` has
    the object `approximate`, the members of `user_location` beside `type` and `approximate`. search: the
    settings, of any shape. within: the member of the tool that holds the settings ("parameters"); it stands
    before the leftovers' names. "" = the settings stand alone.
    """
    if type(search) is not dict:
        return None
    extra = leftovers(search, _SEARCH_OPTIONS, within)
    place = search.get("user_location")
    if isinstance(place, dict) and isinstance(place.get("approximate"), dict):
        inner = f"{within}.user_location" if within else "user_location"
        extra = ir.merge(extra, leftovers(place, _PLACED, inner))
    return extra


def decode_choice(body: Mapping[str, Any]) -> ir.ToolChoice | None:
    """Return the tool choice in `tool_choice` or, if that is missing or null, in the older `function_call`;
    None if the request has neither. A choice that the IR cannot express gets the mode "native" and keeps its
    value. body: has passed the checks of requests.
    """
    form = None
    choice = body.get("tool_choice")
    if choice is None:
        choice = body.get("function_call")
        if choice is None:
            return None
        form = "function_call"
    if isinstance(choice, str):
        if (mode := CHOICES.get(choice)) is None:
            return ir.ToolChoice("native", native=choice, form=form)
        return ir.ToolChoice(mode, form="any" if choice == "any" else form)
    if form is not None and choice.keys() == {"name"}:
        return ir.ToolChoice("tool", (choice["name"],), form=form)
    for kind in ("function", "custom"):
        if choice.get("type") == kind and choice.keys() == {"type", kind} and choice[kind].keys() == {"name"}:
            return ir.ToolChoice("tool", (choice[kind]["name"],), kind)
    if choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        if (names := _allowed(allowed)) is not None:
            extra = leftovers(choice, _SUBSET)
            extra = ir.merge(extra, leftovers(allowed, _ALLOWED, "allowed_tools"))
            return ir.ToolChoice(CHOICES[allowed["mode"]], names, extra=extra)
    return ir.ToolChoice("native", native=choice, form=form)


_SUBSET: Final = frozenset({"type", "allowed_tools"})
_ALLOWED: Final = frozenset({"mode", "tools"})


def _allowed(allowed: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the tool names in the member `allowed_tools` (`allowed`) of a tool choice. None if
    there are no names, or if an entry is neither a function nor a `custom` tool, or its object for
    this type (`function`, `custom`) states more than the name, or the entry has members of other
    names.
    """
    names: list[str] = []
    for tool in allowed["tools"]:
        inner = tool.get(tool.get("type")) if tool.keys() <= {"type", "function", "custom"} else None
        if type(inner) is not dict or inner.keys() != {"name"}:
            return None
        names.append(inner["name"])
    return tuple(names) or None


def encode_tools(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    """Write the tools, the tool choice and `parallel_tool_calls` into the body; what this dialect or the
    provider does not have is reported as lost. If a client of this dialect used the older `functions`, its
    tools are written there. A web search of another dialect becomes `web_search_options`.

    For a client of another dialect, a provider's tool that the tool choice does not allow is left out; and if
    then no entry of `tools` is written, nor are the tool choice and `parallel_tool_calls`.
    """
    if request.tools is None:
        if request.tool_choice is not None and draft.own:
            _encode_choice(body, request, draft)
        if request.parallel is not None and draft.own:
            body["parallel_tool_calls"] = request.parallel
        if not draft.own:
            lose_choice(request, draft.report, restore)
        return
    legacy = draft.own and request.forms is not None and request.forms.get("tools") == "functions"
    tools: list[dict[str, Any]] = []
    for index, tool in enumerate(request.tools):
        if isinstance(tool, ir.ProviderTool):
            if not draft.own and not is_allowed(tool, request.tool_choice):
                draft.report.change(f"tools[{index}]", "tools", "left out: it is not an allowed tool")
            else:
                _encode_provider_tool(body, tools, tool, draft, f"tools[{index}]")
        else:
            tools.append(_encode_function(tool, draft, index, legacy=legacy))
    if tools or (draft.own and request.tools == ()):
        body["functions" if legacy else "tools"] = tools
    if not tools and not draft.own:
        lose_choice(request, draft.report, restore)
        return
    if request.tool_choice is not None:
        _encode_choice(body, request, draft)
    if request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel


def _encode_function(tool: ir.Function, draft: Draft, index: int, *, legacy: bool) -> dict[str, Any]:
    inner: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        inner["description"] = tool.description
    if tool.kind == "custom":
        if tool.format is not None:
            inner["format"] = _encode_format(tool.format)
        out = {"type": "custom", "custom": inner}
    else:
        if tool.parameters is not None:
            inner["parameters"] = tool.parameters
        if tool.strict is not None:
            if "strict" in draft.quirks.refuses:
                draft.report.lose(
                    f"tools[{index}].strict", "the provider does not support strict tools", "quality"
                )
            else:
                inner["strict"] = tool_strictness(tool, f"tools[{index}]", draft.report, own=draft.own)
        out = inner if legacy else {"type": "function", "function": inner}
    return finish(draft, out, tool.cache, tool.extra, f"tools[{index}]")


def _encode_format(format: dict[str, Any]) -> dict[str, Any]:
    if format.get("type") == "grammar" and "grammar" not in format:
        return {"type": "grammar", "grammar": {key: value for key, value in format.items() if key != "type"}}
    return format


def _encode_provider_tool(
    body: dict[str, Any], tools: list[dict[str, Any]], tool: ir.ProviderTool, draft: Draft, where: str
) -> None:
    if tool.dialect == NAME:
        if _SEARCH in tool.value:
            body[_SEARCH] = tool.value[_SEARCH]
        else:
            tools.append(tool.value)
    elif tool.kind == "web_search" and _SEARCH not in draft.quirks.refuses:
        body[_SEARCH] = _encode_search(tool.options or {}, draft, where)
        finish(draft, {}, tool.cache, None, where)
        lose_settings(tool, draft.report, where)
        draft.report.change(where, _SEARCH, "Chat Completions has web search as a request parameter")
    else:
        draft.report.lose(where, f"this protocol has no {tool.kind} tool")


def _encode_search(options: dict[str, Any], draft: Draft, where: str) -> dict[str, Any]:
    search: dict[str, Any] = {}
    for key, value in options.items():
        if key == "context_size":
            search["search_context_size"] = value
        elif key == "location":
            search["user_location"] = {"type": "approximate", "approximate": value}
        else:
            draft.report.lose(
                f"{where}.options.{key}", "this protocol has no such option of web search", "quality"
            )
    return search


def _encode_choice(body: dict[str, Any], request: ir.Request, draft: Draft) -> None:
    choice = request.tool_choice
    assert choice is not None
    key = "function_call" if draft.own and choice.form == "function_call" else "tool_choice"
    word: Any
    if choice.mode == "native":
        if not draft.own:
            draft.report.lose("tool_choice", "this protocol has no such tool choice")
            return
        word = choice.native
    elif choice.mode == "tool" and not (draft.own or choice.names[0] in _names(request.tools or ())):
        draft.report.lose("tool_choice", "the chosen tool is not in the request")
        return
    elif choice.mode == "tool":
        word = _named(choice.names[0], choice.kind) if key == "tool_choice" else {"name": choice.names[0]}
    elif choice.names and choice.mode != "none":
        word = _subset(choice, request.tools or ())
    elif choice.mode == "any":
        word = "any" if draft.own and choice.form == "any" else draft.quirks.required_word
    else:
        word = choice.mode
    body[key] = word
    restore(word if type(word) is dict else {}, choice.extra, draft.report, "tool_choice")


def _named(name: str, kind: str) -> dict[str, Any]:
    return {"type": kind, kind: {"name": name}}


def _names(tools: Sequence[ir.Tool]) -> dict[str, str]:
    """Return {tool name -> kind ("function" or "custom" = free text)} for the tools that the client runs."""
    return {tool.name: tool.kind for tool in tools if isinstance(tool, ir.Function)}


def _subset(choice: ir.ToolChoice, tools: Sequence[ir.Tool]) -> dict[str, Any]:
    kinds = _names(tools)
    allowed = [_named(name, kinds.get(name, "function")) for name in choice.names]
    mode = "required" if choice.mode == "any" else "auto"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
