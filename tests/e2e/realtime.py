"""Providers of realtime sessions, strict as OpenAI's and Google's, over real WebSockets.

Events have the forms of recorded sessions and of the official clients' types.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

USAGE = {
    "total_tokens": 40,
    "input_tokens": 16,
    "output_tokens": 24,
    "input_token_details": {"text_tokens": 16, "audio_tokens": 0, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 9, "audio_tokens": 15},
}


class Provider:
    """What a provider was asked, and how it behaves. keys: those that it accepts. handshakes: the requests
    that opened sessions. said: the clients' messages of all sessions. closed: (code, reason) with which each
    session was closed by the other side. answers: called with each event of a client in place of the usual
    answers.
    """

    def __init__(self, *keys: str) -> None:
        self.keys = keys or ("up-key",)
        self.handshakes: list[Request] = []
        self.refused: list[Request] = []
        self.said: list[Any] = []
        self.closed: list[tuple[int, str]] = []
        self.answers: Callable[[ServerConnection, Any], Any] | None = None
        self.greets = True
        self.unnamed = False
        self.url = ""

    @property
    def query(self) -> dict[str, list[str]]:
        """The query of the latest handshake."""
        return parse_qs(urlsplit(self.handshakes[-1].path).query)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        headers = request.headers
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        key = headers.get("api-key") or headers.get("x-goog-api-key") or bearer
        if key not in self.keys:
            self.refused.append(request)
            body = {"error": {"type": "invalid_request_error", "code": "invalid_api_key", "message": "wrong"}}
            answer = connection.respond(HTTPStatus.UNAUTHORIZED, json.dumps(body))
            answer.headers["Content-Type"] = "application/json"
            return answer
        self.handshakes.append(request)
        return None

    async def openai(self, connection: ServerConnection) -> None:
        """A session of OpenAI's, Azure's or xAI's."""
        assert connection.request is not None
        query = parse_qs(urlsplit(connection.request.path).query)
        if query.get("intent") == ["transcription"] and self.unnamed:
            await self._transcribe(connection, query)
            return
        (model,) = query.get("model") or query["deployment"]
        if self.greets:
            await tell(connection, {"type": "session.created", "session": {"model": model, "id": "sess_1"}})
        await self._hear(connection, _openai)

    async def _transcribe(self, connection: ServerConnection, query: dict[str, list[str]]) -> None:
        """A session that only transcribes, as OpenAI and Azure have it: openai/openai-python#2652."""
        if "model" in query or "deployment" in query:
            text = "You must not provide a model parameter for transcription sessions."
            error = {"type": "invalid_request_error", "code": "invalid_model", "message": text, "param": None}
            await tell(connection, {"type": "error", "error": error})
            await connection.close(4000, "invalid_request_error.invalid_model")
            return
        kind = "transcription_session.created" if "api-version" in query else "session.created"
        await tell(connection, {"type": kind, "session": {"type": "transcription"}})
        await self._hear(connection, _openai)

    async def gemini(self, connection: ServerConnection) -> None:
        """A session of Gemini's Live API: JSON in binary messages."""
        setup = json.loads(await connection.recv())
        self.said.append(setup)
        if not setup["setup"]["model"].startswith("models/gemini"):
            await connection.close(1008, "models/x is not found")
            return
        if setup["setup"]["model"] == "models/gemini-key":
            await connection.close(1007, "API key not valid. Please pass a valid API key.")
            return
        await connection.send(json.dumps({"setupComplete": {}}).encode())
        await self._hear(connection, _gemini)

    async def _hear(self, connection: ServerConnection, usual: Callable[..., Any]) -> None:
        try:
            async for message in connection:
                event = json.loads(message)
                self.said.append(event)
                await (self.answers or usual)(connection, event)
        except ConnectionClosed:
            pass
        assert connection.close_code is not None
        self.closed.append((connection.close_code, connection.close_reason or ""))


async def tell(connection: ServerConnection, event: Any) -> None:
    await connection.send(json.dumps({"event_id": "event_1", **event}))


async def _openai(connection: ServerConnection, event: Any) -> None:
    kind = event["type"]
    if kind == "session.update":
        await tell(connection, {"type": "session.updated", "session": event["session"]})
    elif kind == "transcription_session.update":
        await tell(connection, {"type": "transcription_session.updated", "session": event["session"]})
    elif kind == "conversation.item.create":
        await tell(connection, {"type": "conversation.item.done", "item": {"id": "item_1", **event["item"]}})
    elif kind == "response.create":
        await tell(connection, {"type": "response.created", "response": {"id": "resp_1"}})
        delta = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0}
        await tell(connection, {"type": "response.output_text.delta", "delta": "Hi", **delta})
        done = {"id": "resp_1", "status": "completed", "usage": USAGE}
        await tell(connection, {"type": "response.done", "response": done})
    elif kind == "input_audio_buffer.commit":
        await tell(
            connection,
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": "item_1",
                "content_index": 0,
                "transcript": "Hello",
                "usage": {"type": "duration", "seconds": 3},
            },
        )


async def _gemini(connection: ServerConnection, event: Any) -> None:
    if not {"client_content", "clientContent"} & event.keys():
        return
    part = {"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}
    for content in ({"modelTurn": {"parts": [part]}}, {"generationComplete": True}):
        await connection.send(json.dumps({"serverContent": content}).encode())
    usage = {
        "promptTokenCount": 24,
        "responseTokenCount": 26,
        "totalTokenCount": 50,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 24}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 26}],
    }
    last = {"serverContent": {"turnComplete": True}, "usageMetadata": usage}
    await connection.send(json.dumps(last).encode())


@asynccontextmanager
async def providing(provider: Provider, form: str = "openai") -> AsyncIterator[Provider]:
    """Serve a provider on a free port of loopback."""
    handler = provider.gemini if form == "gemini" else provider.openai
    server: Server
    async with serve(handler, "127.0.0.1", 0, process_request=provider.admit, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        provider.url = f"http://127.0.0.1:{port}"
        yield provider
