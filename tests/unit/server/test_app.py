"""The application under a server that knows nothing of it: failures are answers, nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.keys import ClientKeys
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.seams.clock import Seams
from dragoman.server.app import App
from dragoman.server.channel import AsgiChannel
from dragoman.server.head import Arrival
from dragoman.server.link import Link, Message

CHAT = json.dumps({"model": "own/x", "messages": [{"role": "user", "content": "Hi"}]}).encode()
SAID = [
    ir.Start("x", model="x"),
    ir.Open(0, ir.Text("")),
    ir.TextDelta(0, "Hello!"),
    ir.Close(0),
    ir.Finish(ir.Stop("end")),
    ir.End(),
]


class Own:
    """An upstream that answers when it is told to, after `first` events at once."""

    name = "own"

    def __init__(self, first: int = 0) -> None:
        self.called = asyncio.Event()
        self.may = asyncio.Event()
        self._first = first

    @asynccontextmanager
    async def chat(self, request: Any, call: Any) -> Any:
        async def events() -> Any:
            if self._first:
                yield SAID[: self._first]
            self.called.set()
            await self.may.wait()
            yield SAID[self._first :]

        yield events()


class Visit:
    """One request to an application, and what was sent back."""

    def __init__(
        self,
        app: Any,
        *,
        path: str = "/v1/chat/completions",
        parts: Sequence[bytes] = (CHAT,),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._parts = list(parts)
        self.pause = 0.0
        self.sent: list[Message] = []
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers]
        method = "POST" if "chat" in path else "GET"
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "root_path": ""}
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if not self._parts:
            await asyncio.Event().wait()
        await asyncio.sleep(self.pause)
        return {"type": "http.request", "body": self._parts.pop(0), "more_body": bool(self._parts)}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def error(self) -> Any:
        return json.loads(self.sent[1]["body"])["error"]


def watchers() -> int:
    return sum(task.get_name() == "disconnect" for task in asyncio.all_tasks())


async def test_a_start_that_fails_is_a_500_without_internals(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(self: Gateway) -> None:
        raise OSError("/secret/place is missing")

    exchanges: list[Exchange] = []
    monkeypatch.setattr(Gateway, "start", start)
    visit = Visit(Gateway(observers=[exchanges.append]).asgi())
    with caplog.at_level(logging.ERROR, "dragoman"):
        await visit.task
    assert (visit.status, visit.error["code"]) == (500, "internal_error")
    assert "secret" not in visit.error["message"]
    assert "/secret/place" in caplog.text
    assert exchanges[0].end == "gateway/auth/internal_error"
    names = [name for name, _ in visit.sent[0]["headers"]]
    assert names.count(b"x-request-id") == 1


async def test_a_stop_before_the_answer_is_a_503() -> None:
    exchanges: list[Exchange] = []
    own = Own()
    gateway = Gateway(upstreams={"own": own}, observers=[exchanges.append])
    visit = Visit(gateway.asgi())
    await own.called.wait()
    visit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visit.task
    assert (visit.status, visit.error["code"]) == (503, "gateway_stopping")
    assert exchanges[0].end == "gateway/first_byte/gateway_stopping"
    await gateway.close()


async def test_a_stop_that_takes_too_long_ends_a_request_without_an_error() -> None:
    """Uvicorn would log an error of the application, with its stack trace."""
    own = Own()
    gateway = Gateway(upstreams={"own": own})
    visit = Visit(gateway.asgi())
    await own.called.wait()
    visit.task.cancel("Task cancelled, timeout graceful shutdown exceeded")
    await visit.task
    assert (visit.status, visit.error["code"]) == (503, "gateway_stopping")
    await gateway.close()


async def test_a_stop_within_a_stream_is_told_in_it() -> None:
    exchanges: list[Exchange] = []
    own = Own(first=3)
    gateway = Gateway(upstreams={"own": own}, observers=[exchanges.append])
    visit = Visit(gateway.asgi(), parts=[CHAT[:-1] + b', "stream": true}'])
    await own.called.wait()
    visit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visit.task
    assert visit.status == 200
    assert b'"code":"gateway_stopping"' in visit.sent[-1]["body"]
    assert not visit.sent[-1].get("more_body")
    assert exchanges[0].end == "gateway/stream/gateway_stopping"
    await gateway.close()


async def test_nobody_looks_out_for_a_client_that_has_its_answer() -> None:
    own = Own()
    gateway = Gateway(upstreams={"own": own})
    visit = Visit(gateway.asgi())
    await own.called.wait()
    assert watchers() == 1
    own.may.set()
    await visit.task
    await asyncio.sleep(0)
    assert (visit.status, watchers()) == (200, 0)
    await gateway.close()


async def test_times_are_told_by_the_gateways_own_clock() -> None:
    exchanges: list[Exchange] = []
    gateway = Gateway(observers=[exchanges.append], seams=Seams(monotonic=lambda: 7.0))
    await Visit(gateway.asgi(), path="/health").task
    assert (exchanges[0].began, exchanges[0].ended) == (7.0, 7.0)
    await gateway.close()


async def test_a_repeated_head_is_looked_at_again_when_the_keys_are_others() -> None:
    settings = {"auth": {"keys": [{"key": "a-key-of-sixteen-1", "name": "ann"}]}}
    exchanges: list[Exchange] = []
    gateway = Gateway(settings, upstreams={"own": Own()}, observers=[exchanges.append])
    gateway.own_models.upstreams["own"].may.set()  # type: ignore[attr-defined]
    app = App(gateway)
    fields = [
        *((b"host", b"localhost"), (b"content-type", b"application/json")),
        (b"authorization", b"Bearer a-key-of-sixteen-1"),
    ]
    head = app.read("POST", "/v1/chat/completions", b"", b"", fields)

    async def ask() -> int:
        link, sent = Link(0.0), list[Message]()
        link.task, link.body = asyncio.current_task(), CHAT

        async def send(message: Message) -> None:
            sent.append(message)

        await app.serve(Arrival(head, head.headers, cast(Any, None), link), AsgiChannel(send))
        return int(sent[0]["status"])

    assert [await ask(), head.again is not None, await ask()] == [200, True, 200]
    assert {exchange.client for exchange in exchanges} == {"ann"}
    gateway.admitting = others = ClientKeys(required=True)
    gateway._assembly = msgspec.structs.replace(gateway.running, client_keys=others)
    assert await ask() == 401
    await gateway.close()
    assert await ask() == 503
