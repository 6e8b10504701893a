"""Decodes and encodes tools and `toolConfig`.

https://ai.google.dev/api/caching#Tool, https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from typing import Any, Final, Literal

from dragoman import ir
from dragoman.dialects.capabilities import is_allowed, is_drawing
from dragoman.dialects.gemini.draft import lose_cache
from dragoman.dialects.gemini.enums import MODES, in_words
from dragoman.dialects.gemini.openapi import read_openapi, write_openapi
from dragoman.dialects.gemini.schema import ADAPTED, clean_schema, is_plain
from dragoman.dialects.gemini.terms import NAME, leftovers, listed, restore, spelled
from dragoman.dialects.leftovers import lose_settings
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, states
from dragoman.dialects.tool_choices import lose_choice
from dragoman.errors import WireError

_DECLARATION: Final = frozenset({"name", "description", "parameters", "parametersJsonSchema"})
_PLAIN: Final = frozenset({"name", "description", "parametersJsonSchema"})
_NOT_FORCED: Final = "the Gemini API cannot force one of the provider's own tools"
_CALLING: Final = "toolConfig.functionCallingConfig"
_SEARCH: Final = frozenset({"excludeDomains"})
_CHOICE: Final = frozenset({"mode", "allowedFunctionNames"})

_KINDS: Final = {
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "enterpriseWebSearch": "web_search",
    "parallelAiSearch": "web_search",
    "exaAiSearch": "web_search",
    "urlContext": "web_fetch",
    "codeExecution": "code_execution",
    "computerUse": "computer",
    "fileSearch": "file_search",
    "googleMaps": "maps",
    "retrieval": "retrieval",
    "mcpServers": "mcp",
}
_PROVIDED: Final = {
    "web_search": "googleSearch",
    "web_fetch": "urlContext",
    "code_execution": "codeExecution",
}
"""Kind of a provider's tool in the IR -> the member of an object in `tools` that requests it."""

_DECLARES: Final = "functionDeclarations"
_DECLARED: Final = f"tools[].{_DECLARES}[]"

_MODES: Final[dict[str, Literal["auto", "none", "any"]]] = {"AUTO": "auto", "NONE": "none", "ANY": "any"}
_MODE_WORDS: Final = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}
SERVER_CALLS: Final = "includeServerSideToolInvocations"

# --- Wire to IR ----------------------------------------------------------------------------------


def decode_tools(values: Any) -> tuple[ir.Tool, ...]:
    """Decode the value of `tools` (`values`), a list or a single entry. Each function declaration becomes an
    ir.Function. Each other member of an entry is one of the provider's own tools, and becomes an
    ir.ProviderTool.

    Raises WireError for an entry that is not an object. `check` must have accepted the declarations.
    """
    tools: list[ir.Tool] = []
    for index, value in enumerate(listed(values)):
        if type(value) is not dict:
            raise WireError("must be an object", f"tools[{index}]")
        for key, tool in spelled(value).items():
            if key == _DECLARES:
                tools += map(_function, () if tool is None else listed(tool))
            else:
                tools.append(_own_tool(key, tool))
    return tuple(tools)


def _own_tool(key: str, value: Any) -> ir.ProviderTool:
    blocked, extra = None, None
    if isinstance(value, dict):
        settings = spelled(value)
        blocked = settings.get("excludeDomains")
        extra = leftovers(settings, _SEARCH)
    options = {"blocked_domains": blocked} if blocked else None
    kind = _KINDS.get(key)
    return ir.ProviderTool(NAME, kind or key, {key: value}, kind, options=options, extra=extra)


def _function(declared: Any) -> ir.Function:
    value = spelled(declared)
    if value.keys() <= _PLAIN:
        return ir.Function(value.get("name", ""), value.get("description"), value.get("parametersJsonSchema"))
    parameters, form = value.get("parametersJsonSchema"), None
    if parameters is None and (openapi := value.get("parameters")) is not None:
        parameters, form = read_openapi(openapi)
    return ir.Function(
        value.get("name", ""),
        value.get("description"),
        parameters,
        extra=leftovers(value, _DECLARATION),
        form=form,
    )


def decode_choice(value: Any) -> ir.ToolChoice:
    """Decode the object `functionCallingConfig` (`value`). The mode ANY with one allowed name becomes "tool".
    A mode that the IR does not have (VALIDATED) becomes "auto", and the stated mode becomes a leftover.
    Without a mode, the result is "auto" with the form "bare".
    """
    config = spelled(value)
    stated = in_words(config.get("mode"), MODES)
    names = tuple(config.get("allowedFunctionNames") or ())
    extra = leftovers(config, _CHOICE)
    mode = _MODES.get(str(stated))
    if mode is None:
        if stated is not None:
            extra = ir.merge(extra, {NAME: {"mode": stated}})
        return ir.ToolChoice("auto", names, form="bare" if stated is None else None, extra=extra)
    if mode == "any" and len(names) == 1:
        return ir.ToolChoice("tool", names, extra=extra)
    return ir.ToolChoice(mode, names, extra=extra)


# --- IR to wire ----------------------------------------------------------------------------------


def encode_tools(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    """Write `tools` and `toolConfig` into the body, and report losses. Raises WireError for a free-text tool,
    and for a schema that is nested too deeply or takes too many steps to reduce.
    """
    own, report = states(request, NAME, "tools"), target.report
    chosen = states(request, NAME, "tool_choice")
    if not request.tools and not (own and chosen):
        lose_choice(request, report, restore)
        return
    tools, strict = _written(request, target, own=own)
    if tools or (own and request.tools is not None):
        body["tools"] = tools
    if (own and chosen) or any(_DECLARES in tool for tool in tools):
        config = _tool_config(request, target, strict, own=own, chosen=chosen)
        if not own and len(tools) > 1 and target.quirks.server_call_parts:
            config[SERVER_CALLS] = True
            why = "required to combine functions with the provider's own tools"
            report.add(f"toolConfig.{SERVER_CALLS}", why)
        if config:
            body["toolConfig"] = config
    elif request.tool_choice is not None:
        _leave_out_choice(request.tool_choice, report)
    if request.parallel is False:
        report.lose("parallel", "the Gemini API cannot disable parallel tool calls", "quality")


def _leave_out_choice(choice: ir.ToolChoice, report: Report) -> None:
    """Report what becomes of a tool choice in a body without functions: "none" is a change, "auto" is not
    reported, and any other choice is a loss. The choice's leftovers are reported as lost, too.
    """
    restore({}, choice.extra, report, "tool_choice")
    if choice.mode == "none":
        report.change("tool_choice", "tools", "no tools are sent, so that none is called")
    elif choice.mode != "auto":
        report.lose("tool_choice", _NOT_FORCED, "quality")


def _written(request: ir.Request, target: Target, *, own: bool) -> tuple[list[dict[str, Any]], list[int]]:
    """Return (the entries of `tools` in the body, the indexes in the request's `tools` of the functions with
    `strict`). Losses are reported.

    own: True = the client speaks this dialect; the functions before and after a provider's tool are in
    separate entries. False = all functions share one entry, and a provider's tool that `tool_choice` does not
    allow is left out.
    """
    tools = request.tools or ()
    written: list[dict[str, Any]] = []
    strict: list[int] = []
    declared: list[dict[str, Any]] | None = None
    for index, tool in enumerate(tools):
        if type(tool) is ir.ProviderTool:
            if not own and not is_allowed(tool, request.tool_choice):
                target.report.change(f"tools[{index}]", "tools", "left out: it is not an allowed tool")
                continue
            functions = any(type(other) is ir.Function for other in tools)
            if (one := _provided(tool, target, f"tools[{index}]", own=own, functions=functions)) is not None:
                written.append(one)
                declared = None if own else declared
            continue
        assert type(tool) is ir.Function
        if declared is None:
            declared = []
            written.append({_DECLARES: declared})
        declared.append(_declaration(tool, target, index, own=own))
        if tool.strict:
            strict.append(index)
    return written, strict


def _declaration(tool: ir.Function, target: Target, index: int, *, own: bool) -> dict[str, Any]:
    if tool.kind == "custom":
        raise WireError("the Gemini API has no free-text tools", f"tools[{index}]", "unsupported_value")
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    parameters = tool.parameters
    if parameters is not None:
        if own and tool.form is not None:
            out["parameters"] = write_openapi(parameters, tool.form)
        elif own or (parameters.get("type") == "object" and is_plain(parameters)):
            out["parametersJsonSchema"] = parameters
        else:
            out["parametersJsonSchema"] = _adapted(parameters, target.report, f"tools[{index}].parameters")
    if tool.cache is not None:
        lose_cache(tool.cache, target.report, f"tools[{index}]")
    restore(out, tool.extra, target.report, f"tools[{index}]")
    return out


def _adapted(parameters: dict[str, Any], report: Report, where: str) -> dict[str, Any]:
    """Return the schema of a function's parameters in the form that the API accepts. The result has `type:
    object` or a `$ref`. Changes are reported. where: the schema's IR path.
    """
    schema = clean_schema(parameters, report, where)
    if "$ref" not in schema and schema.get("type") != "object":
        schema = {**schema, "type": "object"}
    if schema != parameters:
        report.change(where, f"{_DECLARED}.parametersJsonSchema", ADAPTED)
    return schema


def _provided(
    tool: ir.ProviderTool, target: Target, where: str, *, own: bool, functions: bool
) -> dict[str, Any] | None:
    report = target.report
    if tool.cache is not None:
        report.lose(f"{where}.cache", "the Gemini API has no cache breakpoints", "hint")
    if own:
        return dict(tool.value)
    if is_drawing(tool, target.facts):
        lose_settings(tool, report, where)
        place = "generationConfig.responseModalities"
        report.change(where, place, "an image model returns images in its response instead")
        return None
    key = _PROVIDED.get(tool.kind)
    if key is None:
        report.lose(where, f"the Gemini API has no tool of the kind {tool.kind}", "meaning")
        return None
    if functions and target.facts.mixed_tools is False:
        report.lose(where, f"the model does not support {key} together with functions", "meaning")
        return None
    for option in tool.options or ():
        report.lose(f"{where}.options.{option}", f"the tool {key} has no such setting", "quality")
    lose_settings(tool, report, where)
    report.change(where, "tools[]", f"written as {key}")
    return {key: {}}


def _tool_config(
    request: ir.Request, target: Target, strict: list[int], *, own: bool, chosen: bool
) -> dict[str, Any]:
    """Return the `toolConfig`; {} = there is none. own: True = a client of this dialect stated the tools.
    chosen: True = it stated the choice.
    """
    choice = request.tool_choice
    calling: dict[str, Any] | None = None
    if choice is not None and choice.mode == "native":
        target.report.lose("tool_choice", "the Gemini API has no tool of the chosen kind", "meaning")
    elif choice is not None:
        calling = _calling(choice, target, own=chosen, functions=_functions(request))
    if strict and not own:
        calling = _validated(strict, target, calling)
    return {} if calling is None else {"functionCallingConfig": calling}


def _functions(request: ir.Request) -> frozenset[str]:
    return frozenset(tool.name for tool in request.tools or () if isinstance(tool, ir.Function))


def _calling(
    choice: ir.ToolChoice, target: Target, *, own: bool, functions: frozenset[str]
) -> dict[str, Any]:
    """Return the `functionCallingConfig` for a tool choice, and report changes and losses. For a model that
    cannot be forced to call, a forced call becomes VALIDATED or AUTO, which is a loss.

    own: False = the client speaks another dialect; a name stays only if it is in `functions`, the names of
    the request's functions. If the choice has names and none of them stays, the mode is NONE.
    """
    report = target.report
    names = [name for name in choice.names if own or name in functions]
    if choice.names and not names:
        restore({}, choice.extra, report, "tool_choice")
        report.change("tool_choice", f"{_CALLING}.mode", "none of the functions is an allowed tool")
        if choice.mode in {"any", "tool"}:
            report.lose("tool_choice", _NOT_FORCED, "quality")
        return {"mode": "NONE"}
    out: dict[str, Any] = {}
    if choice.form != "bare" or not own:
        out["mode"] = _MODE_WORDS[choice.mode]
    if names:
        out["allowedFunctionNames"] = names
        if not own and choice.mode == "auto":
            out["mode"] = "VALIDATED"
            said = "a list of allowed tools needs the mode VALIDATED"
            report.change("tool_choice", f"{_CALLING}.mode", said)
        elif not own and choice.mode == "any" and len(choice.names) == 1:
            report.change("tool_choice", _CALLING, "the only allowed tool is a required one")
    if out.get("mode") == "ANY" and target.facts.forced_tool is False:
        out["mode"] = "VALIDATED" if choice.names else "AUTO"
        report.lose("tool_choice", "the model may respond without the tool call", "quality")
    restore(out, choice.extra, report, "tool_choice")
    return out


def _validated(strict: list[int], target: Target, calling: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a `functionCallingConfig` with the mode VALIDATED in place of AUTO; any other mode stays.
    calling: this object so far; None = there is none, and the result has only the mode VALIDATED. strict: the
    indexes of the functions with `strict`; what happens to each is reported.
    """
    mode = "AUTO" if calling is None else calling.get("mode")
    if mode == "AUTO":
        calling = {**(calling or {}), "mode": "VALIDATED"}
    for index in strict:
        place = f"tools[{index}].strict"
        if mode == "NONE":
            target.report.lose(place, "tool_choice is none, so no tools are used", "hint")
        else:
            said = "tool calls are validated against their schemas"
            target.report.change(place, f"{_CALLING}.mode", said)
    return calling
