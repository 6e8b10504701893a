"""Removes or corrects, in a copy of a request, values that OpenAI may reject but other servers accept, so
that OpenAI's rules can check the rest of the request. The server gets the request itself, not this copy.

All other members keep their places, because errors name the places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dragoman.dialects.chat.check import FORMS
from dragoman.dialects.chat.widened import Put, _Body, put_max_tokens, put_right, put_stop
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for OpenAI's checks. For each name in `widens`, values of this kind are
    removed or corrected, also some that OpenAI accepts: for example each `stop` that is a list of texts.
    widens: names for the kinds of values that the server accepts, such as "stop".
    """
    return put_right(wire, widens, _PUTS)


def _tools(body: _Body) -> None:
    for member in ("tools", "functions"):
        if body.get(member) == []:
            del body[member]


def _response_format(body: _Body) -> None:
    form = body.get("response_format")
    if type(form) is dict and type(kind := form.get("type")) is str and kind not in FORMS:
        del body["response_format"]


def _reasoning_effort(body: _Body) -> None:
    if type(body.get("reasoning_effort")) is str:
        del body["reasoning_effort"]


def _logprobs(body: _Body) -> None:
    """Remove `logprobs` if its value is an integer of at least 0, as in Together's chat and in the older
    completions.
    """
    if type(many := body.get("logprobs")) is int and many >= 0:
        del body["logprobs"]


def _with_objects(message: _Body) -> _Body:
    parts = message.get("content")
    if type(parts) is not list or not any(map(_is_bare_image, parts)):
        return message
    return {
        **message,
        "content": [
            {**part, "image_url": {"url": part["image_url"]}} if _is_bare_image(part) else part
            for part in parts
        ],
    }


def _is_bare_image(part: Any) -> bool:
    return type(part) is dict and part.get("type") == "image_url" and type(part.get("image_url")) is str


def _tool_choice(body: _Body) -> None:
    choice = body.get("tool_choice")
    if type(choice) is not dict or choice.get("type") is not None:
        return
    if "function" in choice:
        body["tool_choice"] = {**choice, "type": "function"}
    else:
        del body["tool_choice"]


def _strict(body: _Body) -> None:
    tools, form = body.get("tools"), body.get("response_format")
    if type(tools) is list:
        body["tools"] = [_loosened(tool, "function") for tool in tools]
    if form is not None:
        body["response_format"] = _loosened(form, "json_schema")


def _loosened(holder: Any, member: str) -> Any:
    """Return a copy of the tool or response format `holder`, in which the object at `member` has `strict:
    false` instead of `strict: true`. If `strict` is not true there, `holder` itself is returned.
    """
    inner = holder.get(member) if type(holder) is dict else None
    if type(inner) is not dict or inner.get("strict") is not True:
        return holder
    return {**holder, member: {**inner, "strict": False}}


def _with_ids(message: _Body) -> _Body:
    if message.get("role") == "tool" and message.get("tool_call_id") is None:
        return {**message, "tool_call_id": "call"}
    calls = message.get("tool_calls")
    if type(calls) is not list:
        return message
    return {**message, "tool_calls": [_with_id(call) for call in calls]}


def _with_id(call: Any) -> Any:
    return {**call, "id": "call"} if type(call) is dict and call.get("id") is None else call


def _each_message(body: _Body, put: Callable[[_Body], _Body]) -> None:
    messages = body.get("messages")
    if type(messages) is list:
        body["messages"] = [put(message) if type(message) is dict else message for message in messages]


_PUTS: Final[dict[Wider, Put]] = {
    "stop": put_stop,
    "tools": _tools,
    "response_format": _response_format,
    "reasoning_effort": _reasoning_effort,
    "logprobs": _logprobs,
    "image_url": lambda body: _each_message(body, _with_objects),
    "tool_choice": _tool_choice,
    "strict": _strict,
    "max_tokens": put_max_tokens,
    "call_ids": lambda body: _each_message(body, _with_ids),
}
