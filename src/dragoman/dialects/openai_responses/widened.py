"""Removes or replaces, in a copy of a request, values that OpenAI may refuse but other servers accept. So
`check` can check the rest of the request. What the server gets is made from the request itself, not from this
copy.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.check import FORMS
from dragoman.dialects.chat.widened import Put, put_right
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest
from dragoman.dialects.schema import mistake

_Body = dict[str, Any]


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for `check`, without the values that the server accepts although OpenAI
    may refuse them: they are removed or replaced, some also if OpenAI would accept them. widens: the names of
    these values (`Wider`).
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
    if type(wish) is dict:
        given = {member: None for member in ("effort", "summary") if type(wish.get(member)) is str}
        body["reasoning"] = {**wish, **given}


def _strict(body: _Body) -> None:
    tools, text = body.get("tools"), body.get("text")
    if type(tools) is list:
        body["tools"] = [_loosened(tool) for tool in tools]
    if type(text) is dict:
        body["text"] = {**text, "format": _loosened(text.get("format"))}


def _loosened(holder: Any) -> Any:
    """Return a tool or a response format with `strict: false` in place of `strict: true`, also in the tools
    inside a namespace. The argument is not changed. A value that is not an object is returned itself.
    """
    if type(holder) is not dict:
        return holder
    if type(inner := holder.get("tools")) is list:
        holder = {**holder, "tools": [_loosened(tool) for tool in inner]}
    return {**holder, "strict": False} if holder.get("strict") is True else holder


def _content(body: _Body) -> None:
    """Write an empty list as the content of each message whose content is missing or null, and as the summary
    of each reasoning item whose summary is missing or null.
    """
    items = body.get("input")
    if type(items) is list:
        body["input"] = [_with_content(item) if type(item) is dict else item for item in items]


def _with_content(item: _Body) -> _Body:
    if item.get("type") == "reasoning" and item.get("summary") is None:
        return {**item, "summary": []}
    if item.get("type") in (None, "message") and "role" in item and item.get("content") is None:
        return {**item, "content": []}
    return item


def _names(body: _Body) -> None:
    """Write other names, which OpenAI accepts (`tool_0`, `schema`), in place of all names of functions,
    free-text tools (`custom`) and namespaces, except empty names, and of the name of the response's schema.
    The tool choice gets the new names of its tools.
    """
    renamed: dict[str, str] = {}
    if type(tools := body.get("tools")) is list:
        body["tools"] = [_named(tool, f"tool_{at}", renamed) for at, tool in enumerate(tools)]
    if type(choice := body.get("tool_choice")) is dict:
        body["tool_choice"] = _renamed(choice, renamed)
    text = body.get("text")
    if type(text) is dict and type(form := text.get("format")) is dict and type(form.get("name")) is str:
        body["text"] = {**text, "format": {**form, "name": "schema"}}


def _named(tool: Any, name: str, renamed: dict[str, str]) -> Any:
    if type(tool) is not dict or type(kind := tool.get("type")) is not str or kind not in _NAMED:
        return tool
    out = dict(tool)
    if type(stated := out.get("name")) is str and stated:
        out["name"] = renamed[stated] = name
    if type(inner := out.get("tools")) is list:
        out["tools"] = [_named(one, f"{name}_{at}", renamed) for at, one in enumerate(inner)]
    return out


_NAMED: Final = frozenset({"function", "custom", "namespace"})


def _renamed(choice: _Body, renamed: dict[str, str]) -> _Body:
    out = dict(choice)
    if type(stated := out.get("name")) is str:
        out["name"] = renamed.get(stated, stated)
    if type(tools := out.get("tools")) is list:
        out["tools"] = [_renamed(tool, renamed) if type(tool) is dict else tool for tool in tools]
    return out


def _schemas(body: _Body) -> None:
    """Replace the schemas of functions and of the response that are objects, but no JSON Schemas, by {}, and
    the `strict` beside them by null.
    """
    if type(tools := body.get("tools")) is list:
        body["tools"] = [_without_schema(tool) for tool in tools]
    text = body.get("text")
    if type(text) is dict and type(form := text.get("format")) is dict and _is_odd(form.get("schema")):
        body["text"] = {**text, "format": {**form, "schema": {}, "strict": None}}


def _is_odd(schema: Any) -> bool:
    return type(schema) is dict and mistake(schema) is not None


def _without_schema(tool: Any) -> Any:
    if type(tool) is not dict:
        return tool
    out = dict(tool)
    if _is_odd(out.get("parameters")):
        out |= {"parameters": {}, "strict": None}
    if type(inner := out.get("tools")) is list:
        out["tools"] = [_without_schema(one) for one in inner]
    return out


def _metadata(body: _Body) -> None:
    if type(body.get("metadata")) is dict:
        del body["metadata"]


def _verbosity(body: _Body) -> None:
    text = body.get("text")
    if type(text) is dict and type(text.get("verbosity")) is str:
        body["text"] = {**text, "verbosity": None}


def _max_output_tokens(body: _Body) -> None:
    if type(most := body.get("max_output_tokens")) is int and most > 0:
        del body["max_output_tokens"]


_PUTS: Final[dict[Wider, Put]] = {
    "response_format": _response_format,
    "reasoning_effort": _reasoning_effort,
    "strict": _strict,
    "max_output_tokens": _max_output_tokens,
    "content": _content,
    "names": _names,
    "schemas": _schemas,
    "metadata": _metadata,
    "verbosity": _verbosity,
}
