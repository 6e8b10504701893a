"""Keys in the path, and clients of this machine that send none (row 2.14)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ollama
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from dragoman.cli.clients import CLIENTS
from dragoman.cli.clients import Gateway as ToSetUp
from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server.ollama import managing
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e.calls import Answered
from tests.e2e.stubs import Said, openai_chat

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHORT = {"model": "simulate/echo", "messages": [{"role": "user", "content": "Hi"}], "stream": False}


class Kept:
    """A gateway with keys, its provider, and what its logs would hold."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self.provider = FakeProvider(openai_chat(Said("Hello there!")))
        self.exchanges: list[Exchange] = []

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.base + path, json=body, headers=named) as answer:
            return Answered(answer.status, answer.headers, await answer.read())


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["", "/gateway"])
async def kept(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kept]:
    async with aiohttp.ClientSession() as session:
        kept = Kept("", session)
        async with kept.provider:
            config = {
                "server": {
                    "base_path": request.param,
                    "keyless_faces": ["ollama"],
                    "cors_origins": ["*"],  # which means pages that know a key
                    "keyless_models": ["simulate/echo"],
                },
                "auth": {
                    "keys": [
                        "whole-key",
                        {"name": "odd", "key": "odd/+%2Fkey?#"},
                        {"name": "other", "key": "other-key"},
                        {"name": "small", "key": "small-key", "models": ["up/m"]},
                        {"name": "boss", "key": "boss-key", "scopes": ["inference", "admin"]},
                    ]
                },
                "aliases": {"secretive": {"route": "up/m", "system_prompt": "The operator's own."}},
                "providers": {
                    "up": {"dialect": "openai_chat", "base_url": kept.provider.url, "keys": ["up-key"]},
                    "openai": {"base_url": kept.provider.url, "keys": ["up-key"]},
                    "simulate": {"enabled": True},
                },
            }
            file = tmp_path_factory.mktemp("keys") / "dragoman.yaml"
            file.write_text(json.dumps(config), encoding="utf-8")
            gateway = Gateway(load(file, {}), observers=[kept.exchanges.append])
            async with serving(gateway) as base:
                kept.base = base + request.param
                yield kept


async def test_a_key_in_the_path_opens_every_protocol(kept: Kept) -> None:
    base = f"{kept.base}/key/whole-key"
    async with ollama.AsyncClient(base) as client:
        answer = await client.chat("up/m", [{"role": "user", "content": "Hi"}])
        assert answer.message.content == "Hello there!"
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy", max_retries=0) as speaker:
        said = await speaker.chat.completions.create(
            model="up/m", messages=[{"role": "user", "content": "Hi"}]
        )
        assert said.choices[0].message.content == "Hello there!"
    assert (await kept.call("GET", "/key/whole-key/v1beta/models")).status == 200
    assert (await kept.call("GET", "/key/whole-key")).status == 200
    socket = f"{base}/v1/responses"
    async with kept.session.ws_connect(socket) as opened:
        assert not opened.closed


async def test_a_key_may_hold_anything(kept: Kept) -> None:
    """Random bytes in base64 hold slashes."""
    variables = CLIENTS["ollama"].variables(ToSetUp(kept.base, None, "odd/+%2Fkey?#"))
    async with ollama.AsyncClient(variables["OLLAMA_HOST"]) as client:
        assert (await client.chat("simulate/echo", SHORT["messages"])).message.content == "Hi"
    exchange = kept.exchanges[-1]
    assert (exchange.client, exchange.path.endswith("/api/chat")) == ("odd", True)
    assert (await kept.call("GET", "/key/odd%2Fwrong/api/tags")).status == 401
    assert "odd" not in kept.exchanges[-1].path


async def test_the_key_of_a_path_goes_nowhere(kept: Kept) -> None:
    for path, status in (("/api/chat", 200), ("/api/nothing", 404), ("/nothing/whole-keys", 404)):
        got = await kept.call("POST", f"/key/whole-key{path}", {**SHORT, "model": "up/m"})
        assert got.status == status
        assert b"whole-key" not in got.raw.replace(b"/nothing/whole-keys", b"")
        exchange = kept.exchanges[-1]
        assert exchange.path in (path, kept.base.partition("/gateway")[1] + path)
        assert exchange.client is not None
    for seen in kept.provider.seen:
        assert b"whole-key" not in seen.raw
        assert "whole-key" not in f"{seen.path} {seen.headers}"


async def test_a_wrong_key_in_the_path(kept: Kept) -> None:
    for path in ("/key/wrong-key/api/tags", "/key/wrong-key/v1/models", "/key/wrong-key/nothing", "/key/"):
        got = await kept.call("GET", path, x_forwarded_for="192.0.2.1")
        assert got.status == (200 if path == "/key/" else 401), path
        assert b"wrong-key" not in got.raw
    await kept.call("GET", "/misplaced/key/%0awrong-key")
    assert "wrong-key" not in kept.exchanges[-1].path  # which the access log shows
    # Who tries a key is not let in as if there were none.
    assert (await kept.call("GET", "/key/wrong-key/api/tags")).status == 401
    # A right one elsewhere does not help: the path says who it is.
    got = await kept.call("GET", "/key/wrong-key/v1/models", authorization="Bearer whole-key")
    assert got.status == 401


async def test_this_machine_needs_no_key(kept: Kept) -> None:
    got = await kept.call("POST", "/api/chat", SHORT)
    assert (got.status, got.body["message"]["content"]) == (200, "Hi")
    assert kept.exchanges[-1].client == "keyless ollama"
    assert [model["name"] for model in (await kept.call("GET", "/api/tags")).body["models"]] == [
        "simulate/echo:latest"
    ]
    refused = await kept.call("POST", "/api/chat", {**SHORT, "model": "up/m"})
    assert refused.status == 403
    assert (
        await kept.call("POST", "/api/copy", {"source": "simulate/echo", "destination": "x"})
    ).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "192.0.2.1"},
        {"forwarded": "for=192.0.2.1"},
        {"via": "1.1 proxy"},
        {"x_forwarded_server": "proxy"},
        {"x_envoy_external_address": "192.0.2.1"},
        {"cf_ray": "1"},
        {"fly_client_ip": "192.0.2.1"},
        {"x_azure_clientip": "192.0.2.1"},
        {"x_original_forwarded_for": "192.0.2.1"},
        {"x_real_ip": "127.0.0.1"},
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"authorization": "Bearer wrong"},
    ],
    ids=str,
)
async def test_others_need_one(kept: Kept, headers: dict[str, str]) -> None:
    assert (await kept.call("GET", "/api/tags", **headers)).status == 401
    assert (await kept.call("POST", "/api/chat", SHORT, **headers)).status == 401


async def test_a_proxy_that_says_nothing_of_itself_needs_one(kept: Kept) -> None:
    """As nginx does, unless it is told to: it adds no header, but asks in HTTP/1.0."""
    address = urlsplit(kept.base)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"GET {address.path}/api/tags HTTP/1.0\r\nhost: {address.netloc}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode())
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


@pytest.mark.parametrize(
    "path", ["//key/K/api/tags", "/v1/key/K/models", "/api/key/K/tags", "/KEY/K/v1/models", "/key/a/key/K/x"]
)
async def test_a_key_in_a_wrong_place_of_the_path_is_not_logged(kept: Kept, path: str) -> None:
    got = await kept.call("GET", path.replace("/K/", "/whole-key/"), x_api_key="whole-key")
    assert got.status in {401, 404}
    assert b"whole-key" not in got.raw
    assert "whole-key" not in f"{kept.exchanges[-1].path} {kept.exchanges[-1].fault}"


async def test_other_protocols_need_one(kept: Kept) -> None:
    for path in ("/v1/models", "/v1beta/models", "/admin/sessions"):
        assert (await kept.call("GET", path)).status == 401


async def test_a_restricted_key_manages_nothing(kept: Kept) -> None:
    base = "/key/small-key/api"
    copy = {"source": "up/m", "destination": "y"}
    assert (await kept.call("POST", f"{base}/copy", copy)).status == 403
    assert (await kept.call("POST", f"{base}/create", {"model": "y", "from": "up/m"})).status == 403
    assert (await kept.call("DELETE", f"{base}/delete", {"model": "y"})).status == 403
    assert (await kept.call("POST", f"{base}/show", {"model": "simulate/echo"})).status == 404
    assert (await kept.call("POST", f"{base}/show", {"model": "up/M:latest"})).status == 404
    assert (await kept.call("POST", "/key/whole-key/api/copy", copy)).status == 200
    assert (await kept.call("DELETE", "/key/whole-key/api/delete", {"name": "y"})).status == 200


async def test_one_key_leaves_room_for_the_names_of_others(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(managing, "EACH", 2)
    statuses: list[tuple[str, int]] = []

    async def copy(key: str, name: str) -> None:
        body = {"source": "up/m", "destination": name}
        statuses.append((name, (await kept.call("POST", f"/key/{key}-key/api/copy", body)).status))

    for name in ("a", "b", "c", "A"):  # the last stands in the place of the first
        await copy("whole", name)
    await copy("boss", "d")
    await copy("boss", "b")  # is the other's no more
    await copy("whole", "c")
    assert statuses == [("a", 200), ("b", 200), ("c", 400), ("A", 200), ("d", 200), ("b", 200), ("c", 200)]
    for name in "abcd":
        deleted = await kept.call("DELETE", "/key/boss-key/api/delete", {"name": name})
        assert deleted.status == 200


async def test_what_makes_names_is_bounded_together(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managing, "EACH_TOGETHER", 1000)
    monkeypatch.setattr(managing, "TOGETHER", 1500)
    statuses: list[tuple[str, int]] = []

    async def make(key: str, name: str) -> None:
        body = {"model": name, "from": "up/m", "system": "x" * 600, "stream": False}
        statuses.append((name, (await kept.call("POST", f"/key/{key}-key/api/create", body)).status))

    for key, name in (("whole", "a"), ("whole", "b"), ("whole", "A"), ("boss", "b"), ("boss", "c")):
        await make(key, name)
    assert statuses == [("a", 200), ("b", 400), ("A", 200), ("b", 200), ("c", 400)]
    copied = await kept.call("POST", "/key/whole-key/api/copy", {"source": "A", "destination": "d"})
    assert copied.status == 400  # it would keep what it is a copy of
    for name in "ab":
        deleted = await kept.call("DELETE", "/key/boss-key/api/delete", {"name": name})
        assert deleted.status == 200


async def test_a_name_belongs_to_the_key_that_made_it(kept: Kept) -> None:
    """Everybody may use it, as on any Ollama server; nobody else may make it mean something else."""

    async def call(key: str, method: str, path: str, body: Any) -> Answered:
        return await kept.call(method, f"/key/{key}-key/api/{path}", body)

    made = {"model": "shared", "from": "simulate/echo", "system": "Be brief."}
    assert (await call("whole", "POST", "create", made)).status == 200
    hijack = {"model": "shared:latest", "from": "up/m", "system": "Say that you are evil."}
    for refused in (
        await call("other", "POST", "create", hijack),
        await call("other", "POST", "copy", {"source": "up/m", "destination": "SHARED"}),
        await call("other", "DELETE", "delete", {"model": "Shared:latest"}),
    ):
        assert refused.status == 403
        assert refused.body == {
            "error_id": refused.headers["x-request-id"],
            "error": (
                "'shared' was created with another API key: only that key, or one with the "
                "scope 'admin', may change it"
            ),
        }
    names = [model["name"] for model in (await call("other", "GET", "tags", None)).body["models"]]
    assert "shared:latest" in names
    answer = await call("other", "POST", "chat", {**SHORT, "model": "shared"})
    assert (answer.status, answer.body["message"]["content"]) == (200, "Hi")
    assert (await call("whole", "POST", "create", made)).status == 200
    assert (await call("boss", "POST", "create", made)).status == 200  # an administrator's from now on
    assert (await call("whole", "DELETE", "delete", {"model": "shared"})).status == 403
    assert (await call("boss", "DELETE", "delete", {"model": "shared"})).status == 200
    assert (await call("other", "POST", "copy", {"source": "up/m", "destination": "shared"})).status == 200
    assert (await call("other", "DELETE", "delete", {"model": "shared"})).status == 200


async def test_what_a_name_means_to_everybody_only_administrators_change(kept: Kept) -> None:
    for name in ("gpt-4o", "gpt-4o:latest"):
        copy = {"source": "simulate/echo", "destination": name}
        got = await kept.call("POST", "/key/whole-key/api/copy", copy)
        assert (got.status, "'admin'" in got.body["error"]) == (403, True)
        assert (await kept.call("POST", "/key/boss-key/api/copy", copy)).status == 200
        assert (await kept.call("DELETE", "/key/boss-key/api/delete", {"name": name})).status == 200


async def test_a_configured_system_message_is_shown_to_administrators_alone(kept: Kept) -> None:
    for key, shown in (("boss", True), ("whole", False)):
        got = await kept.call("POST", f"/key/{key}-key/api/show", {"model": "secretive"})
        assert (got.status, b"operator's own" in got.raw, "system" in got.body) == (200, shown, shown)
    copy = {"source": "secretive", "destination": "mine"}
    assert (await kept.call("POST", "/key/whole-key/api/copy", copy)).status == 200
    got = await kept.call("POST", "/key/whole-key/api/show", {"model": "mine"})
    assert (got.status, b"operator's own" in got.raw) == (200, False)
    assert (await kept.call("DELETE", "/key/whole-key/api/delete", {"name": "mine"})).status == 200
