"""Checks a client's request. The error names the place of the first mistake that is found, in camelCase;
names inside a schema stay as the client wrote them.

Unknown members and unknown kinds of parts are accepted, because the API grows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from dragoman.dialects.gemini.enums import MODES, in_words
from dragoman.dialects.gemini.openapi import read_openapi
from dragoman.dialects.gemini.terms import listed, spelled, stated
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import OUT_OF_RANGE, complaint
from dragoman.dialects.schema import mistake
from dragoman.errors import WireError

_Wire = dict[str, Any]

_MOST = 2**31 - 1
"""The largest integer of the API (int32)."""
_Budget = Annotated[int, msgspec.Meta(ge=-1, le=_MOST)]
_Seed = Annotated[int, msgspec.Meta(ge=-_MOST - 1, le=_MOST)]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class _Thinking(msgspec.Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: _Budget | None = None
    thinking_level: str | None = None


class _Config(msgspec.Struct, rename="camel"):
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    top_k: Annotated[float, msgspec.Meta(ge=0)] | None = None
    candidate_count: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    max_output_tokens: _Positive | None = None
    stop_sequences: Annotated[list[str], msgspec.Meta(max_length=5)] | None = None
    seed: _Seed | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    response_mime_type: str | None = None
    response_schema: _Wire | None = None
    response_json_schema: _Wire | None = None
    response_modalities: list[str | int] | None = None
    speech_config: _Wire | None = None
    thinking_config: _Thinking | None = None


_LEVELS: Final = ("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_FORMS: Final = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
_LENGTH: Final = re.compile(r"Expected `array` of length <= (\d+)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_ROLES: Final = frozenset({None, "user", "model", "function", "tool"})
_KINDS: Final = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
_TOP: Final = {
    "model": str,
    "systemInstruction": dict,
    "toolConfig": dict,
    "generationConfig": dict,
    "cachedContent": str,
    "labels": dict,
    "serviceTier": str,
    "store": bool,
}


def check(wire: WireRequest) -> None:
    """Raise WireError for the first mistake in a chat request."""
    body = spelled(wire.body)
    for key, kind in _TOP.items():
        if key in body:
            _typed(body[key], kind, key)
    for index, content in enumerate(_filled(body.get("contents"), "contents", "contents")):
        _check_content(content, f"contents[{index}]")
    if (system := body.get("systemInstruction")) is not None:
        _check_parts(system, "systemInstruction")
        _typed(system.get("role"), str, "systemInstruction.role")
    if body.get("generationConfig"):
        _check_config(body["generationConfig"])
    names: set[str] = set()
    if body.get("tools") is not None:
        _check_tools(body["tools"], names)
    if body.get("toolConfig"):
        config = spelled(body["toolConfig"])
        _check_choice(config.get("functionCallingConfig"), names)
        _check_place(config.get("retrievalConfig"))
    if body.get("safetySettings") is not None:
        _check_safety(body["safetySettings"])


def portable(wire: WireRequest) -> None:
    """Raise WireError if `responseMimeType`, `thinkingLevel` or the `mode` of function calling has an unknown
    value. Only Google's own servers may know such a value, so the request cannot be translated. An empty text
    is accepted. The case of the letters does not matter. wire: a request that has passed `check`.
    """
    body = spelled(wire.body)
    config = spelled(body.get("generationConfig") or {})
    _known(config.get("responseMimeType"), _FORMS, "generationConfig.responseMimeType")
    thinking = spelled(config.get("thinkingConfig") or {})
    _known(thinking.get("thinkingLevel"), _LEVELS, "generationConfig.thinkingConfig.thinkingLevel")
    choice = spelled(spelled(body.get("toolConfig") or {}).get("functionCallingConfig") or {})
    _known(in_words(choice.get("mode"), MODES), MODES, "toolConfig.functionCallingConfig.mode")


def _known(value: str | None, words: tuple[str, ...], where: str) -> None:
    if value and value.upper() not in words and value.lower() not in words:
        raise WireError(f"must be one of {', '.join(words)}", where, "invalid_value")


def _typed(value: Any, kind: type, where: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise WireError(f"must be {_KINDS[kind]}", where, "invalid_type")


def _object(value: Any, where: str) -> _Wire:
    if type(value) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    return spelled(value)


def _check_number(holder: _Wire, key: str, low: float, high: float, where: str) -> None:
    if (value := holder.get(key)) is None:
        return
    if type(value) not in {int, float}:
        raise WireError("must be a number", f"{where}.{key}", "invalid_type")
    if not low <= value <= high:
        raise WireError(f"must be in the range [{low:g}, {high:g}]", f"{where}.{key}", "invalid_value")


def _several(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | dict):
        raise WireError("must be an array", where, "invalid_type")
    return listed(value)


def _filled(value: Any, key: str, where: str) -> list[Any]:
    if value is None:
        raise WireError(f"{key} is required", where, "missing_required_parameter")
    found = _several(value, where)
    if not value:
        raise WireError("must not be empty", where, "invalid_value")
    return found


def _required(value: _Wire, key: str, kind: type, where: str) -> Any:
    found = value.get(key)
    if found is None:
        raise WireError(f"{key} is required", f"{where}.{key}", "missing_required_parameter")
    _typed(found, kind, f"{where}.{key}")
    return found


# --- Contents ------------------------------------------------------------------------------------


def _check_content(content: Any, where: str) -> None:
    if type(content) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    role = content.get("role")
    if type(role) not in {str, type(None)}:
        raise WireError("must be a string", f"{where}.role", "invalid_type")
    if role not in _ROLES:
        raise WireError("the role must be user or model", f"{where}.role", "invalid_value")
    _check_parts(content, where)


def _check_parts(content: _Wire, where: str) -> None:
    for index, part in enumerate(_filled(content.get("parts"), "parts", f"{where}.parts")):
        if type(part) is dict and len(part) == 1 and type(part.get("text")) is str:
            continue
        _check_part(part, f"{where}.parts[{index}]")


def _check_part(value: Any, where: str) -> None:
    part = stated(_object(value, where))
    kinds = sorted(_PARTS.keys() & part.keys())
    if len(kinds) > 1:
        raise WireError(f"a part holds one of {' and '.join(kinds)}", where, "invalid_value")
    if not part:
        raise WireError("a part must hold some data", where, "missing_required_parameter")
    if "thoughtSignature" in part:
        _typed(part["thoughtSignature"], str, f"{where}.thoughtSignature")
    if "videoMetadata" in part:
        _check_speed(part["videoMetadata"], f"{where}.videoMetadata")
    for kind in kinds:
        _PARTS[kind](part[kind], f"{where}.{kind}")


def _check_speed(value: Any, where: str) -> None:
    """Raise WireError if the value of `videoMetadata` is neither an object nor null, or if its `fps`, the
    images per second that the model reads, is not a number from 0 to 24 (both included). A missing `fps` and
    the value null for it are accepted. where: the JSON path of the `videoMetadata`.
    """
    if value is not None:
        _check_number(_object(value, where), "fps", 0, 24, where)


def _check_blob(value: Any, where: str) -> None:
    blob = _object(value, where)
    _required(blob, "mimeType", str, where)
    _required(blob, "data", str, where)


def _check_file(value: Any, where: str) -> None:
    file = _object(value, where)
    _required(file, "fileUri", str, where)
    _typed(file.get("mimeType"), str, f"{where}.mimeType")


def _check_call(value: Any, where: str) -> None:
    call = _object(value, where)
    _required(call, "name", str, where)
    _typed(call.get("id"), str, f"{where}.id")
    _typed(call.get("args"), dict, f"{where}.args")


def _check_result(value: Any, where: str) -> None:
    result = _object(value, where)
    _required(result, "name", str, where)
    _typed(result.get("id"), str, f"{where}.id")
    _required(result, "response", dict, where)
    for index, part in enumerate(listed(result.get("parts") or [])):
        _check_part(part, f"{where}.parts[{index}]")


_PARTS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "text": lambda value, where: _typed(value, str, where),
    "inlineData": _check_blob,
    "fileData": _check_file,
    "functionCall": _check_call,
    "functionResponse": _check_result,
    "executableCode": _object,
    "codeExecutionResult": _object,
    "toolCall": _object,
    "toolResponse": _object,
}


# --- Tools ---------------------------------------------------------------------------------------


def _check_tools(values: Any, names: set[str]) -> None:
    """Raise WireError for the first mistake in `values`, the value of `tools`. Adds the names of the
    functions in `values` to `names`.
    """
    for index, value in enumerate(_several(values, "tools")):
        where = f"tools[{index}]"
        tool = _object(value, where)
        if (searched := tool.get("googleSearchRetrieval")) is not None:
            _check_retrieval(searched, f"{where}.googleSearchRetrieval")
        declared = tool.get("functionDeclarations")
        if declared is None:
            continue
        where = f"{where}.functionDeclarations"
        for number, one in enumerate(_several(declared, where)):
            name = _check_declaration(_object(one, f"{where}[{number}]"), f"{where}[{number}]")
            if name in names:
                what = f"function names must be unique: {name!r}"
                raise WireError(what, f"{where}[{number}].name", "invalid_value")
            names.add(name)


def _check_retrieval(value: Any, where: str) -> None:
    config = _object(value, where).get("dynamicRetrievalConfig")
    if config is not None:
        where = f"{where}.dynamicRetrievalConfig"
        _check_number(_object(config, where), "dynamicThreshold", 0, 1, where)


def _check_declaration(declared: _Wire, where: str) -> str:
    name: str = _required(declared, "name", str, where)
    if _NAME.fullmatch(name) is None:
        raise WireError("must match ^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$", f"{where}.name", "invalid_value")
    _typed(declared.get("description"), str, f"{where}.description")
    openapi, schema = declared.get("parameters"), declared.get("parametersJsonSchema")
    if openapi is not None and schema is not None:
        raise WireError(
            "parameters and parametersJsonSchema exclude each other", f"{where}.parameters", "invalid_value"
        )
    if openapi is not None:
        _check_openapi(openapi, f"{where}.parameters", "invalid_function_parameters")
    if schema is not None:
        _check_schema(schema, f"{where}.parametersJsonSchema", "invalid_function_parameters")
    return name


def _check_openapi(schema: Any, where: str, code: str) -> None:
    _typed(schema, dict, where)
    _check_schema(read_openapi(schema)[0], where, code)


def _check_schema(schema: Any, where: str, code: str) -> None:
    _typed(schema, dict, where)
    if (found := mistake(schema)) is not None:
        joint = "." if found.path and not found.path.startswith("[") else ""
        raise WireError(f"invalid schema: {found.message}", f"{where}{joint}{found.path}", code)


def _check_choice(value: Any, names: set[str]) -> None:
    if value is None:
        return
    where = "toolConfig.functionCallingConfig"
    choice = _object(value, where)
    _typed(in_words(choice.get("mode"), MODES), str, f"{where}.mode")
    allowed = choice.get("allowedFunctionNames")
    _typed(allowed, list, f"{where}.allowedFunctionNames")
    for index, name in enumerate(allowed or ()):
        _typed(name, str, f"{where}.allowedFunctionNames[{index}]")
        if name not in names:
            place = f"{where}.allowedFunctionNames[{index}]"
            raise WireError(f"there is no function named {name!r}", place, "invalid_value")


def _check_place(value: Any) -> None:
    """Raise WireError for a mistake in `value`, the object `retrievalConfig`, which may state the user's
    latitude and longitude. None = the request has none, or null; nothing is raised.
    """
    where = "toolConfig.retrievalConfig"
    if value is None or (place := _object(value, where).get("latLng")) is None:
        return
    where = f"{where}.latLng"
    place = _object(place, where)
    _check_number(place, "latitude", -90, 90, where)
    _check_number(place, "longitude", -180, 180, where)


# --- The rest ------------------------------------------------------------------------------------


def _check_config(value: _Wire) -> None:
    config = spelled(value)
    if isinstance(config.get("thinkingConfig"), dict):
        config = {**config, "thinkingConfig": spelled(config["thinkingConfig"])}
    try:
        read = msgspec.convert(config, _Config)
    except msgspec.ValidationError as error:
        raise _config_mistake(str(error)) from None
    where = "generationConfig"
    if read.response_schema is not None and read.response_json_schema is not None:
        what = "responseSchema and responseJsonSchema exclude each other"
        raise WireError(what, f"{where}.responseSchema", "invalid_value")
    if read.response_schema is not None:
        _check_openapi(read.response_schema, f"{where}.responseSchema", "invalid_value")
    if read.response_json_schema is not None:
        _check_schema(read.response_json_schema, f"{where}.responseJsonSchema", "invalid_value")
    if read.top_k is not None and not read.top_k.is_integer():
        raise WireError("must be a whole number", f"{where}.topK", "invalid_type")
    thinking = read.thinking_config
    if thinking is not None and thinking.thinking_budget is not None and thinking.thinking_level is not None:
        what = "thinkingBudget and thinkingLevel exclude each other"
        raise WireError(what, f"{where}.thinkingConfig.thinkingBudget", "invalid_value")


_SIDES: Final = {">=": "least", "<=": "most"}


def _config_mistake(text: str) -> WireError:
    """Return the WireError for a mistake in `generationConfig`. text: the message of the
    msgspec.ValidationError.
    """
    what, path = complaint(text)
    code = "invalid_type" if ", got " in what else "invalid_value"
    if (limit := OUT_OF_RANGE.fullmatch(what)) is not None:
        what = f"must be at {_SIDES[limit[1]]} {float(limit[2]):.10g}"
    elif (length := _LENGTH.fullmatch(what)) is not None:
        what = f"must have at most {length[1]} entries"
    place = f"generationConfig.{path}" if path else "generationConfig"
    return WireError(what.replace("`", ""), place, code)


def _check_safety(values: Any) -> None:
    for index, value in enumerate(_several(values, "safetySettings")):
        where = f"safetySettings[{index}]"
        setting = _object(value, where)
        for key in ("category", "threshold"):
            word = _required(setting, key, object, where)
            if type(word) is not int:  # an enum value as a number
                _typed(word, str, f"{where}.{key}")
