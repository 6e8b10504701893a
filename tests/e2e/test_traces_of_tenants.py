"""What a tenant's administrator sees of the requests of its tenant, at a real server with two workers: from
their memory, and after a restart from a database.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import Answer, Seen
from tests.e2e import command, stubs
from tests.e2e.calls import CHAT
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said
from tests.postgres import PostgresServer

pytestmark = [
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="needs the extra `sql`"),
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
]

EXCHANGES = "/admin/exchanges"
BROKEN, SOUND = "gateway-key-that-is-refused-1111", "gateway-key-that-is-sound-2222"
ANN, HEAD, OTHER, OPS = (f"{name}-key-0123456789" for name in ("ann", "head", "other", "ops"))
GOOD: Any = stubs.openai_chat(Said())
KEYS = [
    {"name": "ann", "key": ANN, "tenant": "acme"},
    {"name": "head", "key": HEAD, "tenant": "acme", "scopes": ["read", "admin"]},
    {"name": "other", "key": OTHER, "tenant": "globex", "scopes": ["inference", "admin"]},
    {"name": "ops", "key": OPS, "scopes": ["inference", "admin"]},
]


def refusing(seen: Seen) -> Answer:
    """Refuses one of the gateway's keys, with words for its owner."""
    if BROKEN in seen.headers.get("authorization", ""):
        return stubs.refusal(
            "openai_chat", 401, "invalid_api_key", "The organization org-77 has no such key."
        )
    answer: Answer = GOOD(seen)
    return answer


@contextmanager
def place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of a new database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'exchanges.db'}"
        return
    pytest.importorskip("psycopg", reason="needs the extra `postgres`")
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


class Asker:
    """A server, and requests to it with keys."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def chat(self, key: str, **headers: str) -> str:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
        sent = {"authorization": f"Bearer {key}", **headers}
        async with self._session.post(self._url + CHAT, json=body, headers=sent) as response:
            assert response.status == 200, await response.text()
            return response.headers["x-request-id"]

    async def got(self, key: str, path: str = "") -> tuple[int, Any]:
        sent = {"authorization": f"Bearer {key}"}
        async with self._session.get(self._url + EXCHANGES + path, headers=sent) as response:
            return response.status, await response.json()

    async def rows(self, key: str, query: str = "") -> set[str]:
        status, page = await self.got(key, f"?model=m{query}")
        assert (status, page.get("store")) == (200, "ok"), page
        return {row["request_id"] for row in page["data"]}

    async def of_tenants(self, own: set[str], foreign: set[str]) -> None:
        """Check what both tenants and the operator see, at whichever worker is asked."""
        for _ in range(6):
            assert await self.rows(HEAD) == own | {"same"}
            assert await self.rows(HEAD, "&client=other") == set()
            assert await self.rows(OTHER) == foreign | {"same"}
            assert await self.rows(OPS) == own | foreign | {"same"}
            for id_ in foreign:
                status, told = await self.got(HEAD, f"/{id_}")
                assert (status, told["error"]["code"]) == (404, "exchange_not_found")
            for key, client in ((HEAD, "ann"), (OTHER, "other")):
                assert (await self.got(key, "/same"))[1]["client"] == client
        for id_ in own:
            status, told = await self.got(HEAD, f"/{id_}")
            assert (status, told["tenant"], told["deployment"]) == (200, "acme", "up/gpt")
            written = json.dumps(told)
            assert [word for word in ("1111", "2222", "org-77", "globex") if word in written] == []
            _, whole = await self.got(OPS, f"/{id_}")
            assert [one["deployment"] for one in whole["candidates"]] != []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_of_two_tenants_each_sees_its_own_requests(
    kind: str,
    request: pytest.FixtureRequest,
    provide: Provide,
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    provider = await provide(refusing)
    settings: dict[str, Any] = {
        "providers": {
            "up": {"dialect": "openai_chat", "base_url": provider.url, "keys": [BROKEN, SOUND]},
        },
        "models": {"m": "up/gpt"},
        "tenants": {"acme": {}, "globex": {}},
        "auth": {"keys": KEYS},
    }
    connector = aiohttp.TCPConnector(force_close=True)
    with place(kind, request, tmp_path) as url:
        settings["trace"] = {"store": url}
        (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
        async with aiohttp.ClientSession(connector=connector) as session:
            with command.serving(environment, tmp_path, "--workers", "2") as server:
                asker = Asker(server.url, session)
                own = {await asker.chat(ANN) for _ in range(6)}
                foreign = {await asker.chat(OTHER) for _ in range(6)}
                for key in (ANN, OTHER):
                    await asker.chat(key, **{"x-request-id": "same"})
                await asker.of_tenants(own, foreign)
                _, told = await asker.got(OPS, "?model=m&tenant=acme&has=failover")
                assert told["data"] != []
                refused = told["data"][0]["request_id"]
                _, whole = await asker.got(OPS, f"/{refused}")
                assert "org-77" in json.dumps(whole)
                assert {one["key"] for one in whole["attempts"]} == {"1111", "2222"}
                server.stop()
            with command.serving(environment, tmp_path, "--workers", "2") as server:
                asker = Asker(server.url, session)
                await asker.of_tenants(own, foreign)
                for key, client in ((HEAD, "ann"), (OTHER, "other")):
                    shown = await asyncio.to_thread(
                        command.run,
                        *(environment, tmp_path, "trace", "same", "--url", server.url, "--key", key),
                    )
                    assert shown.returncode == 0, shown.stderr
                    assert f"client      {client} " in shown.stdout
                server.stop()
