"""The rows of the matrix: what is asked, what the fake model answers, what must arrive on either side.

native: what the provider must have got, by dialect, as dotted paths of its body (numbers: places in lists).
check: what the client must have got.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import msgspec

from tests.e2e.answers.said import Said
from tests.e2e.media import pixels, png, samples, wav
from tests.matrix.heard import Heard

Native = dict[str, dict[str, Any]]
ABSENT: Any = object()
"""Expected where nothing may have been sent."""


class Feature(msgspec.Struct, frozen=True):
    """One row.

    fields: of the request, `stream` apart; more: the same for a stream alone. ways: whole (False), streamed.
    text: the user's words, where fields has no messages of its own.
    """

    name: str
    said: Said
    native: Native
    check: Callable[[Heard, Said | None, bool], None]
    fields: dict[str, Any] = {}
    more: dict[str, Any] = {}
    ways: tuple[bool, ...] = (False, True)
    text: str = "Hello!"

    def request(self, *, stream: bool) -> dict[str, Any]:
        fields = {"messages": [{"role": "user", "content": self.text}], **self.fields}
        return {**fields, "stream": True, **self.more} if stream else fields


def holds(body: Any, expected: dict[str, Any]) -> None:
    """Assert that a body has these values at these paths."""
    for path, value in expected.items():
        assert _at(body, path) == value, path


def _at(here: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(here, list):
            here = here[int(step)]
        else:
            here = here.get(step, ABSENT)
            if here is ABSENT:
                break
    return here


# Text ---------------------------------------------------------------------------------------------

WITH_USAGE = {"stream_options": {"include_usage": True}}


def _text(heard: Heard, said: Said | None, stream: bool) -> None:
    assert heard.first.text
    assert said is None or heard.first.text == said.text
    assert heard.first.finish in ({"stop"} if said else {"stop", "length"})


def _stream(heard: Heard, said: Said | None, stream: bool) -> None:
    _text(heard, said, stream)
    assert heard.first.pieces > 1
    usage = heard.usage
    assert usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    if said:
        assert (usage.prompt_tokens, usage.completion_tokens) == (said.input_tokens, said.output_tokens)


PLAIN: Native = {
    "openai_chat": {"messages": [{"role": "user", "content": "Hello!"}]},
    "anthropic": {"messages": [{"role": "user", "content": "Hello!"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    "mistral": {"messages": [{"role": "user", "content": "Hello!"}]},
}
STREAMED: Native = {
    "openai_chat": {"stream": True, "stream_options.include_usage": True},
    "anthropic": {"stream": True, "stream_options": ABSENT},
    "gemini": {"stream": ABSENT},  # its path says so, which the stub insists on
    "mistral": {"stream": True, "stream_options": ABSENT},
}

# Tools --------------------------------------------------------------------------------------------

WHERE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Of a city.", "parameters": WHERE}}
    for name in ("get_weather", "get_time")
]
PARIS = ("call_1", "get_weather", '{"city":"Paris"}')
ROME = ("call_2", "get_time", '{"city":"Rome"}')
DECLARED: Native = {
    "openai_chat": {"tools": TOOLS},
    "anthropic": {"tools.0.name": "get_weather", "tools.0.input_schema": WHERE, "tools.1.name": "get_time"},
    "gemini": {
        "tools.0.functionDeclarations.0.name": "get_weather",
        "tools.0.functionDeclarations.0.parametersJsonSchema": WHERE,
        "tools.0.functionDeclarations.1.name": "get_time",
    },
    "mistral": {"tools": TOOLS},
}


def _with(native: Native, more: Native) -> Native:
    return {dialect: {**paths, **more[dialect]} for dialect, paths in native.items()}


def _made_calls(heard: Heard, said: Said | None, stream: bool) -> None:
    calls = heard.first.calls
    assert heard.first.finish == "tool_calls"
    assert calls
    assert all(id_ for id_, _, _ in calls)
    assert len({id_ for id_, _, _ in calls}) == len(calls)
    for _, name, arguments in calls:
        assert name in {"get_weather", "get_time"}
        assert isinstance(json.loads(arguments)["city"], str)
    if said:
        stated = [(name, json.loads(arguments)) for _, name, arguments in said.calls]
        assert [(name, json.loads(arguments)) for _, name, arguments in calls] == stated


CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in (PARIS, ROME)
    ],
}
ANSWERED = [
    {"role": "user", "content": "Weather in Paris, time in Rome?"},
    CALLED,
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
]
RESULTS: Native = {
    "openai_chat": {"messages": ANSWERED},
    "anthropic": {
        "messages.1.content": [
            {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}},
            {"type": "tool_use", "id": "call_2", "name": "get_time", "input": {"city": "Rome"}},
        ],
        "messages.2.role": "user",
        "messages.2.content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": "noon"},
        ],
    },
    "gemini": {
        "contents.1.role": "model",
        "contents.1.parts.0.functionCall.args": {"city": "Paris"},
        "contents.1.parts.1.functionCall.name": "get_time",
        "contents.2.role": "user",
        "contents.2.parts.0.functionResponse.name": "get_weather",
        "contents.2.parts.0.functionResponse.response": {"output": "sunny"},
        "contents.2.parts.1.functionResponse.name": "get_time",
        "contents.2.parts.1.functionResponse.response": {"output": "noon"},
    },
    # Its ids have nine characters, which the stub insists on; the calls and results still belong together.
    "mistral": {
        "messages.1.tool_calls.0.function.name": "get_weather",
        "messages.1.tool_calls.1.function.name": "get_time",
        "messages.2.role": "tool",
        "messages.2.content": "sunny",
        "messages.3.content": "noon",
    },
}

# Media --------------------------------------------------------------------------------------------

PNG = png((255, 0, 0), (0, 0, 255))
DRAWN = png((0, 255, 0), (1, 2, 3), (250, 240, 230))
SPOKEN = bytes(range(0, 240, 2)) * 4
PNG_64, WAV_64 = b64encode(PNG).decode(), b64encode(wav(SPOKEN)).decode()
DATA_URL = f"data:image/png;base64,{PNG_64}"


def _beside(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]}


def _drawn(heard: Heard, said: Said | None, stream: bool) -> None:
    """The picture that the model drew decodes."""
    (url,) = heard.first.images
    head, _, data = url.partition(";base64,")
    assert head == "data:image/png"
    assert pixels(b64decode(data)) == [(0, 255, 0), (1, 2, 3), (250, 240, 230)]
    assert heard.first.text == "Here it is."


def _spoken(heard: Heard, said: Said | None, stream: bool) -> None:
    """A WAV file in a whole answer, samples in a stream; a transcript where the provider has one."""
    assert (heard.first.sound if stream else samples(heard.first.sound)) == SPOKEN
    assert heard.first.transcript in {"", said.transcript if said else ""}
    assert heard.first.finish == "stop"


# The form of the answer ---------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    # Few names, because a small model may write one without end.
    "properties": {"name": {"type": "string", "enum": ["Paris", "Rome"]}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


def _structured(heard: Heard, said: Said | None, stream: bool) -> None:
    value = json.loads(heard.first.text)
    assert set(value) == {"name", "people"}
    assert isinstance(value["name"], str)
    assert isinstance(value["people"], int)
    assert heard.first.finish == "stop"
    assert not heard.first.calls


def _reasoned(heard: Heard, said: Said | None, stream: bool) -> None:
    """The thought is shown, or at least counted where the provider keeps it to itself."""
    details = heard.usage.completion_tokens_details if heard.usage else None
    counted = details.reasoning_tokens if details else 0
    assert heard.first.text
    if said:
        assert heard.first.reasoning == said.thought or (not heard.first.reasoning and counted == 3)


def _several(heard: Heard, said: Said | None, stream: bool) -> None:
    assert len(heard.choices) == 2
    assert all(choice.text and choice.finish for choice in heard.choices)
    if said:
        assert [choice.text for choice in heard.choices] == [said.text, *said.others]


def _probable(heard: Heard, said: Said | None, stream: bool) -> None:
    if said and not heard.first.tokens:
        return  # a loss that is listed
    assert "".join(token for token, _ in heard.first.tokens) == heard.first.text
    assert {others for _, others in heard.first.tokens} == {2}


def _stopped(heard: Heard, said: Said | None, stream: bool) -> None:
    assert "END" not in heard.first.text
    assert heard.first.finish in {"stop", "length"}


FEATURES = (
    Feature("text", Said(), PLAIN, _text, ways=(False,)),
    Feature("stream", Said("A longer answer, in pieces."), STREAMED, _stream, more=WITH_USAGE, ways=(True,)),
    Feature(
        "tools",
        Said("", (PARIS,)),
        _with(
            DECLARED,
            {
                "openai_chat": {"tool_choice": "required"},
                "anthropic": {"tool_choice": {"type": "any"}},
                "gemini": {"toolConfig.functionCallingConfig.mode": "ANY"},
                "mistral": {"tool_choice": "any"},
            },
        ),
        _made_calls,
        {"tools": TOOLS, "tool_choice": "required"},
    ),
    Feature(
        "parallel tools",
        Said("", (PARIS, ROME)),
        _with(
            DECLARED,
            {
                "openai_chat": {"parallel_tool_calls": True},
                "anthropic": {"tool_choice.disable_parallel_tool_use": False},
                "gemini": {},
                "mistral": {"parallel_tool_calls": True},
            },
        ),
        _made_calls,
        {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": True},
        text="Call get_weather and get_time.",
    ),
    Feature("tool results", Said("Sunny, at noon."), RESULTS, _text, {"messages": ANSWERED, "tools": TOOLS}),
    Feature(
        "image in",
        Said("Two pixels."),
        {
            "openai_chat": {"messages.0.content.1.image_url.url": DATA_URL},
            "anthropic": {
                "messages.0.content.1": {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PNG_64},
                }
            },
            "gemini": {"contents.0.parts.1.inlineData": {"mimeType": "image/png", "data": PNG_64}},
            "mistral": {
                "messages.0.content.1.type": "image_url",
                "messages.0.content.1.image_url.url": DATA_URL,
            },
        },
        _text,
        _beside({"type": "image_url", "image_url": {"url": DATA_URL}}),
    ),
    Feature(
        "image out",
        Said("Here it is.", images=(DRAWN,)),
        {
            "openai_chat": {"modalities": ["text", "image"]},
            "gemini": {"generationConfig.responseModalities": ["TEXT", "IMAGE"]},
        },
        _drawn,
        {"modalities": ["text", "image"]},
    ),
    Feature(
        "audio in",
        Said("A rising tone."),
        {
            "openai_chat": {"messages.0.content.1.input_audio": {"data": WAV_64, "format": "wav"}},
            "gemini": {"contents.0.parts.1.inlineData": {"mimeType": "audio/wav", "data": WAV_64}},
            "mistral": {"messages.0.content.1.type": "input_audio"},
        },
        _text,
        _beside({"type": "input_audio", "input_audio": {"data": WAV_64, "format": "wav"}}),
    ),
    Feature(
        "audio out",
        Said("", sound=SPOKEN, transcript="Good morning."),
        {
            "openai_chat": {"modalities": ["text", "audio"], "audio.voice": "alloy"},
            "gemini": {
                "generationConfig.responseModalities": ["AUDIO"],
                "generationConfig.speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName": "Kore",
            },
        },
        _spoken,
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        {"audio": {"voice": "alloy", "format": "pcm16"}},
    ),
    Feature(
        "JSON schema",
        Said('{"name":"Paris","people":2100000}'),
        {
            "openai_chat": {"response_format.json_schema.schema": SCHEMA},
            "anthropic": {
                "output_config.format.type": "json_schema",
                "output_config.format.schema.properties": SCHEMA["properties"],
            },
            "gemini": {
                "generationConfig.responseMimeType": "application/json",
                "generationConfig.responseJsonSchema.properties": SCHEMA["properties"],
            },
            "mistral": {"response_format.json_schema.schema": SCHEMA},
        },
        _structured,
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "city", "strict": True, "schema": SCHEMA},
            }
        },
    ),
    Feature(
        "reasoning",
        Said("42.", thought="Let me think.", seal="c2VhbA==", reasoning_tokens=3),
        {
            "openai_chat": {"reasoning_effort": "high"},
            "anthropic": {"thinking": {"type": "enabled", "budget_tokens": 4096}},
            "gemini": {"generationConfig.thinkingConfig": {"thinkingBudget": 4096, "includeThoughts": True}},
            "mistral": {"reasoning_effort": "high"},
        },
        _reasoned,
        {"reasoning_effort": "high"},
        WITH_USAGE,
    ),
    Feature(
        "n",
        Said("First.", others=("Second.",)),
        {
            "openai_chat": {"n": 2},
            "gemini": {"generationConfig.candidateCount": 2},
            "mistral": {"n": 2},
        },
        _several,
        {"n": 2},
    ),
    Feature(
        "logprobs",
        Said("Probably."),
        {
            "openai_chat": {"logprobs": True, "top_logprobs": 2},
            "anthropic": {"logprobs": ABSENT},
            "gemini": {"generationConfig.responseLogprobs": True, "generationConfig.logprobs": 2},
            "mistral": {"logprobs": True, "top_logprobs": 2},
        },
        _probable,
        {"logprobs": True, "top_logprobs": 2},
    ),
    Feature(
        "stop",
        Said("One ", stop="sequence"),
        {
            "openai_chat": {"stop": ["END"]},
            "anthropic": {"stop_sequences": ["END"]},
            "gemini": {"generationConfig.stopSequences": ["END"]},
            "mistral": {"stop": ["END"]},
        },
        _stopped,
        {"stop": ["END"]},
        text="One END two.",
    ),
    Feature(
        "seed",
        Said(),
        {
            "openai_chat": {"seed": 7},
            "anthropic": {"seed": ABSENT, "random_seed": ABSENT},
            "gemini": {"generationConfig.seed": 7},
            "mistral": {"random_seed": 7, "seed": ABSENT},
        },
        _text,
        {"seed": 7},  # the text is the same whole and streamed
    ),
)
