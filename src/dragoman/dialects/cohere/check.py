"""Checks Cohere chat requests: types, ranges, required members, schemas. A mistake raises WireError.

The gateway has no endpoint for this dialect; `dialects/translation` uses these checks. Unknown members and
parts pass, because the protocol grows, although the API refuses them (422). Limits:
https://docs.cohere.com/reference/chat, read 2026-11 in the texts of the client `cohere` 7.3.1.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.check import check_function, check_image
from dragoman.dialects.cohere.terms import LEAST_P, MOST_K, MOST_P, MOST_PENALTY, MOST_STOPS
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_object,
    conversation,
    integer,
    list_of,
    members,
    missing,
    number,
    objects,
    one_of,
    require,
    strings,
    too_long,
    wrong_type,
)
from dragoman.dialects.schema import mistake
from dragoman.errors import WireError


def check(request: WireRequest) -> None:
    """Raise WireError, with a JSON path, for the first mistake that is found in a request."""
    body = request.body
    if body.get("model") is None:
        missing("model")
    for key, value in body.items():
        if value is not None and (rule := _RULES.get(key)) is not None:
            rule(value, key)
    conversation(body.get("messages"), _BY_ROLE, _LINKED)
    if body.get("tool_choice") == "REQUIRED" and not body.get("tools"):
        raise WireError(
            "'tool_choice' forces a call, but there are no tools.", "tool_choice", "invalid_value"
        )


def _tools(value: Any, path: str) -> None:
    objects(value, path)
    for index, tool in enumerate(value):
        if (kind := tool.get("type")) is not None:
            a_string(kind, f"{path}[{index}].type")
        if kind in {None, "function"}:
            check_function(tool.get("function"), path, index, ".function")


def _stops(value: Any, path: str) -> None:
    strings(value, path)
    if len(value) > MOST_STOPS:
        too_long(path, value, MOST_STOPS)


def _format(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "type", one_of("text", "json_object"), path)
    schema = value.get("json_schema")
    if schema is None:
        return
    path += ".json_schema"
    an_object(schema, path)
    if value["type"] == "text":
        raise WireError(f"'{path}' is not allowed with the type 'text'.", path, "invalid_value")
    if (found := mistake(schema)) is not None:
        place = f"{path}.{found.path}" if found.path else path
        raise WireError(f"Invalid schema for the response: {place}: {found.message}.", place)


def _thinking(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "type", a_string, path)
    if value.get("token_budget") is not None:
        integer(1)(value["token_budget"], f"{path}.token_budget")


def _document(value: Any, path: str) -> None:
    if type(value) is str:
        return
    if type(value) is not dict:
        wrong_type(path, "a string or an object", value)
    require(value, "data", an_object, path)
    if value.get("id") is not None:
        a_string(value["id"], f"{path}.id")


SCALARS: Final[dict[str, Rule]] = {
    "temperature": number(0),
    "p": number(LEAST_P, MOST_P),
    "k": integer(0, MOST_K),
    "seed": integer(0),
    "frequency_penalty": number(0, MOST_PENALTY),
    "presence_penalty": number(0, MOST_PENALTY),
    "logprobs": a_boolean,
}
"""The checks of the members that are fields of ir.Sampling, except `stop_sequences`. The codec reads its list
of these members from here.
"""
_RULES: Final[dict[str, Rule]] = {
    **SCALARS,
    "model": a_string,
    "max_tokens": integer(0),
    "stream": a_boolean,
    "stop_sequences": _stops,
    "response_format": _format,
    "tools": _tools,
    "strict_tools": a_boolean,
    "tool_choice": one_of("REQUIRED", "NONE"),
    "thinking": _thinking,
    "documents": list_of(_document),
    "citation_options": members(mode=a_string),
    "safety_mode": one_of("CONTEXTUAL", "STRICT", "OFF"),
    "priority": integer(0),
}


def _message(role: str) -> Rule:
    rules = _MEMBERS[role]

    def rule(message: dict[str, Any], path: str) -> None:
        content = message.get("content")
        if content is None:
            if role != "assistant":
                missing(f"{path}.content")
        elif type(content) is not str:
            _content(content, f"{path}.content")
        for member, check_member in rules.items():
            if message.get(member) is not None:
                check_member(message[member], f"{path}.{member}")
        if role == "tool":
            require(message, "tool_call_id", a_string, path)

    return rule


def _content(content: Any, path: str) -> None:
    if type(content) is not list:
        wrong_type(path, "a string or an array of objects", content)
    for index, part in enumerate(content):
        place = f"{path}[{index}]"
        an_object(part, place)
        require(part, "type", a_string, place)
        if part["type"] == "image_url":
            check_image(part, place)
        elif part["type"] == "document":
            require(part, "document", _document, place)
        elif part["type"] in {"text", "thinking"}:
            require(part, part["type"], a_string, place)


def _tool_call(call: Any, path: str) -> None:
    _CALL(call, path)
    require(call, "id", a_string, path)
    require(call, "function", an_object, path)
    require(call["function"], "name", a_string, f"{path}.function")
    require(call["function"], "arguments", a_string, f"{path}.function")


_CALL: Final = members(type=a_string)
_CITATION: Final = members(
    start=integer(), end=integer(), text=a_string, sources=objects, content_index=integer()
)
_MEMBERS: Final[dict[str, dict[str, Rule]]] = {
    "system": {},
    "user": {},
    "assistant": {"tool_calls": list_of(_tool_call), "tool_plan": a_string, "citations": list_of(_CITATION)},
    "tool": {},
}
_LINKED: Final = frozenset({"tool"})
"""Roles whose messages need more members than a role and a text."""
_BY_ROLE: Final[dict[str, Rule]] = {role: _message(role) for role in _MEMBERS}
