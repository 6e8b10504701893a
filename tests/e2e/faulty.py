"""A provider that fails in the way that the first part of a request's path names."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter
from types import TracebackType
from typing import Any, Self

from dragoman.testing.provider import Seen
from tests.e2e import stubs
from tests.e2e.test_streams_that_break_off import BREAKING

NOT_REACHED = ("refused", "no_tls", "slow_connect")
OVERSIZED = 40_000
"""Bytes of an answer or event, for a provider whose bound is the half."""
_TYPES = {
    401: ("authentication_error", "invalid_api_key"),
    402: ("billing_error", "insufficient_quota"),
    403: ("permission_error", None),
    404: ("not_found_error", "model_not_found"),
    413: ("request_too_large", None),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("api_error", None),
    529: ("overloaded_error", None),
}
_OPENING = {"openai_chat": 0, "anthropic": 2, "openai_responses": 3}
"""How many of the frames in BREAKING come before the first content."""


class FaultyProvider:
    """Serves `/FAULT/…` for one dialect; `called` counts the requests of each fault."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.called: Counter[str] = Counter()
        self.open = 0
        self._full: list[socket.socket] = []
        self._server: asyncio.Server
        self._port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for one in self._full:
            one.close()

    def url(self, fault: str) -> str:
        """The base URL of a provider with this fault."""
        if fault == "refused":
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                return f"http://127.0.0.1:{closed.getsockname()[1]}"
        if fault == "slow_connect":
            return f"http://127.0.0.1:{self._crowded()}"
        scheme = "https" if fault == "no_tls" else "http"
        return f"{scheme}://127.0.0.1:{self._port}/{fault}"

    def _crowded(self) -> int:
        """A port whose queue of connections is full, so that it takes no other."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        self._full.append(listener)
        for _ in range(2):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
            self._full.append(waiting)
        port: int = listener.getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readexactly(1)
            if head == b"\x16":
                return  # a TLS client, which we do not understand
            head += await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().splitlines()
            sizes = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
            body = json.loads(await reader.readexactly(*sizes))
            fault = head.split()[1].split(b"/")[1].decode()
            self.called[fault] += 1
            await self._fail(fault, reader, writer, streamed=bool(body.get("stream")))
        except (OSError, asyncio.IncompleteReadError):
            pass  # no HTTP, or the gateway has hung up
        finally:
            self.open -= 1
            writer.close()

    async def _fail(
        self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, streamed: bool
    ) -> None:
        name, _, later = fault.partition("+")
        if name == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return
        if name == "silent":
            await reader.read()  # until the gateway hangs up
            return
        if name.partition("_")[0].isdigit():
            writer.write(self._refusal(name))
        elif name == "dies_in_head":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-ty")
        elif streamed:
            writer.write(self._stream(name, said=bool(later)))
        else:
            writer.write(self._whole(name))
        await writer.drain()
        if name == "stalls":
            await reader.read()

    def _refusal(self, name: str) -> bytes:
        status = int(name.partition("_")[0])
        failed = "api_error" if self.dialect == "anthropic" else "server_error"
        type_, code = _TYPES.get(status, ("invalid_request_error" if status < 500 else failed, None))
        error: dict[str, Any] = {"message": "It said no.", "type": type_}
        told: dict[str, Any] = {"error": error}
        if self.dialect == "anthropic":
            told["type"] = "error"
        else:
            error |= {"code": code, "param": None}
        more = b"retry-after: 60\r\n" if name.endswith("later") else b""
        return _answer(json.dumps(told).encode(), status, more)

    def _whole(self, name: str) -> bytes:
        good = json.dumps(self._good()).encode()
        if name == "ends_early":
            return _answer(good[: len(good) // 2])
        if name == "malformed":
            return _answer(b"It is " + good)
        if name == "oversized":
            return _answer(good + b" " * OVERSIZED)
        if name == "page":
            return _answer(b"<html><body>Welcome!</body></html>", kind=b"text/html")
        if name == "error_in_200":
            return _answer(json.dumps(self._error()).encode())
        assert name in {"dies", "stalls"}, name
        whole = _answer(good)
        return whole[: len(whole) - len(good) // 2]

    def _stream(self, name: str, *, said: bool) -> bytes:
        frames = BREAKING[self.dialect]
        if not said:
            frames = frames[: _OPENING[self.dialect]]
        if name == "page":
            return _answer(b"<html><body>Welcome!</body></html>", kind=b"text/html")
        events = stubs.joined(self.dialect, frames) if frames else b""
        if name == "error_in_200":
            events += stubs.joined(self.dialect, [self._error()])
        elif name == "malformed":
            events += b"data: {nothing of JSON\n\n"
        elif name == "oversized":
            events += b'data: {"x": "' + b"x" * OVERSIZED + b'"}\n\n'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        end = b"" if name in {"dies", "stalls"} else b"0\r\n\r\n"
        return head + (b"%x\r\n%b\r\n" % (len(events), events) if events else b"") + end

    def _good(self) -> Any:
        if self.dialect == "openai_responses":
            said = {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Never"}],
            }
            return {"id": "resp_1", "object": "response", "status": "completed", "output": [said]}
        answer = stubs.DIALECTS[self.dialect](stubs.Said("Never to be read"))
        assert callable(answer)
        made: Any = answer(Seen("POST", stubs.PATHS[self.dialect], {}, {}, b"{}"))
        return made.body

    def _error(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": "It failed.", "type": "api_error"}
        if self.dialect == "anthropic":
            return {"type": "error", "error": error}
        return {"error": {**error, "type": "server_error", "code": None, "param": None}}


def _answer(body: bytes, status: int = 200, more: bytes = b"", *, kind: bytes = b"application/json") -> bytes:
    head = b"HTTP/1.1 %d X\r\ncontent-type: %b\r\n%bcontent-length: %d\r\n\r\n" % (
        status,
        kind,
        more,
        len(body),
    )
    return head + body
