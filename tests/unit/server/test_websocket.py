"""Sockets under a server that knows nothing of us: turns, bounds, ends. Nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server import websocket
from dragoman.server.link import Message
from tests.unit.server.test_app import SAID


class Own:
    """An upstream that says "Hello!" when it is told to. asked: how often it was. cut: ended before."""

    name = "own"

    def __init__(self, *, waits: bool = False) -> None:
        self.asked = 0
        self.cut = 0
        self.called = asyncio.Event()
        self.may = asyncio.Event()
        if not waits:
            self.may.set()

    @asynccontextmanager
    async def chat(self, request: Any, call: Any) -> Any:
        self.asked += 1
        self.called.set()
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise

        async def events() -> Any:
            yield SAID

        yield events()


class Socket:
    """One socket to an application: what the client says is queued, what it is told is kept."""

    def __init__(self, app: Any, *, path: str = "/v1/chat/completions", **scope: Any) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.taken = 0
        self.sent: list[Message] = []
        self.news = asyncio.Event()
        self.said.put_nowait({"type": "websocket.connect"})
        headers = [(b"host", b"localhost"), *scope.pop("headers", ())]
        extensions = scope.pop("extensions", {"websocket.http.response": {}})
        self.scope = {
            "type": "websocket",
            "path": path,
            "root_path": "",
            "headers": headers,
            "extensions": extensions,
            **scope,
        }
        self.task = asyncio.ensure_future(app(self.scope, self._receive, self._send))

    async def _receive(self) -> Message:
        message = await self.said.get()
        self.taken += 1
        return message

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self.news.set()

    def say(self, **body: Any) -> None:
        body = {"model": "own/x", "messages": [{"role": "user", "content": "Hi"}], **body}
        self.said.put_nowait({"type": "websocket.receive", "text": json.dumps(body)})

    async def told(self, number: int) -> list[Any]:
        """The messages, as soon as there are as many."""
        async with asyncio.timeout(60):
            while len(self.texts) < number:
                self.news.clear()
                await self.news.wait()
        return [json.loads(text) for text in self.texts]

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    async def leave(self) -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await self.task

    @property
    def closed(self) -> int | None:
        last = self.sent[-1]
        return last["code"] if last["type"] == "websocket.close" else None


def readers() -> int:
    return sum(task.get_name() == "socket" for task in asyncio.all_tasks())


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_handshake_with_two_keys_in_one_header_is_refused() -> None:
    gateway = Gateway(upstreams={"own": Own()})
    keys = [(b"authorization", b"Bearer one"), (b"authorization", b"Bearer two")]
    socket = Socket(gateway.asgi(), headers=keys)
    await socket.leave()
    assert socket.sent[0].get("status") == 400
    error = json.loads(socket.sent[1]["body"])["error"]
    assert (error["code"], error["param"]) == ("repeated_header", "authorization")
    await gateway.close()


async def test_requests_are_answered_in_their_order_each_an_exchange() -> None:
    exchanges: list[Exchange] = []
    gateway = Gateway(upstreams={"own": Own()}, observers=[exchanges.append])
    socket = Socket(gateway.asgi())
    socket.say()
    socket.say(stream=True)
    socket.say(messages=7)
    socket.said.put_nowait({"type": "websocket.receive", "bytes": b"{}", "text": None})
    told = await socket.told(6)
    assert told[0]["choices"][0]["message"]["content"] == "Hello!"
    assert [chunk["object"] for chunk in told[1:4]] == ["chat.completion.chunk"] * 3
    assert [error["status"] for error in told[4:]] == [400, 400]
    assert told[4]["error"]["param"] == "messages"
    assert told[5]["error"]["code"] == "invalid_message"
    await socket.leave()
    assert socket.sent[0]["type"] == "websocket.accept"
    assert [(exchange.status, exchange.streamed) for exchange in exchanges] == [
        (200, False),
        (200, True),
        (400, False),
        (400, False),
    ]
    assert {(exchange.method, exchange.path, exchange.client) for exchange in exchanges} == {
        ("WS", "/v1/chat/completions", "anyone")
    }
    assert len({exchange.id for exchange in exchanges}) == 4
    assert told[4]["headers"] == {"x-request-id": exchanges[2].request_id}
    await gateway.close()


async def test_only_a_few_messages_are_read_ahead() -> None:
    own = Own(waits=True)
    gateway = Gateway(upstreams={"own": own})
    socket = Socket(gateway.asgi())
    for _ in range(30):
        socket.say()
    await own.called.wait()
    await settled()
    assert socket.taken == 1 + 1 + 8  # the opening, the one that runs, those that wait
    assert own.asked == 1
    own.may.set()
    await socket.told(30)
    assert own.asked == 30
    await socket.leave()
    await gateway.close()


async def test_large_messages_count_by_their_size() -> None:
    own = Own(waits=True)
    gateway = Gateway(upstreams={"own": own})
    socket = Socket(gateway.asgi())
    socket.say()
    await own.called.wait()
    for _ in range(4):
        socket.say(user="x" * (gateway.config.server.max_body // 2))
    await settled()
    assert socket.taken == 1 + 1 + 2
    own.may.set()
    await socket.told(5)
    await socket.leave()
    await gateway.close()


async def test_a_client_that_leaves_ends_what_runs() -> None:
    exchanges: list[Exchange] = []
    own = Own(waits=True)
    gateway = Gateway(upstreams={"own": own}, observers=[exchanges.append])
    socket = Socket(gateway.asgi())
    socket.say()
    socket.say()
    await own.called.wait()
    await socket.leave()
    assert (own.asked, own.cut) == (1, 1)
    assert [exchange.end for exchange in exchanges] == ["client/first_byte"]
    assert [message["type"] for message in socket.sent] == ["websocket.accept"]
    assert gateway.requests == set()
    await settled()
    assert readers() == 0
    await gateway.close()


async def test_a_socket_ends_after_its_time_when_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "LONGEST", 0.05)
    exchanges: list[Exchange] = []
    gateway = Gateway(upstreams={"own": Own()}, observers=[exchanges.append])
    socket = Socket(gateway.asgi())
    await socket.task
    assert json.loads(socket.texts[0])["error"]["code"] == "websocket_connection_limit_reached"
    assert json.loads(socket.texts[0])["status"] == 400
    assert socket.closed == 1001
    assert exchanges == []
    await settled()
    assert readers() == 0
    await gateway.close()


async def test_what_runs_when_the_time_is_over_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "LONGEST", 0.05)
    own = Own(waits=True)
    gateway = Gateway(upstreams={"own": own})
    socket = Socket(gateway.asgi())
    socket.say()
    socket.say()
    await own.called.wait()
    await asyncio.sleep(0.1)
    assert socket.texts == []
    own.may.set()
    await socket.task
    answer, error = (json.loads(text) for text in socket.texts)
    assert answer["choices"][0]["message"]["content"] == "Hello!"
    assert error["error"]["code"] == "websocket_connection_limit_reached"
    assert own.asked == 1
    await gateway.close()


async def test_closing_the_gateway_tells_what_runs_and_goes() -> None:
    exchanges: list[Exchange] = []
    own = Own(waits=True)
    gateway = Gateway(upstreams={"own": own}, observers=[exchanges.append])
    busy, idle = Socket(gateway.asgi()), Socket(gateway.asgi())
    busy.say()
    await own.called.wait()
    await gateway.close()
    await asyncio.gather(busy.task, idle.task)
    assert json.loads(busy.texts[0])["error"]["code"] == "gateway_stopping"
    assert json.loads(busy.texts[0])["status"] == 503
    assert (busy.closed, idle.closed, idle.texts) == (1001, 1001, [])
    assert [exchange.end for exchange in exchanges] == ["gateway/first_byte/gateway_stopping"]
    late = Socket(gateway.asgi())
    await late.task
    assert late.sent[0]["status"] == 503


async def test_a_stop_that_takes_too_long_is_not_passed_on() -> None:
    gateway = Gateway(upstreams={"own": Own()})
    socket = Socket(gateway.asgi())
    await settled()
    socket.task.cancel("Task cancelled, timeout graceful shutdown exceeded")
    await socket.task
    assert socket.closed == 1001
    await gateway.close()


async def test_a_stop_by_the_server_is_passed_on() -> None:
    gateway = Gateway(upstreams={"own": Own()})
    socket = Socket(gateway.asgi())
    await settled()
    socket.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await socket.task
    assert socket.closed == 1001
    await gateway.close()


@pytest.mark.parametrize(
    "failing",
    [
        {"model": "nobody/x"},
        {"input": [{"type": "function_call_output", "call_id": "call_0", "output": "x"}]},
        {"input": [{"type": "item_reference", "id": "msg_nobody"}]},
    ],
)
async def test_what_could_not_be_continued_is_forgotten(failing: dict[str, Any]) -> None:
    socket = Socket(Gateway(upstreams={"own": Own()}).asgi(), path="/v1/responses")
    ask: dict[str, Any] = {"type": "response.create", "model": "own/x", "input": "a", "store": False}
    socket.said.put_nowait({"type": "websocket.receive", "text": json.dumps(ask)})
    async with asyncio.timeout(60):
        while not socket.texts or (last := json.loads(socket.texts[-1]))["type"] != "response.completed":
            socket.news.clear()
            await socket.news.wait()
    ask["previous_response_id"], before = last["response"]["id"], len(socket.texts)
    for said in ({**ask, **failing}, ask):
        socket.said.put_nowait({"type": "websocket.receive", "text": json.dumps(said)})
    first, second = (await socket.told(before + 2))[before:]
    assert first["status"] in {400, 404}
    assert second["error"]["code"] == "previous_response_not_found"
    await socket.leave()


async def test_a_draining_gateway_opens_no_socket() -> None:
    gateway = Gateway()
    gateway.draining.begin()
    socket = Socket(gateway.asgi())
    await socket.task
    assert socket.sent[0]["status"] == 503
    assert json.loads(socket.sent[1]["body"])["error"]["code"] == "gateway_stopping"
    await gateway.close()


async def test_a_failure_of_ours_is_told_without_internals(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(self: Gateway) -> None:
        raise OSError("/secret/place is missing")

    exchanges: list[Exchange] = []
    monkeypatch.setattr(Gateway, "start", start)
    socket = Socket(Gateway(observers=[exchanges.append]).asgi())
    await socket.task
    assert socket.sent[0]["status"] == 500
    assert b"secret" not in socket.sent[1]["body"]
    assert "/secret/place" in caplog.text
    assert exchanges[0].end == "gateway/auth/internal_error"


async def test_a_failure_while_answering_leaves_the_socket_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(upstreams={"own": Own()})
    socket = Socket(gateway.asgi())
    await settled()

    async def handle(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    with monkeypatch.context() as broken:
        broken.setattr(type(gateway.engine), "handle", handle)
        socket.say()
        told = await socket.told(1)
    assert (told[0]["status"], told[0]["error"]["code"]) == (500, "internal_error")
    assert "secret" not in socket.texts[0]
    assert "ZeroDivisionError" in caplog.text
    socket.say()
    assert (await socket.told(2))[1]["object"] == "chat.completion"
    await socket.leave()
    await gateway.close()


async def test_a_server_without_http_answers_closes_what_is_refused() -> None:
    gateway = Gateway()
    socket = Socket(gateway.asgi(), path="/v1/nope", extensions={})
    await socket.task
    assert socket.sent == [{"type": "websocket.close", "code": 1008}]
    await gateway.close()


async def test_a_client_that_leaves_before_it_is_accepted_is_no_failure() -> None:
    gateway = Gateway()
    app = gateway.asgi()

    async def send(message: Message) -> None:
        raise ConnectionResetError

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/v1/chat/completions", "headers": [], "root_path": ""}
    await app(scope, receive, send)
    assert gateway.requests == set()
    await gateway.close()


async def test_the_first_of_the_protocols_that_a_client_offers_is_spoken() -> None:
    gateway = Gateway()
    socket = Socket(gateway.asgi(), subprotocols=["openai-beta.responses.v1", "b"])
    plain = Socket(gateway.asgi())
    async with asyncio.timeout(60):
        while not (socket.sent and plain.sent):  # noqa: ASYNC110  (parts are loaded by the first that needs them)
            await asyncio.sleep(0.01)
    assert socket.sent[0]["subprotocol"] == "openai-beta.responses.v1"
    assert plain.sent[0]["subprotocol"] is None
    await socket.leave()
    await plain.leave()
    await gateway.close()


async def test_a_fault_of_the_upstream_has_its_status() -> None:
    class Failing:
        name = "own"

        def chat(self, request: Any, call: Any) -> Any:
            raise RequestFailed(ir.Fault("quota", "Nothing is left.", blame="upstream"))

    gateway = Gateway(upstreams={"own": Failing()})
    socket = Socket(gateway.asgi())
    socket.say(stream=True)
    told = await socket.told(1)
    assert told[0]["status"] == 429
    assert told[0]["headers"]["x-should-retry"] == "false"
    assert told[0]["headers"]["x-dragoman-deployment"] == "own/x"
    await socket.leave()
    await gateway.close()


@pytest.mark.parametrize(("message", "waits"), [("é" * 6, True), ("e" * 10, False), (b"e" * 11, True)])
async def test_messages_that_wait_are_bounded_by_their_bytes(message: str | bytes, waits: bool) -> None:
    inbox = websocket._Inbox(10)
    putting = asyncio.ensure_future(inbox.put(message))
    await asyncio.sleep(0)
    assert putting.done() is not waits
    assert await inbox.get() == message
    await putting
