"""Checks Mistral chat requests: types, ranges, required members, names, schemas. A mistake raises WireError.

The gateway does not serve this dialect to clients; `dialects/translation` checks its requests. Unknown
members and chunks are accepted, because the protocol grows. The order of roles is not checked, because
Mistral's models differ in it.

Limits: https://github.com/mistralai/platform-docs-public (openapi.yaml); temperature to 1.5, inclusive,
measured in https://github.com/mnfst/modelparams.dev/pull/234. `top_p: 0` is accepted: the specification
allows it, although the API refuses it.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.check import check_function, check_response_format, check_stop
from dragoman.dialects.mistral.terms import MAX_TEMPERATURE
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_address,
    an_object,
    conversation,
    data_or_address,
    integer,
    list_of,
    members,
    missing,
    not_one_of,
    number,
    objects,
    one_of,
    require,
    wrong_type,
)
from dragoman.errors import WireError


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake in a chat request, with the JSON path of the value."""
    body = request.body
    for key, value in body.items():
        if value is not None and (rule := _RULES.get(key)) is not None:
            rule(value, key)
    conversation(body.get("messages"), _BY_ROLE)
    if (choice := body.get("tool_choice")) is not None:
        _check_choice(choice, body.get("tools") or [])


def _tools(value: Any, path: str) -> None:
    objects(value, path)
    for index, tool in enumerate(value):
        if (kind := tool.get("type")) is not None:
            a_string(kind, f"{path}[{index}].type")
        if kind in {None, "function"}:
            check_function(tool.get("function"), path, index, ".function")


def _check_choice(choice: Any, tools: list[dict[str, Any]]) -> None:
    if isinstance(choice, str):
        if choice not in _CHOICES:
            not_one_of("tool_choice", choice, _CHOICES)
        if choice in {"any", "required"} and not tools:
            raise WireError(
                "'tool_choice' forces a call, but there are no tools.", "tool_choice", "invalid_value"
            )
        return
    an_object(choice, "tool_choice")
    require(choice, "function", an_object, "tool_choice")
    require(choice["function"], "name", a_string, "tool_choice.function")
    name = choice["function"]["name"]
    offered = [tool["function"]["name"] for tool in tools if tool.get("type") in {None, "function"}]
    if name not in offered:
        raise WireError(
            f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice", "invalid_value"
        )


_CHOICES: Final = ("auto", "none", "any", "required")
SCALARS: Final[dict[str, Rule]] = {
    "temperature": number(0, MAX_TEMPERATURE),
    "top_p": number(0, 1),
    "top_k": integer(-1),
    "random_seed": integer(0),
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "repetition_penalty": number(0),
    "n": integer(1),
    "logprobs": a_boolean,
    "top_logprobs": integer(0),
}
"""Request member -> rule, for members that are fields of ir.Sampling, except `stop`. A new such member needs
only a line here, if its name is that of the field."""
_RULES: Final[dict[str, Rule]] = {
    **SCALARS,
    "model": a_string,
    "max_tokens": integer(0),
    "min_tokens": integer(0),
    "stream": a_boolean,
    "stop": check_stop,
    "metadata": an_object,
    "response_format": check_response_format,
    "tools": _tools,
    "parallel_tool_calls": a_boolean,
    "prompt_logprobs": a_boolean,
    "top_prompt_logprobs": integer(0),
    "prediction": members(type=a_string, content=a_string),
    "reasoning_effort": a_string,
    "prompt_mode": a_string,
    "guardrails": objects,
    "prompt_cache_key": a_string,
    "service_tier": one_of("auto", "standard_only"),
    "safe_prompt": a_boolean,
}


def _message(role: str) -> Rule:
    rules = _MEMBERS[role]

    def rule(message: dict[str, Any], path: str) -> None:
        content = message.get("content")
        if content is None:
            # Content of a user or a tool may be null but not absent; the assistant's may be absent.
            if role == "system" or (role != "assistant" and "content" not in message):
                missing(f"{path}.content")
        elif type(content) is not str:
            _content(content, f"{path}.content")
        for member, check_member in rules.items():
            if message.get(member) is not None:
                check_member(message[member], f"{path}.{member}")

    return rule


def _content(content: Any, path: str) -> None:
    if type(content) is not list:
        wrong_type(path, "a string or an array of objects", content)
    for index, part in enumerate(content):
        place = f"{path}[{index}]"
        an_object(part, place)
        require(part, "type", a_string, place)
        for member, rule in _PARTS.get(part["type"], {}).items():
            require(part, member, rule, place)
        if (may := _MAY.get(part["type"])) is not None:
            may(part, place)


def _source(member: str, source: Rule, others: Rule) -> Rule:
    """Make the rule for a medium: the value is either the source itself (a string that obeys `source`), or an
    object that has the source in `member` and obeys the rule `others`.
    """

    def rule(value: Any, path: str) -> None:
        if type(value) is str:
            source(value, path)
        elif type(value) is dict:
            require(value, member, source, path)
            others(value, path)
        else:
            wrong_type(path, "a string or an object", value)

    return rule


def _reference_id(value: Any, path: str) -> None:
    if type(value) is not int and type(value) is not str:
        wrong_type(path, "a string or an integer", value)


def _thought(value: Any, path: str) -> None:
    _TYPE(value, path)
    if value.get("type") in {None, "text"}:
        require(value, "text", a_string, path)


def _tool_call(call: Any, path: str) -> None:
    _CALL(call, path)
    require(call, "function", an_object, path)
    function = call["function"]
    require(function, "name", a_string, f"{path}.function")
    arguments = function.get("arguments")
    if arguments is None:
        missing(f"{path}.function.arguments")
    if type(arguments) is not str and type(arguments) is not dict:
        wrong_type(f"{path}.function.arguments", "a string or an object", arguments)


_TYPE: Final = members(type=a_string)
_CALL: Final = members(id=a_string, type=a_string, index=integer())
_PARTS: Final[dict[str, dict[str, Rule]]] = {
    "text": {"text": a_string},
    "image_url": {"image_url": _source("url", an_address, members(detail=a_string))},
    "input_audio": {"input_audio": _source("data", data_or_address, members(format=a_string))},
    "document_url": {"document_url": an_address},
    "file": {"file_id": a_string},
    "reference": {"reference_ids": list_of(_reference_id)},
    "thinking": {"thinking": list_of(_thought)},
}
"""Chunk type -> the required members of a chunk, each with the rule that checks it."""
_MAY: Final[dict[str, Rule]] = {
    "document_url": members(document_name=a_string),
    "thinking": members(signature=a_string, closed=a_boolean),
}
"""Chunk type -> the rule for the optional members of a chunk."""
_MEMBERS: Final[dict[str, dict[str, Rule]]] = {
    "system": {},
    "user": {},
    "assistant": {"tool_calls": list_of(_tool_call), "prefix": a_boolean},
    "tool": {"tool_call_id": a_string, "name": a_string},
}
_BY_ROLE: Final[dict[str, Rule]] = {role: _message(role) for role in _MEMBERS}
