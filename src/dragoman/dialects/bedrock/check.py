"""Checks Converse requests: types, ranges and required members. A mistake raises WireError.

The gateway has no endpoint for this dialect; `dialects/translation` uses these checks. Unknown members and
blocks pass, because the protocol grows. The order of roles is not checked, because models differ in it. The
limits are those of the service model `bedrock-runtime/2023-09-30` in botocore 1.44.5.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_object,
    check_members,
    in_base64,
    integer,
    list_of,
    members,
    number,
    objects,
    one_of,
    require,
)
from dragoman.errors import WireError


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake in a request, with a JSON path without `$.`
    (`messages[0].content`) and a code.
    """
    check_members(request.body, _RULES)


def _source(value: Any, path: str) -> None:
    an_object(value, path)
    if len(value) != 1:
        raise WireError("must have exactly one member", path, "invalid_value")
    if "bytes" in value:
        in_base64(value["bytes"], f"{path}.bytes")
    for member in ("text",):
        if member in value:
            a_string(value[member], f"{path}.{member}")


def _media(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "source", _source, path)
    if value.get("format") is not None:
        a_string(value["format"], f"{path}.format")


def _call(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "toolUseId", a_string, path)
    require(value, "name", a_string, path)


def _result(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "toolUseId", a_string, path)
    require(value, "content", _blocks, path)
    if value.get("status") is not None:
        one_of("success", "error")(value["status"], f"{path}.status")


_BLOCKS: Final[dict[str, Rule]] = {
    "text": a_string,
    "image": _media,
    "document": _media,
    "video": _media,
    "audio": _media,
    "toolUse": _call,
    "toolResult": _result,
    "cachePoint": an_object,
    "reasoningContent": an_object,
}


def _blocks(value: Any, path: str) -> None:
    objects(value, path)
    for index, block in enumerate(value):
        for kind, content in block.items():
            if (rule := _BLOCKS.get(kind)) is not None:
                rule(content, f"{path}[{index}].{kind}")


def _message(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "role", one_of("user", "assistant", "system"), path)
    require(value, "content", _blocks, path)


def _tool(value: Any, path: str) -> None:
    an_object(value, path)
    spec = value.get("toolSpec")
    if spec is None:
        return
    an_object(spec, f"{path}.toolSpec")
    require(spec, "name", a_string, f"{path}.toolSpec")
    require(spec, "inputSchema", an_object, f"{path}.toolSpec")
    require(spec["inputSchema"], "json", an_object, f"{path}.toolSpec.inputSchema")
    members(description=a_string, strict=a_boolean)(spec, f"{path}.toolSpec")


def _tool_config(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "tools", list_of(_tool), path)
    choice = value.get("toolChoice")
    if choice is None:
        return
    an_object(choice, f"{path}.toolChoice")
    if len(choice) != 1:
        raise WireError("must have exactly one member", f"{path}.toolChoice", "invalid_value")
    if "tool" in choice:
        an_object(choice["tool"], f"{path}.toolChoice.tool")
        require(choice["tool"], "name", a_string, f"{path}.toolChoice.tool")


_JSON_SCHEMA: Final = members(name=a_string, description=a_string, schema=a_string)


def _output_config(value: Any, path: str) -> None:
    an_object(value, path)
    wanted = value.get("textFormat")
    if wanted is not None:
        an_object(wanted, f"{path}.textFormat")
        structure = wanted.get("structure")
        if structure is not None:
            an_object(structure, f"{path}.textFormat.structure")
            if (schema := structure.get("jsonSchema")) is not None:
                _JSON_SCHEMA(schema, f"{path}.textFormat.structure.jsonSchema")
    if value.get("effort") is not None:
        a_string(value["effort"], f"{path}.effort")


def _metadata(value: Any, path: str) -> None:
    an_object(value, path)
    for key, text in value.items():
        a_string(text, f"{path}.{key}")


def _tier(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "type", a_string, path)


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "messages": list_of(_message),
    "system": _blocks,
    "inferenceConfig": members(
        maxTokens=integer(1),
        temperature=number(0, 1),
        topP=number(0, 1),
        stopSequences=list_of(a_string),
    ),
    "toolConfig": _tool_config,
    "additionalModelRequestFields": an_object,
    "additionalModelResponseFieldPaths": list_of(a_string),
    "guardrailConfig": an_object,
    "requestMetadata": _metadata,
    "performanceConfig": an_object,
    "promptVariables": an_object,
    "serviceTier": _tier,
    "outputConfig": _output_config,
    "stream": a_boolean,
}
