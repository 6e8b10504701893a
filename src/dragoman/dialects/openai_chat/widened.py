"""Removes or corrects, in a copy of a request, values that OpenAI may reject but other servers accept, so
that OpenAI's rules can check the rest of the request. What the server gets is made from the request itself,
not from this copy. All other members keep their places, because errors name the places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dragoman.dialects.chat.check import FORMS
from dragoman.dialects.chat.widened import (
    Put,
    _Body,
    put_logit_bias,
    put_max_tokens,
    put_right,
    put_stop,
    put_stream_options,
)
from dragoman.dialects.openai_chat.terms import ROLES
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest
from dragoman.dialects.schema import mistake


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return the request with a copy of its body, for OpenAI's checks. For each name in `widens`, values of
    this kind are removed from the copy or corrected there, also some that OpenAI accepts: for example each
    `stop` that is a list of texts. The request itself is not changed. widens: names for the kinds of values
    that the server accepts, such as "stop"; a name that chat does not have (not in `_PUTS`) changes nothing.
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
    if type(body.get("reasoning_effort")) in {str, int, bool}:
        del body["reasoning_effort"]


def _logprobs(body: _Body) -> None:
    """Remove `logprobs` if its value is an integer of at least 0, as in Together's chat and in the older
    completions. Remove `logit_bias` if it has a form that only llama.cpp accepts: a list, or an object with
    `false` as a bias.
    """
    if type(many := body.get("logprobs")) is int and many >= 0:
        del body["logprobs"]
    put_logit_bias(body)


def _with_objects(message: _Body) -> _Body:
    parts = message.get("content")
    if type(parts) is not list or not any(map(_is_image, parts)):
        return message
    return {**message, "content": [_as_object(part) if _is_image(part) else part for part in parts]}


def _is_image(part: Any) -> bool:
    return type(part) is dict and part.get("type") == "image_url"


def _as_object(part: _Body) -> _Body:
    image = part.get("image_url")
    if type(image) is str:
        return {**part, "image_url": {"url": image}}
    if type(image) is dict and type(image.get("detail")) is str:
        return {**part, "image_url": {**image, "detail": None}}
    return part


def _with_samples(message: _Body) -> _Body:
    """Return a copy of the message in which the sounds (`input_audio`) have data that OpenAI's checks accept:
    a data URL is replaced by the data in it, a URL by other data. A message without such sounds is returned
    itself.
    """
    parts = message.get("content")
    if type(parts) is not list or not any(map(_is_linked_sound, parts)):
        return message
    return {**message, "content": [_bare(part) if _is_linked_sound(part) else part for part in parts]}


def _is_linked_sound(part: Any) -> bool:
    sound = part.get("input_audio") if type(part) is dict else None
    data = sound.get("data") if type(sound) is dict else None
    return type(data) is str and data.startswith(("data:", "http://", "https://"))


def _bare(part: _Body) -> _Body:
    sound = part["input_audio"]
    data = sound["data"].partition(",")[2] if sound["data"].startswith("data:") else "AAAA"
    return {**part, "input_audio": {**sound, "data": data}}


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


def _with_usual_role(message: _Body) -> _Body:
    role = message.get("role")
    usual = ROLES.get(role) if type(role) is str else None
    return message if usual is None else {**message, "role": usual}


def _with_content(message: _Body) -> _Body:
    """Return a copy of the message with the content "" if its content is null, absent or an empty list. Any
    other message is returned itself.
    """
    return {**message, "content": ""} if message.get("content") in (None, []) else message


def _with_known_calls(message: _Body) -> _Body:
    calls = message.get("tool_calls")
    if type(calls) is not list:
        return message
    return {**message, "tool_calls": [_as_function(call) for call in calls]}


def _as_function(call: Any) -> Any:
    """Return a copy of a call of a vendor's own type as a call of a function: of the function that the call
    states, or else of one with the type as its name. Any other call is returned itself.
    """
    kind = call.get("type") if type(call) is dict else None
    if type(kind) is not str or kind in _CALL_TYPES:
        return call
    called = {"name": kind, "arguments": ""} if call.get("function") is None else call["function"]
    return {**call, "type": "function", "function": called}


_CALL_TYPES: Final = frozenset({"function", "custom"})


def _named(value: Any, name: str) -> Any:
    """Return a copy of a tool's or a schema's object with the name `name`. An object whose name is
    absent, "" or not a text, and a value that is no object, is returned itself, so that the check
    refuses it.
    """
    if type(value) is not dict or type(stated := value.get("name")) is not str or not stated:
        return value
    return {**value, "name": name}


def _names(body: _Body) -> None:
    """Replace the names of the tools and functions that the client runs, and of the schema of the response,
    by names that OpenAI accepts, and give the tool choice the new name of its tool. An empty name stays.
    Names that OpenAI accepts are replaced, too, so that one name for two tools becomes two.
    """
    renamed: dict[str, str] = {}
    for member, inner in (("tools", ("function", "custom")), ("functions", ())):
        tools = body.get(member)
        if type(tools) is list:
            body[member] = [_tool_named(tool, inner, f"tool_{at}", renamed) for at, tool in enumerate(tools)]
    for member in ("tool_choice", "function_call"):
        if type(choice := body.get(member)) is dict:
            body[member] = _choice_named(choice, renamed)
    form = body.get("response_format")
    if type(form) is dict and "json_schema" in form:
        body["response_format"] = {**form, "json_schema": _named(form["json_schema"], "schema")}


def _tool_named(tool: Any, inner: tuple[str, ...], name: str, renamed: dict[str, str]) -> Any:
    if type(tool) is not dict:
        return tool
    holder = next((member for member in inner if type(tool.get(member)) is dict), None)
    stated = (tool if holder is None else tool[holder]).get("name")
    if type(stated) is str and (holder is not None or not inner):
        renamed[stated] = name
    if not inner:
        return _named(tool, name)
    return tool if holder is None else {**tool, holder: _named(tool[holder], name)}


def _choice_named(choice: _Body, renamed: dict[str, str]) -> _Body:
    out = dict(choice)
    if type(out.get("name")) is str:
        out["name"] = renamed.get(out["name"], out["name"])
    for member in ("function", "custom"):
        if type(out.get(member)) is dict:
            out[member] = _choice_named(out[member], renamed)
    allowed = out.get("allowed_tools")
    if type(allowed) is dict and type(tools := allowed.get("tools")) is list:
        chosen = [_choice_named(tool, renamed) if type(tool) is dict else tool for tool in tools]
        out["allowed_tools"] = {**allowed, "tools": chosen}
    return out


def _schemas(body: _Body) -> None:
    """Remove the schemas of functions and of the response that are objects, but no JSON Schemas; of functions
    also those that state a type other than "object". Of vLLM's members with such a schema, `guided_json` and
    the whole `structured_outputs` are removed.
    """
    for member, inner in (("tools", "function"), ("functions", None)):
        tools = body.get(member)
        if type(tools) is list:
            body[member] = [_without_schema(tool, inner, "parameters") for tool in tools]
    if "response_format" in body:
        form = _without_schema(body["response_format"], "json_schema", "schema")
        body["response_format"] = form
    if _is_odd(body.get("guided_json")):
        del body["guided_json"]
    structured = body.get("structured_outputs")
    if type(structured) is dict and _is_odd(structured.get("json")):
        del body["structured_outputs"]


def _is_odd(schema: Any, *types: str) -> bool:
    return type(schema) is dict and (
        mistake(schema) is not None or (bool(types) and schema.get("type", *types) not in types)
    )


def _without_schema(holder: Any, inner: str | None, member: str) -> Any:
    value = holder if inner is None or type(holder) is not dict else holder.get(inner)
    types = ("object",) if member == "parameters" else ()
    if type(value) is not dict or not _is_odd(value.get(member), *types):
        return holder
    bare = {key: one for key, one in value.items() if key != member}
    return bare if inner is None else {**holder, inner: bare}


def _remove(member: str, kind: type) -> Put:
    """Return the function that removes the top-level member `member` of a body if its value has the type
    `kind`.
    """

    def put(body: _Body) -> None:
        if type(body.get(member)) is kind:
            del body[member]

    return put


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
    "audio_url": lambda body: _each_message(body, _with_samples),
    "call_types": lambda body: _each_message(body, _with_known_calls),
    "roles": lambda body: _each_message(body, _with_usual_role),
    "content": lambda body: _each_message(body, _with_content),
    "metadata": _remove("metadata", dict),
    "names": _names,
    "schemas": _schemas,
    "stream_options": put_stream_options,
    "verbosity": _remove("verbosity", str),
}
