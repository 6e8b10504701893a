"""POST /v1/chat/completions, and the same over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from websockets.asyncio.client import connect

from tests.e2e.media import samples
from tests.matrix.asked import (
    CALLING,
    DATA_URL,
    HALTED,
    HELLO,
    LOOKING,
    NAMES,
    PARIS,
    QUESTION,
    RESULTS,
    ROME,
    SCHEMA,
    WAV_64,
    WHERE,
    Fields,
)
from tests.matrix.faces.face import PATIENCE, Face
from tests.matrix.faces.openai_client import WITH_USAGE, judged, opened, refused, spent
from tests.matrix.heard import Choice, Heard
from tests.matrix.permitted import Refused

# What is asked ------------------------------------------------------------------------------------


def _said(content: Any = HELLO, **fields: Any) -> Fields:
    return {"messages": [{"role": "user", "content": content}], **fields}


def _beside(part: Fields) -> Fields:
    return _said([{"type": "text", "text": LOOKING}, part])


_TOOLS = [{"type": "function", "function": {"name": name, "parameters": WHERE}} for name in NAMES]
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
_SHAPE: Fields = {"name": "city", "strict": True, "schema": SCHEMA}
_FIELDS: dict[str, Fields] = {
    "text": _said(),
    "stream": _said(),
    "usage": _said(),
    "tools": _said(tools=_TOOLS, tool_choice="required"),
    "parallel tools": _said(CALLING, tools=_TOOLS, tool_choice="required", parallel_tool_calls=True),
    "tool results": {"messages": _ANSWERED, "tools": _TOOLS},
    "image in": _beside({"type": "image_url", "image_url": {"url": DATA_URL}}),
    "image out": _said(modalities=["text", "image"]),
    "audio in": _beside({"type": "input_audio", "input_audio": {"data": WAV_64, "format": "wav"}}),
    "audio out": _said(modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}),
    "JSON schema": _said(response_format={"type": "json_schema", "json_schema": _SHAPE}),
    "reasoning": _said(reasoning_effort="high"),
    "n": _said(n=2),
    "logprobs": _said(logprobs=True, top_logprobs=2),
    "stop": _said(HALTED, stop=["END"]),
    "seed": _said(seed=7),
}
# Streams of sound have this format.
_STREAMED: dict[str, Fields] = {"audio out": {"audio": {"voice": "alloy", "format": "pcm16"}}}

# How it is asked ----------------------------------------------------------------------------------


async def _whole(client: AsyncOpenAI, fields: Fields) -> Heard:
    heard = chat(await client.chat.completions.create(**fields))
    for choice in heard.choices:
        choice.sound = samples(choice.sound) if choice.sound else b""
    return heard


async def _stream(client: AsyncOpenAI, fields: Fields) -> Heard:
    stream = await client.chat.completions.create(**fields, **WITH_USAGE, stream=True)
    return chat_chunks([chunk async for chunk in stream])


async def _socket(client: AsyncOpenAI, fields: Fields) -> Heard | Refused:
    """No official client does this; its types read the messages. The usage comes last."""
    address = str(client.base_url).replace("http", "ws", 1) + "chat/completions"
    chunks: list[ChatCompletionChunk] = []
    async with asyncio.timeout(PATIENCE), connect(address) as socket:
        await socket.send(json.dumps({**fields, **WITH_USAGE, "stream": True}))
        while not chunks or chunks[-1].choices or not chunks[-1].usage:
            message = json.loads(await socket.recv())
            if "error" in message:
                return refused(message)
            chunks.append(ChatCompletionChunk.model_validate(message))
    return chat_chunks(chunks)


# What is heard ------------------------------------------------------------------------------------


def chat(completion: Any) -> Heard:
    choices = []
    for stated in completion.choices:
        choice = Choice(finish=stated.finish_reason)
        _add(choice, stated.message)
        _count(choice, stated.logprobs)
        choices.append(choice)
    return Heard(choices, spent(completion.usage))


def chat_chunks(chunks: Sequence[Any]) -> Heard:
    choices: dict[int, Choice] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for stated in chunk.choices:
            choice = choices.setdefault(stated.index, Choice())
            _add(choice, stated.delta)
            _count(choice, stated.logprobs)
            choice.finish = stated.finish_reason or choice.finish
    return Heard([choices[index] for index in sorted(choices)], spent(usage))


def _add(choice: Choice, told: Any) -> None:
    """More of a candidate: a message, or a delta."""
    choice.say(told.content)
    extra = told.model_extra or {}
    choice.reasoning += extra.get("reasoning_content") or extra.get("reasoning") or ""
    choice.images += [image["image_url"]["url"] for image in extra.get("images") or ()]
    for place, call in enumerate(told.tool_calls or ()):
        index = getattr(call, "index", place)
        if index == len(choice.calls):
            choice.calls.append([call.id, call.function.name, ""])
        choice.calls[index][2] += call.function.arguments or ""
    audio = told.audio.model_dump() if getattr(told, "audio", None) else extra.get("audio")
    if audio:
        choice.sound += b64decode(audio.get("data") or "")
        choice.transcript += audio.get("transcript") or ""


def _count(choice: Choice, logprobs: Any) -> None:
    for token in (logprobs.content if logprobs else None) or ():
        choice.tokens.append((token.token, len(token.top_logprobs)))


FACE = Face(
    "openai_chat",
    "OpenAI chat",
    opened,
    _FIELDS,
    {"whole": judged(_whole), "streamed": judged(_stream), "socket": _socket},
    ("max_completion_tokens",),
    streamed=_STREAMED,
)
