"""A provider on loopback that sends scripted answers and records the requests to it. It knows no dialect:
tests state answers as JSON bodies and stream frames.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec
from aiohttp import web


class Seen(msgspec.Struct, frozen=True):
    """One request that the provider has received. path: decoded. query: of a repeated field the first value.
    headers: by lower-case name. raw: the body, decompressed if it has an encoding that aiohttp knows. target:
    path and query as they were sent, not decoded.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    target: str = ""

    @property
    def body(self) -> Any:
        """The JSON body, decoded. Raises ValueError if the body is not JSON."""
        return json.loads(self.raw)


class Whole(msgspec.Struct, frozen=True):
    """An answer that is not streamed. body: sent as JSON, but text and bytes are sent unchanged. headers: by
    lower-case name; `content-type` is `application/json` unless it stands here. delay: seconds before the
    status line.
    """

    body: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    delay: float = 0.0


class Streamed(msgspec.Struct, frozen=True):
    """An answer as a stream of server-sent events, with the status 200.

    frames: dicts are sent as `data: JSON`, text and bytes unchanged. headers: by lower-case name;
    `content-type` is `text/event-stream` unless it stands here. named: True = also write an `event:` line
    with each dict's `type`. line_end: the end of the lines of dicts (Google sends CRLF). pause: seconds
    before every frame except the first. delay: seconds before the status line. die: True = the connection is
    aborted after the last frame.
    """

    frames: Sequence[Any]
    headers: Mapping[str, str] = {}
    named: bool = False
    pause: float = 0.0
    delay: float = 0.0
    die: bool = False
    line_end: str = "\n"


Answer: TypeAlias = Whole | Streamed
Script: TypeAlias = Answer | Callable[[Seen], Answer]


class FakeProvider:
    """A server that records the requests to it (`seen`). Use it as an async context manager; then `url` is
    its origin (`http://127.0.0.1:PORT`).

    Each request gets the next of `answers`, of which there must be at least one; the last answer is repeated.
    An answer may be a function that gets the request (`Seen`) and returns the answer.
    """

    def __init__(self, *answers: Script) -> None:
        self.answers: deque[Script] = deque(answers)
        self.seen: list[Seen] = []
        self.cut: list[Seen] = []
        """Requests whose answer was interrupted, because the client closed the connection or the server
        stopped. The answer `Whole` can be interrupted only in its `delay`.
        """
        self.peers: set[int] = set()
        """The client's port of each connection that has carried a request."""
        self.open = 0
        """The number of requests that wait for their answer (`delay`), or whose stream is being sent."""
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def last(self) -> Seen:
        """The latest request. Raises IndexError if there was none."""
        return self.seen[-1]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            await request.content.read(),  # `request.read` returns at most a megabyte
            request.raw_path,
        )
        self.seen.append(seen)
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername")[1])
        script = self.answers[0] if len(self.answers) == 1 else self.answers.popleft()
        answer = script(seen) if callable(script) else script
        self.open += 1
        try:
            if answer.delay:
                await asyncio.sleep(answer.delay)
            if isinstance(answer, Whole):
                return _whole(answer)
            return await _stream(request, answer)
        except (asyncio.CancelledError, ConnectionError):
            self.cut.append(seen)
            raise
        finally:
            self.open -= 1


def _whole(answer: Whole) -> web.Response:
    body = answer.body
    if not isinstance(body, str | bytes):
        body = json.dumps(body)
    data = body.encode() if isinstance(body, str) else body
    headers = {"content-type": "application/json", **answer.headers}
    return web.Response(status=answer.status, body=data, headers=headers)


async def _stream(request: web.BaseRequest, answer: Streamed) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream", **answer.headers})
    await response.prepare(request)
    for place, frame in enumerate(answer.frames):
        if place and answer.pause:
            await asyncio.sleep(answer.pause)
        await response.write(_frame(frame, answer))
    if not answer.die:
        await response.write_eof()
    elif request.transport is not None:
        request.transport.abort()
    return response


def _frame(frame: Any, answer: Streamed) -> bytes:
    if isinstance(frame, bytes | str):
        return frame if isinstance(frame, bytes) else frame.encode()
    end = answer.line_end
    event = f"event: {frame['type']}{end}" if answer.named else ""
    return f"{event}data: {json.dumps(frame)}{end}{end}".encode()
