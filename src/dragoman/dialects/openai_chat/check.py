"""Exact errors for a client's mistakes: types, ranges, required members, names and schemas.

Runs on every request, relayed ones too: plain loops over tables, paths written only for an error. What the
specification does not name is tolerated, so that vendors' own members and parts pass. `stop` may hold any
number of sequences: the limit of four is OpenAI's, and its to enforce.

One rule goes beyond the specification: a conversation needs a message of a user or a result of a tool,
because most providers refuse one without.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from dragoman.dialects.dialect import WireRequest
from dragoman.dialects.schema import mistake, strict_mistake
from dragoman.errors import WireError

Rule = Callable[[Any, str], None]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
_SPEAKERS: Final = frozenset({"user", "tool", "function"})


def check(request: WireRequest) -> None:
    """Raise WireError, with the path and code that OpenAI's API uses, for the first mistake of a request."""
    body = request.body
    for key, value in body.items():
        if value is not None and (rule := _RULES.get(key)) is not None:
            rule(value, key)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise WireError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    _check_messages(body.get("messages"))
    _check_choice(body)
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise WireError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
        )


# --- Errors ------------------------------------------------------------------------------------

_KINDS: Final = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    type(None): "null",
}


def _wrong_type(path: str, expected: str, value: Any) -> NoReturn:
    got = _KINDS.get(type(value), "something else")
    raise WireError(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.", path, "invalid_type"
    )


def _missing(path: str) -> NoReturn:
    raise WireError(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def _empty(path: str) -> NoReturn:
    raise WireError(
        f"Invalid '{path}': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        path,
        "empty_array",
    )


def _not_one_of(path: str, value: Any, allowed: tuple[str, ...]) -> NoReturn:
    words = ", ".join(f"'{word}'" for word in allowed)
    raise WireError(f"Invalid value: '{value}'. Supported values are: {words}.", path, "invalid_value")


# --- Values ------------------------------------------------------------------------------------


def _typed(kind: type, expected: str) -> Rule:
    def rule(value: Any, path: str) -> None:
        if type(value) is not kind:
            _wrong_type(path, expected, value)

    return rule


_string = _typed(str, "a string")
_boolean = _typed(bool, "a boolean")
_object = _typed(dict, "an object")


def _number(low: float | None = None, high: float | None = None) -> Rule:
    def rule(value: Any, path: str) -> None:
        if type(value) is not float and type(value) is not int:
            _wrong_type(path, "a decimal", value)
        _bounded(value, path, "decimal", low, high)

    return rule


def _integer(low: int | None = None, high: int | None = None) -> Rule:
    def rule(value: Any, path: str) -> None:
        if type(value) is not int:
            _wrong_type(path, "an integer", value)
        _bounded(value, path, "integer", low, high)

    return rule


def _bounded(value: float, path: str, kind: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        limit, side = f">= {low}", "below_min"
    elif high is not None and value > high:
        limit, side = f"<= {high}", "above_max"
    else:
        return
    words = side.replace("_min", " minimum").replace("_max", " maximum")
    raise WireError(
        f"Invalid '{path}': {kind} {words} value. Expected a value {limit}, but got {value} instead.",
        path,
        f"{kind}_{side}_value",
    )


def _one_of(*allowed: str) -> Rule:
    def rule(value: Any, path: str) -> None:
        _string(value, path)
        if value not in allowed:
            _not_one_of(path, value, allowed)

    return rule


def _list_of(rule: Rule, *, empty: bool = True) -> Rule:
    def check_list(value: Any, path: str) -> None:
        if type(value) is not list:
            _wrong_type(path, "an array", value)
        if not value and not empty:
            _empty(path)
        for index, item in enumerate(value):
            rule(item, f"{path}[{index}]")

    return check_list


_strings = _list_of(_string)
_objects = _list_of(_object)


def _stop(value: Any, path: str) -> None:
    if type(value) is not str:
        if type(value) is not list:
            _wrong_type(path, "a string or an array of strings", value)
        _strings(value, path)


def _metadata(value: Any, path: str) -> None:
    _object(value, path)
    if len(value) > 16:
        raise WireError(
            f"Invalid '{path}': too many properties. Expected at most 16, but got {len(value)} instead.",
            path,
            "object_above_max_properties",
        )
    for key, text in value.items():
        inner = f"{path}.{key}"
        _string(text, inner)
        _short(key, 64, inner)
        _short(text, 512, inner)


def _short(text: str, limit: int, path: str) -> None:
    if len(text) > limit:
        raise WireError(
            f"Invalid '{path}': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(text)} instead.",
            path,
            "string_above_max_length",
        )


def _logit_bias(value: Any, path: str) -> None:
    _object(value, path)
    for token, bias in value.items():
        _number(-100, 100)(bias, f"{path}.{token}")


def _name(value: Any, path: str) -> None:
    _string(value, path)
    if _NAME.fullmatch(value) is None:
        _short(value, 64, path)
        raise WireError(
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            path,
            "invalid_value",
        )


# --- Structured members ------------------------------------------------------------------------


def _stream_options(value: Any, path: str) -> None:
    _object(value, path)
    for key in ("include_usage", "include_obfuscation"):
        if value.get(key) is not None:
            _boolean(value[key], f"{path}.{key}")


def _response_format(value: Any, path: str) -> None:
    _object(value, path)
    if "type" not in value:
        _missing(f"{path}.type")
    _string(value["type"], f"{path}.type")
    inner = value.get("json_schema")
    if value["type"] != "json_schema" or inner is None:
        if value["type"] == "json_schema" and "schema" not in value:
            _missing(f"{path}.json_schema")
        return
    path += ".json_schema"
    _object(inner, path)
    if inner.get("name") is not None:
        _name(inner["name"], f"{path}.name")
    if inner.get("strict") is not None:
        _boolean(inner["strict"], f"{path}.strict")
    if (schema := inner.get("schema")) is not None:
        what = f"response_format '{inner.get('name')}'"
        _schema(schema, f"{path}.schema", what, None, strict=inner.get("strict") is True)


def _schema(schema: Any, path: str, what: str, code: str | None, *, strict: bool = False) -> None:
    """A schema at the root of arguments or of an answer: an object's."""
    if type(schema) is not dict:
        _wrong_type(path, "an object", schema)
    found = mistake(schema)
    if found is None and strict:
        found = strict_mistake(schema)
    if found is not None:
        place = f"{path}.{found.path}" if found.path else path
        raise WireError(f"Invalid schema for {what}: {place}: {found.message}.", place, code)


def _web_search(value: Any, path: str) -> None:
    _object(value, path)
    if (place := value.get("user_location")) is not None:
        _object(place, f"{path}.user_location")
        if place.get("approximate") is not None:
            _object(place["approximate"], f"{path}.user_location.approximate")


# --- Tools -------------------------------------------------------------------------------------


def _tools(value: Any, path: str) -> None:
    if type(value) is not list:
        _wrong_type(path, "an array", value)
    for index, tool in enumerate(value):
        if type(tool) is not dict:
            _wrong_type(f"{path}[{index}]", "an object", tool)
        kind = tool.get("type")
        if kind == "function":
            _function(tool.get("function"), path, index, ".function")
        elif kind == "custom":
            _custom(tool.get("custom"), f"{path}[{index}].custom")
        elif kind is None:
            _missing(f"{path}[{index}].type")
        else:
            _string(kind, f"{path}[{index}].type")


def _functions(value: Any, path: str) -> None:
    if type(value) is not list:
        _wrong_type(path, "an array", value)
    for index, function in enumerate(value):
        _function(function, path, index, "")


def _function(function: Any, path: str, index: int, member: str) -> None:
    if type(function) is not dict:
        if function is None:
            _missing(f"{path}[{index}]{member}")
        _wrong_type(f"{path}[{index}]{member}", "an object", function)
    name = function.get("name")
    if type(name) is not str or _NAME.fullmatch(name) is None:
        if name is None:
            _missing(f"{path}[{index}]{member}.name")
        _name(name, f"{path}[{index}]{member}.name")
    if (description := function.get("description")) is not None and type(description) is not str:
        _string(description, f"{path}[{index}]{member}.description")
    strict = function.get("strict")
    if strict is not None and type(strict) is not bool:
        _boolean(strict, f"{path}[{index}]{member}.strict")
    if (parameters := function.get("parameters")) is not None:
        place = f"{path}[{index}]{member}.parameters"
        # Whether a strict tool's schema keeps the strict rules is the provider's to say: they differ.
        _schema(parameters, place, f"function '{name}'", "invalid_function_parameters")
        if parameters.get("type", "object") != "object":
            raise WireError(
                f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', "
                f"got 'type: \"{parameters['type']}\"'.",
                place,
                "invalid_function_parameters",
            )


def _custom(custom: Any, path: str) -> None:
    if custom is None:
        _missing(path)
    _object(custom, path)
    if "name" not in custom:
        _missing(f"{path}.name")
    _name(custom["name"], f"{path}.name")
    if (form := custom.get("format")) is not None:
        _object(form, f"{path}.format")
        if form.get("type") == "grammar":
            _object(form.get("grammar"), f"{path}.format.grammar")


def _check_choice(body: dict[str, Any]) -> None:
    """Whether the tool that must be called is one that is offered."""
    if (choice := body.get("tool_choice")) is not None:
        if type(choice) is str:
            _choice_word(choice, "tool_choice", ("none", "auto", "required"))
            if choice in {"required", "any"} and not (body.get("tools") or body.get("functions")):
                raise WireError(
                    "'tool_choice' is only allowed when 'tools' are specified.",
                    "tool_choice",
                    "invalid_value",
                )
            return
        _object(choice, "tool_choice")
        _offered(_chosen(choice), {_tool_name(tool) for tool in body.get("tools") or ()}, "tool_choice")
    elif (choice := body.get("function_call")) is not None:
        if type(choice) is str:
            _choice_word(choice, "function_call", ("none", "auto"))
            return
        _object(choice, "function_call")
        names = {function["name"] for function in body.get("functions") or ()}
        _offered([("function_call.name", choice.get("name"))], names, "function_call")


def _choice_word(choice: str, path: str, allowed: tuple[str, ...]) -> None:
    if choice not in allowed and (choice != "any" or path != "tool_choice"):
        _not_one_of(path, choice, allowed)


def _offered(chosen: list[tuple[str, Any]], names: set[Any], path: str) -> None:
    for place, name in chosen:
        if name is None:
            _missing(place)
        _string(name, place)
        if name not in names:
            raise WireError(f"Tool choice '{name}' not found in 'tools' parameter.", path, "invalid_value")


def _tool_name(tool: dict[str, Any]) -> Any:
    inner = tool.get(tool["type"])
    return inner.get("name") if isinstance(inner, dict) else None


def _chosen(choice: dict[str, Any]) -> list[tuple[str, Any]]:
    """The names in a choice, with their paths; other kinds of choice are a vendor's."""
    _required(choice, "type", _string, "tool_choice")
    kind = choice["type"]
    if kind in {"function", "custom"}:
        path = f"tool_choice.{kind}"
        if choice.get(kind) is None:
            _missing(path)
        _object(choice[kind], path)
        return [(f"{path}.name", choice[kind].get("name"))]
    if kind != "allowed_tools":
        return []
    path = "tool_choice.allowed_tools"
    allowed = choice.get("allowed_tools")
    if allowed is None:
        _missing(path)
    _object(allowed, path)
    _required(allowed, "mode", _one_of("auto", "required"), path)
    _required(allowed, "tools", _objects, path)
    chosen: list[tuple[str, Any]] = []
    for index, tool in enumerate(allowed["tools"]):
        _required(tool, "type", _string, f"{path}.tools[{index}]")
        if isinstance(inner := tool.get(tool["type"]), dict):
            chosen.append((f"{path}.tools[{index}]", inner.get("name")))
    return chosen


# --- Messages ----------------------------------------------------------------------------------


def _check_messages(messages: Any) -> None:
    if type(messages) is not list:
        raise WireError(
            "messages is required and must be an array",
            "messages",
            "missing_required_parameter" if messages is None else "invalid_type",
        )
    if not messages:
        _empty("messages")
    asked = False
    for index, message in enumerate(messages):
        if type(message) is not dict:
            _wrong_type(f"messages[{index}]", "an object", message)
        role = message.get("role")
        rule = _BY_ROLE.get(role) if type(role) is str else None
        if rule is None:
            _wrong_role(role, f"messages[{index}].role")
        # The common message holds a role and a text, and nothing to look into.
        if len(message) != 2 or type(message.get("content")) is not str or role in {"tool", "function"}:
            rule(message, f"messages[{index}]")
        asked = asked or role in _SPEAKERS
    if not asked:
        raise WireError("messages must contain at least one user message", "messages", "invalid_value")


def _wrong_role(role: Any, path: str) -> NoReturn:
    if role is None:
        _missing(path)
    _string(role, path)
    _not_one_of(path, role, _ROLES)


def _content(message: dict[str, Any], path: str, *, required: bool = True) -> None:
    content = message.get("content")
    if type(content) is str:
        return
    if content is None:
        if required:
            _missing(f"{path}.content")
        return
    if type(content) is not list:
        _wrong_type(f"{path}.content", "a string or an array of objects", content)
    if not content:
        _empty(f"{path}.content")
    for index, part in enumerate(content):
        if type(part) is not dict:
            _wrong_type(f"{path}.content[{index}]", "an object", part)
        kind = part.get("type")
        rule = _PARTS.get(kind, _unknown_part) if type(kind) is str else _unknown_part
        rule(part, f"{path}.content[{index}]")


def _text_part(part: dict[str, Any], path: str) -> None:
    if type(part.get("text")) is not str:
        _required(part, "text", _string, path)


def _refusal_part(part: dict[str, Any], path: str) -> None:
    _required(part, "refusal", _string, path)


def _image_part(part: dict[str, Any], path: str) -> None:
    _required(part, "image_url", _object, path)
    image = part["image_url"]
    _required(image, "url", _string, f"{path}.image_url")
    if image.get("detail") is not None:
        _one_of("auto", "low", "high", "original")(image["detail"], f"{path}.image_url.detail")


def _audio_part(part: dict[str, Any], path: str) -> None:
    _required(part, "input_audio", _object, path)
    for member in ("data", "format"):
        _required(part["input_audio"], member, _string, f"{path}.input_audio")


def _file_part(part: dict[str, Any], path: str) -> None:
    _required(part, "file", _object, path)
    file = part["file"]
    for member in ("file_data", "file_id", "filename"):
        if file.get(member) is not None:
            _string(file[member], f"{path}.file.{member}")
    if file.get("file_data") is None and file.get("file_id") is None:
        _missing(f"{path}.file.file_id")


def _unknown_part(part: dict[str, Any], path: str) -> None:
    """A vendor's own part, as long as it says what it is."""
    _required(part, "type", _string, path)


def _required(holder: dict[str, Any], member: str, rule: Rule, path: str) -> None:
    value = holder.get(member)
    if value is None:
        _missing(f"{path}.{member}")
    rule(value, f"{path}.{member}")


def _speaker(message: dict[str, Any], path: str) -> None:
    _content(message, path)
    if message.get("name") is not None:
        _string(message["name"], f"{path}.name")


def _assistant(message: dict[str, Any], path: str) -> None:
    _content(message, path, required=_SAYING.isdisjoint(message))
    for member, rule in _ASSISTANT.items():
        if message.get(member) is not None:
            rule(message[member], f"{path}.{member}")


def _tool_message(message: dict[str, Any], path: str) -> None:
    if type(message.get("tool_call_id")) is not str:
        _required(message, "tool_call_id", _string, path)
    _content(message, path)


def _function_message(message: dict[str, Any], path: str) -> None:
    _required(message, "name", _string, path)
    _content(message, path, required="content" not in message)


def _tool_calls(value: Any, path: str) -> None:
    if type(value) is not list:
        _wrong_type(path, "an array", value)
    for index, call in enumerate(value):
        place = f"{path}[{index}]"
        if type(call) is not dict:
            _wrong_type(place, "an object", call)
        kind = "function" if call.get("type") is None else call["type"]
        _string(kind, f"{place}.type")
        members = ("name", "input") if kind == "custom" else ("name", "arguments")
        if kind not in {"function", "custom"}:
            _not_one_of(f"{place}.type", kind, ("function", "custom"))
        if type(call.get("id")) is not str:
            _required(call, "id", _string, place)
        _required(call, kind, _object, place)
        for member in members:
            if type(call[kind].get(member)) is not str:
                _required(call[kind], member, _string, f"{place}.{kind}")


def _function_call(value: Any, path: str) -> None:
    _object(value, path)
    for member in ("name", "arguments"):
        _required(value, member, _string, path)


_SAYING: Final = frozenset(
    {
        *("tool_calls", "function_call", "audio", "refusal", "images"),
        *("reasoning", "reasoning_content", "reasoning_details"),
    }
)
_ASSISTANT: Final[dict[str, Rule]] = {
    "name": _string,
    "refusal": _string,
    "tool_calls": _tool_calls,
    "function_call": _function_call,
    "audio": _object,
    "annotations": _objects,
    "images": _objects,
    "reasoning": _string,
    "reasoning_content": _string,
    "reasoning_details": _objects,
}
_BY_ROLE: Final[dict[str, Rule]] = {
    "user": _speaker,
    "system": _speaker,
    "developer": _speaker,
    "assistant": _assistant,
    "tool": _tool_message,
    "function": _function_message,
}
_PARTS: Final[dict[Any, Rule]] = {
    "text": _text_part,
    "refusal": _refusal_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "file": _file_part,
}
_RULES: Final[dict[str, Rule]] = {
    "model": _string,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "top_k": _integer(),
    "min_p": _number(),
    "repetition_penalty": _number(),
    "frequency_penalty": _number(-2, 2),
    "presence_penalty": _number(-2, 2),
    "seed": _integer(),
    "n": _integer(1, 128),
    "stop": _stop,
    "logprobs": _boolean,
    "top_logprobs": _integer(0, 20),
    "logit_bias": _logit_bias,
    "max_tokens": _integer(),
    "max_completion_tokens": _integer(),
    "stream": _boolean,
    "stream_options": _stream_options,
    "tools": _tools,
    "functions": _functions,
    "parallel_tool_calls": _boolean,
    "response_format": _response_format,
    "modalities": _list_of(_string, empty=False),
    "audio": _object,
    "verbosity": _one_of("low", "medium", "high"),
    "reasoning_effort": _string,
    "reasoning": _object,
    "thinking": _object,
    "enable_thinking": _boolean,
    "thinking_budget": _integer(),
    "include_reasoning": _boolean,
    "user": _string,
    "safety_identifier": _string,
    "metadata": _metadata,
    "service_tier": _string,
    "store": _boolean,
    "prompt_cache_key": _string,
    "prompt_cache_options": _object,
    "prompt_cache_retention": _string,
    "web_search_options": _web_search,
}
