"""What passes through under any ASGI server, which hands a body over in messages and tells who has gone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider, Whole
from dragoman.wire.json import encode
from tests.unit.turns.asking import Asker, Paced


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider(Whole({"id": "file-1"}), Whole({"id": "file-1"}, delay=60)) as started:
        yield started


@pytest.fixture
async def asker(provider: FakeProvider, tmp_path: Path) -> AsyncIterator[Asker]:
    row: dict[str, Any] = {"base_url": provider.url, "keys": ["up-key"], "passthrough": ["files"]}
    asker = Asker(Paced(), tmp_path, encode({"providers": {"up": row}}).decode())
    yield asker
    await asker.close()


async def test_a_body_passes_and_whoever_leaves_ends_the_call(asker: Asker, provider: FakeProvider) -> None:
    answer = await asker.ask("POST", "/v1/files", {"a": 1}, content_length="8")
    assert answer.status == 200
    assert list(answer.body) == ["id"]
    assert re.fullmatch("file-[0-9a-z]{25}", answer.body["id"])
    assert (provider.last.raw, provider.last.headers["content-length"]) == (b'{"a": 1}', "8")
    talk = asker.talk("POST", "/v1/files", {"a": 1}, content_length="8")
    async with asyncio.timeout(60):
        while len(provider.seen) < 2:  # noqa: ASYNC110 - the provider tells nobody
            await asyncio.sleep(0.01)
        talk.leave()
        while not provider.cut:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await talk.task
    assert talk.status == 0


async def test_what_takes_no_body_sends_none(asker: Asker, provider: FakeProvider) -> None:
    path = "/v1/files?key=secret&Api-Key=secret&limit=2&after=&order=dgm_abc&dgm_abc"
    assert (await asker.ask("GET", path, range="dgm_abc", x_client_request_id="r-1")).status == 200
    assert "dgm_" not in str(provider.last.headers)
    assert provider.last.headers["x-client-request-id"] == "r-1"
    assert dict(provider.last.query) == {"limit": "2", "after": ""}
    assert not provider.last.raw


async def test_a_disabled_provider_gets_nothing(asker: Asker, provider: FakeProvider) -> None:
    await asker.gateway.start()
    health = asker.gateway.providers_health
    (key,) = health.pools["up"].keys
    for id_ in (None, key.id):
        health.enable("up", id_, enabled=False)
        refused = await asker.ask("POST", "/v1/files", {"a": 1}, content_length="8")
        assert (refused.status, refused.error["code"]) == (503, "provider_disabled")
        health.enable("up", id_)
    assert provider.seen == []


@pytest.mark.parametrize("face", ["openai", "anthropic"])
async def test_a_refusal_by_our_limits_tells_what_they_leave(
    provider: FakeProvider, tmp_path: Path, face: str
) -> None:
    dialect = {"dialect": "anthropic"} if face == "anthropic" else {}
    row = {"base_url": provider.url, "keys": ["up-key"], "passthrough": ["files"], **dialect}
    limits = {"all": {"scope": "global", "requests": "1/day"}}
    asker = Asker(Paced(), tmp_path, encode({"providers": {"up": row}, "limits": limits}).decode())
    sent = {"anthropic_version": "2023-06-01"} if face == "anthropic" else {}
    name = "anthropic-ratelimit-requests-remaining" if sent else "x-ratelimit-remaining-requests"
    passed = await asker.ask("GET", "/v1/files", **sent)
    refused = await asker.ask("GET", "/v1/files", **sent)
    assert [one.status for one in (passed, refused)] == [200, 429]
    assert [one.headers[name] for one in (passed, refused)] == ["0", "0"]
    assert int(refused.headers["retry-after"]) > 1
    assert refused.headers["content-type"] == passed.headers["content-type"]
    await asker.close()
