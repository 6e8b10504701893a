"""Checks of request members that several protocols share. Each check raises WireError for a mistake, with a
text like OpenAI's. `path` is the JSON path of the checked value, if nothing else is said.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.chat.terms import SCHEMA_BESIDE
from dragoman.dialects.rules import (
    a_boolean,
    a_string,
    an_address,
    an_object,
    empty_array,
    integer,
    members,
    missing,
    not_one_of,
    one_of,
    require,
    short,
    strings,
    too_long,
    wrong_type,
)
from dragoman.dialects.schema import mistake, strict_mistake
from dragoman.errors import WireError

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_STOPS: Final = 4
FORMS: Final = ("text", "json_object", "json_schema")
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
a_seed: Final = integer(-(2**63), 2**63 - 1)
_DETAIL: Final = one_of("auto", "low", "high", "original")


def check_stop(value: Any, path: str) -> None:
    """Check `stop`: one stop sequence, or a list of any number of stop sequences."""
    if type(value) is not str:
        if type(value) is not list:
            wrong_type(path, "a string or an array of strings", value)
        strings(value, path)


def check_few_stops(value: Any, path: str) -> None:
    """Check `stop`: one stop sequence, or a list of at most four, which is OpenAI's limit. The list may be
    empty.
    """
    check_stop(value, path)
    if type(value) is list and len(value) > _MOST_STOPS:
        too_long(path, value, _MOST_STOPS)


def check_moderation(value: Any, path: str) -> None:
    """Check `moderation`: an object with `model`, the name of the model that moderates, and with an optional
    object `policy`. In `policy`, `input` and `output` are optional objects with a `mode`, "score" or "block".
    """
    an_object(value, path)
    require(value, "model", a_string, path)
    _POLICY(value, path)


def _moderated(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "mode", one_of("score", "block"), path)


_POLICY: Final = members(policy=members(input=_moderated, output=_moderated))


def check_name(value: Any, path: str) -> None:
    """Check the name of a tool or of a schema: 1 to 64 ASCII letters, digits, `_` and `-`."""
    a_string(value, path)
    if _NAME.fullmatch(value) is None:
        short(value, 64, path)
        raise WireError(
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            path,
            "invalid_value",
        )


_NAMED: Final = members(name=check_name, description=a_string, strict=a_boolean)


def check_response_format(value: Any, path: str) -> None:
    """Check `response_format`: an object with a `type` of `FORMS`. The type "json_schema" requires the member
    `json_schema` or one of the vendors' members in `SCHEMA_BESIDE`. Schemas in these members are checked,
    too; those of vendors only if they are objects, and not beside `json_schema`.
    """
    an_object(value, path)
    if "type" not in value:
        missing(f"{path}.type")
    a_string(value["type"], f"{path}.type")
    if value["type"] not in FORMS:
        not_one_of(f"{path}.type", value["type"], FORMS)
    inner = value.get("json_schema")
    if value["type"] != "json_schema" or inner is None:
        if value["type"] == "json_schema" and not any(member in value for member in SCHEMA_BESIDE):
            missing(f"{path}.json_schema")
        for member in SCHEMA_BESIDE:
            if type(value.get(member)) is dict and value["type"] != "text":
                check_schema(value[member], f"{path}.{member}", "the response")
        return
    path += ".json_schema"
    _NAMED(inner, path)
    if (schema := inner.get("schema")) is not None:
        what = f"response_format '{inner.get('name')}'"
        check_schema(schema, f"{path}.schema", what, strict=inner.get("strict") is True)


def check_schema(schema: Any, path: str, what: str, code: str | None = None, *, strict: bool = False) -> None:
    """Check a JSON Schema. what: the tool or format that has this schema, for the error's text. code: the
    code of the error for a mistake in an object, None = no code. strict: True = OpenAI's rules for strict
    schemas apply, too.
    """
    if type(schema) is not dict:
        wrong_type(path, "an object", schema)
    found = mistake(schema)
    if found is None and strict:
        found = strict_mistake(schema)
    if found is not None:
        place = f"{path}.{found.path}" if found.path else path
        raise WireError(f"Invalid schema for {what}: {place}: {found.message}.", place, code)


def check_function(function: Any, path: str, index: int, member: str) -> None:
    """Check one function tool: its name (required), its description, `strict`, and the JSON schema in
    `parameters`, whose `type` must be "object" if it is stated. path: the path of the list of tools. index:
    the tool's index in the list. member: ".function" if the function stands in this member of the tool, "" if
    the tool itself is the function.
    """
    if type(function) is not dict:
        if function is None:
            missing(f"{path}[{index}]{member}")
        wrong_type(f"{path}[{index}]{member}", "an object", function)
    name = function.get("name")
    if type(name) is not str or _NAME.fullmatch(name) is None:
        if name is None:
            missing(f"{path}[{index}]{member}.name")
        check_name(name, f"{path}[{index}]{member}.name")
    if (description := function.get("description")) is not None and type(description) is not str:
        a_string(description, f"{path}[{index}]{member}.description")
    strict = function.get("strict")
    if strict is not None and type(strict) is not bool:
        a_boolean(strict, f"{path}[{index}]{member}.strict")
    parameters = function.get("parameters")
    if parameters is not None and not _is_plain(parameters):
        _parameters(parameters, f"{path}[{index}]{member}.parameters", name)


def _is_plain(parameters: Any) -> bool:
    return type(parameters) is dict and parameters.get("type") == "object" and mistake(parameters) is None


def _parameters(value: Any, path: str, name: str) -> None:
    check_schema(value, path, f"function '{name}'", "invalid_function_parameters")
    if value.get("type", "object") != "object":
        raise WireError(
            f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', "
            f"got 'type: \"{value['type']}\"'.",
            path,
            "invalid_function_parameters",
        )


def check_image(part: dict[str, Any], path: str) -> None:
    """Check an object with an image in `image_url`, where `url` is required and `detail` is optional: a
    content part, or an entry of `images` (images of an answer that a client sends back). part: the object.
    path: its JSON path.
    """
    an_object(part, path)
    require(part, "image_url", an_object, path)
    image = part["image_url"]
    require(image, "url", an_address, f"{path}.image_url")
    if image.get("detail") is not None:
        _DETAIL(image["detail"], f"{path}.image_url.detail")


def check_texts(value: Any, path: str, least: int | None = None) -> None:
    """Check the input of a completion or an embedding: a text, or a list that is not empty. All entries of
    the list are texts, or all are token ids, or all are lists of token ids that are not empty. least: the
    smallest token id that is accepted; None = every integer is accepted. path: the value's JSON path.
    """
    if type(value) is str:
        return
    if type(value) is not list:
        wrong_type(path, "a string or an array", value)
    if not value:
        empty_array(path)
    kind = type(value[0])
    if kind is int:
        _check_tokens(value, path, least)
        return
    for index, item in enumerate(value):
        if type(item) is not kind or kind not in _EXPECTED:
            wrong_type(f"{path}[{index}]", _EXPECTED.get(kind, "a string"), item)
        if kind is list:
            _check_tokens(item, f"{path}[{index}]", least)


_EXPECTED: Final[dict[type, str]] = {str: "a string", list: "an array of integers"}


def _check_tokens(value: list[Any], path: str, least: int | None) -> None:
    if not value:
        empty_array(path)
    rule = integer(least)
    for index, token in enumerate(value):
        if type(token) is not int or (least is not None and token < least):
            rule(token, f"{path}[{index}]")
