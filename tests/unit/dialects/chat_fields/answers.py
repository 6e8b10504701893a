"""What the answer is to be like: its form, its media, and how much thought goes into it."""

from __future__ import annotations

from typing import Any

from dragoman.dialects.facts import Facts
from tests.unit.dialects.chat_fields.row import (
    NOTHING,
    SAME,
    Outcome,
    Row,
    emulated,
    lost,
    mistake,
    nothing,
    refused,
    row,
    to,
)

HINT, QUALITY, MEANING = lost("hint"), lost("quality"), lost("meaning")

# --- Form ---------------------------------------------------------------------------------------

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
BOUNDED: dict[str, Any] = {**CITY, "properties": {"city": {"type": "string", "minLength": 2}}}
_MINIMUM = "response_format.json_schema.schema.properties.city.minLength"
_DESCRIBED = {"type": "string", "description": "{minLength: 2}"}
_GRAMMAR = to({"grammar": ..., "draw.repetition": 1.0}, "held to it by a grammar")
_JSON = {"generationConfig.responseMimeType": "application/json"}


def _format(**schema: Any) -> dict[str, Any]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY, **schema}}
    }


def _claude(schema: dict[str, Any]) -> dict[str, Any]:
    return {"output_config.format": {"type": "json_schema", "schema": {**schema, "title": "place"}}}


def _gemini(schema: dict[str, Any]) -> dict[str, Any]:
    return {**_JSON, "generationConfig.responseJsonSchema": {**schema, "title": "place"}}


_ASKED_BY_TOOL = emulated(
    "by a tool called by force",
    {
        "tools": ...,
        "tools[0].name": "answer",
        "tool_choice": {"type": "tool", "name": "answer", "disable_parallel_tool_use": True},
    },
)
_SAID_CITY = to({"candidates[0].blocks[0].text": ...})

FORM = (
    row(
        "response_format",
        {"response_format": {"type": "text"}},
        NOTHING,
        NOTHING,
        NOTHING,
        NOTHING,
        label="`text`",
    ),
    row(
        "response_format",
        {"response_format": {"type": "json_object"}},
        _ASKED_BY_TOOL,
        to(_JSON),
        SAME,
        _GRAMMAR,
        _SAID_CITY,
        label="`json_object`",
    ),
    row(
        "response_format[json_schema].json_schema",
        _format(),
        to(_claude(CITY)),
        to(_gemini(CITY)),
        SAME,
        _GRAMMAR,
        _SAID_CITY,
        label="`json_schema`",
    ),
    row(
        "response_format[json_schema].json_schema.strict",
        _format(strict=True),
        to(_claude(CITY), "every schema is enforced"),
        to(_gemini(CITY), "every schema is enforced"),
        SAME,
        _GRAMMAR,
        _SAID_CITY,
    ),
    row(
        "response_format[json_schema].json_schema.description",
        _format(description="A place."),
        to(_claude({**CITY, "description": "A place."})),
        to(_gemini({**CITY, "description": "A place."})),
        SAME,
        lost("quality", "response_format.json_schema.description", writes=_GRAMMAR.writes),
        _SAID_CITY,
    ),
    row(
        "response_format[json_schema].json_schema.schema",
        _format(schema=BOUNDED),
        lost(
            "quality",
            _MINIMUM,
            note="told to the model",
            writes=_claude({**CITY, "properties": {"city": _DESCRIBED}}),
        ),
        lost(
            "quality",
            _MINIMUM,
            note="told to the model",
            writes=_gemini({**CITY, "properties": {"city": _DESCRIBED}}),
        ),
        SAME,
        _GRAMMAR,
        _SAID_CITY,
        label="a keyword that some refuse (`minLength`)",
    ),
    row(
        "response_format[json_schema].json_schema",
        _format(),
        emulated(
            "by a tool called by force",
            {
                "tools": ...,
                "tools[0].name": "place",
                "tools[0].input_schema": CITY,
                "tool_choice": {"type": "tool", "name": "place", "disable_parallel_tool_use": True},
            },
        ),
        emulated(
            "by a tool called by force",
            {
                "tools[0].functionDeclarations[0].name": "place",
                "tools[0].functionDeclarations[0].parametersJsonSchema": CITY,
                "tools": ...,
                "toolConfig.functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["place"]},
            },
        ),
        emulated(
            "by a tool called by force",
            {
                "tools": ...,
                "tools[0].function.name": "place",
                "tools[0].function.parameters": CITY,
                "tool_choice": {"type": "function", "function": {"name": "place"}},
                "parallel_tool_calls": False,
            },
        ),
        _GRAMMAR,
        _SAID_CITY,
        chat=emulated(
            "by a tool called by force",
            {
                "tools": ...,
                "tools[0].function.name": "place",
                "tools[0].function.parameters": CITY,
                "tool_choice": {"type": "function", "function": {"name": "place"}},
                "parallel_tool_calls": False,
            },
        ),
        label="a model without structured output",
        facts=Facts(structured=False),
    ),
    mistake(
        "response_format",
        {"response_format": {"type": "json_schema"}},
        "without `json_schema`",
        "missing_required_parameter",
        "response_format.json_schema",
    ),
    mistake(
        "response_format[json_schema].json_schema.name",
        _format(name="no spaces"),
        "no legal name",
        "invalid_value",
        "response_format.json_schema.name",
    ),
    mistake(
        "response_format[json_schema].json_schema.strict",
        _format(strict=True, schema={**CITY, "additionalProperties": True}),
        "a schema that strict forbids",
        None,
        "response_format.json_schema.schema.additionalProperties",
    ),
    *(
        row("verbosity", {"verbosity": word}, QUALITY, QUALITY, QUALITY, QUALITY, label=f"`{word}`")
        for word in ("low", "medium", "high")
    ),
    mistake("verbosity", {"verbosity": "some"}, "no such word", "invalid_value", "verbosity"),
    row(
        "prediction[content].content",
        {"prediction": {"type": "content", "content": "Oslo is"}},
        lost("hint", "prediction"),
        lost("hint", "prediction"),
        SAME,
        lost("hint", "prediction"),
        label="a string",
    ),
    row(
        "prediction[content].content",
        {
            "prediction": {
                "type": "content",
                "content": [
                    {"type": "text", "text": "Oslo is", "prompt_cache_breakpoint": {"mode": "explicit"}}
                ],
            }
        },
        lost("hint", "prediction"),
        lost("hint", "prediction"),
        lost(
            "hint",
            "prediction.content[0].prompt_cache_breakpoint",
            writes={"prediction": {"type": "content", "content": "Oslo is"}},
        ),
        lost("hint", "prediction"),
        label="a list of parts",
    ),
    *(
        row(
            "moderation",
            {
                "moderation": {
                    "model": "omni-moderation-latest",
                    "policy": {"input": {"mode": mode}, "output": {"mode": mode}},
                }
            },
            MEANING,
            MEANING,
            MEANING,
            MEANING,
            label=f"`{mode}`",
        )
        for mode in ("score", "block")
    ),
)

# --- Media --------------------------------------------------------------------------------------

_NO_MEDIA = refused("unsupported_modality", "modalities")


def _sound(voice: Any, form: str) -> dict[str, Any]:
    return {"modalities": ["text", "audio"], "audio": {"voice": voice, "format": form}}


def _spoken(label: str, voice: Any, form: str, gemini: Outcome) -> Row:
    return row("audio", _sound(voice, form), _NO_MEDIA, gemini, _NO_MEDIA, _NO_MEDIA, _NO_MEDIA, label=label)


_ALONE = {"generationConfig.responseModalities": ["AUDIO"]}
"""Gemini's models answer in sound or in text; the transcript is empty."""


def _voice(name: str) -> dict[str, Any]:
    return {
        **_ALONE,
        "generationConfig.speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}},
    }


_OTHER_VOICE = lost("quality", "audio.voice", note="another voice speaks", writes=_voice("Kore"))
_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")

MEDIA = (
    row(
        "modalities",
        {"modalities": ["text"]},
        NOTHING,
        to({"generationConfig.responseModalities": ["TEXT"]}),
        NOTHING,
        NOTHING,
        label="`text`",
    ),
    row(
        "modalities",
        {"modalities": ["text", "image"]},
        _NO_MEDIA,
        to({"generationConfig.responseModalities": ["TEXT", "IMAGE"]}),
        _NO_MEDIA,
        _NO_MEDIA,
        _NO_MEDIA,
        label="`image`",
    ),
    mistake("modalities", {"modalities": []}, "empty", "empty_array", "modalities"),
    *(_spoken(f"voice `{voice}`", voice, "pcm16", _OTHER_VOICE) for voice in _VOICES),
    _spoken(
        "a voice of the client's own",
        {"id": "voice_1"},
        "pcm16",
        lost("quality", "audio.voice", note="another voice speaks", writes=_ALONE),
    ),
    _spoken("a voice of Gemini's", "Puck", "pcm16", to(_voice("Puck"))),
    _spoken(
        "format `wav`",
        "alloy",
        "wav",
        lost(
            "quality", "audio.voice", note="another voice; the gateway adds the header", writes=_voice("Kore")
        ),
    ),
    *(_spoken(f"format `{form}`", "alloy", form, _OTHER_VOICE) for form in ("mp3", "aac", "flac", "opus")),
)

# --- Reasoning ----------------------------------------------------------------------------------


def _adaptive(effort: str | None, **display: str) -> dict[str, Any]:
    writes: dict[str, Any] = {"thinking": {"type": "adaptive", **display}}
    return writes | ({"output_config": {"effort": effort}} if effort else {})


def _level(level: str | None, *, shown: bool = True) -> dict[str, Any]:
    return {
        "generationConfig.thinkingConfig": {
            **({"thinkingLevel": level} if level else {}),
            **({"includeThoughts": True} if shown else {}),
        }
    }


_LEAST = {"generationConfig.thinkingConfig": {"thinkingLevel": "MINIMAL"}}
_EFFORTS: dict[str, tuple[Outcome, Outcome]] = {
    "none": (
        emulated("as disabled", {"thinking": {"type": "disabled"}}),
        lost("quality", note="cannot be switched off", writes=_LEAST),
    ),
    "minimal": (emulated("as low", _adaptive("low")), to(_level("MINIMAL"))),
    "low": (to(_adaptive("low")), to(_level("LOW"))),
    "medium": (to(_adaptive("medium")), to(_level("MEDIUM"))),
    "high": (to(_adaptive("high")), to(_level("HIGH"))),
    "xhigh": (to(_adaptive("xhigh")), to(_level("XHIGH"))),
    "max": (to(_adaptive("max")), lost("quality", note="as the highest level", writes=_level("XHIGH"))),
}
_THINKS = to({"candidates[0].blocks[0].text": ...}, "thinks")
_UNSTEERED = nothing("embedded models do not support reasoning")

REASONING = (
    *(
        row(
            "reasoning_effort",
            {"reasoning_effort": word},
            *outcomes,
            SAME,
            _UNSTEERED if word == "none" else QUALITY,
            NOTHING if word == "none" else _THINKS,
            label=f"`{word}`",
        )
        for word, outcomes in _EFFORTS.items()
    ),
    row(
        "reasoning_effort",
        {"reasoning_effort": "medium"},
        emulated("as 2,048 tokens", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        emulated(
            "as 2,048 tokens",
            {"generationConfig.thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True}},
        ),
        SAME,
        QUALITY,
        _THINKS,
        label="a model with budgets",
        facts=Facts(thinking=("enabled", "disabled")),
    ),
    row(
        "reasoning.effort",
        {"reasoning": {"effort": "high"}},
        to(_adaptive("high")),
        to(_level("HIGH")),
        to({"reasoning_effort": "high"}),
        lost("quality", "reasoning"),
        _THINKS,
    ),
    row(
        "reasoning.max_tokens",
        {"reasoning": {"max_tokens": 2048}},
        emulated("as the nearest effort", _adaptive("medium")),
        emulated("as the nearest level", _level("MEDIUM")),
        emulated("as the nearest effort", {"reasoning_effort": "medium"}),
        lost("quality", "reasoning"),
        _THINKS,
    ),
    row(
        "reasoning.enabled",
        {"reasoning": {"enabled": False}},
        to({"thinking": {"type": "disabled"}}),
        lost("quality", "reasoning", note="cannot be switched off", writes=_LEAST),
        to({"reasoning_effort": "none"}),
        _UNSTEERED,
        label="false",
    ),
    row(
        "reasoning.exclude",
        {"reasoning": {"effort": "low", "exclude": True}},
        to(_adaptive("low", display="omitted")),
        to({"generationConfig.thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": False}}),
        lost("hint", "reasoning.exclude", writes={"reasoning_effort": "low"}),
        lost("quality", "reasoning"),
        _THINKS,
        label="true",
    ),
    row(
        "reasoning.summary",
        {"reasoning": {"effort": "low", "summary": "concise"}},
        emulated("as any summary", _adaptive("low", display="summarized")),
        to(_level("LOW")),
        lost("hint", "reasoning.summary", writes={"reasoning_effort": "low"}),
        lost("quality", "reasoning"),
        _THINKS,
    ),
    row(
        "include_reasoning",
        {"include_reasoning": True},
        HINT,
        to(_level(None)),
        nothing("reasoning is always shown"),
        QUALITY,
        label="true",
    ),
    row(
        "include_reasoning",
        {"include_reasoning": False},
        NOTHING,
        to({"generationConfig.thinkingConfig": {"includeThoughts": False}}),
        HINT,
        _UNSTEERED,
        label="false",
    ),
    row(
        "thinking.budget_tokens",
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        to({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        emulated("as the nearest level", _level("MEDIUM")),
        emulated("as the nearest effort", {"reasoning_effort": "medium"}),
        lost("quality", "thinking"),
        _THINKS,
    ),
    row(
        "thinking",
        {"thinking": {"type": "disabled"}},
        SAME,
        lost("quality", "thinking", note="cannot be switched off", writes=_LEAST),
        to({"reasoning_effort": "none"}),
        _UNSTEERED,
        label="`disabled`",
    ),
    row(
        "enable_thinking",
        {"enable_thinking": True},
        emulated("as adaptive", _adaptive(None)),
        to(_level(None)),
        emulated("as medium", {"reasoning_effort": "medium"}),
        QUALITY,
        _THINKS,
        label="true",
    ),
    row(
        "thinking_budget",
        {"thinking_budget": 4096},
        emulated("as the nearest effort", _adaptive("high")),
        emulated("as the nearest level", _level("HIGH")),
        emulated("as the nearest effort", {"reasoning_effort": "high"}),
        QUALITY,
        _THINKS,
    ),
)
