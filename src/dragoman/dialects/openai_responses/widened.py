"""Removes or replaces, in a copy of a request, values that OpenAI refuses but other servers accept, so that
`check` can check the rest of the request.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.check import FORMS
from dragoman.dialects.chat.widened import Put, put_right
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest

_Body = dict[str, Any]


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for `check`, in which values beyond OpenAI's limits are removed or
    replaced. widens: the names of the values that the server accepts; only these are changed.
    """
    return put_right(wire, widens, _PUTS)


def _response_format(body: _Body) -> None:
    text = body.get("text")
    if type(text) is not dict:
        return
    form = text.get("format")
    if type(form) is dict and type(kind := form.get("type")) is str and kind not in FORMS:
        body["text"] = {**text, "format": None}


def _reasoning_effort(body: _Body) -> None:
    wish = body.get("reasoning")
    if type(wish) is dict and type(wish.get("effort")) is str:
        body["reasoning"] = {**wish, "effort": None}


def _strict(body: _Body) -> None:
    tools, text = body.get("tools"), body.get("text")
    if type(tools) is list:
        body["tools"] = [_loosened(tool) for tool in tools]
    if type(text) is dict:
        body["text"] = {**text, "format": _loosened(text.get("format"))}


def _loosened(holder: Any) -> Any:
    """Return a copy of a tool or of a response format, with `strict: false` in place of `strict: true`. In a
    namespace, the tools inside are changed, too. A value that is not an object is returned itself.
    """
    if type(holder) is not dict:
        return holder
    if type(inner := holder.get("tools")) is list:
        holder = {**holder, "tools": [_loosened(tool) for tool in inner]}
    return {**holder, "strict": False} if holder.get("strict") is True else holder


def _max_output_tokens(body: _Body) -> None:
    if type(most := body.get("max_output_tokens")) is int and most > 0:
        del body["max_output_tokens"]


_PUTS: Final[dict[Wider, Put]] = {
    "response_format": _response_format,
    "reasoning_effort": _reasoning_effort,
    "strict": _strict,
    "max_output_tokens": _max_output_tokens,
}
