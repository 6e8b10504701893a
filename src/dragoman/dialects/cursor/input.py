"""Reads requests with `input`. They are like requests for Responses, but with chat's `stream_options`, and
with tools in the form of Responses or of chat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.cursor.calls import FORMS, freed
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import a_boolean, members
from dragoman.errors import WireError

_CHATS: Final = frozenset({"messages", "stream_options"})
"""Members of chat that are left out of the request in the form of Responses."""
_STATE: Final = ("previous_response_id", "conversation", "background")
_STATELESS: Final = (
    "responses of chat completions are not stored, so a request must contain the whole conversation."
)
_options: Final = members(include_usage=a_boolean, include_obfuscation=a_boolean)


class Input:
    """Checks and decodes requests with `input`. responses: the dialect record of Responses, which is used for
    this.
    """

    def __init__(self, responses: Dialect) -> None:
        self._responses = responses.request

    def check(self, wire: WireRequest) -> None:
        """Raise WireError for the first mistake that is found, with the path in the client's body. A
        `background` that is true, and members and items that need a stored response, are mistakes, too:
        `previous_response_id`, `conversation`, an item of the type `item_reference`, and an item with an id
        but without a type and a role.
        """
        body = wire.body
        if (options := body.get("stream_options")) is not None:
            _options(options, "stream_options")
        for member in _STATE:
            if body.get(member):
                raise WireError(f"Invalid '{member}': {_STATELESS}", member, "unsupported_value")
        try:
            self._responses.check(_responses(wire))
        except WireError as error:
            path = _client_path(body, error.path)
            raise WireError(error.message.replace(error.path, path), path, error.code) from error
        for index, item in enumerate(items if type(items := body.get("input")) is list else ()):
            untyped = item.get("type") is None and "role" not in item and "id" in item
            if untyped or item.get("type") == "item_reference":
                raise WireError(f"Invalid item: {_STATELESS}", f"input[{index}]", "unsupported_value")

    def place(self, request: WireRequest, where: str) -> str:
        located = self._responses.located(request, where)
        return "$." + _client_path(request.body, located.removeprefix("$."))

    def decode_request(self, wire: WireRequest) -> ir.Request:
        """Return the decoded request. In its history, calls of the request's free-text tools are free-text
        calls, and their results free-text results; its `forms` says that the client gets new calls of such
        tools as functions (`freed`). wire: a request that `check` has accepted. Raises WireError for an
        input of an unknown form.
        """
        request = self._responses.decode(_responses(wire))
        return freed(replace(request, stream_usage=_usage(wire)))

    def brief(self, wire: WireRequest) -> ir.Request:
        return replace(self._responses.brief(wire), stream_usage=_usage(wire), forms=dict(FORMS))


def _usage(wire: WireRequest) -> bool | None:
    options = wire.body.get("stream_options")
    return None if options is None else options.get("include_usage")


def _responses(wire: WireRequest) -> WireRequest:
    body = {key: value for key, value in wire.body.items() if key not in _CHATS}
    if type(tools := body.get("tools")) is list:
        body["tools"] = [_flat(tool) for tool in tools]
    if type(choice := body.get("tool_choice")) is dict:
        body["tool_choice"] = _flat(choice)
    if type(items := body.get("input")) is list:
        body["input"] = [_item(item) for item in items]
    return replace(wire, body=body)


def _item(item: Any) -> Any:
    """Return an item of `input`. In an assistant message, an empty list of content becomes an empty text, in
    a copy; any other item is returned itself.
    """
    if type(item) is dict and item.get("role") == "assistant" and item.get("content") == []:
        return {**item, "content": ""}
    return item


def _flat(tool: Any) -> Any:
    """Return a tool or tool choice of chat's form, rewritten in the form of Responses: the members of the
    object inside it are moved up, beside `type`, and the members of a grammar are moved up into `format`. The
    tools in a choice of the type `allowed_tools` are rewritten, too. Any other value is returned as it is.
    """
    if (inner := _nested(tool)) is None:
        return tool
    kind = tool["type"]
    flat = {**{key: value for key, value in tool.items() if key != kind}, **inner}
    form = flat.get("format")
    if type(form) is dict and type(grammar := form.get("grammar")) is dict:
        flat["format"] = {**{key: value for key, value in form.items() if key != "grammar"}, **grammar}
    if kind == "allowed_tools" and type(tools := flat.get("tools")) is list:
        flat["tools"] = [_flat(one) for one in tools]
    return flat


def _nested(tool: Any) -> dict[str, Any] | None:
    """Return the object inside a tool or tool choice of chat's form, which stands under the name of its type:
    for `{"type": "function", "function": {…}}` the inner `{…}`. None = it has another form.
    """
    if type(tool) is not dict or type(kind := tool.get("type")) is not str or kind not in _NESTED:
        return None
    inner = tool.get(kind)
    return inner if type(inner) is dict else None


_NESTED: Final = frozenset({"function", "custom", "allowed_tools"})
_TOOL: Final = re.compile(r"(tools\[(\d+)\]|tool_choice)\.(?!type\b)(.+)")
_ALLOWED: Final = re.compile(r"(tools\[(\d+)\])\.(?!type\b)(.+)")


def _client_path(body: Mapping[str, Any], path: str) -> str:
    """Return the path in the client's body (`body`) of the value that has the path `path` in the body that
    `_responses` makes from it: `tools[0].function.name` for `tools[0].name`, if the client wrote this tool in
    chat's form.
    """
    if (found := _TOOL.fullmatch(path)) is None:
        return path
    tool = body["tool_choice"] if found[2] is None else body["tools"][int(found[2])]
    if (inner := _nested(tool)) is None:
        return path
    rest = found[3]
    if rest.startswith("format.") and "grammar" in (inner.get("format") or ()) and rest != "format.type":
        rest = "format.grammar." + rest.removeprefix("format.")
    elif (allowed := _ALLOWED.fullmatch(rest)) and (one := inner["tools"][int(allowed[2])]) and _nested(one):
        rest = f"{allowed[1]}.{one['type']}.{allowed[3]}"
    return f"{found[1]}.{tool['type']}.{rest}"
