"""Listed paths under any ASGI server, which may not tell how the client has encoded the path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider, Whole
from dragoman.wire.json import encode
from tests.unit.turns.asking import Asker, Paced


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider(Whole({"ok": True})) as started:
        yield started


@pytest.fixture
async def asker(provider: FakeProvider, tmp_path: Path) -> AsyncIterator[Asker]:
    paths = ["POST /v1/ocr", "GET /v1/jobs/*"]
    row: dict[str, Any] = {"base_url": provider.url, "keys": ["up-key"], "paths": paths}
    asker = Asker(Paced(), tmp_path, encode({"providers": {"up": row, "off": row}}).decode())
    yield asker
    await asker.close()


async def test_a_call_passes(asker: Asker, provider: FakeProvider) -> None:
    answer = await asker.ask("POST", "/providers/up/v1/ocr", {"a": 1}, content_length="8")
    assert (answer.status, answer.body) == (200, {"ok": True})
    assert (provider.last.target, provider.last.raw) == ("/v1/ocr", b'{"a": 1}')
    assert (await asker.ask("GET", "/providers/up/v1/jobs/a b")).status == 200
    assert provider.last.target == "/v1/jobs/a%20b"


async def test_a_disabled_provider_gets_nothing(asker: Asker, provider: FakeProvider) -> None:
    await asker.gateway.start()
    health = asker.gateway.providers_health
    health.enable("off", None, enabled=False)
    refused = await asker.ask("POST", "/providers/off/v1/ocr", {"a": 1}, content_length="8")
    assert (refused.status, refused.error["code"]) == (503, "provider_disabled")
    assert provider.seen == []


async def test_decoded_paths_are_checked_too(asker: Asker, provider: FakeProvider) -> None:
    for path in ("/providers/up/v1/jobs/a/b", "/providers/up/v1/jobs/..", "/providers/up/v1/jobs/a%b"):
        assert (await asker.ask("GET", path)).status in {400, 404}
    assert provider.seen == []


async def test_a_refusal_by_our_limits_tells_what_they_leave(provider: FakeProvider, tmp_path: Path) -> None:
    row = {"base_url": provider.url, "keys": ["up-key"], "paths": ["POST /v1/ocr"]}
    limits = {"all": {"scope": "global", "requests": "1/day"}}
    asker = Asker(Paced(), tmp_path, encode({"providers": {"up": row}, "limits": limits}).decode())
    for status in (200, 429):
        answer = await asker.ask("POST", "/providers/up/v1/ocr", {"a": 1}, content_length="8")
        assert answer.status == status
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    await asker.close()
