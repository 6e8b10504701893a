"""What generativelanguage.googleapis.com refuses of generateContent and streamGenerateContent.

https://ai.google.dev/api/generate-content, the types of the client `google-genai`, errors seen in the field:
orders of turns google-gemini/gemini-cli#4217, signatures https://ai.google.dev/gemini-api/docs/thought-signatures,
modalities of speaking models BerriAI/litellm#11118.
"""

from __future__ import annotations

import re
from typing import Any

from google.genai import types
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from dragoman.testing.provider import Seen
from tests.e2e.strict.typed import Types, demand, within


class _Config(types.GenerationConfig):
    """As on the wire, where it holds what the client keeps beside it."""

    image_config: types.ImageConfig | None = None


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, val_json_bytes="base64")

    contents: list[types.Content]
    system_instruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    tool_config: types.ToolConfig | None = None
    safety_settings: list[types.SafetySetting] | None = None
    generation_config: _Config | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None


TYPES = Types(_Request)
_Turn = tuple[str, list[dict[str, Any]]]
PATH = re.compile(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent)")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
PLACEHOLDER = "skip_thought_signature_validator"
VOICES = {"Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede"}  # eight of the thirty
_DATA = {
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
}
_SCHEMA = {
    "$schema",  # refused in `parameters` alone: the Vercel AI SDK sends it in every JSON Schema
    *("$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items"),
    *("prefixItems", "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties"),
    *("additionalProperties", "required", "propertyOrdering", "default", "pattern"),
}
_FILES = (
    "https://generativelanguage.googleapis.com/v1beta/files/",
    "gs://",
    "https://www.youtube.com/",
    "https://youtu.be/",
)


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(seen.headers.get("x-goog-api-key"), "Method doesn't allow unregistered callers", status=403)
    demand("authorization" not in seen.headers, "Request had invalid authentication credentials.", status=401)
    path = PATH.fullmatch(seen.path)
    demand(path, "Not Found", status=404)
    assert path is not None
    streams = path[2] == "streamGenerateContent"
    demand(dict(seen.query) == ({"alt": "sse"} if streams else {}), f"Unknown name in query: {seen.query}")
    body = seen.body
    TYPES.hold(body)
    _config(body.get("generationConfig") or {}, path[1])
    names = _tools(body, path[1])
    _choice(body, names)
    if "systemInstruction" in body:
        for index, part in enumerate(body["systemInstruction"]["parts"]):
            demand(set(part) == {"text"}, "system instructions are text", f"systemInstruction.parts[{index}]")
    _contents(body["contents"], path[1])


# Configuration ------------------------------------------------------------------------------------


def _config(config: dict[str, Any], model: str) -> None:
    where = "generationConfig."
    for key, (least, most) in {
        "temperature": (0, 2),
        "topP": (0, 1),
        "candidateCount": (1, 8),
        "logprobs": (0, 20),
        "presencePenalty": (-2, 1.99),
        "frequencyPenalty": (-2, 1.99),
        "maxOutputTokens": (1, 65_536),
    }.items():
        within(config, key, least, most, path=where)
    demand(len(config.get("stopSequences") or ()) <= 5, "at most 5 stop sequences", f"{where}stopSequences")
    demand("logprobs" not in config or config.get("responseLogprobs"), "needs responseLogprobs", where)
    _form(config, where)
    _thinking(config.get("thinkingConfig") or {}, model)
    _modalities(config, model, where)


def _form(config: dict[str, Any], where: str) -> None:
    schemas = [key for key in ("responseSchema", "responseJsonSchema") if key in config]
    demand(len(schemas) <= 1, "the two kinds of schema exclude each other", where)
    if schemas:
        kind = config.get("responseMimeType")
        demand(kind in {"application/json", "text/x.enum"}, f"{schemas[0]} needs responseMimeType", where)
    if "responseJsonSchema" in config:
        schema(config["responseJsonSchema"], f"{where}responseJsonSchema")


def _thinking(thinking: dict[str, Any], model: str) -> None:
    where = "generationConfig.thinkingConfig"
    demand(
        not {"thinkingBudget", "thinkingLevel"} <= set(thinking), "budget and level exclude each other", where
    )
    if "thinkingLevel" in thinking:
        demand(model.startswith("gemini-3"), "Thinking level is not supported for this model.", where)
    if "thinkingBudget" in thinking:
        within(thinking, "thinkingBudget", -1, 32_768, path=f"{where}.")


def _modalities(config: dict[str, Any], model: str, where: str) -> None:
    asked = set(config.get("responseModalities") or {"AUDIO" if "-tts" in model else "TEXT"})
    able = {"AUDIO"} if "-tts" in model else {"TEXT", "IMAGE"} if "-image" in model else {"TEXT"}
    demand(
        asked <= able,
        f"The requested combination of response modalities ({', '.join(sorted(asked))}) is not supported by "
        f"the model. models/{model} accepts the following combination of response modalities:\n"
        f"* {', '.join(sorted(able))}\n",
        f"{where}responseModalities",
    )
    speech = config.get("speechConfig") or {}
    if voice := (speech.get("voiceConfig") or {}).get("prebuiltVoiceConfig"):
        demand(voice["voiceName"] in VOICES, f"Voice name {voice['voiceName']} is not supported.", where)


def schema(value: Any, path: str) -> None:
    """The keywords of JSON Schema that are taken; a reference stands alone."""
    demand(isinstance(value, dict), "a schema must be an object", path)
    unknown = set(value) - _SCHEMA
    demand(not unknown, f"unsupported keywords {sorted(unknown)}", path)
    siblings = {key for key in value if not key.startswith("$")}
    demand("$ref" not in value or not siblings, f"$ref with siblings {sorted(siblings)}", path)
    for key in ("properties", "$defs"):
        for name, inner in value.get(key, {}).items():
            schema(inner, f"{path}.{key}.{name}")
    for key in ("anyOf", "oneOf", "prefixItems"):
        for index, inner in enumerate(value.get(key, ())):
            schema(inner, f"{path}.{key}[{index}]")
    for key in ("items", "additionalProperties"):
        if isinstance(inner := value.get(key), dict):
            schema(inner, f"{path}.{key}")


# Tools --------------------------------------------------------------------------------------------


def _tools(body: dict[str, Any], model: str) -> set[str]:
    names: list[str] = []
    kinds: set[str] = set()
    for index, tool in enumerate(body.get("tools") or ()):
        kinds |= set(tool)
        for place, function in enumerate(tool.get("functionDeclarations") or ()):
            where = f"tools[{index}].functionDeclarations[{place}]"
            names.append(function["name"])
            demand(NAME.fullmatch(function["name"]), "Invalid function name.", f"{where}.name")
            both = {"parameters", "parametersJsonSchema"} <= set(function)
            demand(not both, "the two kinds of parameters exclude each other", where)
            if "parametersJsonSchema" in function:
                schema(function["parametersJsonSchema"], f"{where}.parametersJsonSchema")
    demand(len(names) == len(set(names)), "Duplicate function declaration found", "tools")
    if len(kinds) > 1 and "functionDeclarations" in kinds:
        mixes = (body.get("toolConfig") or {}).get("includeServerSideToolInvocations")
        demand(
            model.startswith("gemini-3") and mixes, "Tool use with function calling is unsupported", "tools"
        )
    return set(names)


def _choice(body: dict[str, Any], names: set[str]) -> None:
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = config.get("allowedFunctionNames") or ()
    demand(not config or names, "Function calling config is set without function_declarations.", "toolConfig")
    demand(
        not allowed or config.get("mode", "").upper() in {"ANY", "VALIDATED"},
        "needs the mode ANY or VALIDATED",
        "toolConfig",
    )
    demand(set(allowed) <= names, "allowed_function_names should be a subset of the declared", "toolConfig")


# Contents -----------------------------------------------------------------------------------------


def _contents(stated: list[dict[str, Any]], model: str) -> None:
    demand(stated, "* GenerateContentRequest.contents: contents is not specified", "contents")
    turns = _turns(stated)
    before: _Turn | None = None
    for index, turn in enumerate(turns):
        where = f"contents[{index}]"
        if _called(turn):
            demand(
                before is not None and before[0] == "user",
                "Please ensure that function call turn comes immediately after a user turn or after a "
                "function response turn.",
                where,
            )
        _answers(turn, before, where)
        before = turn
    demand(not _called(turns[-1]), "the last turn's calls have no responses", "contents")
    if model.startswith("gemini-3"):
        _signatures(turns)


def _turns(contents: list[dict[str, Any]]) -> list[_Turn]:
    """The parts by turn: contents of one role that follow each other are one."""
    turns: list[_Turn] = []
    for index, content in enumerate(contents):
        where = f"contents[{index}]"
        role = content.get("role", "user")
        demand(role in {"user", "model"}, "Please use a valid role: user, model.", f"{where}.role")
        parts = [{to_camel(key): value for key, value in part.items()} for part in content.get("parts") or ()]
        demand(parts, f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.", where)
        for place, part in enumerate(parts):
            _part(part, role, f"{where}.parts[{place}]")
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return turns


def _called(turn: _Turn | None) -> list[dict[str, Any]]:
    return [part["functionCall"] for part in (turn[1] if turn else ()) if "functionCall" in part]


def _answers(turn: _Turn, before: _Turn | None, where: str) -> None:
    """As many responses as calls, by name, and by id if that is stated: Google's client leaves it out."""
    calls = _called(before)
    answers = [part["functionResponse"] for part in turn[1] if "functionResponse" in part]
    demand(
        len(calls) == len(answers),
        "Please ensure that the number of function response parts is equal to the number of function call "
        "parts of the function call turn.",
        where,
    )
    stated = all("id" in answer for answer in answers)
    named = sorted((call["name"], call.get("id", "") if stated else "") for call in calls)
    answered = sorted((answer["name"], answer.get("id", "")) for answer in answers)
    demand(named == answered, f"responses {answered} do not belong to the calls {named}", where)


def _part(part: dict[str, Any], role: str, where: str) -> None:
    data = _DATA & set(part)
    demand(
        len(data) == 1,
        f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field",
        where,
    )
    if "functionCall" in part:
        demand(role == "model", "function calls belong to the model's turns", where)
        demand(NAME.fullmatch(part["functionCall"]["name"]), "Invalid function name.", where)
    if "functionResponse" in part:
        demand(role == "user", "function responses belong to the user's turns", where)
        demand(isinstance(part["functionResponse"].get("response"), dict), "response must be a Struct", where)
    if "inlineData" in part:
        blob = {to_camel(key): value for key, value in part["inlineData"].items()}
        demand(
            "/" in blob.get("mimeType", ""), "Unable to determine MIME type", f"{where}.inlineData.mimeType"
        )
        demand(blob.get("data"), "data must not be empty", f"{where}.inlineData.data")
    if "fileData" in part:
        uri = part["fileData"]["fileUri"]
        demand(uri.startswith(_FILES), f"Unsupported file uri: {uri}", f"{where}.fileData.fileUri")


def _signatures(turns: list[_Turn]) -> None:
    """Gemini 3: in the running turn, the first call of each step is signed."""
    spoken = [
        index
        for index, (role, parts) in enumerate(turns)
        if role == "user" and any("functionResponse" not in part for part in parts)
    ]
    for index in range(spoken[-1] if spoken else 0, len(turns)):
        calls = [part for part in turns[index][1] if "functionCall" in part]
        demand(
            not calls or "thoughtSignature" in calls[0],
            "Function call is missing a thought_signature in functionCall parts. This is required for tools "
            "to work correctly.",
            f"contents[{index}]",
        )
