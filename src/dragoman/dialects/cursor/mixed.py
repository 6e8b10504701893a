"""Requests with `messages` that hold pieces of other protocols, each read by what it is itself.

Tools and the choice among them: flat as in Responses, or Anthropic's (`input_schema`). Content: Anthropic's
blocks beside chat's parts, and the empty list beside calls. `system`: Anthropic's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import decode_block, decode_content
from dragoman.dialects.anthropic.check import check_block
from dragoman.dialects.cursor.calls import FORMS, freed
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.openai_chat.answer import thinking_members
from dragoman.dialects.openai_chat.places import has
from dragoman.dialects.openai_chat.places import place as locate_in_chat
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import not_one_of, objects, wrong_type
from dragoman.errors import WireError

NAME: Final = "cursor"
"""Whose requests are that hold blocks of Anthropic's: no provider's own."""
_MEDIA: Final = frozenset({"image", "document"})
_SAID: Final = _MEDIA | {"tool_use", "thinking", "redacted_thinking"}
_ASKED: Final = _MEDIA | {"tool_result"}
_BLOCKS: Final = _SAID | _ASKED
"""Content that chat has no part for, or another one."""
_HOLDS: Final = {"user": _ASKED, "assistant": _SAID, "tool": _MEDIA, "function": _MEDIA}
"""Which of it a role's messages may hold; those of other roles hold none."""
_STAND_IN: Final = {"type": "text", "text": ""}
"""What stands where a block does in the request as chat is written, so that all places are the body's own."""
_KINDS: Final = frozenset({"function", "custom"})
_WORDS: Final = {"auto": "auto", "any": "required", "none": "none"}


def is_mixed(body: Mapping[str, Any]) -> bool:
    """Whether a body has pieces of other protocols. Of any shape: nothing of it has been checked."""
    if body.get("system") is not None:
        return True
    tools, choice, messages = body.get("tools"), body.get("tool_choice"), body.get("messages")
    if type(tools) is list and any(_tool(tool) is not tool for tool in tools):
        return True
    if _choice(choice) is not choice:
        return True
    return type(messages) is list and any(_message(message) is not message for message in messages)


def check(wire: WireRequest) -> None:
    """Raise WireError for the first mistake, at its place in the body as it is written."""
    body = wire.body
    try:
        CHAT.request.check(_chat(wire))
    except WireError as error:
        path = _written(body, error.path)
        raise WireError(error.message.replace(error.path, path), path, error.code) from error
    _check_system(body.get("system"))
    for index, message in enumerate(body["messages"]):
        role = message["role"]
        for number, block in _foreign(message).items():
            where = f"messages[{index}].content[{number}]"
            if block["type"] not in _HOLDS.get(role, ()):
                text = f"Invalid value: '{block['type']}'. Messages of role '{role}' hold none."
                raise WireError(text, f"{where}.type", "invalid_value")
            check_block(block, where)


def _check_system(system: Any) -> None:
    if system is None or type(system) is str:
        return
    if type(system) is not list:
        wrong_type("system", "a string or an array of objects", system)
    objects(system, "system")
    for index, block in enumerate(system):
        if block.get("type") != "text":
            not_one_of(f"system[{index}].type", block.get("type"), ("text",))
        check_block(block, f"system[{index}]")


def decode_request(wire: WireRequest) -> ir.Request:
    """A checked request. Raises WireError for structures that no check let pass."""
    body = wire.body
    request = CHAT.request.decode(_chat(wire))
    if any(map(_foreign, body["messages"])):
        messages = tuple(map(_with_blocks, request.messages, body["messages"]))
        request = replace(request, messages=messages, dialect=NAME)
    system = body.get("system")
    if system is not None:
        request = replace(request, system=decode_content(system, "system"), dialect=NAME)
    return freed(request)


def brief(wire: WireRequest) -> ir.Request:
    """What an answer's form depends on, without the messages."""
    request = CHAT.request.brief(wire)
    return replace(request, forms={**(request.forms or {}), **FORMS})


# --- As chat is written --------------------------------------------------------------------------


def _chat(wire: WireRequest) -> WireRequest:
    """The request as chat is written, with empty texts where Anthropic's blocks stand."""
    body = {key: value for key, value in wire.body.items() if key != "system"}
    if type(tools := body.get("tools")) is list:
        body["tools"] = [_tool(tool) for tool in tools]
    if type(choice := body.get("tool_choice")) is dict:
        body["tool_choice"] = _choice(choice)
        if choice.get("disable_parallel_tool_use") is not None and "parallel_tool_calls" not in body:
            body["parallel_tool_calls"] = choice["disable_parallel_tool_use"] is False
    if type(messages := body.get("messages")) is list:
        body["messages"] = [_message(message) for message in messages]
    return replace(wire, body=body)


def _tool(tool: Any) -> Any:
    """A tool as chat has it; the same value where it is none of another protocol's."""
    if type(tool) is not dict or type(tool.get("name")) is not str:
        return tool
    kind = tool.get("type")
    if "input_schema" in tool and (kind is None or kind == "custom"):
        rest, renamed = {"type", "input_schema", "cache_control"}, {"parameters": tool["input_schema"]}
        beside = {"cache_control": tool["cache_control"]} if "cache_control" in tool else {}
        inner = {**{key: value for key, value in tool.items() if key not in rest}, **renamed}
        return {"type": "function", "function": inner, **beside}
    if type(kind) is not str or kind not in _KINDS or kind in tool:
        return tool
    inner = {key: value for key, value in tool.items() if key != "type"}
    form = inner.get("format")
    if type(form) is dict and form.get("type") == "grammar" and "grammar" not in form:
        grammar = {key: value for key, value in form.items() if key != "type"}
        inner["format"] = {"type": "grammar", "grammar": grammar}
    return {"type": kind, kind: inner}


def _choice(choice: Any) -> Any:
    """The choice among tools as chat has it; the same value where it is none of another protocol's."""
    if type(choice) is not dict:
        return choice
    kind, name = choice.get("type"), choice.get("name")
    if type(kind) is not str or kind in choice:
        return choice
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "tool":
        return {"type": "function", "function": {"name": name}}
    if kind in _KINDS and name is not None:
        return {"type": kind, kind: {"name": name}}
    if kind == "allowed_tools" and type(tools := choice.get("tools")) is list:
        inner = {key: value for key, value in choice.items() if key != "type"}
        return {"type": kind, kind: {**inner, "tools": [_choice(tool) for tool in tools]}}
    return choice


def _message(message: Any) -> Any:
    """A message as chat has it; the same value where it has no block of Anthropic's, and says something."""
    if type(message) is not dict or type(content := message.get("content")) is not list:
        return message
    if not content and message.get("role") == "assistant" and message.get("tool_calls"):
        return {**message, "content": None}
    if not any(map(_is_block, content)):
        return message
    return {**message, "content": [_STAND_IN if _is_block(part) else part for part in content]}


def _is_block(part: Any) -> bool:
    return type(part) is dict and type(kind := part.get("type")) is str and kind in _BLOCKS


def _foreign(message: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Anthropic's blocks of a message, by their place in the content."""
    content = message.get("content")
    if type(content) is not list:
        return {}
    return {number: part for number, part in enumerate(content) if _is_block(part)}


def _with_blocks(message: ir.Message, written: Mapping[str, Any]) -> ir.Message:
    """The message with Anthropic's blocks where they stand, but for results, which stand before the rest."""
    if not (foreign := _foreign(written)):
        return message
    if written["role"] not in {"user", "assistant"}:
        [result] = message.blocks
        assert isinstance(result, ir.ToolResult)
        return replace(message, blocks=(replace(result, content=_filled(result.content, foreign, 0)),))
    before = len(thinking_members(written)) if written["role"] == "assistant" else 0
    blocks = _filled(message.blocks, foreign, before)
    return replace(message, blocks=tuple(sorted(blocks, key=lambda block: type(block) is not ir.ToolResult)))


def _filled(
    blocks: Sequence[ir.Block], foreign: Mapping[int, dict[str, Any]], before: int
) -> tuple[ir.Block, ...]:
    """A content's blocks with Anthropic's. before: how many blocks stand before the content."""
    filled = list(blocks)
    for number, block in foreign.items():
        filled[before + number] = decode_block(block)
    return tuple(filled)


# --- Places --------------------------------------------------------------------------------------

_BLOCK: Final = re.compile(r"(messages\[(\d+)\]\.blocks)\[(\d+)\](.*)")


def place(request: WireRequest, where: str) -> str:
    """A place in IR terms as a JSON path of this request."""
    body = request.body
    if where == "system" and body.get("system") is not None:
        return "$.system"
    if (block := _BLOCK.fullmatch(where)) is not None and int(block[2]) < len(body["messages"]):
        message = body["messages"][int(block[2])]
        if message["role"] == "user" and (foreign := _foreign(message)):
            kinds = [foreign.get(number, _STAND_IN)["type"] for number in range(len(message["content"]))]
            order = sorted(range(len(kinds)), key=lambda number: kinds[number] != "tool_result")
            if (number := int(block[3])) < len(order):
                where = f"{block[1]}[{order[number]}]{block[4]}"
    return locate_in_chat(request, where)


_NESTED: Final = re.compile(r"(tools\[\d+\]|tool_choice)\.(function|custom|allowed_tools)(.*)")


def _written(body: dict[str, Any], path: str) -> str:
    """A place in the request as chat is written, in the body as its client wrote it."""
    found = _NESTED.fullmatch(path)
    if found is None or has(body, f"{found[1]}.{found[2]}"):
        return path
    rest = found[3].replace(".format.grammar", ".format")
    if has(body, f"{found[1]}.input_schema"):
        rest = re.sub(r"^\.parameters", ".input_schema", rest)
    return found[1] + rest
