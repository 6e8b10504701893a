"""Reads requests with `messages` that also contain tools, content or a `system` in the form of other
protocols.

Tools and tool choice: flat as in Responses, or Anthropic's (`input_schema`). Content: Anthropic's blocks
between chat's parts, and an empty list beside calls. `system`: Anthropic's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.chat.locate import has
from dragoman.dialects.cursor.calls import FORMS, freed
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import not_one_of, objects, wrong_type
from dragoman.errors import WireError

NAME: Final = "cursor"
"""`Request.dialect` of requests with Anthropic's blocks or `system`; no provider has this dialect."""
_MEDIA: Final = frozenset({"image", "document"})
_ASSISTANTS: Final = _MEDIA | {"tool_use", "thinking", "redacted_thinking"}
_USERS: Final = _MEDIA | {"tool_result"}
_BLOCKS: Final = _ASSISTANTS | _USERS
"""Types of Anthropic's content blocks that chat does not have, or has in another form."""
_HOLDS: Final = {"user": _USERS, "assistant": _ASSISTANTS, "tool": _MEDIA, "function": _MEDIA}
"""Role -> the types of `_BLOCKS` that messages of this role may contain. Messages of other roles may contain
none."""
_BLANK: Final = {"type": "text", "text": ""}
"""Replaces a block of Anthropic's in the chat form of a request, so that paths match the client's body."""
_KINDS: Final = frozenset({"function", "custom"})
_WORDS: Final = {"auto": "auto", "any": "required", "none": "none"}


def is_mixed(body: Mapping[str, Any]) -> bool:
    """Whether a body contains tools, a tool choice, content or a `system` in the form of other protocols, or
    an empty list of content beside calls. The body was not checked: its members may have any shape.
    """
    if body.get("system") is not None:
        return True
    tools, choice, messages = body.get("tools"), body.get("tool_choice"), body.get("messages")
    if type(tools) is list and any(_tool(tool) is not tool for tool in tools):
        return True
    if _choice(choice) is not choice:
        return True
    return type(messages) is list and any(_message(message) is not message for message in messages)


class Blocks(NamedTuple):
    """The functions of Anthropic's dialect for content blocks.

    check: raises WireError for a mistake in a block; its second argument is the block's path. decode: decodes
    a block. decode_all: decodes the value of a content (a text or a list of blocks); its second argument is
    the content's path, for errors.
    """

    check: Callable[[dict[str, Any], str], None]
    decode: Callable[[dict[str, Any]], ir.Block]
    decode_all: Callable[[Any, str], tuple[ir.Block, ...]]


class Mixed:
    """Checks and decodes mixed requests (see the module). chat: the dialect record of chat, which checks and
    decodes the request in chat's form. blocks: checks and decodes Anthropic's blocks.
    """

    def __init__(self, chat: Dialect, blocks: Blocks) -> None:
        self._chat = chat.request
        self._blocks = blocks

    def check(self, wire: WireRequest) -> None:
        """Raise WireError for the first mistake, with its path in the client's body."""
        body = wire.body
        try:
            self._chat.check(_chat(wire))
        except WireError as error:
            path = _client_path(body, error.path)
            raise WireError(error.message.replace(error.path, path), path, error.code) from error
        self._check_system(body.get("system"))
        for index, message in enumerate(body["messages"]):
            role = message["role"]
            for number, block in _foreign(message).items():
                where = f"messages[{index}].content[{number}]"
                if block["type"] not in _HOLDS.get(role, ()):
                    text = f"Invalid value: '{block['type']}'. Messages of role '{role}' hold none."
                    raise WireError(text, f"{where}.type", "invalid_value")
                self._blocks.check(block, where)

    def _check_system(self, system: Any) -> None:
        if system is None or type(system) is str:
            return
        if type(system) is not list:
            wrong_type("system", "a string or an array of objects", system)
        objects(system, "system")
        for index, block in enumerate(system):
            if block.get("type") != "text":
                not_one_of(f"system[{index}].type", block.get("type"), ("text",))
            self._blocks.check(block, f"system[{index}]")

    def decode_request(self, wire: WireRequest) -> ir.Request:
        """Return the decoded request. Calls of free-text tools in it are free-text calls (`freed`). Its
        dialect is `NAME` if it has a `system` or a block of Anthropic's, otherwise chat. wire: a request that
        `check` has accepted. Raises WireError for a value of unknown form that `check` has not refused.
        """
        body = wire.body
        request = self._chat.decode(_chat(wire))
        if any(map(_foreign, body["messages"])):
            messages = tuple(map(self._with_blocks, request.messages, body["messages"]))
            request = replace(request, messages=messages, dialect=NAME)
        system = body.get("system")
        if system is not None:
            request = replace(request, system=self._blocks.decode_all(system, "system"), dialect=NAME)
        return freed(request)

    def brief(self, wire: WireRequest) -> ir.Request:
        request = self._chat.brief(wire)
        return replace(request, forms={**(request.forms or {}), **FORMS})

    def place(self, request: WireRequest, where: str) -> str:
        body = request.body
        if where == "system" and body.get("system") is not None:
            return "$.system"
        if (block := _BLOCK.fullmatch(where)) is not None and int(block[2]) < len(body["messages"]):
            message = body["messages"][int(block[2])]
            if message["role"] == "user" and (foreign := _foreign(message)):
                kinds = [foreign.get(number, _BLANK)["type"] for number in range(len(message["content"]))]
                order = sorted(range(len(kinds)), key=lambda number: kinds[number] != "tool_result")
                if (number := int(block[3])) < len(order):
                    where = f"{block[1]}[{order[number]}]{block[4]}"
        return self._chat.located(request, where)

    def _with_blocks(self, message: ir.Message, written: Mapping[str, Any]) -> ir.Message:
        """Return the decoded message, with Anthropic's blocks in place of the empty texts that stand for
        them. In a user's or assistant's message, tool results are then moved before all other blocks. A
        message without such blocks is returned itself.

        message: as chat's codec has decoded it. written: the message as the client wrote it.
        """
        if not (foreign := _foreign(written)):
            return message
        if written["role"] not in {"user", "assistant"}:
            [result] = message.blocks
            assert isinstance(result, ir.ToolResult)
            content = self._filled(result.content, foreign, 0)
            return replace(message, blocks=(replace(result, content=content),))
        thoughts = takewhile(_is_thought, message.blocks) if written["role"] == "assistant" else ()
        blocks = self._filled(message.blocks, foreign, len(tuple(thoughts)))
        return replace(
            message, blocks=tuple(sorted(blocks, key=lambda block: type(block) is not ir.ToolResult))
        )

    def _filled(
        self, blocks: Sequence[ir.Block], foreign: Mapping[int, dict[str, Any]], before: int
    ) -> tuple[ir.Block, ...]:
        """Return `blocks`, the decoded blocks of a message, with Anthropic's blocks decoded in place of the
        empty texts that stand for them.

        foreign: index in the message's content -> Anthropic's block there, as the client wrote it. before:
        how many of `blocks` come before the first block of the content.
        """
        filled = list(blocks)
        for number, block in foreign.items():
            filled[before + number] = self._blocks.decode(block)
        return tuple(filled)


def _is_thought(block: ir.Block) -> bool:
    """Whether a block of an assistant message came from a member for reasoning, not from the content."""
    return isinstance(block, ir.Thinking) or (
        isinstance(block, ir.Native) and block.kind.startswith("reasoning.")
    )


# --- The chat form -----------------------------------------------------------------------------


def _chat(wire: WireRequest) -> WireRequest:
    """Return a copy of the request in chat's form: without `system`, with tools and the tool choice
    rewritten, and with an empty text in place of each of Anthropic's blocks (for `_with_blocks`). What has an
    unknown form is left as it is.
    """
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
    """Return a tool of Anthropic's form, or flat as in Responses, rewritten in chat's form. Any other value
    is returned itself; `is_mixed` relies on that.
    """
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
    """Return a tool choice of Anthropic's form, or flat as in Responses, rewritten in chat's form: an object
    or a word ("required"). Any other value is returned itself; `is_mixed` relies on that.
    """
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
    """Return a message, rewritten in chat's form: with an empty text in place of each of Anthropic's blocks,
    or with null in place of an assistant's empty list of content beside calls. If there is nothing to
    rewrite, or the value has an unknown form, it is returned itself; `is_mixed` relies on that.
    """
    if type(message) is not dict or type(content := message.get("content")) is not list:
        return message
    if not content and message.get("role") == "assistant" and message.get("tool_calls"):
        return {**message, "content": None}
    if not any(map(_is_block, content)):
        return message
    return {**message, "content": [_BLANK if _is_block(part) else part for part in content]}


def _is_block(part: Any) -> bool:
    return type(part) is dict and type(kind := part.get("type")) is str and kind in _BLOCKS


def _foreign(message: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    content = message.get("content")
    if type(content) is not list:
        return {}
    return {number: part for number, part in enumerate(content) if _is_block(part)}


# --- Paths -------------------------------------------------------------------------------------

_BLOCK: Final = re.compile(r"(messages\[(\d+)\]\.blocks)\[(\d+)\](.*)")
_NESTED: Final = re.compile(r"(tools\[\d+\]|tool_choice)\.(function|custom|allowed_tools)(.*)")


def _client_path(body: dict[str, Any], path: str) -> str:
    """Return the path in the client's body (`body`) of the value that has the path `path` in the body that
    `_chat` makes from it: `tools[0].input_schema` for `tools[0].function.parameters`, if the client wrote
    this tool in Anthropic's form.
    """
    found = _NESTED.fullmatch(path)
    if found is None or has(body, f"{found[1]}.{found[2]}"):
        return path
    rest = found[3].replace(".format.grammar", ".format")
    if has(body, f"{found[1]}.input_schema"):
        rest = re.sub(r"^\.parameters", ".input_schema", rest)
    return found[1] + rest
