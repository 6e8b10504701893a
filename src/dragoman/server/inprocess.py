"""Sends requests to the gateway from the program in which the gateway runs, without a socket.

The gateway handles them like any client's request. While the program does not read an answer, the gateway
waits before it sends more of the answer.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from dragoman.errors import CallFailed
from dragoman.seams.tasks import spawn
from dragoman.server.app import App
from dragoman.server.link import EXTENSION, AsgiScope, Link, Message
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.ndjson import NDJSONSplitter
from dragoman.wire.sse import SSESplitter

_JSON: Final = "application/json"
_STREAMS: Final[Mapping[str, Callable[[], SSESplitter | NDJSONSplitter]]] = {
    "text/event-stream": SSESplitter,
    "application/x-ndjson": NDJSONSplitter,
}
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
"""Matches a value that an HTTP header can have; also used for the path."""
_BROKEN_OFF: Final = "The gateway has broken the answer off."
_DONE: Final = b"[DONE]"
"""The last frame of a stream in some of OpenAI's protocols. It is not JSON, so the callers of `stream` do not
get it.
"""


async def ask(app: App, path: str, body: Any, headers: Mapping[str, str]) -> Any:
    """Send `body` as JSON by POST to `path`, and return the answer's body: decoded if its content type is
    application/json, else as bytes. path: with the query string, if any. headers: added to the request; a
    `host` and a `content-type` among them replace `localhost` and `application/json`, a `content-length` has
    no effect. Raises CallFailed for an error answer (status 400 or above), if there is no answer or only its
    beginning (503), and for a path or headers that no HTTP request can have (400); the error of `json.dumps`
    for a body that it refuses; msgspec.DecodeError if the answer states JSON and is none.
    """
    async with aclosing(_Request(app, path, body, headers).pieces()) as pieces:
        kind = await anext(pieces)
        answer = b"".join([piece async for piece in pieces])
    return msgspec.json.decode(answer) if kind == _JSON.encode() else answer


async def stream(app: App, path: str, body: Any, headers: Mapping[str, str]) -> AsyncGenerator[Any]:
    """Send `body` as JSON by POST to `path`, and yield the decoded events of the answer, without the last
    event `[DONE]` of some protocols. An answer that is neither server-sent events nor lines of JSON must be
    JSON, and is yielded as one event. path, headers: as for `ask`. Raises the errors of `ask`, and CallFailed
    (status 200) for an error event in the stream: an object whose `type` is "error", or that has no `type`
    but a member `error` (not null or empty).
    """
    async with aclosing(_Request(app, path, body, headers).pieces()) as pieces:
        kind = (await anext(pieces)).decode("latin-1")
        if (splitter := _STREAMS.get(kind)) is None:
            yield msgspec.json.decode(b"".join([piece async for piece in pieces]))
            return
        cut = splitter()
        async for piece in pieces:
            for frame in cut.feed(piece):
                if frame != _DONE:
                    yield _event(frame)
        for frame in cut.close():
            yield _event(frame)


def _event(frame: bytes) -> Any:
    event = msgspec.json.decode(frame)
    if isinstance(event, dict) and (
        event.get("type") == "error" or ("type" not in event and event.get("error"))
    ):
        raise CallFailed(200, event)
    return event


class _Request:
    """One POST request to the application, with a queue for the ASGI messages of its answer. The constructor
    raises CallFailed (400) for a path or headers that no HTTP request can have, and the error of `json.dumps`
    for a body that it refuses.
    """

    def __init__(self, app: App, path: str, body: Any, headers: Mapping[str, str]) -> None:
        self._app = app
        self._body = json.dumps(body).encode()
        stated = {"host": "localhost", "content-type": _JSON, **headers}
        stated["content-length"] = str(len(self._body))
        if _VALUE.fullmatch(path) is None:
            raise CallFailed(400, f"The path {path!r} has characters that no HTTP request can have.")
        for name, value in stated.items():
            if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
                raise CallFailed(400, f"The header {name!r} has characters that no HTTP header can have.")
        self._link = Link(app.gateway.seams.monotonic())
        self._link.body = self._body
        path, _, query = path.partition("?")
        self._scope: AsgiScope = {
            "type": "http",
            "method": "POST",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in stated.items()],
            "client": None,
            "extensions": {EXTENSION: self._link},
        }
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(1)
        self._left = False
        """Whether the caller does not read the answer any more."""

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Send the request. Yield first the content type of the answer, without its parameters (b"" = none),
        then the pieces of the body. Raises CallFailed for an error answer (status 400 or more), and if there
        is no answer or it is not complete (503). If this generator is closed before the answer has ended, the
        request is cancelled.
        """
        task = spawn(self._run(), "request in process")
        try:
            head = await self._sent.get()
            if head is None:
                raise CallFailed(503, None)
            rest = self._rest()
            if head["status"] >= 400:
                raise CallFailed(head["status"], _decoded(b"".join([piece async for piece in rest])))
            kinds = [value for name, value in head["headers"] if name == b"content-type"]
            yield kinds[0].partition(b";")[0].strip() if kinds else b""
            async for piece in rest:
                yield piece
        finally:
            self._left = True
            if not task.done():
                self._link.drop()
                if not self._sent.empty():  # `_run` may wait for room, and no other reader comes
                    self._sent.get_nowait()
                await asyncio.wait([task])

    async def _rest(self) -> AsyncGenerator[bytes]:
        more = True
        while (message := await self._sent.get()) is not None:
            more = message.get("more_body", False)
            yield message.get("body", b"")
        if more:
            raise CallFailed(503, _BROKEN_OFF)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            await self._send(None)

    async def _send(self, message: Message | None) -> None:
        """Give a message to the reader of the answer, after waiting until it has taken the one before. None =
        the answer has ended. A message that comes after the reader has left is thrown away.
        """
        if not self._left:
            await self._sent.put(message)

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": self._body, "more_body": False}


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except UNDECODABLE:
        return body.decode("utf-8", "replace")
