"""Realtime sessions through a running gateway: official clients before strict providers (row 5.26)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import types
from openai import AsyncAzureOpenAI, AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.state.usage_archive import UsageSearch
from dragoman.testing.serving import serving
from tests.e2e.conftest import Serve
from tests.e2e.realtime import Provider, providing, tell
from tests.e2e.test_server import until as soon

GEMINI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SAY_HELLO: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


@pytest.fixture
async def openai(stack: AsyncExitStack) -> Provider:
    return await stack.enter_async_context(providing(Provider()))


def config(provider: Provider, **more: Any) -> str:
    row = {"dialect": "openai_chat", "base_url": f"{provider.url}/v1", "keys": list(provider.keys)}
    return json.dumps({"providers": {"up": row}, "retries": {"attempts": 1}, **more})


def at(base: str, path: str) -> str:
    return base.replace("http", "ws", 1) + path


async def heard(socket: ClientConnection) -> Any:
    async with asyncio.timeout(60):
        return json.loads(await socket.recv())


async def until(socket: ClientConnection, kind: str) -> Any:
    while (event := await heard(socket))["type"] != kind:
        pass
    return event


async def ended(socket: ClientConnection) -> tuple[int, str]:
    """How a session ends, after the messages that are left."""
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def refused(url: str, **headers: str) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=headers):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]


async def closed(exchanges: list[Exchange], number: int = 1) -> Exchange:
    await soon(lambda: len(exchanges) >= number)
    return exchanges[number - 1]


async def test_the_official_client_of_openai(serve: Serve, openai: Provider) -> None:
    exchanges: list[Exchange] = []
    base = await serve(
        config(openai, models={"voice": {"deployments": ["up/gpt-realtime"]}}), observers=[exchanges.append]
    )
    async with (
        AsyncOpenAI(base_url=f"{base}/v1", api_key="any", websocket_base_url=at(base, "/v1")) as client,
        client.realtime.connect(model="voice") as session,
    ):
        created = await session.recv()
        assert created.type == "session.created"
        assert getattr(created.session, "model", None) == "voice"
        await session.session.update(session={"type": "realtime", "model": "voice"})
        updated = await session.recv()
        assert updated.type == "session.updated"
        assert getattr(updated.session, "model", None) == "voice"
        await session.conversation.item.create(item=SAY_HELLO)
        await session.response.create()
        events = [await session.recv() for _ in range(4)]
        assert [one.type for one in events][1:] == [
            "response.created",
            "response.output_text.delta",
            "response.done",
        ]
    exchange = await closed(exchanges)
    assert openai.query == {"model": ["gpt-realtime"]}
    assert openai.handshakes[0].path.startswith("/v1/realtime?")
    assert openai.said[0]["session"]["model"] == "gpt-realtime"
    assert openai.closed == [(1000, "")]
    assert (exchange.operation, exchange.end, exchange.status) == ("realtime", "done", 101)
    assert exchange.usage is not None
    assert (exchange.usage.input, exchange.usage.output) == (16, 24)


async def test_the_official_client_of_azure(serve: Serve, openai: Provider) -> None:
    base = await serve(config(openai, models={"voice": {"deployments": ["up/gpt-realtime"]}}))
    client = AsyncAzureOpenAI(
        api_key="any",
        api_version="2025-04-01-preview",
        azure_endpoint=base,
        websocket_base_url=at(base, "/openai"),
    )
    async with client, client.realtime.connect(model="voice") as session:
        assert (await session.recv()).type == "session.created"
        await session.response.create()
        assert (await session.recv()).type == "response.created"
    assert openai.query == {"model": ["gpt-realtime"]}


async def test_a_provider_at_azure_gets_its_own_address(serve: Serve, openai: Provider) -> None:
    row = {"base_url": openai.url, "keys": ["up-key"], "api_version": "2025-04-01-preview"}
    base = await serve(json.dumps({"providers": {"azure": row}}))
    async with connect(at(base, "/v1/realtime?model=azure/my-realtime")) as session:
        assert (await heard(session))["session"]["model"] == "my-realtime"
    request = openai.handshakes[0]
    assert request.path == "/openai/realtime?api-version=2025-04-01-preview&deployment=my-realtime"
    assert request.headers["api-key"] == "up-key"
    assert "Authorization" not in request.headers


async def test_the_official_client_of_gemini(
    serve: Serve, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = await stack.enter_async_context(providing(Provider(), "gemini"))
    exchanges: list[Exchange] = []
    row = {"dialect": "gemini", "base_url": f"{provider.url}/v1beta", "keys": ["up-key"]}
    models = {"live": {"deployments": ["up/gemini-live"]}}
    base = await serve(json.dumps({"providers": {"up": row}, "models": models}), observers=[exchanges.append])
    options = types.HttpOptions(base_url=base, api_version="v1beta")
    client = genai.Client(api_key="any", http_options=options)

    def without_tls(uri: str, *, additional_headers: Any, **_: Any) -> connect:
        return connect(uri.replace("wss", "ws", 1), additional_headers=additional_headers)

    monkeypatch.setattr("google.genai.live.ws_connect", without_tls)  # the client knows no other way
    async with client.aio.live.connect(
        model="live", config=types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])
    ) as session:
        turns = types.Content(role="user", parts=[types.Part(text="Hello")])
        await session.send_client_content(turns=turns, turn_complete=True)
        messages = [message async for message in session.receive()]
        usage = messages[-1].usage_metadata
        assert usage is not None
        assert (usage.prompt_token_count, usage.response_token_count) == (24, 26)
    exchange = await closed(exchanges)
    assert provider.handshakes[0].path == GEMINI
    assert provider.handshakes[0].headers["x-goog-api-key"] == "up-key"
    assert provider.said[0]["setup"]["model"] == "models/gemini-live"
    assert provider.said[0]["setup"]["generationConfig"] == {"responseModalities": ["AUDIO"]}
    assert (exchange.face, exchange.end) == ("gemini", "done")
    assert exchange.usage is not None
    assert (exchange.usage.input, exchange.usage.output) == (24, 26)


async def test_a_session_of_gemini_is_refused_by_a_close_code(serve: Serve, stack: AsyncExitStack) -> None:
    provider = await stack.enter_async_context(providing(Provider(), "gemini"))
    row = {"dialect": "gemini", "base_url": f"{provider.url}/v1beta", "keys": ["up-key"]}
    base = await serve(json.dumps({"providers": {"up": row}, "retries": {"attempts": 1}}))
    for setup, code, words in (
        ({"setup": {"model": "models/nothing"}}, 1008, "The model 'nothing' does not exist"),
        ({"setup": {}}, 1007, "The first message must be a 'setup' with a 'model'."),
        ({"setup": {"model": "models/up/other"}}, 1007, "models/x is not found"),
        ({"setup": {"model": "models/up/gemini-key"}}, 1011, "refused the gateway's API key"),
    ):
        async with connect(at(base, GEMINI)) as session:
            await session.send(json.dumps(setup))
            ending = await ended(session)
        assert ending[0] == code, ending
        assert words in ending[1]
    assert len(provider.said) == 2


async def test_handshakes_are_refused_over_http(serve: Serve, openai: Provider) -> None:
    keys = [
        {"name": "all", "key": "sk-all-123456"},
        {"name": "chat", "key": "sk-chat-12345", "operations": ["chat"]},
        {"name": "other", "key": "sk-other-1234", "models": ["up/other"]},
    ]
    base = await serve(config(openai, auth={"keys": keys}))
    url = at(base, "/v1/realtime")
    auth = "Authorization"
    assert (await refused(f"{url}?model=up/x"))[0] == 401
    status, error = await refused(url, **{auth: "Bearer sk-all-123456"})
    assert (status, error["param"]) == (400, "model")
    status, error = await refused(f"{url}?model=nothing", **{auth: "Bearer sk-all-123456"})
    assert (status, error["code"]) == (404, "model_not_found")
    status, error = await refused(f"{url}?model=up/x&voice=a", **{auth: "Bearer sk-all-123456"})
    assert (status, error["param"]) == (400, "voice")
    status, error = await refused(f"{url}?model=up/x", **{auth: "Bearer sk-chat-12345"})
    assert (status, error["code"]) == (403, "operation_not_granted")
    status, error = await refused(f"{url}?model=up/x", **{auth: "Bearer sk-other-1234"})
    assert status == 403
    assert openai.handshakes == []


async def test_a_web_page_sends_its_key_as_a_subprotocol(serve: Serve, openai: Provider) -> None:
    keys = [{"name": "page", "key": "sk-page-123456"}]
    base = await serve(config(openai, auth={"keys": keys}))
    offered = ["realtime", "openai-insecure-api-key.sk-page-123456", "openai-beta.realtime-v1"]
    url = at(base, "/v1/realtime?model=up/gpt-realtime&intent=transcription")
    async with connect(url, subprotocols=[Subprotocol(one) for one in offered]) as session:
        assert session.subprotocol == "realtime"
        assert (await heard(session))["type"] == "session.created"
    request = openai.handshakes[0]
    assert request.headers["OpenAI-Beta"] == "realtime=v1"
    assert request.path.endswith("&intent=transcription")
    assert "sk-page-123456" not in str(request.headers)


async def test_another_key_and_another_deployment_are_tried(
    serve: Serve, openai: Provider, stack: AsyncExitStack
) -> None:
    second = await stack.enter_async_context(providing(Provider("second-key")))
    first = {"dialect": "openai_chat", "base_url": f"{openai.url}/v1", "keys": ["wrong-key-1", "wrong-key-2"]}
    other = {"dialect": "openai_chat", "base_url": f"{second.url}/v1", "keys": ["second-key"]}
    models = {"voice": {"deployments": ["one/gpt-realtime", "two/gpt-realtime-mini"]}}
    exchanges: list[Exchange] = []
    base = await serve(
        json.dumps({"providers": {"one": first, "two": other}, "models": models}),
        observers=[exchanges.append],
    )
    async with connect(at(base, "/v1/realtime?model=voice")) as session:
        assert (await heard(session))["session"]["model"] == "voice"
    exchange = await closed(exchanges)
    assert len(openai.refused) == 2
    assert second.query == {"model": ["gpt-realtime-mini"]}
    assert exchange.answered == "two/gpt-realtime-mini"
    assert [one.outcome for one in exchange.attempts] == ["key_permanent", "key_permanent", None]


async def test_the_providers_refusal_is_the_clients(serve: Serve, openai: Provider) -> None:
    openai.keys = ("none",)
    base = await serve(config(openai).replace('"none"', '"up-key"'))
    status, error = await refused(at(base, "/v1/realtime?model=up/x"))
    assert status == 502
    assert "up-key" not in json.dumps(error)


async def test_close_codes_pass_in_both_directions(serve: Serve, openai: Provider) -> None:
    async def leave(connection: Any, event: Any) -> None:
        await connection.close(4000, "session over")

    exchanges: list[Exchange] = []
    base = await serve(config(openai), observers=[exchanges.append])
    url = at(base, "/v1/realtime?model=up/x")
    async with connect(url) as session:
        await heard(session)
        await session.close(4001, "bye")
    assert (await closed(exchanges)).end == "done"
    await soon(lambda: bool(openai.closed))
    assert openai.closed == [(4001, "bye")]
    openai.answers = leave
    async with connect(url) as session:
        await heard(session)
        await session.send('{"type": "response.create"}')
        assert await ended(session) == (4000, "session over")
    assert (await closed(exchanges, 2)).end == "upstream/stream/session_broken"


async def test_a_client_may_leave_while_the_provider_speaks(serve: Serve, openai: Provider) -> None:
    async def speak(connection: Any, event: Any) -> None:
        await tell(connection, {"type": "response.created", "response": {"id": "resp_1"}})
        while not openai.closed:  # until the gateway closes the session
            sound = {"response_id": "resp_1", "delta": "AAAA" * 400}
            await tell(connection, {"type": "response.output_audio.delta", **sound})
            await asyncio.sleep(0)

    openai.answers = speak
    exchanges: list[Exchange] = []
    base = await serve(config(openai), observers=[exchanges.append])
    async with connect(at(base, "/v1/realtime?model=up/x"), max_queue=None) as session:
        await session.send('{"type": "response.create"}')
        await until(session, "response.output_audio.delta")
        await session.close(4001, "bye")
    exchange = await closed(exchanges)
    assert (exchange.end, exchange.fault) == ("done", None)
    assert exchange.usage is not None
    assert exchange.usage.estimated  # the reply that broke off


async def test_a_client_that_vanishes_is_no_fault_of_the_gateway(serve: Serve, openai: Provider) -> None:
    exchanges: list[Exchange] = []
    base = await serve(config(openai), observers=[exchanges.append])
    async with connect(at(base, "/v1/realtime?model=up/x")) as session:
        await session.send('{"type": "response.create"}')
        await until(session, "response.done")
        session.transport.abort()
    exchange = await closed(exchanges)
    assert (exchange.end, exchange.fault) == ("client/stream", None)
    await soon(lambda: bool(openai.closed))


async def test_a_provider_that_breaks_off_is_told(serve: Serve, openai: Provider) -> None:
    async def vanish(connection: Any, event: Any) -> None:
        connection.transport.abort()

    openai.answers = vanish
    base = await serve(config(openai))
    async with connect(at(base, "/v1/realtime?model=up/x")) as session:
        await heard(session)
        await session.send('{"type": "response.create"}')
        error = (await until(session, "error"))["error"]
        assert error["code"] == "session_broken"
        assert (await ended(session))[0] == 1011


async def test_a_message_that_is_too_large_is_told(serve: Serve, openai: Provider) -> None:
    async def flood(connection: Any, event: Any) -> None:
        await tell(connection, {"type": "response.output_audio.delta", "delta": "A" * 20_000})

    openai.answers = flood
    base = await serve(config(openai, realtime={"max_message": "10kB"}))
    async with connect(at(base, "/v1/realtime?model=up/x")) as session:
        await session.send('{"type": "response.create"}')
        error = (await until(session, "error"))["error"]
        assert error["code"] == "session_broken"
        assert "exceeds limit of" in error["message"]
        assert (await ended(session))[0] == 1011


async def test_another_model_in_the_settings_is_refused(serve: Serve, openai: Provider) -> None:
    base = await serve(config(openai))
    async with connect(at(base, "/v1/realtime?model=up/gpt-realtime")) as session:
        await heard(session)
        for kind in ("session.update", "session\\u002eupdate"):
            await session.send(f'{{"type": "{kind}", "session": {{"model": "dearer"}}}}')
            error = (await until(session, "error"))["error"]
            assert (error["param"], error["code"]) == ("session.model", "model_not_changeable")
        await session.send('{"type": "response.create", "response": {"model": "dearer"}}')
        error = (await until(session, "error"))["error"]
        assert (error["param"], error["code"]) == ("response.model", "model_not_changeable")
        await session.send(b"\x00\x01")
        assert (await until(session, "error"))["error"]["code"] == "invalid_message"
        await session.send('{"type": "session.update", "session": {"voice": "marin"}}')
        assert (await until(session, "session.updated"))["session"] == {"voice": "marin"}
    assert [one["session"] for one in openai.said] == [{"voice": "marin"}]


async def test_limits_hold_within_a_session(serve: Serve, openai: Provider) -> None:
    async def answer(connection: Any, event: Any) -> None:
        await tell(connection, {"type": "response.created", "response": {}})
        usage = {"input_tokens": 500, "output_tokens": 100}
        await tell(connection, {"type": "response.done", "response": {"usage": usage}})

    openai.answers = answer
    exchanges: list[Exchange] = []
    limits = {"budget": {"tokens": "1100/day"}}
    base = await serve(config(openai, limits=limits), observers=[exchanges.append])
    url = at(base, "/v1/realtime?model=up/gpt-realtime")
    async with connect(url) as session:
        await heard(session)
        await session.send('{"type": "response.create"}')
        assert (await until(session, "response.done"))["response"]["usage"]["input_tokens"] == 500
        await session.send('{"type": "response.create"}')
        error = await heard(session)  # the reply that is too much does not reach the client
        assert (error["type"], error["error"]["code"]) == ("error", "insufficient_quota")
        assert (await ended(session))[0] == 1008
    exchange = await closed(exchanges)
    assert exchange.usage is not None
    assert (exchange.usage.input, exchange.usage.output) == (500, 100)
    assert exchange.refused_by == "budget"
    status, error = await refused(url)  # 500 tokens are left, less than a session begins with
    assert (status, error["code"]) == (429, "insufficient_quota")


async def test_each_reply_has_a_usage_record(openai: Provider, stack: AsyncExitStack, tmp_path: Path) -> None:
    prices = {
        "up/gpt-realtime": {"input": 4, "output": 16, "output_audio": 64},
        "up/whisper": {"input_audio": 0},
    }
    settings = {**json.loads(config(openai)), "prices": prices, "stores": {"sql": "sqlite"}}
    exchanges: list[Exchange] = []
    loaded = load(settings, {"DRAGOMAN_HOME": str(tmp_path)})
    gateway = Gateway(loaded, observers=[exchanges.append])
    base = await stack.enter_async_context(serving(gateway))
    async with connect(at(base, "/v1/realtime?model=up/gpt-realtime")) as session:
        await heard(session)
        transcription = {"audio": {"input": {"transcription": {"model": "whisper"}}}}
        await session.send(json.dumps({"type": "session.update", "session": transcription}))
        await session.send('{"type": "input_audio_buffer.commit"}')
        await session.send('{"type": "response.create"}')
        await until(session, "response.done")
        await session.send('{"type": "response.create"}')
        await until(session, "response.done")
    exchange = await closed(exchanges)
    assembly = gateway.running
    assert assembly.journaling is not None
    await assembly.journaling.drain()
    assert assembly.store.usage is not None
    records = [*reversed(await assembly.store.usage.records(UsageSearch(), 1000))]
    told = {one.id.removeprefix(exchange.id): one for one in records}
    assert set(told) == {"", ".2", ".3", ".4"}
    assert told[""].units == {}
    assert told[""].cost == 0
    assert told[""].operation == "realtime"
    assert (told[".2"].deployment, told[".2"].units) == ("up/whisper", {"input_audio_ms": 3000})
    for name in (".3", ".4"):
        assert told[name].units == {"input": 16, "output": 9, "output_audio": 15}
        assert told[name].cost == 16 * 4_000 + 9 * 16_000 + 15 * 64_000
        assert (told[name].end, told[name].failed, told[name].estimated) == ("done", False, False)
    assert exchange.usage is not None
    assert (exchange.usage.input, exchange.usage.output) == (32, 48)


@pytest.mark.parametrize(
    ("kind", "realtime", "end"),
    [
        ("abort", {}, "upstream/stream/session_broken"),
        ("close", {}, "upstream/stream/session_broken"),
        ("wait", {"max_time": "200ms"}, "client/stream/session_expired"),
    ],
)
async def test_the_usage_record_of_a_session_says_how_it_failed(
    openai: Provider, stack: AsyncExitStack, tmp_path: Path, kind: str, realtime: Any, end: str
) -> None:
    async def fail(connection: Any, event: Any) -> None:
        if kind == "abort":
            connection.transport.abort()
        elif kind == "close":
            await connection.close(1011, "oh")

    openai.answers = fail
    settings = {**json.loads(config(openai)), "realtime": realtime, "stores": {"sql": "sqlite"}}
    exchanges: list[Exchange] = []
    gateway = Gateway(load(settings, {"DRAGOMAN_HOME": str(tmp_path)}), observers=[exchanges.append])
    base = await stack.enter_async_context(serving(gateway))
    async with connect(at(base, "/v1/realtime?model=up/gpt-realtime")) as session:
        await session.send('{"type": "response.create"}')
        await ended(session)
    exchange = await closed(exchanges)
    assembly = gateway.running
    assert assembly.journaling is not None
    await assembly.journaling.drain()
    assert assembly.store.usage is not None
    (record,) = await assembly.store.usage.records(UsageSearch(), 1000)
    assert (record.end, record.failed) == (exchange.end, True) == (end, True)


async def test_a_reply_that_breaks_off_is_estimated(serve: Serve, openai: Provider) -> None:
    async def half(connection: Any, event: Any) -> None:
        await tell(connection, {"type": "response.created", "response": {}})
        for word in ("one", "two", "three"):
            await tell(connection, {"type": "response.output_text.delta", "delta": word})
        await tell(connection, {"type": "response.output_audio.delta", "delta": "A" * 12_800})

    openai.answers = half
    exchanges: list[Exchange] = []
    base = await serve(config(openai), observers=[exchanges.append])
    async with connect(at(base, "/v1/realtime?model=up/x")) as session:
        await heard(session)
        await session.send('{"type": "response.create"}')
        await until(session, "response.output_audio.delta")
    exchange = await closed(exchanges)
    assert exchange.usage is not None
    assert (exchange.usage.output, exchange.usage.estimated) == (4 + 10, True)


async def test_a_key_that_is_revoked_ends_its_session(openai: Provider, stack: AsyncExitStack) -> None:
    settings = json.loads(config(openai, auth={"keys": [{"name": "a", "key": "sk-aaaaaaaa"}]}))
    gateway = Gateway(load(settings, {}))
    base = await stack.enter_async_context(serving(gateway))
    headers = {"Authorization": "Bearer sk-aaaaaaaa"}
    async with connect(at(base, "/v1/realtime?model=up/x"), additional_headers=headers) as session:
        await heard(session)
        gateway.client_keys._callers.clear()
        await session.send('{"type": "response.create"}')
        error = await heard(session)
        assert error["error"]["code"] == "invalid_api_key"
        assert (await ended(session))[0] == 1008


async def test_a_session_ends_after_its_time_and_in_silence(serve: Serve, openai: Provider) -> None:
    for setting, code in (("max_time", "session_expired"), ("idle", "session_idle")):
        base = await serve(config(openai, realtime={setting: "200ms"}))
        async with connect(at(base, "/v1/realtime?model=up/x")) as session:
            assert (await until(session, "error"))["error"]["code"] == code
            assert (await ended(session))[0] == (1001 if setting == "max_time" else 1008)


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """The URL of a server that accepts connections and says nothing."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(-1)  # until the other side closes
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("answers", [True, False])
async def test_a_provider_that_does_not_open_a_session_is_replaced(
    serve: Serve, openai: Provider, stack: AsyncExitStack, answers: bool
) -> None:
    silent = await stack.enter_async_context(providing(Provider()))
    silent.greets = False
    if not answers:
        silent.url = await stack.enter_async_context(mute())
    rows = {
        name: {"dialect": "openai_chat", "base_url": f"{one.url}/v1", "keys": ["up-key"]}
        for name, one in (("one", silent), ("two", openai))
    }
    models = {"voice": {"deployments": ["one/x", "two/x"]}}
    more: Any = {"models": models, "realtime": {"opening": "200ms"}}
    exchanges: list[Exchange] = []
    base = await serve(json.dumps({"providers": rows, **more}), observers=[exchanges.append])
    async with connect(at(base, "/v1/realtime?model=voice")) as session:
        assert (await heard(session))["type"] == "session.created"
        await asyncio.sleep(0.4)  # the limit is for opening it
        await session.send('{"type": "response.create"}')
        await until(session, "response.done")
    exchange = await closed(exchanges)
    assert (exchange.end, exchange.answered) == ("done", "two/x")
    assert exchange.attempts[0].fault is not None
    assert exchange.attempts[0].fault.code == "session_not_opened"
    status, error = await refused(at(base, "/v1/realtime?model=one/x"))
    assert (status, error["code"]) == (504, "session_not_opened")


async def test_what_the_gateway_has_not(serve: Serve, openai: Provider) -> None:
    base = await serve(config(openai))
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{base}/v1/realtime/client_secrets", json={}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (501, "not_implemented")
        async with http.get(f"{base}/v1/realtime?model=up/x") as answer:
            assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")


async def test_events_larger_than_buffers_pass(serve: Serve, openai: Provider) -> None:
    async def echo(connection: Any, event: Any) -> None:
        await tell(connection, {"type": "response.output_audio.delta", "delta": event["audio"]})

    openai.answers = echo
    base = await serve(config(openai))
    async with connect(at(base, "/v1/realtime?model=up/x"), max_size=None) as session:
        await heard(session)
        for size in (10, 100_000, 3_000_000):
            sound = "A" * size
            await session.send(json.dumps({"type": "input_audio_buffer.append", "audio": sound}))
            assert (await heard(session))["delta"] == sound
