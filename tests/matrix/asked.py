"""What the client asks for each feature, in the words of each face: the fields of its request.

A feature that a protocol has no words for is not here but in `refusals.toml`, as absent.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from tests.e2e.media import png, wav

Fields = dict[str, Any]

HELLO = "Hello!"
AGAIN = "And again?"
WHERE: Fields = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAMES = ("get_weather", "get_time")
PARIS = ("call_1", "get_weather", '{"city":"Paris"}')
ROME = ("call_2", "get_time", '{"city":"Rome"}')
RESULTS = {"call_1": "sunny", "call_2": "noon"}
QUESTION = "Weather in Paris, time in Rome?"
CALLING = "Call get_weather and get_time."
SPOKEN = bytes(range(0, 240, 2)) * 4
PNG_64 = b64encode(png((255, 0, 0), (0, 0, 255))).decode()
WAV_64 = b64encode(wav(SPOKEN)).decode()
DATA_URL = f"data:image/png;base64,{PNG_64}"
SCHEMA: Fields = {
    "type": "object",
    # Few names, because a small model may write one without end.
    "properties": {"name": {"type": "string", "enum": ["Paris", "Rome"]}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
_SOUND: Fields = {"type": "input_audio", "input_audio": {"data": WAV_64, "format": "wav"}}
_SHAPE: Fields = {"name": "city", "strict": True, "schema": SCHEMA}

# Chat ---------------------------------------------------------------------------------------------


def _said(content: Any = HELLO, **fields: Any) -> Fields:
    return {"messages": [{"role": "user", "content": content}], **fields}


def _beside(part: Fields) -> Fields:
    return _said([{"type": "text", "text": "What is this?"}, part])


_TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Of a city.", "parameters": WHERE}}
    for name in NAMES
]
_CALLED: Fields = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in (PARIS, ROME)
    ],
}
_ANSWERED = [
    {"role": "user", "content": QUESTION},
    _CALLED,
    *({"role": "tool", "tool_call_id": id_, "content": told} for id_, told in RESULTS.items()),
]
CHAT: dict[str, Fields] = {
    "text": _said(),
    "stream": _said(),
    "tools": _said(tools=_TOOLS, tool_choice="required"),
    "parallel tools": _said(CALLING, tools=_TOOLS, tool_choice="required", parallel_tool_calls=True),
    "tool results": {"messages": _ANSWERED, "tools": _TOOLS},
    "image in": _beside({"type": "image_url", "image_url": {"url": DATA_URL}}),
    "image out": _said(modalities=["text", "image"]),
    "audio in": _beside(_SOUND),
    "audio out": _said(modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}),
    "JSON schema": _said(response_format={"type": "json_schema", "json_schema": _SHAPE}),
    "reasoning": _said(reasoning_effort="high"),
    "n": _said(n=2),
    "logprobs": _said(logprobs=True, top_logprobs=2),
    "stop": _said("One END two.", stop=["END"]),
    "seed": _said(seed=7),
}
_STREAMED: Fields = {"audio": {"voice": "alloy", "format": "pcm16"}}
"""Streams of sound have this format."""

# Responses ----------------------------------------------------------------------------------------


def _put(content: Any = HELLO, **fields: Any) -> Fields:
    return {"input": [{"role": "user", "content": content}], **fields}


def _near(part: Fields) -> Fields:
    return _put([{"type": "input_text", "text": "What is this?"}, part])


_FLAT = [
    {"type": "function", "name": name, "description": "Of a city.", "parameters": WHERE, "strict": False}
    for name in NAMES
]
_ITEMS: list[Fields] = [
    {"role": "user", "content": QUESTION},
    *(
        {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
        for id_, name, arguments in (PARIS, ROME)
    ),
    *({"type": "function_call_output", "call_id": id_, "output": told} for id_, told in RESULTS.items()),
]
RESPONSES: dict[str, Fields] = {
    "text": _put(),
    "stream": _put(),
    "tools": _put(tools=_FLAT, tool_choice="required"),
    "parallel tools": _put(CALLING, tools=_FLAT, tool_choice="required", parallel_tool_calls=True),
    "tool results": {"input": _ITEMS, "tools": _FLAT},
    "image in": _near({"type": "input_image", "image_url": DATA_URL, "detail": "auto"}),
    "audio in": _near(_SOUND),
    "JSON schema": _put(text={"format": {"type": "json_schema", **_SHAPE}}),
    "reasoning": _put(reasoning={"effort": "high", "summary": "auto"}),
    "logprobs": _put(include=["message.output_text.logprobs"], top_logprobs=2),
    "continuation": _put(AGAIN),
    "background": _put(background=True),
}

# Completions --------------------------------------------------------------------------------------


def _begun(prompt: str = HELLO, **fields: Any) -> Fields:
    return {"prompt": prompt, "max_tokens": 64, **fields}


COMPLETIONS: dict[str, Fields] = {
    "text": _begun(),
    "stream": _begun(),
    "n": _begun(n=2),
    "logprobs": _begun(logprobs=2),
    "stop": _begun("One END two.", stop=["END"]),
    "seed": _begun(seed=7),
}
ASKED = {"openai_chat": CHAT, "openai_responses": RESPONSES, "openai_completions": COMPLETIONS}


def asked(face: str, feature: str, *, streamed: bool) -> Fields:
    """The fields of a request, but for the model."""
    fields = ASKED[face][feature]
    return {**fields, **_STREAMED} if streamed and "audio" in fields else fields
