"""A tap between a gateway and its server: all that was said, by any client's request, to be judged later."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Iterator
from typing import Any

from dragoman.engine.client import Headers
from dragoman.server.app import App
from dragoman.server.channel import Channel
from dragoman.server.head import Arrival
from dragoman.server.link import Message
from tests.e2e.responses.described import Described

Wire = dict[str, Any]

SCHEMAS = (
    ("POST", r"/responses", "Response"),
    ("POST", r"/responses/input_tokens", "TokenCountsResource"),
    ("POST", r"/responses/compact", "CompactResource"),
    ("GET", r"/responses/[^/]+", "Response"),
    ("POST", r"/responses/[^/]+/cancel", "Response"),
    ("GET", r"/responses/[^/]+/input_items", "ResponseItemList"),
    ("POST", r"/conversations", "ConversationResource"),
    ("GET", r"/conversations/[^/]+", "ConversationResource"),
    ("POST", r"/conversations/[^/]+", "ConversationResource"),
    ("DELETE", r"/conversations/[^/]+", "DeletedConversationResource"),
    ("GET", r"/conversations/[^/]+/items", "ConversationItemList"),
    ("POST", r"/conversations/[^/]+/items", "ConversationItemList"),
    ("GET", r"/conversations/[^/]+/items/[^/]+", "ConversationItem"),
    ("DELETE", r"/conversations/[^/]+/items/[^/]+", "ConversationResource"),
)
"""Method, path below /v1, and what OpenAI's description calls the answer."""


class Talk:
    """One request, or one socket, and what it was answered."""

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path.removeprefix("/v1")
        self.status = 0
        self.type = ""
        self.parts: list[bytes] = []
        self.messages: list[str] = []
        self.complete = False

    @property
    def raw(self) -> bytes:
        return b"".join(self.parts)

    @property
    def events(self) -> list[Wire]:
        """The events of a stream, decoded."""
        return [*map(json.loads, self.messages)] if self.messages else events(self.raw)


class Tap:
    """An application around another one."""

    def __init__(self) -> None:
        self.talks: list[Talk] = []

    def around(self, app: App) -> Any:
        """The application, overheard."""
        return _Overheard(self, app)

    def mistakes(self, described: Described) -> list[str]:
        """What the descriptions find wrong with anything that was said."""
        return [
            f"{talk.method} {talk.path}: {mistake}"
            for talk in self.talks
            for mistake in judged(talk, described)
        ]


class _Overheard:
    """The application, whose answers are noted."""

    def __init__(self, tap: Tap, app: App) -> None:
        self._tap = tap
        self._app = app

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    def _talk(self, method: str, path: str) -> Talk:
        talk = Talk(method, path)
        self._tap.talks.append(talk)
        return talk

    async def __call__(self, scope: Wire, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        talk = self._talk("WS", scope["path"])

        async def tell(message: Message) -> None:
            if message["type"] == "websocket.send":
                talk.messages.append(message["text"])
            await send(message)

        await self._app(scope, receive, tell)

    async def serve(self, arrival: Arrival, channel: Channel) -> None:
        talk = self._talk(arrival.head.method, arrival.head.path)
        await self._app.serve(arrival, _Noted(channel, talk))


class _Noted:
    """A channel whose answer is noted."""

    def __init__(self, channel: Channel, talk: Talk) -> None:
        self._channel = channel
        self._talk = talk

    @property
    def begun(self) -> bool:
        return self._channel.begun

    @property
    def lost(self) -> bool:
        return self._channel.lost

    def _head(self, status: int, headers: Headers) -> None:
        self._talk.status = status
        named = {name.lower(): value for name, value in headers}
        self._talk.type = named.get(b"content-type", b"").decode()

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None] | None:
        self._head(status, headers)
        self._talk.parts.append(body)
        self._talk.complete = True
        return self._channel.whole(status, headers, body)

    def begin(self, status: int, headers: Headers) -> Awaitable[None] | None:
        self._head(status, headers)
        return self._channel.begin(status, headers)

    def write(self, data: bytes) -> Awaitable[None] | None:
        self._talk.parts.append(data)
        return self._channel.write(data)

    def end(self, data: bytes) -> Awaitable[None] | None:
        self._talk.parts.append(data)
        self._talk.complete = True
        return self._channel.end(data)


def judged(talk: Talk, described: Described) -> Iterator[str]:
    """What is wrong with the answer to one request, or with the messages of one socket."""
    if not talk.path.startswith(("/responses", "/conversations")):
        return
    if talk.messages:
        for message in talk.events:
            yield from described.message(message)
        yield from numbered(talk.events)
    elif talk.status >= 400:
        if talk.complete:
            yield from described.mistakes("ErrorResponse", json.loads(talk.raw))
    elif talk.type.startswith("text/event-stream"):
        for event in talk.events:
            yield from described.event(event)
        yield from numbered(talk.events)
    elif talk.type and talk.complete:
        yield from _whole(talk, json.loads(talk.raw), described)


def _whole(talk: Talk, body: Wire, described: Described) -> Iterator[str]:
    for method, path, name in SCHEMAS:
        if method == talk.method and re.fullmatch(path, talk.path):
            yield from described.response(body) if name == "Response" else described.mistakes(name, body)
            return
    if talk.method == "DELETE":  # OpenAI's description says nothing of this answer
        if body.keys() != {"id", "object", "deleted"}:
            yield f"not what tells that an answer has been deleted: {body}"
        return
    yield "no description has this answer"


def numbered(stream: list[Wire]) -> Iterator[str]:
    """What is wrong with the order of the events of an answer, or of several one after another."""
    last: int | None = None
    for event in stream:
        if "sequence_number" not in event:
            continue
        number = event["sequence_number"]
        if last is not None and number not in {last + 1, 0}:
            yield f"{event['type']} is number {number}, after {last}"
        last = number


def events(raw: bytes) -> list[Wire]:
    """The events of a stream as it was sent. Insists on the framing that clients rely on: an `event:` line
    that names what the `data:` line holds, LF only; comments and `[DONE]` are left out.
    """
    assert b"\r" not in raw
    found: list[Wire] = []
    for block in raw.split(b"\n\n")[:-1]:
        if block.startswith(b":") or block == b"data: [DONE]":
            continue
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        found.append(event)
    return found
