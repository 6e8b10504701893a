"""Listed paths under any ASGI server, which may not tell how the client has encoded the path."""

from __future__ import annotations

import base64
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


async def test_a_key_of_the_gateway_reaches_no_provider(provider: FakeProvider, tmp_path: Path) -> None:
    """Wherever a client puts it, also by mistake."""
    key = "key-of-the-gateway"
    row: dict[str, Any] = {"base_url": provider.url, "keys": ["up-key"], "paths": ["POST /v1/ocr", "GET /**"]}
    settings: dict[str, Any] = {"providers": {"up": row}, "auth": {"keys": [key]}}
    asker = Asker(Paced(), tmp_path, encode(settings).decode())
    signed = base64.b64encode(f"me:{key}".encode()).decode()
    path = f"/providers/up/v1/ocr?a=1&token={key}&b=2&dgm_abc&t=key%2Dof-the-gateway&u=Basic%20{signed}"
    answer = await asker.ask(
        "POST",
        path,
        {"a": 1},
        content_length="8",
        x_dragoman_key=key,
        authorization=f"Token {key}",
        x_mine=f"Token {key}",
        x_signed=f"Basic {signed}",
        x_other="stays",
        ocp_apim_subscription_key=key,
    )
    assert answer.status == 200
    assert provider.last.target == "/v1/ocr?a=1&b=2"
    assert key not in str(provider.last.headers)
    assert signed not in str(provider.last.headers)
    assert provider.last.headers["x-other"] == "stays"
    refused = await asker.ask("GET", f"/providers/up/v1/{key}", x_dragoman_key=key)
    assert (refused.status, refused.error["code"]) == (400, "invalid_path")
    assert "a segment holds a key of this gateway" in refused.error["message"]
    assert len(provider.seen) == 1
    await asker.close()


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


async def test_the_cost_is_the_gateways_own(tmp_path: Path) -> None:
    """A provider may be another gateway, which states its cost in the same header."""
    told = {"x-litellm-response-cost": "9.5", "x-litellm-model-id": "theirs"}
    async with FakeProvider(Whole({"usage": {"prompt_tokens": 3}}, headers=told)) as provider:
        row = {"base_url": provider.url, "keys": ["up-key"], "paths": ["POST /v1/ocr"]}
        asker = Asker(Paced(), tmp_path, encode({"providers": {"up": row}}).decode())
        answer = await asker.ask("POST", "/providers/up/v1/ocr", {"a": 1}, content_length="8")
        await asker.close()
    assert answer.headers["x-litellm-model-id"] == "theirs"
    assert answer.headers.get("x-litellm-response-cost") == answer.headers.get("x-dragoman-cost")
