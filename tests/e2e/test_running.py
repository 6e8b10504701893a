"""What runs now can be seen: how much by everybody, what by whoever administers (row 0.26)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import Streamed, Whole
from tests.e2e import stubs
from tests.e2e.calls import MODELS, Site
from tests.e2e.conftest import Provide, Visit, up

GPT = MODELS["openai_chat"]
ADMIN = {"x-api-key": "admin-key"}
KEYS = {"keys": [{"name": "ann", "key": "usual-key"}, {"key": "admin-key", "scopes": ["admin"]}]}
SLOW = Streamed(stubs.frames("openai_chat", "a b c d e f g h i j k l m n o p"), pause=0.3)


async def running(site: Site) -> list[Any]:
    answer = await site.get("/admin/requests", **ADMIN)
    assert answer.status == 200, answer.raw
    data: list[Any] = answer.body["data"]
    return data


async def counted(site: Site) -> int:
    count: int = (await site.get("/health")).body["requests"]["running"]
    return count


async def until(site: Site, fits: Callable[[list[Any]], bool]) -> list[Any]:
    for _ in range(500):
        if fits(found := await running(site)):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(await running(site))


@contextlib.asynccontextmanager
async def asked(site: Site, path: str, **body: Any) -> AsyncIterator[None]:
    """A request that is under way; then its client goes."""
    headers = {"authorization": "Bearer usual-key"}
    async with aiohttp.ClientSession() as session:
        task = asyncio.create_task(session.post(site.base + path, json=body, headers=headers))
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            (await task).close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_request_is_seen_while_it_runs(
    visit: Visit, provide: Provide, path: str, stream: bool
) -> None:
    """0.26: its client, model and phase; it leaves the list when the client leaves."""
    provider = await provide(SLOW if stream else Whole({}, delay=5))
    site = await visit({**up(provider.url), "auth": KEYS})
    assert (await running(site), await counted(site)) == ([], 0)
    said = [{"role": "user", "content": "a secret"}]
    async with asked(site, path, model=GPT, max_tokens=9, messages=said, stream=stream):
        (one,) = await until(site, lambda found: bool(found) and found[0]["deployment"] is not None)
        assert (one["client"], one["model"], one["path"], one["stream"]) == ("ann", GPT, path, stream)
        assert one["deployment"] == GPT
        assert one["mode"] == ("relay" if "chat" in path else "translate")
        assert one["phase"] in {"connect", "first_byte", "stream"}
        assert one["seconds"] >= 0
        assert "secret" not in json.dumps(one)
        assert await counted(site) == 1
    await until(site, lambda found: not found)
    assert await counted(site) == 0


async def test_what_runs_in_the_background_and_on_a_socket_is_seen(visit: Visit, provide: Provide) -> None:
    provider = await provide(SLOW)
    site = await visit({**up(provider.url), "auth": KEYS})
    asking = {"model": GPT, "input": "hi"}
    usual = {"authorization": "Bearer usual-key"}
    url = site.base + "/v1/responses"
    async with site.session.post(url, json={**asking, "background": True}, headers=usual) as answer:
        assert answer.status == 200, await answer.text()
    (one,) = await until(site, lambda found: len(found) == 1)
    assert one["path"] == "/v1/responses (background)"
    async with site.session.ws_connect(url, headers=usual) as socket:
        assert len(await running(site)) == 1  # an open socket that is not asked anything runs nothing
        await socket.send_json({"type": "response.create", **asking})
        found = await until(site, lambda found: len(found) == 2)
        assert [one["client"] for one in found] == ["ann", "ann"]


async def test_only_who_administers_sees_them(visit: Visit) -> None:
    site = await visit({"aliases": {"m": "simulate/echo"}, "auth": KEYS})
    assert (await site.get("/admin/requests")).status == 401
    refused = await site.get("/admin/requests", **{"x-api-key": "usual-key"})
    assert (refused.status, refused.error["code"]) == (403, "insufficient_scope")
    here = await visit({"aliases": {"m": "simulate/echo"}})
    assert (await here.get("/admin/requests")).body["data"] == []
