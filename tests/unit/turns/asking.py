"""A gateway that is asked in this process, and upstreams whose pace a test decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dragoman import ir
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.tasks import spawn


class Paced:
    """Says a word each time it is told to; "end" ends the answer. Remembers what it was asked."""

    name = "own"

    def __init__(self, *words: str) -> None:
        self.asked: list[ir.Request] = []
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.begun, self.left = asyncio.Event(), asyncio.Event()
        for word in words:
            self.words.put_nowait(word)

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Any) -> Any:
        self.asked.append(request)
        self.begun.set()

        async def events() -> Any:
            yield [ir.Start("own", model=call.model)]
            yield [ir.Open(0, ir.Text(""))]
            while (word := await self.words.get()) != "end":
                if word == "fail":
                    fault = ir.Fault("upstream", "It broke.", code="broken", blame="upstream")
                    yield [ir.Error(fault)]
                yield [ir.TextDelta(0, word)]
            yield [ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()]

        try:
            yield events()
        finally:
            self.left.set()


class Answer:
    """What came back. body: all of it; events: those of a stream."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def body(self) -> Any:
        """The JSON of a whole answer."""
        return json.loads(self.data)

    @property
    def error(self) -> Any:
        """The error of one that failed."""
        return self.body["error"]

    @property
    def events(self) -> list[Any]:
        """The events of a stream."""
        lines = [
            line.removeprefix(b"data: ") for line in self.data.splitlines() if line.startswith(b"data: {")
        ]
        return [json.loads(line) for line in lines]


class Talk:
    """One request that has been sent. arrived: set with each part of the answer."""

    def __init__(self, app: Any, method: str, path: str, body: Any, headers: Mapping[str, str]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.data = b""
        self.arrived = asyncio.Event()
        self._body: list[bytes] = [b"" if body is None else json.dumps(body).encode()]
        self._gone = asyncio.Event()
        target = urlsplit(path)
        named = {"host": "localhost", "content-type": "application/json", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": target.path,
            "query_string": target.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        self.task = spawn(app(scope, self._receive, self._send), "talk")

    async def _receive(self) -> Any:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.data += message.get("body", b"")
        self.arrived.set()

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def until(self, text: bytes) -> None:
        """Wait until this has arrived."""
        async with asyncio.timeout(10):
            while text not in self.data:
                self.arrived.clear()
                await self.arrived.wait()

    async def answer(self) -> Answer:
        """Wait for the whole answer."""
        async with asyncio.timeout(20):
            await self.task
        return Answer(self.status, self.headers, self.data)


class Asker:
    """A gateway with one upstream of ours. settings: YAML."""

    def __init__(
        self, upstream: Paced, tmp_path: Path | None = None, settings: str = "", seams: Seams = SYSTEM
    ) -> None:
        self.upstream = upstream
        file = None
        if settings and tmp_path is not None:
            file = tmp_path / "dragoman.yaml"
            file.write_text(settings)
        loaded = load(file, {}) if file is not None else None
        self.gateway = Gateway(loaded, upstreams={"own": upstream}, seams=seams)
        self._app = self.gateway.asgi()

    def talk(self, method: str, path: str, body: Any = None, **headers: str) -> Talk:
        """Send a request and do not wait."""
        stated = {name.replace("_", "-"): value for name, value in headers.items()}
        return Talk(self._app, method, path, body, stated)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request and wait for its answer."""
        return await self.talk(method, path, body, **headers).answer()

    async def respond(self, given: Any, **members: Any) -> Answer:
        """POST /v1/responses."""
        return await self.ask("POST", "/v1/responses", {"model": "own/m", "input": given, **members})

    async def close(self) -> None:
        """Close the gateway."""
        await self.gateway.close()
