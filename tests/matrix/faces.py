"""The faces of the matrix: how the official client asks through each, in every way that it knows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

import msgspec
import openai
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from websockets.asyncio.client import connect

from tests.matrix import heard
from tests.matrix.heard import Heard
from tests.matrix.permitted import Refused

Way: TypeAlias = Literal["whole", "streamed", "socket"]
Fields: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[AsyncOpenAI, Fields], Awaitable[Heard | Refused]]
_PATIENCE = 60  # seconds, for a real model on a busy machine
WITH_USAGE: Fields = {"stream_options": {"include_usage": True}}


class Face(msgspec.Struct, frozen=True):
    """One protocol that clients speak to us. ways: how it is asked. limit: its bound of an answer."""

    name: str
    title: str
    ways: dict[Way, Ask]
    limit: str


def _heard(ask: Callable[[AsyncOpenAI, Fields], Awaitable[Heard]]) -> Ask:
    """The same, with errors as values."""

    async def asked(client: AsyncOpenAI, fields: Fields) -> Heard | Refused:
        try:
            return await ask(client, fields)
        except openai.APIStatusError as error:
            return Refused(error.status_code, error.code, error.param)

    return asked


def _refused(message: Any) -> Refused:
    """An error as a WebSocket tells it."""
    error = message["error"]
    return Refused(message["status"], error["code"], error["param"])


# Chat ---------------------------------------------------------------------------------------------


async def _chat(client: AsyncOpenAI, fields: Fields) -> Heard:
    return heard.chat(await client.chat.completions.create(**fields))


async def _chat_stream(client: AsyncOpenAI, fields: Fields) -> Heard:
    stream = await client.chat.completions.create(**fields, **WITH_USAGE, stream=True)
    return heard.chat_chunks([chunk async for chunk in stream])


async def _chat_socket(client: AsyncOpenAI, fields: Fields) -> Heard | Refused:
    """No official client does this; its types read the messages. The usage comes last."""
    address = str(client.base_url).replace("http", "ws", 1) + "chat/completions"
    chunks: list[ChatCompletionChunk] = []
    async with asyncio.timeout(_PATIENCE), connect(address) as socket:
        await socket.send(json.dumps({**fields, **WITH_USAGE, "stream": True}))
        while not chunks or chunks[-1].choices or not chunks[-1].usage:
            message = json.loads(await socket.recv())
            if "error" in message:
                return _refused(message)
            chunks.append(ChatCompletionChunk.model_validate(message))
    return heard.chat_chunks(chunks)


# Responses ----------------------------------------------------------------------------------------


async def _respond(client: AsyncOpenAI, fields: Fields) -> Heard:
    told = await client.responses.create(**fields)
    async with asyncio.timeout(_PATIENCE):
        while told.status in {"queued", "in_progress"}:
            await asyncio.sleep(0.02)
            told = await client.responses.retrieve(told.id)
    return heard.response(told)


async def _respond_stream(client: AsyncOpenAI, fields: Fields) -> Heard:
    stream = await client.responses.create(**fields, stream=True)
    return heard.response_events([event async for event in stream])


async def _respond_socket(client: AsyncOpenAI, fields: Fields) -> Heard | Refused:
    events: list[Any] = []
    async with asyncio.timeout(_PATIENCE), client.responses.connect() as connection:
        await connection.response.create(**fields)
        async for event in connection:
            if event.type == "error":
                return _refused(event.model_dump())
            events.append(event)
            if event.type in heard.ENDS:
                break
    return heard.response_events(events)


# Completions --------------------------------------------------------------------------------------


async def _complete(client: AsyncOpenAI, fields: Fields) -> Heard:
    return heard.completion(await client.completions.create(**fields))


async def _complete_stream(client: AsyncOpenAI, fields: Fields) -> Heard:
    stream = await client.completions.create(**fields, **WITH_USAGE, stream=True)
    return heard.completion_chunks([chunk async for chunk in stream])


CHAT = Face(
    "openai_chat",
    "OpenAI chat",
    {"whole": _heard(_chat), "streamed": _heard(_chat_stream), "socket": _chat_socket},
    "max_completion_tokens",
)
RESPONSES = Face(
    "openai_responses",
    "OpenAI Responses",
    {"whole": _heard(_respond), "streamed": _heard(_respond_stream), "socket": _respond_socket},
    "max_output_tokens",
)
COMPLETIONS = Face(
    "openai_completions",
    "OpenAI legacy completions",
    {"whole": _heard(_complete), "streamed": _heard(_complete_stream)},
    "max_tokens",
)
FACES = (CHAT, RESPONSES, COMPLETIONS)
