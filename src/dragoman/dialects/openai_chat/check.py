"""Checks chat requests: types, ranges, required members, names, schemas; most errors have OpenAI's own texts.

The checks run on every request, also on relayed ones, so they loop over tables and build few paths. Members
and content parts with unknown names are accepted, because vendors have their own. Anthropic's `system` and
content blocks are refused. For values that OpenAI rejects but other servers accept, the module `widened`
makes a copy of the request without them, which is checked again here.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.check import (
    EFFORTS,
    a_seed,
    check_few_stops,
    check_function,
    check_moderation,
    check_name,
    check_response_format,
    check_schema,
)
from dragoman.dialects.openai_chat.check_parts import (
    check_annotations,
    check_content,
    check_details,
    check_images,
)
from dragoman.dialects.openai_chat.usual import is_usual
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_object,
    conversation,
    empty_array,
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
    wrong_type,
)
from dragoman.dialects.schema import strict_mistake
from dragoman.errors import WireError

_BOUND: Final = frozenset({"tool", "function"})
"""Roles of tool results. A message of such a role must name its call or its function, so it is checked even
if it has nothing but a role and a text.
"""


def check(request: WireRequest) -> None:
    """Check a request of a client. Raises WireError for the first mistake that is found, with the value's
    JSON path ("messages[0].content"). A top-level member that is not required may also be null.
    """
    body = request.body
    if is_usual(body):
        return
    for key, value in body.items():
        if value is not None and (rule := _RULES.get(key)) is not None:
            rule(value, key)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise WireError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    conversation(body.get("messages"), _BY_ROLE, _BOUND)
    _check_choice(body)
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise WireError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
        )


def _system(value: Any, path: str) -> None:
    """Refuse a `system` that is not empty. It is Anthropic's member: servers of this protocol ignore it, so
    the instructions would be lost.
    """
    if value:
        text = f"Unknown parameter: '{path}'. Instructions stand in messages of role 'system'."
        raise WireError(text, path, "unknown_parameter")


def _metadata(value: Any, path: str) -> None:
    an_object(value, path)
    if len(value) > 16:
        raise WireError(
            f"Invalid '{path}': too many properties. Expected at most 16, but got {len(value)} instead.",
            path,
            "object_above_max_properties",
        )
    for key, text in value.items():
        inner = f"{path}.{key}"
        a_string(text, inner)
        short(key, 64, inner)
        short(text, 512, inner)


def _logit_bias(value: Any, path: str) -> None:
    an_object(value, path)
    for token, bias in value.items():
        number(-100, 100)(bias, f"{path}.{token}")


_web_search: Final = members(
    search_context_size=one_of("low", "medium", "high"),
    user_location=members(
        type=one_of("approximate"),
        approximate=members(country=a_string, region=a_string, city=a_string, timezone=a_string),
    ),
)


def _audio_out(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "format", one_of("wav", "aac", "mp3", "flac", "opus", "pcm16"), path)
    require(value, "voice", _voice, path)


def _voice(value: Any, path: str) -> None:
    """Check a voice: either a name, or an object with the `id` of a custom voice."""
    if type(value) is dict:
        require(value, "id", a_string, path)
    elif type(value) is not str:
        wrong_type(path, "a string or an object", value)


def _prediction(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "type", one_of("content"), path)
    check_content(value, path)


def _safety_identifier(value: Any, path: str) -> None:
    a_string(value, path)
    short(value, 128, path)


def _tools(value: Any, path: str) -> None:
    if type(value) is not list:
        wrong_type(path, "an array", value)
    if not value:
        empty_array(path)
    names: set[str] = set()
    for index, tool in enumerate(value):
        if type(tool) is not dict:
            wrong_type(f"{path}[{index}]", "an object", tool)
        kind = tool.get("type")
        if kind == "function":
            function: Any = tool.get("function")
            check_function(function, path, index, ".function")
            if function.get("strict") is True:
                check_strict(function, f"{path}[{index}].function.parameters")
            _unique(function["name"], names, path, index, ".function")
        elif kind == "custom":
            require(tool, "custom", _custom, f"{path}[{index}]")
            _unique(tool["custom"]["name"], names, path, index, ".custom")
        elif kind is None:
            missing(f"{path}[{index}].type")
        else:
            a_string(kind, f"{path}[{index}].type")


def _functions(value: Any, path: str) -> None:
    if type(value) is not list:
        wrong_type(path, "an array", value)
    if not value:
        empty_array(path)
    names: set[str] = set()
    for index, function in enumerate(value):
        check_function(function, path, index, "")
        _unique(function["name"], names, path, index, "")


def _unique(name: str, names: set[str], path: str, index: int, member: str) -> None:
    """Add a tool's name to `names`, the names of the earlier tools in the list. Raises WireError if `names`
    has it already.

    path: the path of the list of tools. index: the tool's index in the list. member: ".function" or ".custom"
    if the name stands in this member of the tool, "" if it stands in the tool itself.
    """
    if name in names:
        path = f"{path}[{index}]{member}.name"
        raise WireError(f"Invalid '{path}': there is another tool named '{name}'.", path, "invalid_value")
    names.add(name)


def check_strict(function: dict[str, Any], path: str) -> None:
    """Raise WireError if the parameters of a function with `strict: true` break OpenAI's rules for strict
    schemas. A function without parameters is accepted.

    function: the object with `name` and `parameters`. path: the JSON path of the parameters.
    """
    if (schema := function.get("parameters")) is None:
        return
    if (found := strict_mistake(schema)) is not None:
        place = f"{path}.{found.path}" if found.path else path
        raise WireError(
            f"Invalid schema for function '{function['name']}': {place}: {found.message}.",
            path,
            "invalid_function_parameters",
        )


def _custom(custom: Any, path: str) -> None:
    an_object(custom, path)
    if "name" not in custom:
        missing(f"{path}.name")
    check_name(custom["name"], f"{path}.name")
    if custom.get("description") is not None:
        a_string(custom["description"], f"{path}.description")
    if (form := custom.get("format")) is not None:
        path += ".format"
        an_object(form, path)
        require(form, "type", one_of("text", "grammar"), path)
        if form["type"] == "grammar":
            require(form, "grammar", an_object, path)
            require(form["grammar"], "syntax", one_of("lark", "regex"), f"{path}.grammar")
            require(form["grammar"], "definition", a_string, f"{path}.grammar")


def _check_choice(body: dict[str, Any]) -> None:
    """Check `tool_choice` or, if it is missing or null, the older `function_call`. Raises WireError for a
    wrong form, for a tool that is not in `tools` (a function of `function_call`: in `functions`), and for
    "required" or "any" in a request without tools and functions. A `tool_choice` object of a vendor's own
    type is accepted if its `type` is a text.
    """
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
        an_object(choice, "tool_choice")
        _offered(_chosen(choice), {_tool_name(tool) for tool in body.get("tools") or ()}, "tool_choice")
    elif (choice := body.get("function_call")) is not None:
        if type(choice) is str:
            _choice_word(choice, "function_call", ("none", "auto"))
            return
        an_object(choice, "function_call")
        names = {function["name"] for function in body.get("functions") or ()}
        _offered([("function_call.name", choice.get("name"))], names, "function_call")


def _choice_word(choice: str, path: str, allowed: tuple[str, ...]) -> None:
    if choice not in allowed and (choice != "any" or path != "tool_choice"):
        not_one_of(path, choice, allowed)


def _offered(chosen: list[tuple[str, Any]], names: set[Any], path: str) -> None:
    for place, name in chosen:
        if name is None:
            missing(place)
        a_string(name, place)
        if name not in names:
            raise WireError(f"Tool choice '{name}' not found in 'tools' parameter.", path, "invalid_value")


def _tool_name(tool: dict[str, Any]) -> str | None:
    """Return the name in the object that is named after the tool's type; None if there is no such object or
    no name in it. The caller has checked that the tool states its type.
    """
    inner = tool.get(tool["type"])
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def _chosen(choice: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return (JSON path for an error, name) of each tool that an object `tool_choice` names; the name is None
    if it is missing. A choice of a vendor's own type names no tools. In `allowed_tools`, entries without the
    object that is named after their type are skipped. Raises WireError for an object of wrong form.
    """
    require(choice, "type", a_string, "tool_choice")
    kind = choice["type"]
    if kind in {"function", "custom"}:
        require(choice, kind, an_object, "tool_choice")
        return [(f"tool_choice.{kind}.name", choice[kind].get("name"))]
    if kind != "allowed_tools":
        return []
    path = "tool_choice.allowed_tools"
    require(choice, "allowed_tools", an_object, "tool_choice")
    allowed = choice["allowed_tools"]
    require(allowed, "mode", one_of("auto", "required"), path)
    require(allowed, "tools", objects, path)
    chosen: list[tuple[str, Any]] = []
    for index, tool in enumerate(allowed["tools"]):
        require(tool, "type", a_string, f"{path}.tools[{index}]")
        if isinstance(inner := tool.get(tool["type"]), dict):
            chosen.append((f"{path}.tools[{index}]", inner.get("name")))
    return chosen


def _guided(value: Any, path: str) -> None:
    """Check a schema in a member of vLLM's: an object must be a valid JSON Schema. A value of another type is
    not checked.
    """
    if type(value) is dict:
        check_schema(value, path, "the response")


def _structured(value: Any, path: str) -> None:
    if type(value) is dict:
        _guided(value.get("json"), f"{path}.json")


def _speaker(message: dict[str, Any], path: str) -> None:
    check_content(message, path)
    if message.get("name") is not None:
        a_string(message["name"], f"{path}.name")


def _assistant(message: dict[str, Any], path: str) -> None:
    check_content(message, path, required=_SAYING.isdisjoint(message))
    for member, rule in _ASSISTANT.items():
        if message.get(member) is not None:
            rule(message[member], f"{path}.{member}")


def _tool_message(message: dict[str, Any], path: str) -> None:
    if type(message.get("tool_call_id")) is not str:
        require(message, "tool_call_id", a_string, path)
    _speaker(message, path)


def _function_message(message: dict[str, Any], path: str) -> None:
    require(message, "name", a_string, path)
    check_content(message, path, required="content" not in message)


def _tool_calls(value: Any, path: str) -> None:
    if type(value) is not list:
        wrong_type(path, "an array", value)
    for index, call in enumerate(value):
        place = f"{path}[{index}]"
        if type(call) is not dict:
            wrong_type(place, "an object", call)
        kind = "function" if call.get("type") is None else call["type"]
        a_string(kind, f"{place}.type")
        members = ("name", "input") if kind == "custom" else ("name", "arguments")
        if kind not in {"function", "custom"}:
            not_one_of(f"{place}.type", kind, ("function", "custom"))
        if type(call.get("id")) is not str:
            require(call, "id", a_string, place)
        require(call, kind, an_object, place)
        for member in members:
            if type(call[kind].get(member)) is not str:
                require(call[kind], member, a_string, f"{place}.{kind}")


def _function_call(value: Any, path: str) -> None:
    an_object(value, path)
    for member in ("name", "arguments"):
        require(value, member, a_string, path)


_ASSISTANT: Final[dict[str, Rule]] = {
    "name": a_string,
    "refusal": a_string,
    "tool_calls": _tool_calls,
    "function_call": _function_call,
    "audio": members(id=a_string),
    "annotations": check_annotations,
    "images": check_images,
    "reasoning": a_string,
    "reasoning_content": a_string,
    "reasoning_details": check_details,
}
_SAYING: Final = _ASSISTANT.keys() - {"name", "annotations"}
_BY_ROLE: Final[dict[str, Rule]] = {
    "system": _speaker,
    "assistant": _assistant,
    "user": _speaker,
    "function": _function_message,
    "tool": _tool_message,
    "developer": _speaker,
}
SCALARS: Final[dict[str, Rule]] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "seed": a_seed,
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "n": integer(1, 128),
    "logprobs": a_boolean,
    "top_logprobs": integer(0, 20),
    "logit_bias": _logit_bias,
}
"""Request member -> rule, for those of OpenAI's members that are fields of `ir.Sampling` under the same name,
except `stop`."""
EXTENSIONS: Final[dict[str, Rule]] = {
    "top_k": integer(-1),
    "min_p": number(0, 1),
    "repetition_penalty": number(0),
}
"""Request member -> rule, for members of other vendors that are fields of `ir.Sampling` under the same name.
If the client speaks another dialect, only those in `Quirks.extensions` are sent to the provider."""
_RULES: Final[dict[str, Rule]] = {
    **SCALARS,
    **EXTENSIONS,
    "model": a_string,
    "system": _system,
    "stop": check_few_stops,
    "max_tokens": integer(1),
    "max_completion_tokens": integer(1),
    "stream": a_boolean,
    "stream_options": members(include_usage=a_boolean, include_obfuscation=a_boolean),
    "tools": _tools,
    "functions": _functions,
    "parallel_tool_calls": a_boolean,
    "response_format": check_response_format,
    "modalities": list_of(one_of("text", "audio", "image"), empty=False),
    "audio": _audio_out,
    "prediction": _prediction,
    "moderation": check_moderation,
    "verbosity": one_of("low", "medium", "high"),
    "reasoning_effort": one_of(*EFFORTS),
    "reasoning": members(
        effort=a_string, max_tokens=integer(0), enabled=a_boolean, exclude=a_boolean, summary=a_string
    ),
    "thinking": members(type=a_string, budget_tokens=integer(-1)),
    "enable_thinking": a_boolean,
    "thinking_budget": integer(-1),
    "include_reasoning": a_boolean,
    "user": a_string,
    "safety_identifier": _safety_identifier,
    "metadata": _metadata,
    "service_tier": a_string,
    "store": a_boolean,
    "prompt_cache_key": a_string,
    "prompt_cache_options": members(mode=one_of("implicit", "explicit"), ttl=a_string),
    "prompt_cache_retention": one_of("in_memory", "in-memory", "24h"),
    "web_search_options": _web_search,
    "guided_json": _guided,
    "structured_outputs": _structured,
}
