"""The client's side of a session: how it is accepted, refused and closed, also under a foreign server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.openai.realtime import error_event
from dragoman.dialects.table import DIALECTS
from dragoman.engine.converse import Bounds
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.ir.fault import STOPPING
from dragoman.server.app import App
from dragoman.server.endpoint import Endpoint
from dragoman.server.link import SocketLink
from dragoman.server.realtime import Handshake, RealtimeApi, RealtimeClient, live_of
from tests.unit.server.test_websocket import Own, Socket

OPENAI, GEMINI = DIALECTS["openai_chat"], DIALECTS["gemini"]


class Sides:
    """A client with what it gets, and with what it says next."""

    def __init__(
        self,
        *events: Any,
        headers: Any = (),
        subprotocols: Any = (),
        chosen: Any = None,
        answers: bool = True,
    ) -> None:
        self.sent: list[Any] = []
        self.events = list(events)
        self.link = SocketLink(0.0)
        self.exchange = Exchange("ex_1", "req_1", "openai_chat", "WS", "/v1/realtime", 0.0, 0.0)
        endpoint = Endpoint("/v1/realtime", OPENAI, {})
        handshake = Handshake(
            endpoint,
            dict(headers),
            "",
            subprotocols,
            chosen,
            lambda: ir.Fault("permission", "no"),
            self.link,
            answers,
        )
        self.client = RealtimeClient(
            self.exchange, handshake, self.receive, self.send, Bounds(), error=error_event
        )

    async def receive(self) -> Any:
        return self.events.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


async def test_a_session_is_accepted_once_and_closed_once() -> None:
    sides = Sides(chosen="realtime")
    one = sides.client
    await one.begin(200, [(b"x-request-id", b"req_1")])
    await one.say("text")
    await one.say(b"binary")
    await one.end()
    await one.end(b"{}")
    assert sides.kinds == ["accept", "send", "send", "close"]
    assert sides.sent[0] == {
        "type": "websocket.accept",
        "subprotocol": "realtime",
        "headers": [(b"x-request-id", b"req_1")],
    }
    assert sides.sent[1]["text"] == "text"
    assert sides.sent[2]["bytes"] == b"binary"
    assert (sides.sent[3]["code"], sides.exchange.status, one.begun, one.gone) == (1000, 101, True, False)


class Places:
    """Records when places are taken and given back. full: whether a limit leaves none."""

    def __init__(self, *, full: bool = False) -> None:
        self.steps: list[str] = []
        self.full = full

    async def enter(self) -> None:
        if self.full:
            raise RequestFailed(ir.Fault("rate_limit", "no place"))
        self.steps.append("enter")

    def leave(self) -> None:
        self.steps.append("leave")


async def test_a_client_that_has_said_nothing_holds_a_place_and_counts_as_idle() -> None:
    sides, places = Sides(), Places()
    link, seen = sides.link, []

    async def receive() -> Any:
        seen.append((link.fresh, link.idle_since is not None, [*places.steps]))
        return {"type": "websocket.receive", "text": "a"}

    sides.client._receive = receive
    assert await sides.client.first_message(places) == "a"  # type: ignore[arg-type]
    assert seen == [(True, True, ["enter"])]
    assert (link.fresh, link.idle_since, places.steps) == (False, None, ["enter", "leave"])
    full = Sides()
    with pytest.raises(RequestFailed):
        await full.client.first_message(Places(full=True))  # type: ignore[arg-type]
    assert full.sent == []


async def test_a_first_message_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.realtime._FIRST", 0.01)
    sides, places = Sides(), Places()
    sides.client._receive = asyncio.Event().wait  # type: ignore[assignment]
    with pytest.raises(RequestFailed) as caught:
        await sides.client.first_message(places)  # type: ignore[arg-type]
    assert (caught.value.fault.code, places.steps) == ("session_idle", ["enter", "leave"])


async def test_a_refusal_is_an_http_answer_until_the_session_is_accepted() -> None:
    sides = Sides()
    await sides.client.answer(404, [(b"X-Request-Id", b"req_1")], b"{}")
    assert sides.kinds == ["http.response.start", "http.response.body"]
    assert sides.sent[0]["status"] == 404
    assert (b"x-request-id", b"req_1") in sides.sent[0]["headers"]
    assert (b"content-length", b"2") in sides.sent[0]["headers"]
    await sides.client.end()
    assert len(sides.sent) == 2


async def test_a_server_that_answers_no_handshakes_closes_the_socket_instead() -> None:
    sides = Sides(answers=False)
    await sides.client.answer(404, [(b"X-Request-Id", b"req_1")], b"{}")
    assert sides.sent == [{"type": "websocket.close", "code": 1008}]
    await sides.client.end()
    assert len(sides.sent) == 1


@pytest.mark.parametrize("answers", [True, False])
async def test_a_session_is_refused_as_its_server_can(answers: bool) -> None:
    gateway = Gateway(upstreams={"own": Own()})
    extensions: dict[str, Any] = {"websocket.http.response": {}} if answers else {}
    query = b"model=nobody/x"
    socket = Socket(gateway.asgi(), path="/v1/realtime", query_string=query, extensions=extensions)
    await socket.leave()
    kinds = [message["type"] for message in socket.sent]
    response = ["websocket.http.response.start", "websocket.http.response.body"]
    assert kinds == (response if answers else ["websocket.close"])
    await gateway.close()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ir.Fault("invalid_request", "wrong"), 1007),
        (ir.Fault("authentication", "who?"), 1008),
        (ir.Fault("rate_limit", "slow"), 1008),
        (ir.Fault("upstream", "broken"), 1011),
        (ir.Fault("internal", "broken"), 1011),
        (ir.Fault("overloaded", "later"), 1013),
        (ir.Fault("timeout", "silence"), 1008),
        (STOPPING, 1012),
    ],
)
async def test_faults_have_close_codes(fault: ir.Fault, code: int) -> None:
    sides = Sides()
    await sides.client.accept(())
    sides.exchange.fault = fault
    await sides.client.answer(500, (), b"{}")
    assert sides.kinds == ["accept", "send", "close"]
    assert fault.message in sides.sent[1]["text"]
    assert (sides.sent[2]["code"], sides.sent[2]["reason"]) == (code, fault.message)


async def test_reasons_fit_into_a_close_frame() -> None:
    sides = Sides()
    await sides.client.begin(200, ())
    sides.exchange.fault = ir.Fault("upstream", "é" * 200)
    await sides.client.end(b'{"type":"error"}')
    assert sides.sent[1]["text"] == '{"type":"error"}'
    assert sides.sent[2]["reason"] == "é" * 61


async def test_a_stated_close_counts_more_than_the_fault() -> None:
    sides = Sides()
    await sides.client.begin(200, ())
    sides.exchange.fault = ir.Fault("upstream", "closed")
    sides.client.closes(4000, "over")
    await sides.client.end()
    assert (sides.sent[1]["code"], sides.sent[1]["reason"]) == (4000, "over")


async def test_messages_are_freed_when_the_next_is_wanted() -> None:
    answered: list[int] = []
    sides = Sides(
        {"type": "websocket.receive", "text": "a"},
        {"type": "websocket.receive", "bytes": b"b"},
        {"type": "websocket.receive", "text": None, "bytes": b"c"},
        {"type": "websocket.disconnect", "code": 4001, "reason": "bye"},
    )
    sides.link.answered = lambda: answered.append(1)
    sides.link.running = True
    assert [await sides.client.receive() for _ in range(4)] == ["a", b"b", b"c", None]
    assert len(answered) == 3
    assert sides.client.left == (4001, "bye")
    assert (sides.link.running, sides.client.gone) == (False, False)
    await sides.client.end()
    assert sides.sent == []


async def test_what_is_said_after_the_client_has_left_is_dropped() -> None:
    async def refuse(message: Any) -> None:
        raise OSError

    sides = Sides({"type": "websocket.disconnect", "code": 4001, "reason": "bye"})
    sides.client._send = refuse
    for message in ("text", b"binary"):
        await sides.client.say(message)
    assert (sides.link.lost, sides.client.gone) == (False, False)
    assert await sides.client.receive() is None
    assert sides.client.left == (4001, "bye")


async def test_a_connection_without_a_close_frame_is_lost() -> None:
    sides = Sides()
    sides.link.drop()
    assert sides.client.gone
    await sides.client.end(b"{}")
    assert sides.sent == []


@pytest.mark.parametrize(
    ("lost", "code", "gone"),
    [(True, 1005, True), (True, 1006, True), (True, 4000, False), (False, 1005, False)],
)
async def test_a_client_without_a_close_frame_is_gone(lost: bool, code: int, gone: bool) -> None:
    sides = Sides({"type": "websocket.disconnect", "code": code})
    if lost:
        sides.link.drop()
    assert await sides.client.receive() is None
    sides.link.drop()
    assert (sides.client.left, sides.client.gone) == ((code, ""), gone)


def test_headers_for_the_provider() -> None:
    headers = {"openai-safety-identifier": "u", "authorization": "Bearer k", "cookie": "c"}
    assert Sides(headers=headers).client.headers == {"openai-safety-identifier": "u"}
    offered = ["realtime", "openai-beta.realtime-v1", "openai-beta.other"]
    assert Sides(subprotocols=offered).client.headers == {"openai-beta": "realtime=v1"}
    both = Sides(headers={"openai-beta": "x"}, subprotocols=offered)
    assert both.client.headers == {"openai-beta": "x"}


def test_a_key_is_asked_again() -> None:
    refused = Sides().client.caller()
    assert isinstance(refused, ir.Fault)
    assert refused.kind == "permission"


def test_paths() -> None:
    templates = [endpoint.template for endpoint in RealtimeApi().endpoints()]
    assert len(templates) == len(set(templates))
    assert {"/v1/realtime", "/v1/realtime/client_secrets", GEMINI.live.paths[1]} <= set(templates)  # type: ignore[union-attr]
    assert live_of(Endpoint("/v1/realtime", OPENAI, {})) is OPENAI.live
    assert live_of(Endpoint("/v1/chat/completions", OPENAI, {})) is None
    assert live_of(None) is None


async def test_a_foreign_server_closes_what_it_cannot_answer() -> None:
    gateway = Gateway(upstreams={"own": Own()})
    socket = Socket(App(gateway), path="/v1/realtime", query_string=b"model=own/x")
    async with asyncio.timeout(60):
        await socket.task
    status, body = socket.sent[0]["status"], json.loads(socket.sent[1]["body"])
    assert (status, body["error"]["param"]) == (400, "model")
    assert "realtime sessions" in body["error"]["message"]
    await gateway.close()


@pytest.mark.parametrize(("path", "closed"), [("/v1/realtime", False), (GEMINI.live.paths[0], True)])  # type: ignore[union-attr]
async def test_an_error_of_the_gateway_is_told_and_recorded(
    path: str, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(live: Any, handshake: Any, client: RealtimeClient, waiting: Any) -> str:
        if closed:
            await client.accept(())
        raise RuntimeError("broken")

    monkeypatch.setattr("dragoman.server.realtime._model", fail)
    exchanges: list[Exchange] = []
    gateway = Gateway(upstreams={"own": Own()}, observers=[exchanges.append])
    socket = Socket(App(gateway), path=path)
    async with asyncio.timeout(60):
        await socket.task
    last = socket.sent[-1]
    assert last.get("code") == 1011 if closed else socket.sent[0]["status"] == 500
    assert exchanges[0].fault is not None
    assert exchanges[0].fault.kind == "internal"
    await gateway.close()


@pytest.mark.parametrize("disconnected", [False, True])
async def test_an_os_error_is_the_clients_disconnect_only_if_the_client_has_left(
    disconnected: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(live: Any, handshake: Any, client: RealtimeClient, waiting: Any) -> str:
        if disconnected:
            monkeypatch.setattr(client, "_send", broken)
            await client.accept(())
        raise OSError("/secret/place is missing")

    async def broken(message: Any) -> None:
        raise OSError("the connection is closed")

    monkeypatch.setattr("dragoman.server.realtime._model", fail)
    exchanges: list[Exchange] = []
    gateway = Gateway(upstreams={"own": Own()}, observers=[exchanges.append])
    socket = Socket(App(gateway), path="/v1/realtime")
    async with asyncio.timeout(60):
        await socket.task
    assert ("/secret/place" in caplog.text) is not disconnected
    assert [sent.get("status") for sent in socket.sent] == ([] if disconnected else [500, None])
    assert (exchanges[0].fault is None) is disconnected
    await gateway.close()


async def test_a_first_message_that_is_no_json_closes_with_its_code() -> None:
    gateway = Gateway(upstreams={"own": Own()})
    assert GEMINI.live is not None
    socket = Socket(App(gateway), path=GEMINI.live.paths[0])
    socket.said.put_nowait({"type": "websocket.receive", "text": "nope"})
    async with asyncio.timeout(60):
        await socket.task
    assert socket.sent[-1]["code"] == 1007
    assert "line 1, column 1" in socket.sent[-1]["reason"]
    await gateway.close()
