"""Plain HTTP to a running gateway: what came back, as raw as it came."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
MODELS = {
    "openai_chat": "up/gpt-4o",
    "anthropic": "up/claude-sonnet-4-5",
    "gemini": "up/gemini-2.5-flash",
    "mistral": "up/mistral-large-latest",
}
"""A model to ask for, by the dialect of the provider `up`: the first is relayed, the others translated."""


class Answered(msgspec.Struct, frozen=True):
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's four members of the error object. Beside them, it has only the id of the header."""
        body = self.body
        assert list(body) == ["error"]
        error: dict[str, Any] = body["error"]
        assert error.pop("error_id") == self.headers["x-request-id"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        return error

    @property
    def events(self) -> list[Any]:
        """The events of a stream, as `events` reads them."""
        return events(self.raw)

    @property
    def text(self) -> str:
        """What the assistant said, in a whole answer or a stream."""
        if self.headers["content-type"] == "application/json":
            return str(self.body["choices"][0]["message"]["content"])
        return said(events(self.raw))


class Site:
    """A running gateway and an HTTP session."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session

    @asynccontextmanager
    async def open(self, model: str | None, **fields: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, and give the answer as soon as its head is there. headers: beside the fields of the body."""
        headers = fields.pop("headers", {})
        body = {"messages": HELLO, **({} if model is None else {"model": model}), **fields}
        async with self.session.post(self.base + CHAT, json=body, headers=headers) as response:
            yield response

    async def ask(self, model: str | None = MODELS["openai_chat"], **fields: Any) -> Answered:
        """Ask, and wait for the whole answer."""
        async with self.open(model, **fields) as response:
            return Answered(response.status, response.headers, await response.read())

    async def get(self, path: str, **headers: str) -> Answered:
        async with self.session.get(self.base + path, headers=headers) as response:
            return Answered(response.status, response.headers, await response.read())


def events(raw: bytes) -> list[Any]:
    """The events of a stream as they were sent: JSON decoded, `[DONE]` and comments as text.

    Insists on the framing that clients rely on: one `data: ` line, one blank line, LF only.
    """
    assert b"\r" not in raw
    assert raw.endswith(b"\n\n")
    found: list[Any] = []
    for block in raw[:-2].split(b"\n\n"):
        assert b"\n" not in block
        if block.startswith(b":"):
            found.append(block.decode())
            continue
        assert block.startswith(b"data: ")
        payload = block.removeprefix(b"data: ").decode()
        found.append(payload if payload == "[DONE]" else json.loads(payload))
    return found


def said(stream: list[Any]) -> str:
    """The text of the first choice of a stream's chunks."""
    chunks = [event for event in stream if isinstance(event, dict) and event.get("choices")]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


def finishes(stream: list[Any]) -> list[str]:
    """Every finish reason of a stream's chunks."""
    chunks = [event for event in stream if isinstance(event, dict) and event.get("choices")]
    return [reason for chunk in chunks if (reason := chunk["choices"][0]["finish_reason"])]
