"""A gateway inside somebody else's application and server, which know nothing of it (rows 5.22, 0.26)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import aiohttp
import pytest
import uvicorn
from openai import AsyncOpenAI

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.server.serve import listen
from dragoman.testing.provider import FakeProvider, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, MODELS, Site, events, said
from tests.e2e.conftest import Provide, up
from tests.e2e.stubs import Said
from tests.e2e.test_server import until

How = Literal["root_path", "stripped", "stripped and root_path"]
HOWS: list[How] = ["root_path", "stripped", "stripped and root_path"]
"""How parents tell a mounted application where it is: Starlette since 0.33, bare dispatchers, older ones."""


class Parent:
    """An application with others under its paths. It passes no lifespan on."""

    def __init__(self, mounts: Mapping[str, Any], how: How = "root_path") -> None:
        self._mounts = mounts
        self._how = how

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] in ("http", "websocket")
        for prefix, app in self._mounts.items():
            if scope["path"].startswith(prefix):
                child = dict(scope)
                if "root_path" in self._how:
                    child["root_path"] = scope.get("root_path", "") + prefix
                if "stripped" in self._how:
                    child["path"] = scope["path"].removeprefix(prefix)
                await app(child, receive, send)
                return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def hosting(app: Any, *gateways: Gateway) -> AsyncIterator[Site]:
    """This application under a plain uvicorn without a lifespan; the gateways are closed at the end."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, http="httptools", ws="websockets-sansio", lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        async with aiohttp.ClientSession() as session:
            yield Site(f"http://127.0.0.1:{port}", session)
    finally:
        await server.shutdown([listener])
        for gateway in gateways:
            await gateway.close()


def gateway_of(tmp_path: Any, configuration: Mapping[str, Any], **options: Any) -> Gateway:
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(configuration))
    return Gateway(load(file, {}), **options)


@pytest.mark.parametrize("how", HOWS)
async def test_a_mounted_gateway_answers(how: How) -> None:
    """5.22: under /ai, started by its first request, through the official client."""
    gateway = Gateway()
    parent = Parent({"/ai": gateway.asgi()}, how)
    async with hosting(parent, gateway) as site:
        async with AsyncOpenAI(base_url=f"{site.base}/ai/v1", api_key="any") as client:
            for ask in ("Hello!", "Again!"):
                answer = await client.chat.completions.create(
                    model="simulate/echo", messages=[{"role": "user", "content": ask}]
                )
                assert answer.choices[0].message.content == ask
            assert (await client.models.retrieve("simulate/echo")).id == "simulate/echo"
            assert "simulate/echo" in {model.id async for model in client.models.list()}
        for path in ("/ai/health", "/ai/health/ready", "/ai/v1/models/simulate%2Fecho"):
            assert (await site.get(path)).status == 200
        for path in ("/ai", "/ai/"):  # where agents look whether anybody is there
            assert (await site.get(path, accept="application/json")).body["status"] == "live", path
            assert (await site.get(path)).raw == b"Ollama is running", path  # what Ollama's clients look for
        for path in ("/ai/api/version", "/ai/key/any/api/version", "/ai/key/any/v1/models"):
            assert (await site.get(path)).status == 200, path
        for path in ("/ai/nope", "/ai/v1"):
            missing = await site.get(path)
            assert (missing.status, missing.error["code"]) == (404, "unknown_url"), path
        async with site.session.options(f"{site.base}/ai{CHAT}", headers={"origin": "http://a"}) as preflight:
            assert preflight.status == 204
        assert (await site.get("/elsewhere")).status == 204


async def test_a_stream_passes_through_the_parent(tmp_path: Any, provide: Provide) -> None:
    provider = await provide(stubs.openai_chat(Said("A longer answer.")))
    gateway = gateway_of(tmp_path, up(provider.url))
    async with hosting(Parent({"/ai": gateway.asgi()}), gateway) as site:
        body = {"model": MODELS["openai_chat"], "messages": HELLO, "stream": True}
        async with site.session.post(f"{site.base}/ai{CHAT}", json=body) as response:
            stream = events(await response.read())
    assert said(stream) == "A longer answer."
    assert stream[-1] == "[DONE]"


@pytest.mark.parametrize("how", HOWS)
async def test_a_socket_of_a_mounted_gateway(tmp_path: Any, provide: Provide, how: How) -> None:
    """0.15, 5.22: under a server that puts no link into the scope; a client that leaves is noticed."""
    exchanges: list[Any] = []
    provider = await provide(stubs.openai_chat(Said()), Whole({}, delay=30))
    gateway = gateway_of(tmp_path, up(provider.url), observers=[exchanges.append])
    body = json.dumps({"model": MODELS["openai_chat"], "messages": HELLO})
    async with hosting(Parent({"/ai": gateway.asgi()}, how), gateway) as site:
        async with site.session.ws_connect(f"{site.base}/ai{CHAT}") as socket:
            await socket.send_str(body)
            answer = await socket.receive_json(timeout=60)
            assert answer["choices"][0]["message"]["content"] == "Hello there!"
            await socket.send_str(body)
            async with asyncio.timeout(60):
                while not provider.open:  # noqa: ASYNC110 - what is waited for tells nobody
                    await asyncio.sleep(0.005)
        await cut(provider)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await site.session.ws_connect(f"{site.base}/ai/v1/nope")
        assert refused.value.status == 404
        await until(lambda: len(exchanges) > 1)
    assert [exchange.end for exchange in exchanges[:2]] == ["done", "client/first_byte"]


async def test_two_gateways_share_a_process_and_nothing_else(tmp_path: Any, provide: Provide) -> None:
    """5.22: names, keys, providers and hooks of one are unknown to the other."""

    class Signs:
        def __init__(self) -> None:
            self.seen = 0

        async def before(self, exchange: Any, request: Any) -> None:
            self.seen += 1

    providers = [await provide(stubs.openai_chat(Said(text))) for text in ("One.", "Two.")]
    signs = [Signs(), Signs()]
    gateways = [
        gateway_of(
            tmp_path,
            {
                **up(provider.url, keys=[f"up-{n}"]),
                "auth": {"keys": [f"client-{n}"]},
                "aliases": {f"m{n}": "up/x"},
            },
            hooks=[signs[n]],
        )
        for n, provider in enumerate(providers)
    ]
    parent = Parent({f"/g{n}": gateway.asgi() for n, gateway in enumerate(gateways)})
    async with hosting(parent, *gateways) as site:

        async def ask(n: int, key: int, model: int) -> tuple[int, Any]:
            body = {"model": f"m{model}", "messages": HELLO}
            headers = {"authorization": f"Bearer client-{key}"}
            async with site.session.post(f"{site.base}/g{n}{CHAT}", json=body, headers=headers) as response:
                return response.status, await response.json()

        answers = await asyncio.gather(*(ask(n, n, n) for n in (0, 1) * 3))
        texts = [body["choices"][0]["message"]["content"] for _, body in answers]
        assert texts == ["One.", "Two."] * 3
        assert (await ask(0, 1, 0))[0] == 401
        assert (await ask(1, 1, 0))[0] == 404
    assert [provider.last.headers["authorization"] for provider in providers] == [
        "Bearer up-0",
        "Bearer up-1",
    ]
    assert [len(provider.seen) for provider in providers] == [3, 3]
    assert [sign.seen for sign in signs] == [3, 3]


async def cut(provider: FakeProvider) -> None:
    async with asyncio.timeout(60):
        while not provider.cut:  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("stage", ["stream", "first byte", "whole"])
@pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
async def test_a_client_that_leaves_is_noticed_without_our_protocol(
    tmp_path: Any, provide: Provide, dialect: str, stage: str
) -> None:
    """0.26: another server gives no link to the connection; a watcher does what the link does."""
    exchanges: list[Any] = []
    sent = stubs.frames(dialect, "A longer answer.")
    at = stubs.OPENING[dialect] + 1
    slow: Whole | Streamed = Whole({}, delay=30)
    if stage == "stream":
        slow = Streamed([stubs.joined(dialect, sent[:at]), *sent[at:]], pause=30)
    provider = await provide(slow)
    gateway = gateway_of(tmp_path, up(provider.url, dialect), observers=[exchanges.append])
    async with hosting(gateway.asgi(), gateway) as site:
        body = {"model": MODELS[dialect], "messages": HELLO, "stream": stage != "whole"}
        if stage == "stream":
            async with site.session.post(site.base + CHAT, json=body) as response:
                await response.content.readany()
                response.close()
        else:
            asking = asyncio.ensure_future(site.session.post(site.base + CHAT, json=body))
            async with asyncio.timeout(60):
                while not provider.open:  # noqa: ASYNC110 - what is waited for tells nobody
                    await asyncio.sleep(0.005)
            asking.cancel()
        await cut(provider)
        await until(lambda: exchanges)
    assert exchanges[0].end == ("client/stream" if stage == "stream" else "client/first_byte")


async def test_answers_that_were_read_end_well_without_our_protocol(tmp_path: Any, provide: Provide) -> None:
    """0.26: the watcher takes the end of a good answer for no disconnect, on one connection or several."""
    exchanges: list[Any] = []
    provider = await provide(stubs.openai_chat(Said()))
    gateway = gateway_of(tmp_path, up(provider.url), observers=[exchanges.append])
    async with hosting(gateway.asgi(), gateway) as site:
        for stream in (False, True, False, True):
            assert (await site.ask(stream=stream)).text == "Hello there!"
    assert [exchange.end for exchange in exchanges] == ["done"] * 4
    assert len(provider.peers) == 1
