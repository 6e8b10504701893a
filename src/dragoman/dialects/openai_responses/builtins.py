"""Converts tools that this protocol defines and its client runs to functions, for models of other protocols.

A coding agent runs the shell, apply_patch and tool search itself, so any model that can call functions can
use these tools. A call's item holds the input in one object; this object becomes the arguments of the
function. A declared shell in OpenAI's containers and a declared tool search by OpenAI do not become
functions.

Specification: https://developers.openai.com/api/docs/guides/tools-tool-search and the pages beside it on
shell, local shell and apply patch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.wire.json import UNDECODABLE

_Wire = dict[str, Any]


class _Builtin(msgspec.Struct, frozen=True):
    """One tool that this protocol defines and the client runs. call, output: the types of the items for a
    call and for its output. prefix: the beginning of the ids of call items. member: the member of a call item
    that holds the arguments, an object. fixed: members of this object that the function does not have: they
    are added to the item, and left out of the arguments. beside: further members of each call item. offered:
    makes a function from the declared tool, or returns None. told: makes the text of a tool result from an
    output item.
    """

    call: str
    prefix: str
    output: str
    member: str
    offered: Callable[[Mapping[str, Any]], ir.Function | None]
    told: Callable[[Mapping[str, Any]], str]
    fixed: Mapping[str, Any] = {}
    beside: Mapping[str, Any] = {}


# --- Declared ----------------------------------------------------------------------------------


def offered(tool: Mapping[str, Any]) -> ir.Function | None:
    """Return the function that replaces a declared tool at other protocols. tool: the tool in the client's
    request. None = its type is not in this module, the client does not run it, or it is a `tool_search`
    without an object `parameters`.
    """
    builtin = _BUILTINS.get(str(tool.get("type")))
    return None if builtin is None else builtin.offered(tool)


def _object(*required: str, **properties: Any) -> _Wire:
    stated = {"properties": properties, "required": list(required)}
    return {"type": "object", **stated, "additionalProperties": False}


def _search(tool: Mapping[str, Any]) -> ir.Function | None:
    parameters = tool.get("parameters")
    if tool.get("execution") != "client" or type(parameters) is not dict:
        return None
    return ir.Function("tool_search", tool.get("description"), parameters)


_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_TEXT: Final = {"type": "string"}
_MILLISECONDS: Final = {"type": "integer", "description": "The most time that it may take, in milliseconds."}


def _local_shell(_: Mapping[str, Any]) -> ir.Function:
    parameters = _object(
        "command",
        command={**_TEXTS, "description": "The program and its arguments."},
        env={"type": "object", "additionalProperties": _TEXT},
        timeout_ms=_MILLISECONDS,
        working_directory=_TEXT,
    )
    return ir.Function("local_shell", "Runs a command on the user's machine.", parameters)


def _shell(tool: Mapping[str, Any]) -> ir.Function | None:
    environment = tool.get("environment")
    if type(environment) is dict and environment.get("type") != "local":
        return None
    parameters = _object(
        "commands",
        commands={**_TEXTS, "description": "Shell commands, run one after the other."},
        timeout_ms=_MILLISECONDS,
        max_output_length={"type": "integer", "description": "The most characters of output to return."},
    )
    return ir.Function("shell", "Runs shell commands on the user's machine.", parameters)


def _apply_patch(_: Mapping[str, Any]) -> ir.Function:
    parameters = _object(
        "type",
        "path",
        type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        path={**_TEXT, "description": "The file, relative to the root of the workspace."},
        diff={
            **_TEXT,
            "description": "For create_file and update_file: a V4A diff without file headers. Lines of a new "
            "file all begin with `+`; hunks of a changed one begin with `@@`.",
        },
    )
    return ir.Function("apply_patch", "Creates, changes or deletes one file.", parameters)


# --- Called ------------------------------------------------------------------------------------


def stands_for(item: Mapping[str, Any]) -> ir.Block | None:
    """Return the block that other protocols get in place of an item: the call or the result of one of the
    tools in this module, or a text for `additional_tools`. None = the item has another type, lacks an id or
    its arguments, or its `execution` says that OpenAI runs it.
    """
    kind = str(item.get("type"))
    if kind == "additional_tools":
        return ir.Text("More tools are available from here on.")
    name = _CALLS.get(kind) or _OUTPUTS.get(kind)
    call_id = item.get("call_id") or item.get("id")
    if name is None or type(call_id) is not str or item.get("execution") not in (None, "client"):
        return None
    builtin = _BUILTINS[name]
    if kind == builtin.output:
        return ir.ToolResult(call_id, (ir.Text(builtin.told(item)),))
    asked = item.get(builtin.member)
    if type(asked) is not dict:
        return None
    fixed = builtin.fixed
    asked = {key: value for key, value in asked.items() if value is not None and value != fixed.get(key)}
    return ir.ToolCall(call_id, name, msgspec.json.encode(asked).decode(), "builtin")


def called(call: ir.ToolCall) -> tuple[str, str, _Wire] | None:
    """Convert a call with the name of one of the tools in this module to its item: (the item's type, the
    beginning of the item's id, the item's members with the arguments, without `id` and `call_id`). None = the
    call has another name, or its arguments are not a JSON object. Empty arguments count as {}.
    """
    builtin = _BUILTINS.get(call.name)
    if builtin is None:
        return None
    try:
        asked = msgspec.json.decode(call.arguments or "{}")
    except UNDECODABLE:
        return None
    if type(asked) is not dict:
        return None
    return builtin.call, builtin.prefix, {**builtin.beside, builtin.member: {**builtin.fixed, **asked}}


def _found(item: Mapping[str, Any]) -> str:
    names = [
        str(one.get("name"))
        for tool in tools_of(item)
        for one in (tool["tools"] if tool["type"] == "namespace" else (tool,))
    ]
    if not names:
        return "No tools were found."
    return "These tools were found and can be called from now on: " + ", ".join(names)


def tools_of(item: Mapping[str, Any]) -> list[_Wire]:
    """Return the tools that an item of the history adds to the request, as the client wrote them. Malformed
    tools are left out. [] = the item adds none. The caller has checked that the item is a
    `tool_search_output` or `additional_tools` (`TELLING`).
    """
    tools = item.get("tools")
    return [tool for tool in tools if _is_sound(tool)] if type(tools) is list else []


def _is_sound(tool: Any) -> bool:
    if type(tool) is not dict or type(tool.get("type")) is not str:
        return False
    if tool["type"] == "namespace":
        return type(tool.get("tools")) is list and all(map(_is_sound, tool["tools"]))
    if tool["type"] not in {"function", "custom"}:
        return True
    stated = (("name", str), ("description", str), ("strict", bool), ("parameters", dict))
    return tool.get("name") is not None and all(
        type(tool[member]) is kind for member, kind in stated if tool.get(member) is not None
    )


def _output(item: Mapping[str, Any]) -> str:
    output = item.get("output")
    if output is None:
        return str(item.get("status", ""))
    return output if type(output) is str else msgspec.json.encode(output).decode()


_BUILTINS: Final[Mapping[str, _Builtin]] = {
    "tool_search": _Builtin(
        "tool_search_call",
        "tsc",
        "tool_search_output",
        "arguments",
        _search,
        _found,
        beside={"execution": "client"},
    ),
    "local_shell": _Builtin(
        "local_shell_call",
        "lsh",
        "local_shell_call_output",
        "action",
        _local_shell,
        _output,
        fixed={"type": "exec", "env": {}},
    ),
    "shell": _Builtin("shell_call", "sh", "shell_call_output", "action", _shell, _output),
    "apply_patch": _Builtin(
        "apply_patch_call", "apc", "apply_patch_call_output", "operation", _apply_patch, _output
    ),
}
_CALLS: Final = {builtin.call: name for name, builtin in _BUILTINS.items()}
_OUTPUTS: Final = {builtin.output: name for name, builtin in _BUILTINS.items()}
TELLING: Final = frozenset({"tool_search_output", "additional_tools"})
"""The types of the history's items that add tools to the request."""
