"""WebSockets of a running gateway, with clients that are not ours (rows 0.15 and 4.29)."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Streamed, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, MODELS
from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.stubs import Said
from tests.e2e.test_backpressure import MB, Flood, flooding, stalled
from tests.e2e.test_server import until

RESPONSES = "/v1/responses"
ECHO = {"model": "simulate/echo"}
EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))


def at(base: str, path: str = CHAT) -> str:
    return base.replace("http", "ws", 1) + path


def chat(text: str = "Hello!", **members: Any) -> str:
    return json.dumps({**ECHO, "messages": [{"role": "user", "content": text}], **members})


def create(text: str = "Hello!", **members: Any) -> str:
    return json.dumps({"type": "response.create", **ECHO, "input": text, **members})


async def heard(socket: ClientConnection) -> Any:
    """The next message, which must be text."""
    async with asyncio.timeout(60):
        message = await socket.recv()
    assert isinstance(message, str)
    return json.loads(message)


async def answer(socket: ClientConnection) -> list[Any]:
    """The events of a response, to its last one or an error."""
    events = [await heard(socket)]
    while events[-1]["type"] not in ("response.completed", "response.failed", "error"):
        events.append(await heard(socket))
    return events


async def chunks(socket: ClientConnection) -> list[Any]:
    """The chunks of a chat, to the one that finishes it."""
    found = [await heard(socket)]
    while "error" not in found[-1] and not found[-1]["choices"][0]["finish_reason"]:
        found.append(await heard(socket))
    return found


def said(found: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in found)


def spoken(events: list[Any]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


async def refused(base: str, path: str = CHAT, **headers: str) -> tuple[int, dict[str, str], Any]:
    """How a socket is refused: status, headers, error."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(at(base, path), additional_headers=headers):
            pass
    response = caught.value.response
    found = {name.lower(): value for name, value in response.headers.items()}
    assert found["content-type"] == "application/json"
    return response.status_code, found, json.loads(response.body)["error"]


# --- Responses ---------------------------------------------------------------------------------------


async def test_the_official_client_talks_over_a_socket(serve: Serve) -> None:
    """0.15: one turn after another; the second continues the first, which nobody stored."""
    base = await serve()
    async with (
        AsyncOpenAI(base_url=f"{base}/v1", api_key="any") as client,
        client.responses.connect() as connection,
    ):
        previous: str | None = None
        for text in ("Hello you.", "And again."):
            await connection.response.create(
                model="simulate/echo", input=text, store=False, previous_response_id=previous
            )
            kinds, words = [], ""
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.output_text.delta":
                    words += event.delta
                if event.type == "response.completed":
                    previous = event.response.id
                    break
            assert words == text
            assert kinds[:2] == ["response.created", "response.in_progress"]


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
def test_the_official_client_without_a_loop_does_too(tmp_path: Path) -> None:
    async def ask() -> list[str]:
        async with serving(Gateway()) as base:
            return await asyncio.to_thread(talk, base)

    def talk(base: str) -> list[str]:
        with OpenAI(base_url=f"{base}/v1", api_key="any") as client, client.responses.connect() as connection:
            connection.response.create(model="nope/none", input="x")
            connection.response.create(model="simulate/echo", input="Hello.")
            kinds: list[str] = []
            for event in connection:
                kinds.append(event.type)
                if event.type == "response.completed":
                    break
            return kinds

    kinds = asyncio.run(ask())
    assert (kinds[0], kinds[1], kinds[-1]) == ("error", "response.created", "response.completed")


async def test_errors_keep_the_socket_open(serve: Serve) -> None:
    """4.29: the shape of Open Responses, with the face's own error inside."""
    exchanges: list[Exchange] = []
    base = await serve(observers=[exchanges.append])
    async with connect(at(base, RESPONSES)) as socket:
        for message, status, param in (
            ("{", 400, None),
            ("[]", 400, None),
            (b'{"type":"response.create"}', 400, None),
            (json.dumps({"type": "response.steer"}), 400, "type"),
            (create(temperature=9), 400, "temperature"),
            (create(background=True), 400, "background"),
            (create(model="nope/none"), 404, "model"),
        ):
            await socket.send(message)
            event = await heard(socket)
            assert (event["type"], event["status"]) == ("error", status), message
            assert event["error"].pop("error_id") == exchanges[-1].request_id
            assert set(event["error"]) == {"message", "type", "param", "code"}
            assert event["error"]["param"] == param
            assert event["headers"]["x-request-id"] == exchanges[-1].request_id
        await socket.send(create(previous_response_id="resp_none"))
        assert (await heard(socket))["error"]["code"] == "previous_response_not_found"
        await socket.send(create("Still here."))
        assert spoken(await answer(socket)) == "Still here."
    assert [exchange.status for exchange in exchanges] == [400] * 6 + [404, 404, 200]
    assert exchanges[-1].usage is not None


async def test_what_codex_says_is_understood(serve: Serve) -> None:
    """4.29: its header, a warm-up without output, `stream` in the message, and its notices.

    What an answer is continued from is known to its socket alone, until a continuation fails.
    """
    base = await serve()
    beta = {"openai-beta": "responses_websockets=2026-02-06"}
    async with connect(at(base, RESPONSES), additional_headers=beta) as socket:
        await socket.send(create("The context.", generate=False, stream=True, store=False))
        warm = await answer(socket)
        assert warm[-1]["response"]["output"] == []
        warm_id = warm[-1]["response"]["id"]
        await socket.send(json.dumps({"type": "response.processed", "response_id": warm_id}))
        await socket.send(create("Go on.", previous_response_id=warm_id, stream=True, store=False))
        assert spoken(await answer(socket)) == "Go on."
        for model, code in (("nope/none", "model_not_found"), (ECHO["model"], "previous_response_not_found")):
            await socket.send(create("Fail.", model=model, previous_response_id=warm_id, store=False))
            assert (await answer(socket))[-1]["error"]["code"] == code
    async with connect(at(base, RESPONSES)) as other:
        await other.send(create("Elsewhere.", previous_response_id=warm_id, store=False))
        assert (await answer(other))[-1]["error"]["code"] == "previous_response_not_found"


async def test_every_event_of_a_lane_says_so(serve: Serve) -> None:
    base = await serve()
    async with connect(at(base, RESPONSES)) as socket:
        await socket.send(create("One.", stream_id="a"))
        await socket.send(create("Two.", stream_id="b"))
        await socket.send(create(model="nope/none", stream_id="c"))
        await socket.send(create("Three."))
        lanes = [await answer(socket) for _ in range(4)]
    assert [{event.get("stream_id") for event in lane} for lane in lanes] == [{"a"}, {"b"}, {"c"}, {None}]
    assert [spoken(lane) for lane in lanes] == ["One.", "Two.", "", "Three."]


@EVERY
async def test_every_provider_answers(provide: Provide, serve: Serve, dialect: str) -> None:
    """0.15: relayed or translated; a stream that breaks off fails in the client's protocol."""
    exchanges: list[Exchange] = []
    told = stubs.DIALECTS[dialect]
    provider = await provide(told(Said("Hello\nthere!")), told(Said("Hello\nthere!", die=True)))
    base = await serve(json.dumps(up(provider.url, dialect)), observers=[exchanges.append])
    async with connect(at(base, RESPONSES)) as socket:
        await socket.send(create(model=MODELS[dialect]))
        events = await answer(socket)
        assert spoken(events) == "Hello\nthere!"
        numbers = [event["sequence_number"] for event in events]
        assert numbers == sorted(set(numbers))
        await socket.send(create(model=MODELS[dialect]))
        broken = [await heard(socket)]
        while broken[-1]["type"] != "response.failed":
            broken.append(await heard(socket))
        assert broken[-2]["type"] == "error"
    assert [exchange.end for exchange in exchanges] == ["done", "upstream/stream/connection_broken"]


# --- Chat --------------------------------------------------------------------------------------------


@EVERY
async def test_chat_is_relayed_and_translated(provide: Provide, serve: Serve, dialect: str) -> None:
    """0.15: one JSON in, chunks out; a whole answer is one message."""
    provider = await provide(stubs.DIALECTS[dialect](Said("Hello\nthere!")))
    base = await serve(json.dumps(up(provider.url, dialect)))
    model = MODELS[dialect]
    async with connect(at(base)) as socket:
        for _ in range(2):
            await socket.send(chat(model=model, stream=True))
            found = await chunks(socket)
            assert said(found) == "Hello\nthere!"
            assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}
            await socket.send(chat(model=model))
            whole = await heard(socket)
            assert whole["choices"][0]["message"]["content"] == "Hello\nthere!"


async def test_a_stream_that_breaks_off_is_told_and_leaves_the_socket_open(
    provide: Provide, serve: Serve
) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(stubs.openai_chat(Said(die=True)), stubs.openai_chat(Said()))
    base = await serve(json.dumps(up(provider.url)), observers=[exchanges.append])
    async with connect(at(base)) as socket:
        await socket.send(chat(model=MODELS["openai_chat"], stream=True))
        assert (await chunks(socket))[-1]["error"]["code"] == "connection_broken"
        await socket.send(chat(model=MODELS["openai_chat"], stream=True))
        assert said(await chunks(socket)) == "Hello there!"
    assert [exchange.end for exchange in exchanges] == ["upstream/stream/connection_broken", "done"]


# --- Who may open one --------------------------------------------------------------------------------


async def test_a_socket_needs_what_a_request_needs(serve: Serve) -> None:
    exchanges: list[Exchange] = []
    base = await serve(json.dumps({"auth": {"keys": ["the-key"]}}), observers=[exchanges.append])
    for headers in ({}, {"authorization": "Bearer other"}):
        for path in (CHAT, RESPONSES, "/v1/nope"):
            status, found, error = await refused(base, path, **headers)
            assert (status, error["code"]) == (401, "invalid_api_key")
            assert found["www-authenticate"].startswith("Bearer")
    assert {(exchange.method, exchange.status) for exchange in exchanges} == {("WS", 401)}
    assert {exchange.end for exchange in exchanges} == {"client/auth/invalid_api_key"}
    for name, value in (("authorization", "Bearer the-key"), ("x-api-key", "the-key")):
        async with connect(at(base), additional_headers={name: value}) as socket:
            await socket.send(chat())
            assert (await heard(socket))["object"] == "chat.completion"


async def test_a_grant_of_models_holds_on_a_socket(serve: Serve) -> None:
    keys = [{"name": "one", "key": "the-key", "models": ["m"]}]
    base = await serve(json.dumps({"aliases": {"m": "simulate/echo"}, "auth": {"keys": keys}}))
    async with connect(at(base), additional_headers={"authorization": "Bearer the-key"}) as socket:
        await socket.send(chat())
        assert (await heard(socket))["error"]["code"] == "model_not_granted"
        await socket.send(chat(model="m"))
        assert (await heard(socket))["object"] == "chat.completion"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
async def test_pages_from_elsewhere_open_no_socket_to_an_open_gateway(serve: Serve, origin: str) -> None:
    base = await serve()
    status, _, error = await refused(base, RESPONSES, origin=origin)
    assert (status, error["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "vscode-webview://x"])
async def test_pages_of_this_machine_may(serve: Serve, origin: str) -> None:
    base = await serve()
    async with connect(at(base), additional_headers={"origin": origin}) as socket:
        await socket.send(chat())
        assert (await heard(socket))["object"] == "chat.completion"


OFFERED = "openai-insecure-api-key."
"""How OpenAI's client in a browser names its key: a page can set no headers of a WebSocket."""


@pytest.mark.parametrize("offered", [["realtime", f"{OFFERED}the-key"], [f"{OFFERED}the-key"]], ids=len)
async def test_a_page_offers_its_key_as_a_subprotocol(serve: Serve, offered: list[str]) -> None:
    base = await serve(json.dumps({"auth": {"keys": ["the-key"]}}))
    page = {"origin": "https://app.example"}
    async with connect(at(base), subprotocols=offered, additional_headers=page) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == offered[0]  # a browser ends a socket for which none is chosen
        await socket.send(chat())
        assert (await heard(socket))["object"] == "chat.completion"
    for wrong in ([f"{OFFERED}other"], ["the-key"]):
        with pytest.raises(InvalidStatus) as caught:
            async with connect(at(base), subprotocols=wrong, additional_headers=page):  # type: ignore[arg-type]
                pass
        assert caught.value.response.status_code == 401


@pytest.mark.parametrize(
    "after", [("ann-has-another-key", "bea-s-own-key"), ("bea-s-own-key", "ann-s-own-key")]
)
async def test_a_socket_ends_with_its_key(tmp_path: Path, after: tuple[str, str]) -> None:
    """Also where nobody needs a key, and where the key is another client's now."""

    def write(*keys: str) -> None:
        for name, key in zip(("ann", "bea"), keys, strict=True):
            (tmp_path / name).write_text(key)

    write("ann-s-own-key", "bea-s-own-key")
    keys = [{"name": name, "key": {"file": str(tmp_path / name)}} for name in ("ann", "bea")]
    exchanges: list[Exchange] = []
    gateway = Gateway({"auth": {"required": False, "keys": keys}}, observers=[exchanges.append])
    key = {"authorization": "Bearer ann-s-own-key"}
    async with (
        serving(gateway) as base,
        connect(at(base), additional_headers=key) as socket,
        connect(at(base)) as open_to_all,
    ):
        for _ in range(2):
            await socket.send(chat())
            assert (await heard(socket))["object"] == "chat.completion"
            assert (await gateway.reload()).changed == ()
        write(*after)
        assert (await gateway.reload()).changed
        await socket.send(chat())
        assert (await heard(socket))["error"]["code"] == "invalid_api_key"
        await open_to_all.send(chat())
        assert (await heard(open_to_all))["object"] == "chat.completion"
    assert "client/auth/invalid_api_key" in {exchange.end for exchange in exchanges}


async def test_the_key_is_not_the_protocol_that_is_chosen(serve: Serve) -> None:
    base = await serve(json.dumps({"auth": {"keys": ["the-key"]}}))
    offered: list[Any] = [f"{OFFERED}the-key", "realtime"]
    async with connect(at(base), subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"


async def test_a_socket_whose_upgrade_a_proxy_dropped_is_told_so(serve: Serve) -> None:
    """Unless it is told to, nginx passes on all of a handshake but `Upgrade` and `Connection`."""
    base = await serve()
    left = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"}
    async with aiohttp.ClientSession() as session:
        async with session.get(base + RESPONSES, headers=left) as response:
            error = (await response.json())["error"]
        assert (response.status, error["code"]) == (426, "upgrade_missing")
        assert response.headers["upgrade"] == "websocket"
        assert "proxy" in error["message"]
        async with session.get(base + "/v1/models", headers=left) as response:
            assert response.status == 200  # no path for sockets
        async with session.get(base + RESPONSES) as response:
            assert response.status == 405


async def test_origins_are_the_configured_ones(serve: Serve) -> None:
    base = await serve(json.dumps({"server": {"cors_origins": ["https://app.example"]}}))
    assert (await refused(base, origin="http://localhost"))[0] == 403
    async with connect(at(base), additional_headers={"origin": "https://app.example"}) as socket:
        await socket.send(chat())
        await heard(socket)


async def test_an_open_gateway_goes_by_no_foreign_name(serve: Serve) -> None:
    base = await serve()
    host, port = base.removeprefix("http://").split(":")
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://evil.example:{port}{CHAT}", host=host, port=int(port)):
            pass
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body)["error"]["code"] == "foreign_host"


async def test_other_paths_are_no_sockets(serve: Serve) -> None:
    base = await serve()
    assert (await refused(base, "/v1/nope"))[0] == 404
    for path, allowed in (("/v1/models", "GET"), ("/v1/completions", "POST"), ("/health", "GET")):
        status, headers, error = await refused(base, path)
        assert (status, error["code"], headers["allow"]) == (405, "method_not_allowed", allowed)


async def test_sockets_can_be_switched_off(serve: Serve) -> None:
    """4.29: Codex goes to HTTP at once after a 426, and tries again and again after anything else."""
    base = await serve(json.dumps({"server": {"websocket": False}}))
    for path in (RESPONSES, CHAT, "/responses"):
        status, headers, error = await refused(base, path)
        assert (status, error["code"]) == (426, "websocket_disabled")
        assert "upgrade" not in headers
    assert (await refused(base, "/v1/nope"))[0] == 404


async def test_a_plain_get_is_told_what_the_path_takes(serve: Serve) -> None:
    base = await serve()
    async with aiohttp.ClientSession() as session, session.get(base + RESPONSES) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")


# --- The connection ----------------------------------------------------------------------------------


async def raw(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = base.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def upgrade(path: str = CHAT, *more: str) -> bytes:
    head = [
        f"GET {path} HTTP/1.1",
        "host: localhost",
        "connection: keep-alive, Upgrade",
        "upgrade: WebSocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        *more,
    ]
    return "\r\n".join([*head, "", ""]).encode()


async def test_a_connection_that_has_served_http_becomes_a_socket(serve: Serve) -> None:
    base = await serve()
    reader, writer = await raw(base)
    writer.write(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"}")
    writer.write(upgrade())
    assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x81\x82\0\0\0\0{}")
    frame = await reader.readexactly(2)
    assert frame[0] == 0x81
    writer.close()


async def test_a_socket_waits_for_no_answer_and_gets_into_none(
    provide: Provide, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that asks for one while an answer is owed would get both through each other."""
    provider = await provide(Whole({"choices": [], "model": "x"}, delay=0.1))
    base = await serve(json.dumps(up(provider.url)))
    reader, writer = await raw(base)
    body = json.dumps({"model": MODELS["openai_chat"], "messages": HELLO}).encode()
    head = (
        b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    with caplog.at_level("WARNING"):
        writer.write(head % (CHAT.encode(), len(body)) + body + upgrade())
        async with asyncio.timeout(60):
            got = await reader.readuntil(b'"object":"list"')
    assert got.count(b"200 OK") == 2  # the answer, and what a plain GET gets
    assert b"101 Switching" not in got
    assert caplog.records == []
    writer.close()


async def test_a_message_may_come_in_pieces(serve: Serve) -> None:
    base = await serve()
    async with connect(at(base)) as socket:
        text = chat("Zwei Stücke.")
        await socket.send([text[:7], text[7:60], text[60:]])
        assert (await heard(socket))["choices"][0]["message"]["content"] == "Zwei Stücke."


async def test_pings_go_both_ways_while_an_answer_is_awaited(provide: Provide, serve: Serve) -> None:
    provider = await provide(Whole({"choices": [], "model": "x"}, delay=0.3))
    base = await serve(json.dumps({**up(provider.url), "server": {"heartbeat": "50ms"}}))
    async with aiohttp.ClientSession() as session, session.ws_connect(at(base), autoping=False) as socket:
        await socket.send_str(chat(model=MODELS["openai_chat"]))
        await socket.ping(b"from us")
        kinds: list[aiohttp.WSMsgType] = []
        while aiohttp.WSMsgType.TEXT not in kinds:
            message = await socket.receive(timeout=60)
            kinds.append(message.type)
            if message.type is aiohttp.WSMsgType.PONG:
                assert message.data == b"from us"
    assert kinds.count(aiohttp.WSMsgType.PING) >= 3  # none of which was answered
    assert kinds.count(aiohttp.WSMsgType.PONG) == 1


async def test_a_message_has_the_size_that_a_body_may_have(serve: Serve) -> None:
    base = await serve(json.dumps({"server": {"max_body": "10kB"}}))
    async with connect(at(base)) as socket:
        await socket.send(chat("x" * 9_000))
        assert (await heard(socket))["object"] == "chat.completion"
        await socket.send(chat("x" * 10_000))
        with pytest.raises(ConnectionClosed) as caught:
            await heard(socket)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


@EVERY
async def test_a_client_that_does_not_read_holds_the_provider_back(serve: Serve, dialect: str) -> None:
    """2.28 over a socket; not a byte is lost."""
    flood = Flood(dialect, 40 * MB)
    async with flooding(flood) as provider:
        base = await serve(json.dumps(up(provider.url, dialect)))
        async with connect(at(base), max_queue=1, compression=None) as socket:
            await socket.send(chat(model=MODELS[dialect], stream=True))
            first = await heard(socket)
            assert await stalled(lambda: flood.written) < 30 * MB
            text = said([first, *await chunks(socket)])
    assert text.count("~") == flood.size


async def test_a_client_that_says_too_much_at_once_is_held_back(provide: Provide, serve: Serve) -> None:
    """It is not read then, so only the next ping tells that it has gone."""
    provider = await provide(Whole({"choices": [], "model": "x"}, delay=30))
    base = await serve(json.dumps({**up(provider.url), "server": {"heartbeat": "50ms"}}))
    sent = 0

    async with connect(at(base)) as socket:

        async def flood() -> None:
            nonlocal sent
            for _ in range(100):
                await socket.send(chat("x" * MB, model=MODELS["openai_chat"]))
                sent += 1

        talking = asyncio.ensure_future(flood())
        assert await stalled(lambda: sent) < 30
        talking.cancel()
        assert len(provider.seen) == 1
        socket.transport.abort()
    await until(lambda: provider.cut)


@pytest.mark.parametrize("how", ["close", "abort"])
@EVERY
async def test_whoever_leaves_cancels_what_runs(
    provide: Provide, serve: Serve, dialect: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    exchanges: list[Exchange] = []
    sent = stubs.frames(dialect, "A longer answer.")
    start = stubs.OPENING[dialect] + 1
    slow = Streamed([stubs.joined(dialect, sent[:start]), *sent[start:]], pause=30)
    provider = await provide(slow)
    base = await serve(json.dumps(up(provider.url, dialect)), observers=[exchanges.append])
    async with connect(at(base)) as socket:
        await socket.send(chat(model=MODELS[dialect], stream=True))
        await socket.send(chat(model=MODELS[dialect], stream=True))
        await heard(socket)
        if how == "abort":
            socket.transport.abort()
    await until(lambda: provider.cut)
    await until(lambda: exchanges)
    assert [exchange.end for exchange in exchanges] == ["client/stream"]
    assert len(provider.seen) == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# --- Ends --------------------------------------------------------------------------------------------


async def test_a_server_that_stops_finishes_what_runs(
    provide: Provide, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Idle sockets are closed at once, busy ones after their answer; official clients then open another."""
    provider = await provide(stubs.openai_chat(Said("A longer answer.", pause=0.05)))
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(up(provider.url)))
    gateway = Gateway(load(file, {}))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(AsyncExitStack())
        base = await server.enter_async_context(serving(gateway))
        busy = await stack.enter_async_context(connect(at(base)))
        idle = await stack.enter_async_context(connect(at(base, RESPONSES)))
        await busy.send(chat(model=MODELS["openai_chat"], stream=True))
        await busy.send(chat(model=MODELS["openai_chat"], stream=True))
        first = await heard(busy)
        stopping = asyncio.ensure_future(server.aclose())
        with pytest.raises(ConnectionClosed):
            await heard(idle)
        assert said([first, *await chunks(busy)]) == "A longer answer."
        with pytest.raises(ConnectionClosed):
            await heard(busy)
        await stopping
        assert (busy.close_code, idle.close_code) == (1012, 1012)
    assert len(provider.seen) == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_answer_that_takes_too_long_for_a_stop_is_told_so(provide: Provide, tmp_path: Path) -> None:
    """`serving` waits for a second, as a server does for its drain time."""
    exchanges: list[Exchange] = []
    provider = await provide(Whole({}, delay=30))
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(up(provider.url)))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(AsyncExitStack())
        gateway = Gateway(load(file, {}), observers=[exchanges.append])
        base = await server.enter_async_context(serving(gateway))
        socket = await stack.enter_async_context(connect(at(base)))
        await socket.send(chat(model=MODELS["openai_chat"]))
        await until(lambda: provider.open)
        stopping = asyncio.ensure_future(server.aclose())
        told = await heard(socket)
        assert (told["status"], told["error"]["code"]) == (503, "gateway_stopping")
        with pytest.raises(ConnectionClosed):
            await heard(socket)
        await stopping
        assert socket.close_code == 1001
    assert [exchange.end for exchange in exchanges] == ["gateway/first_byte/gateway_stopping"]


async def test_a_page_whose_upgrade_a_proxy_dropped_is_told_so_too(serve: Serve) -> None:
    """Its key is a subprotocol, which nobody reads of a plain GET: 401 would send people after the key."""
    base = await serve(json.dumps({"auth": {"keys": ["the-key"]}}))
    left = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-protocol": f"{OFFERED}the-key"}
    async with aiohttp.ClientSession() as session, session.get(base + RESPONSES, headers=left) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (426, "upgrade_missing")
