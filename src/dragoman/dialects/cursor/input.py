"""Requests with `input`: those of the Responses API, with chat's `stream_options`, and tools of either
spelling.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.cursor.calls import FORMS, freed
from dragoman.dialects.dialect import WireRequest
from dragoman.dialects.openai_responses import DIALECT as RESPONSES
from dragoman.dialects.rules import a_boolean, members

_CHATS: Final = frozenset({"messages", "stream_options"})
"""Members of chat's: the first is empty, the second is about the answer."""
_options: Final = members(include_usage=a_boolean, include_obfuscation=a_boolean)


def check(wire: WireRequest) -> None:
    """Raise WireError for the first mistake, as Responses does."""
    if (options := wire.body.get("stream_options")) is not None:
        _options(options, "stream_options")
    RESPONSES.check(_responses(wire))


def decode_request(wire: WireRequest) -> ir.Request:
    """A checked request. Raises WireError where the input has no known form."""
    request = RESPONSES.decode_request(_responses(wire))
    return freed(replace(request, stream_usage=_usage(wire)))


def brief(wire: WireRequest) -> ir.Request:
    """What an answer's form depends on: chat's streams tell their usage to those who ask."""
    return replace(RESPONSES.brief(wire), stream_usage=_usage(wire), forms=dict(FORMS))


def _usage(wire: WireRequest) -> bool | None:
    options = wire.body.get("stream_options")
    return None if options is None else options.get("include_usage")


def _responses(wire: WireRequest) -> WireRequest:
    """The request as Responses is written."""
    body = {key: value for key, value in wire.body.items() if key not in _CHATS}
    if type(tools := body.get("tools")) is list:
        body["tools"] = [_flat(tool) for tool in tools]
    return replace(wire, body=body)


def _flat(tool: Any) -> Any:
    """A tool of chat's as Responses has it: what lies in `function` or `custom` stands beside the type."""
    if type(tool) is not dict or type(kind := tool.get("type")) is not str or kind not in _NESTED:
        return tool
    if type(inner := tool.get(kind)) is not dict:
        return tool
    flat = {**{key: value for key, value in tool.items() if key != kind}, **inner}
    form = flat.get("format")
    if type(form) is dict and type(grammar := form.get("grammar")) is dict:
        flat["format"] = {**{key: value for key, value in form.items() if key != "grammar"}, **grammar}
    return flat


_NESTED: Final = frozenset({"function", "custom"})
