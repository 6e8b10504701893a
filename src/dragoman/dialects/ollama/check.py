"""Checks Ollama chat requests: types, ranges, required members. Some error texts are those of Ollama's
server.

The check runs on every request, also on a request that will be relayed. Unknown members are accepted. A
top-level member (except `messages`) whose value is "" counts as absent, because Ollama's command line sends
such members. Roles may be in upper or lower case.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.chat.check import check_function
from dragoman.dialects.ollama.history import ROLES
from dragoman.dialects.ollama.options import check_options
from dragoman.dialects.ollama.request import LEVELS
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_object,
    conversation,
    in_base64,
    integer,
    list_of,
    members,
    objects,
    require,
)
from dragoman.dialects.schema import mistake
from dragoman.errors import WireError


def check(request: WireRequest) -> None:
    """Raise WireError, with the JSON path of the value and a code, for the first mistake in a chat
    request.
    """
    body = request.body
    for key, value in body.items():
        if value is not None and value != "" and (rule := _RULES.get(key)) is not None:
            rule(value, key)
    messages = body.get("messages")
    if type(messages) is list:
        messages = [_in_lower_case(message) for message in messages]
    conversation(messages, _BY_ROLE)


def _in_lower_case(message: Any) -> Any:
    if type(message) is not dict or type(role := message.get("role")) is not str or role in _BY_ROLE:
        return message
    return {**message, "role": role.lower()}


def _tools(value: Any, path: str) -> None:
    objects(value, path)
    for index, tool in enumerate(value):
        if (kind := tool.get("type")) is not None:
            a_string(kind, f"{path}[{index}].type")
        check_function(tool.get("function"), path, index, ".function")


def _format(value: Any, path: str) -> None:
    if value != "json" and type(value) is not dict:
        raise WireError(
            f'invalid format: {value!r}; expected "json" or a JSON schema object', path, "invalid_value"
        )
    if value != "json" and (found := mistake(value)) is not None:
        joint = "." if found.path and not found.path.startswith("[") else ""
        place = f"{path}{joint}{found.path}"
        raise WireError(f"invalid JSON schema in format: {place}: {found.message}", place, "invalid_value")


def _think(value: Any, path: str) -> None:
    if type(value) is not bool and value not in LEVELS:
        words = ", ".join(f'"{word}"' for word in LEVELS)
        raise WireError(
            f"invalid think value: {value!r} (must be a boolean or one of {words})", path, "invalid_value"
        )


_DURATION: Final = re.compile(r"[-+]?(?:0|(?:(?:\d++(?:\.\d*+)?|\.\d++)(?:ns|us|µs|μs|ms|s|m|h))+)")


def check_keep_alive(value: Any, path: str) -> None:
    """Raise WireError unless the value is a duration: a number of seconds (also a negative one), or a text in
    Go's form ("5m", "-1s"). path: the JSON path of the value.
    """
    if type(value) in {int, float} or (type(value) is str and _DURATION.fullmatch(value)):
        return
    raise WireError(f'invalid duration "{value}"', path, "invalid_value")


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "stream": a_boolean,
    "format": _format,
    "tools": _tools,
    "options": check_options,
    "think": _think,
    "keep_alive": check_keep_alive,
    "truncate": a_boolean,
    "shift": a_boolean,
    "logprobs": a_boolean,
    "top_logprobs": integer(0, 20),
}


def _call(call: Any, path: str) -> None:
    an_object(call, path)
    require(call, "function", an_object, path)
    function = call["function"]
    require(function, "name", a_string, f"{path}.function")
    if (arguments := function.get("arguments")) is not None:
        an_object(arguments, f"{path}.function.arguments")
    if (stated := call.get("id")) is not None:
        a_string(stated, f"{path}.id")


_message: Final = members(
    content=a_string,
    thinking=a_string,
    images=list_of(in_base64),
    tool_calls=list_of(_call),
    tool_name=a_string,
    tool_call_id=a_string,
)
_BY_ROLE: Final[dict[str, Rule]] = dict.fromkeys(ROLES, _message)
