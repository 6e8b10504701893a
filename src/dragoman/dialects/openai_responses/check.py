"""Checks a client's request before any upstream is called. An error names a member of the request.

Items and tools of an unknown `type`, and unknown members, are in general accepted, because the protocol
grows; the upstream decides about them. The only unknown member that is refused is a message's `tool_calls`,
if it is not empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from dragoman.dialects.chat.check import EFFORTS, FORMS, check_moderation
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_address,
    an_object,
    data_or_address,
    empty_array,
    in_base64,
    integer,
    list_of,
    members,
    missing,
    not_one_of,
    number,
    objects,
    one_of,
    require,
    short,
    strings,
    wrong_type,
)
from dragoman.dialects.schema import mistake, strict_mistake
from dragoman.errors import WireError

_Wire = dict[str, Any]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_PAIRS: Final = 16
_MAX_KEY: Final = 64
_MAX_VALUE: Final = 512


def check(wire: WireRequest) -> None:
    """Raise WireError, with a path and a code, for the first mistake that is found in a request."""
    body = wire.body
    for member, value in body.items():
        rule = _RULES.get(member)
        if rule is not None and value is not None:
            rule(value, member)
    value = body.get("input")
    if body.get("previous_response_id") is not None and body.get("conversation") is not None:
        raise WireError(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )
    continued = not body.keys().isdisjoint(_STATE) and any(body.get(key) is not None for key in _STATE)
    asks = not continued and body.get("generate") is not False  # else input may be absent
    if value is None:
        if asks:
            missing("input")
    elif type(value) is list:
        if not value and asks:
            empty_array("input")
        _check_input(value, continued=continued or wire.preceded)
    if (choice := body.get("tool_choice")) is not None:
        _check_choice(choice, body.get("tools") or ())


_STATE: Final = ("previous_response_id", "conversation", "prompt")

# --- Input -------------------------------------------------------------------------------------


def _check_input(items: list[Any], *, continued: bool) -> None:
    calls: set[Any] = set()
    for index, item in enumerate(items):
        if type(item) is not dict:
            wrong_type(f"input[{index}]", "an object", item)
        kind = item.get("type")
        if kind is None or kind == "message":
            _check_message(item, f"input[{index}]")
            continued = continued or "role" not in item  # the item is a stored item
            continue
        if type(kind) is not str:
            wrong_type(f"input[{index}].type", "a string", kind)
        required = _ITEMS.get(kind)
        if kind in _TELL_OF_CALLS:
            continued = True
        if required is None:
            calls.add(str(item.get("call_id")))  # a tool that the protocol defines
            continue
        path = f"input[{index}]"
        for member, rule in required.items():
            require(item, member, rule, path)
        if kind == "reasoning" and item.get("content") is not None:
            _texts(item["content"], f"{path}.content")
        if kind in _CALLS:
            calls.add(item["call_id"])
        elif kind in _OUTPUTS and not continued and item["call_id"] not in calls:
            raise WireError(
                f"No tool call found for function call output with call_id {item['call_id']}.",
                "input",
                "invalid_value",
            )


def _check_message(item: _Wire, path: str) -> None:
    role = item.get("role")
    if role is None:
        if item.get("type") is None and type(item.get("id")) is str:
            return  # a reference to an item may lack its type
        missing(f"{path}.role")
    if type(role) is not str or role not in _ROLES:
        a_string(role, f"{path}.role")
        not_one_of(f"{path}.role", role, _ROLES)
    if item.get("tool_calls"):
        raise WireError(
            f"Unknown parameter: '{path}.tool_calls'. Calls are items of their own: 'function_call'.",
            f"{path}.tool_calls",
            "unknown_parameter",
        )
    content = item.get("content")
    if type(content) is str:
        return
    require(item, "content", _output, path)
    phase = item.get("phase")
    if phase is not None:
        a_string(phase, f"{path}.phase")


def _check_parts(parts: list[Any], path: str) -> None:
    for index, part in enumerate(parts):
        if type(part) is not dict:
            wrong_type(f"{path}[{index}]", "an object", part)
        kind = part.get("type")
        if type(kind) is not str:
            require(part, "type", a_string, f"{path}[{index}]")
        elif (rule := _PARTS.get(kind)) is not None:
            rule(part, f"{path}[{index}]")


def _check_text(part: _Wire, path: str) -> None:
    if type(part.get("text")) is not str:
        require(part, "text", a_string, path)
    if (annotations := part.get("annotations")) is not None:
        objects(annotations, f"{path}.annotations")
    if (logprobs := part.get("logprobs")) is not None:
        objects(logprobs, f"{path}.logprobs")


def _check_refusal(part: _Wire, path: str) -> None:
    require(part, "refusal", a_string, path)


def _check_image(part: _Wire, path: str) -> None:
    _one_source(part, path, "image_url", "file_id")
    if (url := part.get("image_url")) is not None:
        an_address(url, f"{path}.image_url")
    if (detail := part.get("detail")) is not None:
        _DETAIL(detail, f"{path}.detail")


def _check_file(part: _Wire, path: str) -> None:
    _one_source(part, path, "file_data", "file_id", "file_url")
    if (data := part.get("file_data")) is not None:
        data_or_address(data, f"{path}.file_data")
    for member in ("file_url", "filename"):
        if (value := part.get(member)) is not None:
            a_string(value, f"{path}.{member}")


def _one_source(part: _Wire, path: str, *sources: str) -> None:
    stated = [member for member in sources if part.get(member) is not None]
    if not stated:
        missing(f"{path}.{sources[0]}")
    if len(stated) > 1:
        raise WireError(
            f"Mutually exclusive parameters: '{path}.{stated[0]}' and '{path}.{stated[1]}'.",
            f"{path}.{stated[1]}",
            "mutually_exclusive_parameters",
        )
    a_string(part[stated[0]], f"{path}.{stated[0]}")


def _check_audio(part: _Wire, path: str) -> None:
    require(part, "input_audio", an_object, path)
    sound, path = part["input_audio"], f"{path}.input_audio"
    require(sound, "data", in_base64, path)
    require(sound, "format", a_string, path)


def _output(value: Any, path: str) -> None:
    _text_or_list(value, path)
    if type(value) is list:
        _check_parts(value, path)


def _texts(value: Any, path: str) -> None:
    objects(value, path)
    for index, part in enumerate(value):
        require(part, "text", a_string, f"{path}[{index}]")


_ROLES: Final = ("user", "assistant", "system", "developer")
_DETAIL: Final = one_of("auto", "low", "high", "original")
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_TELL_OF_CALLS: Final = frozenset({"item_reference", "compaction", "tool_search_call", "tool_search_output"})
"""Types of items that may stand for calls: after one of them, an output needs no call in the request."""
_ITEMS: Final[dict[str, dict[str, Rule]]] = {
    "function_call": {"call_id": a_string, "name": a_string, "arguments": a_string},
    "custom_tool_call": {"call_id": a_string, "name": a_string, "input": a_string},
    "function_call_output": {"call_id": a_string, "output": _output},
    "custom_tool_call_output": {"call_id": a_string, "output": _output},
    "reasoning": {"summary": _texts},
    "compaction": {"encrypted_content": a_string},
    "item_reference": {"id": a_string},
}
"""Item type -> its required members, each with the rule that checks it."""
_PARTS: Final[dict[str, Callable[[_Wire, str], None]]] = {
    "input_text": _check_text,
    "output_text": _check_text,
    "refusal": _check_refusal,
    "input_image": _check_image,
    "input_file": _check_file,
    "input_audio": _check_audio,
}

# --- Tools -------------------------------------------------------------------------------------


def _tools(value: Any, path: str) -> None:
    if type(value) is not list:
        wrong_type(path, "an array", value)
    for index, tool in enumerate(value):
        place = f"{path}[{index}]"
        if type(tool) is not dict:
            wrong_type(place, "an object", tool)
        kind = tool.get("type")
        if type(kind) is not str:
            require(tool, "type", a_string, place)
        if kind == "function":
            _function(tool, place)
        elif kind == "custom":
            _named(tool, place)
            if (form := tool.get("format")) is not None:
                an_object(form, f"{place}.format")
        elif kind == "namespace":
            _namespace(tool, place)
        else:
            for member in ("name", "server_label"):
                if (name := tool.get(member)) is not None:
                    a_string(name, f"{place}.{member}")
            if (rule := _BUILTINS.get(str(kind))) is not None:
                rule(tool, place)


def _namespace(tool: _Wire, path: str) -> None:
    require(tool, "tools", objects, path)
    for member in ("name", "description"):
        if (said := tool.get(member)) is not None:
            a_string(said, f"{path}.{member}")
    _tools(tool["tools"], f"{path}.tools")


def _named(tool: _Wire, path: str) -> None:
    name = tool.get("name")
    if type(name) is not str:
        require(tool, "name", a_string, path)
    elif _NAME.fullmatch(name) is None:
        raise WireError(
            f"Invalid '{path}.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$' of at most 64 characters.",
            f"{path}.name",
            "invalid_value",
        )
    if (description := tool.get("description")) is not None:
        a_string(description, f"{path}.description")


def _function(tool: _Wire, path: str) -> None:
    _named(tool, path)
    if (strict := tool.get("strict")) is not None:
        a_boolean(strict, f"{path}.strict")
    if (parameters := tool.get("parameters")) is not None:
        an_object(parameters, f"{path}.parameters")
        what = f"function '{tool['name']}'"
        _check_schema(parameters, strict, what, f"{path}.parameters", "invalid_function_parameters")


def _check_schema(schema: _Wire, strict: Any, what: str, path: str, code: str) -> None:
    found = mistake(schema) or (strict_mistake(schema) if strict else None)
    if found is not None:
        at = f"In '{found.path}': " if found.path else ""
        raise WireError(f"Invalid schema for {what}: {at}{found.message}.", path, code)


_SEARCH: Final = members(
    max_num_results=integer(1, 50),
    ranking_options=members(
        score_threshold=number(0, 1),
        hybrid_search=members(embedding_weight=number(0), text_weight=number(0)),
    ),
)
_BUILTINS: Final[dict[str, Rule]] = {
    "file_search": _SEARCH,
    "image_generation": members(output_compression=integer(0, 100), partial_images=integer(0, 3)),
    "computer_use_preview": members(display_width=integer(1), display_height=integer(1)),
}
"""Type of a tool that OpenAI defines -> the rule for its numeric members."""


def _check_choice(choice: Any, tools: Any) -> None:
    if type(choice) is str:
        if choice not in _CHOICES:
            not_one_of("tool_choice", choice, _CHOICES)
        if choice == "required" and not tools:
            raise WireError(
                "Tool choice 'required' must be specified with 'tools' parameter.",
                "tool_choice",
                "invalid_value",
            )
        return
    if type(choice) is not dict:
        wrong_type("tool_choice", "a string or an object", choice)
    require(choice, "type", a_string, "tool_choice")
    chosen: list[tuple[Any, str]] = []
    if choice["type"] in {"function", "custom"}:
        require(choice, "name", a_string, "tool_choice")
        chosen.append((choice["name"], "tool_choice.name"))
    elif choice["type"] == "allowed_tools":
        require(choice, "mode", one_of("auto", "required"), "tool_choice")
        require(choice, "tools", objects, "tool_choice")
        chosen += _allowed(choice["tools"])
    names = {name for tool in tools if type(name := tool.get("name")) is str}
    if any(tool["type"] not in {"function", "custom"} for tool in tools):
        return  # such tools may add further names
    for name, path in chosen:
        if name not in names:
            raise WireError(f"Tool choice '{name}' not found in 'tools' parameter.", path, "invalid_value")


def _allowed(tools: list[_Wire]) -> Iterator[tuple[str, str]]:
    """Yield (name, path of the name) for each function and custom tool in the `tools` of an `allowed_tools`
    choice. Raises WireError for a stated type that is not a string, and for a name that is missing or not a
    string.
    """
    for index, tool in enumerate(tools):
        where = f"tool_choice.tools[{index}]"
        if (kind := tool.get("type")) is not None:
            a_string(kind, f"{where}.type")
        if kind in {"function", "custom"}:
            require(tool, "name", a_string, where)
            yield tool["name"], f"{where}.name"


_CHOICES: Final = ("none", "auto", "required")

# --- The rest ----------------------------------------------------------------------------------


def _text_or_list(value: Any, path: str) -> None:
    if type(value) is not str and type(value) is not list:
        wrong_type(path, "a string or an array", value)


def _metadata(value: Any, path: str) -> None:
    an_object(value, path)
    if len(value) > _MAX_PAIRS:
        raise WireError(
            f"Invalid '{path}': too many properties. Expected an object with at most {_MAX_PAIRS} "
            f"properties, but got {len(value)} instead.",
            path,
            "object_above_max_properties",
        )
    for key, text in value.items():
        short(key, _MAX_KEY, path)
        a_string(text, f"{path}.{key}")
        short(text, _MAX_VALUE, f"{path}.{key}")


def _text(value: Any, path: str) -> None:
    an_object(value, path)
    if (verbosity := value.get("verbosity")) is not None:
        one_of("low", "medium", "high")(verbosity, f"{path}.verbosity")
    form = value.get("format")
    if form is None:
        return
    path = f"{path}.format"
    an_object(form, path)
    require(form, "type", one_of(*FORMS), path)
    if form["type"] != "json_schema":
        return
    require(form, "name", a_string, path)
    if _NAME.fullmatch(form["name"]) is None:
        raise WireError(
            f"Invalid '{path}.name': string does not match pattern.", f"{path}.name", "invalid_value"
        )
    require(form, "schema", an_object, path)
    if (strict := form.get("strict")) is not None:
        a_boolean(strict, f"{path}.strict")
    what = f"response_format '{form['name']}'"
    _check_schema(form["schema"], strict, what, f"{path}.schema", "invalid_json_schema")


def _conversation(value: Any, path: str) -> None:
    if type(value) is dict:
        require(value, "id", a_string, path)
    elif type(value) is not str:
        wrong_type(path, "a string or an object", value)


def _safety_identifier(value: Any, path: str) -> None:
    a_string(value, path)
    short(value, 128, path)


MIN_OUTPUT: Final = 16
"""The smallest `max_output_tokens` that the API accepts, in tokens."""
SCALARS: Final[dict[str, Rule]] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "top_logprobs": integer(0, 20),
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
}
"""Member that is a field of ir.Sampling -> its rule. The codec reads and writes members by this table."""
_RULES: Final[dict[str, Rule]] = {
    **SCALARS,
    "model": a_string,
    "input": _text_or_list,
    "generate": a_boolean,
    "instructions": a_string,
    "previous_response_id": a_string,
    "conversation": _conversation,
    "tools": _tools,
    "parallel_tool_calls": a_boolean,
    "max_tool_calls": integer(1),
    "text": _text,
    "reasoning": members(effort=one_of(*EFFORTS), summary=one_of("auto", "concise", "detailed")),
    "max_output_tokens": integer(MIN_OUTPUT),
    "truncation": one_of("auto", "disabled"),
    "stream": a_boolean,
    "stream_options": members(include_obfuscation=a_boolean),
    "background": a_boolean,
    "store": a_boolean,
    "service_tier": a_string,
    "include": strings,
    "metadata": _metadata,
    "user": a_string,
    "safety_identifier": _safety_identifier,
    "prompt": members(id=a_string, version=a_string, variables=an_object),
    "prompt_cache_key": a_string,
    "prompt_cache_options": members(mode=one_of("implicit", "explicit"), ttl=a_string),
    "prompt_cache_retention": one_of("in_memory", "in-memory", "24h"),
    "moderation": check_moderation,
    "context_management": list_of(members(compact_threshold=integer(1000))),
}
