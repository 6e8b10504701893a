"""What each provider must have been sent for a feature, whichever face it was asked through.

As dotted paths of its body (numbers: places in lists). A text may stand there as a string or as one part.
"""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

from tests.matrix.asked import (
    AGAIN,
    DATA_URL,
    HELLO,
    NAMES,
    PARIS,
    PNG_64,
    RESULTS,
    ROME,
    SCHEMA,
    WAV_64,
    WHERE,
)

ABSENT: Any = object()
"""Expected where nothing may have been sent."""
THERE = "Hello there!"
Paths = dict[str, Any]
WEATHER, TIME = NAMES
SUNNY, NOON = RESULTS.values()


def holds(body: Any, dialect: str, feature: str) -> None:
    """Assert that a body has what its provider must get.

    "offered tools": without a word on whether they must be called. "named results": whose calls have no ids.
    """
    native = NATIVE[dialect]
    if dialect == "gemini":
        body = camel(body)
    if feature == "offered tools":
        declared = native.get("offered tools", native["tools"])
        offered = {path: value for path, value in declared.items() if not path.startswith(_CHOICES)}
        assert _at(body, "tool_choice") in (ABSENT, "auto")
        _hold(body, offered)
    elif feature == "named results":
        named = {
            path: value for path, value in native["tool results"].items() if not path.lower().endswith("id")
        }
        _hold(_nameless(body), {path: _nameless(value) for path, value in named.items()})
    else:
        _hold(body, native["text" if feature == "usage" else feature])


_CHOICES = ("tool_choice", "toolConfig")
_IDS = {"id", "call_id", "tool_call_id", "tool_use_id", "toolUseId"}


def camel(value: Any) -> Any:
    """A value in the names of Gemini's documentation; its API also takes those of Google's Python client."""
    if isinstance(value, list):
        return [camel(one) for one in value]
    if isinstance(value, dict):
        named = {to_camel(key): camel(one) for key, one in value.items()}
        if "mimeType" in named:  # its client writes bytes with the letters of addresses
            named["data"] = named["data"].replace("-", "+").replace("_", "/")
        return named
    return value


def _hold(body: Any, paths: Paths) -> None:
    for path, value in paths.items():
        assert _plain(_at(body, path)) == value, path


def _nameless(value: Any) -> Any:
    """The same without the ids of calls."""
    if isinstance(value, list):
        return [_nameless(one) for one in value]
    if isinstance(value, dict):
        return {key: _nameless(one) for key, one in value.items() if key not in _IDS}
    return value


def _at(here: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(here, list):
            here = here[int(step)]
        else:
            here = here.get(step, ABSENT)
            if here is ABSENT:
                break
    return here


def _plain(value: Any) -> Any:
    """A list of one text as the text."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and "text" in value[0]:
        return value[0]["text"]
    return value


def _messages(*told: str) -> Paths:
    """A conversation of these texts, in turns, as most protocols write it."""
    roles = ("user", "assistant", "user")
    written = {f"messages.{n}.role": role for n, role in enumerate(roles[: len(told)])}
    return written | {f"messages.{n}.content": text for n, text in enumerate(told)}


def _tools(path: str, name: str, schema: str) -> Paths:
    """Both tools. path: of one, with its number in braces; name, schema: below it."""
    return {
        f"{path.format(n)}.{member}": value
        for n, tool in enumerate(NAMES)
        for member, value in ((name, tool), (schema, WHERE))
    }


_CHAT_TOOLS = _tools("tools.{}.function", "name", "parameters")
_OPENAI_CHAT: dict[str, Paths] = {
    "text": _messages(HELLO),
    "stream": {"stream": True, "stream_options.include_usage": True},
    "tools": {**_CHAT_TOOLS, "tool_choice": "required"},
    "parallel tools": {**_CHAT_TOOLS, "parallel_tool_calls": True},
    "tool results": {
        "messages.1.role": "assistant",
        "messages.1.tool_calls.0.id": "call_1",
        "messages.1.tool_calls.0.function": {"name": WEATHER, "arguments": PARIS[2]},
        "messages.1.tool_calls.1.id": "call_2",
        "messages.1.tool_calls.1.function": {"name": TIME, "arguments": ROME[2]},
        "messages.2": {"role": "tool", "tool_call_id": "call_1", "content": SUNNY},
        "messages.3": {"role": "tool", "tool_call_id": "call_2", "content": NOON},
    },
    "image in": {"messages.0.content.1.image_url.url": DATA_URL},
    "image out": {"modalities": ["text", "image"]},
    "audio in": {"messages.0.content.1.input_audio": {"data": WAV_64, "format": "wav"}},
    "audio out": {"modalities": ["text", "audio"], "audio.voice": "alloy"},
    "JSON schema": {"response_format.json_schema.schema": SCHEMA, "response_format.json_schema.strict": True},
    "reasoning": {"reasoning_effort": "high"},
    "n": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "stop": {"stop": ["END"]},
    "seed": {"seed": 7},
    "continuation": _messages(HELLO, THERE, AGAIN),
    "background": {**_messages(HELLO), "background": ABSENT},
}
_FLAT = _tools("tools.{}", "name", "parameters")
_OPENAI_RESPONSES: dict[str, Paths] = {
    "text": {"input.0.role": "user", "input.0.content": HELLO, "store": False},
    "stream": {"stream": True, "store": False},
    "tools": {**_FLAT, "tool_choice": "required"},
    "parallel tools": {**_FLAT, "parallel_tool_calls": True},
    "tool results": {
        "input.1.type": "function_call",
        "input.1.call_id": "call_1",
        "input.1.name": WEATHER,
        "input.1.arguments": PARIS[2],
        "input.2.call_id": "call_2",
        "input.3.type": "function_call_output",
        "input.3.call_id": "call_1",
        "input.3.output": SUNNY,
        "input.4.output": NOON,
    },
    "image in": {"input.0.content.1.type": "input_image", "input.0.content.1.image_url": DATA_URL},
    "image out": {"tools": [{"type": "image_generation"}]},
    "JSON schema": {
        "text.format.type": "json_schema",
        "text.format.schema": SCHEMA,
        "text.format.strict": True,
    },
    "reasoning": {"reasoning.effort": "high"},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "stop": {"stop": ABSENT},
    "seed": {"seed": ABSENT},
    "continuation": {
        "input.0.content": HELLO,
        "input.1.role": "assistant",
        "input.1.content.0.text": THERE,
        "input.2.content": AGAIN,
        "previous_response_id": ABSENT,
    },
    "background": {"input.0.content": HELLO, "background": ABSENT, "store": False},
}
_OPENAI_COMPLETIONS: dict[str, Paths] = {
    "text": {"prompt": HELLO},
    "stream": {"stream": True, "stream_options.include_usage": True},
    "JSON schema": {},
    "reasoning": {"reasoning": ABSENT, "reasoning_effort": ABSENT},
    "n": {"n": 2},
    "logprobs": {"logprobs": 2},
    "stop": {"stop": ["END"]},
    "seed": {"seed": 7},
    "background": {"prompt": HELLO, "background": ABSENT},
}
_ANTHROPIC: dict[str, Paths] = {
    "text": _messages(HELLO),
    "stream": {"stream": True, "stream_options": ABSENT},
    "tools": {**_tools("tools.{}", "name", "input_schema"), "tool_choice": {"type": "any"}},
    "parallel tools": {
        **_tools("tools.{}", "name", "input_schema"),
        "tool_choice.disable_parallel_tool_use": False,
    },
    "tool results": {
        "messages.1.content": [
            {"type": "tool_use", "id": "call_1", "name": WEATHER, "input": {"city": "Paris"}},
            {"type": "tool_use", "id": "call_2", "name": TIME, "input": {"city": "Rome"}},
        ],
        "messages.2.role": "user",
        "messages.2.content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": SUNNY},
            {"type": "tool_result", "tool_use_id": "call_2", "content": NOON},
        ],
    },
    "image in": {
        "messages.0.content.1": {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG_64},
        }
    },
    "JSON schema": {
        "output_config.format.type": "json_schema",
        "output_config.format.schema.properties": SCHEMA["properties"],
    },
    "reasoning": {"thinking.type": "enabled", "thinking.budget_tokens": 4096},
    "logprobs": {"logprobs": ABSENT},
    "stop": {"stop_sequences": ["END"]},
    "seed": {"seed": ABSENT, "random_seed": ABSENT},
    "continuation": _messages(HELLO, THERE, AGAIN),
    "background": {**_messages(HELLO), "background": ABSENT},
}
_DECLARED = _tools("tools.0.functionDeclarations.{}", "name", "parametersJsonSchema")
_FUNCTIONS = "contents.2.parts"
_GEMINI: dict[str, Paths] = {
    "text": {"contents.0.role": "user", "contents.0.parts": HELLO},
    "stream": {"stream": ABSENT},  # its path says so, which the stub insists on
    "tools": {**_DECLARED, "toolConfig.functionCallingConfig.mode": "ANY"},
    "parallel tools": _DECLARED,
    "tool results": {
        "contents.1.role": "model",
        "contents.1.parts.0.functionCall.args": {"city": "Paris"},
        "contents.1.parts.1.functionCall.name": TIME,
        "contents.2.role": "user",
        f"{_FUNCTIONS}.0.functionResponse.name": WEATHER,
        f"{_FUNCTIONS}.0.functionResponse.response": {"output": SUNNY},
        f"{_FUNCTIONS}.1.functionResponse.name": TIME,
        f"{_FUNCTIONS}.1.functionResponse.response": {"output": NOON},
    },
    "image in": {"contents.0.parts.1.inlineData": {"mimeType": "image/png", "data": PNG_64}},
    "image out": {"generationConfig.responseModalities": ["TEXT", "IMAGE"]},
    "audio in": {"contents.0.parts.1.inlineData": {"mimeType": "audio/wav", "data": WAV_64}},
    "audio out": {
        "generationConfig.responseModalities": ["AUDIO"],
        "generationConfig.speechConfig.voiceConfig.prebuiltVoiceConfig.voiceName": "Kore",
    },
    "JSON schema": {
        "generationConfig.responseMimeType": "application/json",
        "generationConfig.responseJsonSchema.properties": SCHEMA["properties"],
    },
    "reasoning": {"generationConfig.thinkingConfig": {"thinkingBudget": 4096, "includeThoughts": True}},
    "n": {"generationConfig.candidateCount": 2},
    "logprobs": {"generationConfig.responseLogprobs": True, "generationConfig.logprobs": 2},
    "stop": {"generationConfig.stopSequences": ["END"]},
    "seed": {"generationConfig.seed": 7},
    "continuation": {
        "contents.0.parts": HELLO,
        "contents.1.role": "model",
        "contents.1.parts": THERE,
        "contents.2.parts": AGAIN,
    },
    "background": {"contents.0.parts": HELLO, "background": ABSENT},
}
_MISTRAL: dict[str, Paths] = {
    "text": _messages(HELLO),
    "stream": {"stream": True, "stream_options": ABSENT},
    "tools": {**_CHAT_TOOLS, "tool_choice": "any"},
    "parallel tools": {**_CHAT_TOOLS, "parallel_tool_calls": True},
    # Its ids have nine characters, which the stub insists on; the calls and results still belong together.
    "tool results": {
        "messages.1.tool_calls.0.function.name": WEATHER,
        "messages.1.tool_calls.1.function.name": TIME,
        "messages.2.role": "tool",
        "messages.2.content": SUNNY,
        "messages.3.content": NOON,
    },
    "image in": {
        "messages.0.content.1.type": "image_url",
        "messages.0.content.1.image_url.url": DATA_URL,
    },
    "audio in": {"messages.0.content.1.type": "input_audio"},
    "JSON schema": {"response_format.json_schema.schema": SCHEMA},
    "reasoning": {"reasoning_effort": "high"},
    "n": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "stop": {"stop": ["END"]},
    "seed": {"random_seed": 7, "seed": ABSENT},
    "continuation": _messages(HELLO, THERE, AGAIN),
    "background": {**_messages(HELLO), "background": ABSENT},
}
_OLLAMA: dict[str, Paths] = {
    "text": _messages(HELLO),
    "stream": {"stream": True},
    "tools": {"tools": ABSENT, "tool_choice": ABSENT, "format.required": ["call"]},
    "offered tools": _CHAT_TOOLS,
    "tool results": {
        "messages.1.tool_calls.0.id": "call_1",
        "messages.1.tool_calls.0.function": {"name": WEATHER, "arguments": {"city": "Paris"}},
        "messages.1.tool_calls.1.function": {"name": TIME, "arguments": {"city": "Rome"}},
        "messages.2": {"role": "tool", "tool_name": WEATHER, "tool_call_id": "call_1", "content": SUNNY},
        "messages.3": {"role": "tool", "tool_name": TIME, "tool_call_id": "call_2", "content": NOON},
    },
    "image in": {"messages.0.images": [PNG_64]},
    "audio in": {"messages.0.images": [WAV_64]},
    "JSON schema": {"format.properties": SCHEMA["properties"]},
    "reasoning": {"think": "high"},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "stop": {"options.stop": ["END"]},
    "seed": {"options.seed": 7},
    "continuation": _messages(HELLO, THERE, AGAIN),
    "background": {**_messages(HELLO), "background": ABSENT},
}
_COHERE: dict[str, Paths] = {
    "text": _messages(HELLO),
    "stream": {"stream": True, "stream_options": ABSENT},
    "tools": {**_CHAT_TOOLS, "tool_choice": "REQUIRED"},
    "parallel tools": {**_CHAT_TOOLS, "parallel_tool_calls": ABSENT},
    "tool results": _OPENAI_CHAT["tool results"],
    "image in": {"messages.0.content.1.type": "image_url", "messages.0.content.1.image_url.url": DATA_URL},
    "JSON schema": {"response_format.type": "json_object", "response_format.json_schema": SCHEMA},
    "reasoning": {"thinking.type": "enabled"},
    "logprobs": {"logprobs": True, "top_logprobs": ABSENT},
    "stop": {"stop_sequences": ["END"]},
    "seed": {"seed": 7},
    "continuation": _messages(HELLO, THERE, AGAIN),
    "background": {**_messages(HELLO), "background": ABSENT},
}
_BEDROCK: dict[str, Paths] = {
    "text": _messages(HELLO),
    "stream": {"stream": ABSENT},  # its path says so, which the stub answers by
    "tools": {
        **_tools("toolConfig.tools.{}.toolSpec", "name", "inputSchema.json"),
        "toolConfig.toolChoice": {"any": {}},
    },
    "parallel tools": _tools("toolConfig.tools.{}.toolSpec", "name", "inputSchema.json"),
    "tool results": {
        "messages.1.content": [
            {"toolUse": {"toolUseId": "call_1", "name": WEATHER, "input": {"city": "Paris"}}},
            {"toolUse": {"toolUseId": "call_2", "name": TIME, "input": {"city": "Rome"}}},
        ],
        "messages.2.role": "user",
        "messages.2.content.0.toolResult.toolUseId": "call_1",
        "messages.2.content.0.toolResult.content": SUNNY,
        "messages.2.content.1.toolResult.toolUseId": "call_2",
        "messages.2.content.1.toolResult.content": NOON,
    },
    "image in": {"messages.0.content.1.image": {"format": "png", "source": {"bytes": PNG_64}}},
    "audio in": {"messages.0.content.1.audio": {"format": "wav", "source": {"bytes": WAV_64}}},
    "JSON schema": {"outputConfig.textFormat.type": "json_schema"},
    "reasoning": {"additionalModelRequestFields.thinking": {"type": "enabled", "budget_tokens": 4096}},
    "logprobs": {"logprobs": ABSENT},
    "stop": {"inferenceConfig.stopSequences": ["END"]},
    "seed": {"seed": ABSENT},
    "continuation": _messages(HELLO, THERE, AGAIN),
    "background": {**_messages(HELLO), "background": ABSENT},
}
NATIVE: dict[str, dict[str, Paths]] = {
    "openai_chat": _OPENAI_CHAT,
    "openai_responses": _OPENAI_RESPONSES,
    "openai_completions": _OPENAI_COMPLETIONS,
    "anthropic": _ANTHROPIC,
    "gemini": _GEMINI,
    "mistral": _MISTRAL,
    "ollama": _OLLAMA,
    "cohere": _COHERE,
    "bedrock": _BEDROCK,
}
"""By dialect and feature. A cell that is refused needs none."""
