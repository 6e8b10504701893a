"""Tools and `toolConfig`, both ways.

https://ai.google.dev/api/caching#Tool, https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.dialect import Target
from dragoman.dialects.gemini.openapi import read_openapi, write_openapi
from dragoman.dialects.gemini.schema import clean_schema
from dragoman.dialects.gemini.terms import NAME, leftovers, listed, restore, spelled
from dragoman.errors import WireError

_DECLARATION: Final = frozenset({"name", "description", "parameters", "parametersJsonSchema"})
_PLAIN: Final = frozenset({"name", "description", "parametersJsonSchema"})
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
"""Our own tool for what another provider's tool does."""

_DECLARED: Final = "tools[].functionDeclarations[]"

_MODES: Final = {"AUTO": "auto", "NONE": "none", "ANY": "any"}
_MODE_WORDS: Final = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}
SERVER_CALLS: Final = "includeServerSideToolInvocations"

# --- Wire to IR ----------------------------------------------------------------------------------


def decode_tools(values: Any) -> tuple[ir.Tool, ...]:
    """The `tools` of a request, each declaration and each of the provider's own as one."""
    tools: list[ir.Tool] = []
    for index, value in enumerate(listed(values)):
        if type(value) is not dict:
            raise WireError("must be an object", f"tools[{index}]")
        for key, tool in spelled(value).items():
            if key == "functionDeclarations":
                tools += map(_function, listed(tool))
            else:
                tools.append(_own_tool(key, tool))
    return tuple(tools)


def _own_tool(key: str, value: Any) -> ir.ProviderTool:
    blocked = spelled(value).get("excludeDomains") if isinstance(value, dict) else None
    options = {"blocked_domains": blocked} if blocked else None
    return ir.ProviderTool(NAME, _KINDS.get(key, key), {key: value}, _KINDS.get(key), options=options)


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
    """`functionCallingConfig`. A mode that only this API has is kept beside the nearest one."""
    config = spelled(value)
    word = config.get("mode")
    names = tuple(config.get("allowedFunctionNames") or ())
    extra = leftovers(config, _CHOICE)
    mode = _MODES.get(str(word))
    if mode is None:
        if word is not None:
            extra = ir.merge(extra, {NAME: {"mode": word}})
        return ir.ToolChoice("auto", names, form="bare" if word is None else None, extra=extra)
    if mode == "any" and len(names) == 1:
        return ir.ToolChoice("tool", names, extra=extra)
    if mode == "any":
        return ir.ToolChoice("any", names, extra=extra)
    return ir.ToolChoice("none" if mode == "none" else "auto", names, extra=extra)


# --- IR to wire ----------------------------------------------------------------------------------


def encode_tools(request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    """Write `tools` and `toolConfig`."""
    own, report = request.dialect == NAME, target.report
    if not request.tools and not own:
        if request.tool_choice is not None and request.tool_choice.mode not in {"auto", "none"}:
            report.lose("tool_choice", "there are no tools to choose from", "hint")
        if request.parallel is False:
            report.lose("parallel", "there are no tools to call", "hint")
        return
    functions = any(isinstance(tool, ir.Function) for tool in request.tools or ())
    tools: list[dict[str, Any]] = []
    provided = False
    for index, tool in enumerate(request.tools or ()):
        if isinstance(tool, ir.Function):
            declaration = _declaration(tool, target, f"tools[{index}]", own=own)
            if tools and "functionDeclarations" in tools[-1]:
                tools[-1]["functionDeclarations"].append(declaration)
            else:
                tools.append({"functionDeclarations": [declaration]})
        elif (
            written := _provided(tool, target, f"tools[{index}]", own=own, functions=functions)
        ) is not None:
            tools.append(written)
            provided = True
    if tools or (own and request.tools is not None):
        body["tools"] = tools
    config = _tool_config(request, target, own=own) if functions or own else _no_functions(request, target)
    if functions and provided and not own and target.quirks.server_call_parts:
        config[SERVER_CALLS] = True
        report.add(f"toolConfig.{SERVER_CALLS}", "functions beside the provider's own tools need it")
    if config:
        body["toolConfig"] = config
    if request.parallel is False:
        report.lose("parallel", "parallel calls cannot be switched off here", "quality")


def _declaration(tool: ir.Function, target: Target, where: str, *, own: bool) -> dict[str, Any]:
    report = target.report
    if tool.kind == "custom":
        raise WireError("free-text tools have no form here", where, "unsupported_value")
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    if tool.parameters is not None:
        if own and tool.form is not None:
            out["parameters"] = write_openapi(tool.parameters, tool.form)
        elif own:
            out["parametersJsonSchema"] = tool.parameters
        else:
            schema = clean_schema(tool.parameters, report, f"{where}.parameters")
            if "$ref" not in schema and schema.get("type") != "object":
                schema = {**schema, "type": "object"}
            if schema is not tool.parameters and schema != tool.parameters:
                report.change(
                    f"{where}.parameters",
                    f"{_DECLARED}.parametersJsonSchema",
                    "adapted to what the API accepts",
                )
            out["parametersJsonSchema"] = schema
    if tool.cache is not None:
        report.lose(f"{where}.cache", "prompt caching has no marks here", "hint")
        restore({}, tool.cache.extra, report, f"{where}.cache")
    if tool.extra is not None:
        restore(out, tool.extra, report, where)
    return out


def _provided(
    tool: ir.ProviderTool, target: Target, where: str, *, own: bool, functions: bool
) -> dict[str, Any] | None:
    report = target.report
    if tool.cache is not None:
        report.lose(f"{where}.cache", "prompt caching has no marks here", "hint")
    if own:
        return dict(tool.value)
    key = _PROVIDED.get(tool.kind)
    if key is None:
        report.lose(where, f"there is no tool of the kind {tool.kind} here", "meaning")
        return None
    if functions and target.facts.mixed_tools is False:
        report.lose(where, f"the model takes no {key} beside functions", "meaning")
        return None
    for option in tool.options or ():
        report.lose(f"{where}.options.{option}", f"{key} has no such setting", "quality")
    report.change(where, "tools[]", f"written as {key}")
    return {key: {}}


def _no_functions(request: ir.Request, target: Target) -> dict[str, Any]:
    """A choice among the provider's own tools alone, which the API refuses."""
    if request.tool_choice is not None and request.tool_choice.mode != "auto":
        target.report.lose("tool_choice", "the provider's own tools cannot be chosen here", "quality")
    return {}


def _tool_config(request: ir.Request, target: Target, *, own: bool) -> dict[str, Any]:
    choice = request.tool_choice
    calling: dict[str, Any] | None = None
    if choice is not None and choice.mode == "native":
        target.report.lose("tool_choice", "the chosen kind of tool does not exist here", "meaning")
    elif choice is not None:
        calling = _calling(choice, target, own=own)
    if not own:
        calling = _validated(request, target, calling)
    return {} if calling is None else {"functionCallingConfig": calling}


def _calling(choice: ir.ToolChoice, target: Target, *, own: bool) -> dict[str, Any]:
    report = target.report
    out: dict[str, Any] = {}
    if choice.form != "bare" or not own:
        out["mode"] = _MODE_WORDS[choice.mode]
    if choice.names:
        out["allowedFunctionNames"] = list(choice.names)
        if not own and choice.mode == "auto":
            out["mode"] = "VALIDATED"
            report.change("tool_choice", "toolConfig.functionCallingConfig.mode", "a subset needs VALIDATED")
        elif not own and choice.mode == "any" and len(choice.names) == 1:
            report.change(
                "tool_choice", "toolConfig.functionCallingConfig", "one tool of which one must be called"
            )
    if out.get("mode") == "ANY" and target.facts.forced_tool is False:
        out["mode"] = "VALIDATED" if choice.names else "AUTO"
        report.lose("tool_choice", "the model may answer without the call", "quality")
    if choice.extra is not None:
        restore(out, choice.extra, report, "tool_choice")
    return out


def _validated(request: ir.Request, target: Target, calling: dict[str, Any] | None) -> dict[str, Any] | None:
    """Strict tools: calls are held to their schemas in a mode of their own, or wherever a call is forced."""
    strict = [
        index
        for index, tool in enumerate(request.tools or ())
        if isinstance(tool, ir.Function) and tool.strict
    ]
    if not strict:
        return calling
    mode = "AUTO" if calling is None else calling.get("mode")
    if mode == "AUTO":
        calling = {**(calling or {}), "mode": "VALIDATED"}
    for index in strict:
        place = f"tools[{index}].strict"
        if mode == "NONE":
            target.report.lose(place, "no tool may be called", "hint")
        else:
            target.report.change(
                place, "toolConfig.functionCallingConfig.mode", "calls are held to their schemas"
            )
    return calling
