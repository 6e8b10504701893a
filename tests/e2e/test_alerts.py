"""Alerts reach a real receiver, signed, for what real requests have met."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

CHAT = "/v1/chat/completions"
KEYS = ["key-of-the-first-1111", "key-of-the-other-2222"]
SECRET = base64.b64encode(b"known to both sides").decode()
GOOD: Any = stubs.openai_chat(Said())


async def ask(base: str, model: str = "up/gpt") -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    async with aiohttp.ClientSession() as session, session.post(base + CHAT, json=body) as response:
        await response.read()
        return response.status


def settings(provider: FakeProvider, receiver: FakeProvider, **alert: Any) -> dict[str, Any]:
    stated = {"url": receiver.url + "/hook?token=of-the-hook", "secret": f"whsec_{SECRET}", **alert}
    return {
        "providers": {"up": {"base_url": provider.url, "keys": KEYS}},
        "alerts": [stated],
        "retries": {"attempts": 1},
        "breaker": {"failures": 2, "pause": "100ms"},
    }


def told(receiver: FakeProvider) -> list[tuple[str, str, str | None]]:
    """What a receiver has learnt, after it has verified it."""
    found = []
    for seen in receiver.seen:
        assert verified(seen)
        body = seen.body
        found.append((body["type"], body["data"]["deployment"], body["data"].get("key")))
    return found


def verified(seen: Seen) -> bool:
    named, at = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
    signed = f"{named}.{at}.".encode() + seen.raw
    digest = hmac.new(b"known to both sides", signed, hashlib.sha256).digest()
    return seen.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the receiver tells nobody
            await asyncio.sleep(0.01)


async def test_refused_keys_and_then_none_is_left(provide: Provide) -> None:
    receiver = await provide(Whole({}))
    provider = await provide(stubs.refusal("openai_chat", 401, "invalid_api_key", f"No: {KEYS[0]}."))
    async with serving(Gateway(settings(provider, receiver))) as base:
        assert [await ask(base) for _ in range(3)] == [502] * 3
        await until(lambda: len(receiver.seen) >= 3)
        await asyncio.sleep(0.05)
    assert told(receiver) == [
        ("key_refused", "up/gpt", "1111"),
        ("key_refused", "up/gpt", "2222"),
        ("keys_exhausted", "up/gpt", None),
    ]
    everything = b"".join(seen.raw for seen in receiver.seen)
    assert not [key for key in (*KEYS, SECRET, "of-the-hook") if key.encode() in everything]


async def test_an_outage_and_its_end(provide: Provide) -> None:
    receiver = await provide(Whole({}))
    down = stubs.refusal("openai_chat", 503, "busy", "Busy.")
    provider = await provide(down, down, GOOD)
    async with serving(Gateway(settings(provider, receiver))) as base:
        assert await ask(base) == 503  # with each key once
        assert await ask(base) == 200
        await until(lambda: len(receiver.seen) == 2)
    assert told(receiver) == [("outage", "up/gpt", None), ("recovery", "up/gpt", None)]


async def test_a_provider_that_does_not_answer_its_checks(provide: Provide) -> None:
    receiver = await provide(Whole({}))
    answers = [Whole({"data": []}, 503)]
    provider = await provide(lambda seen: answers[-1] if seen.method == "GET" else GOOD(seen))
    given = settings(provider, receiver)
    given["providers"]["up"]["check"] = {"every": "1s", "when": "always"}
    async with serving(Gateway(given)):
        await until(lambda: len(receiver.seen) == 1)
        answers.append(Whole({"data": []}))
        await until(lambda: len(receiver.seen) == 2)
    kinds = [(seen.body["type"], seen.body["data"]["provider"]) for seen in receiver.seen]
    assert kinds == [("outage", "up"), ("recovery", "up")]
    assert not any("deployment" in seen.body["data"] for seen in receiver.seen)


async def test_only_what_is_wanted_is_sent(provide: Provide) -> None:
    receiver = await provide(Whole({}))
    refused = stubs.refusal("openai_chat", 401, "invalid_api_key", "No.")
    provider = await provide(refused)
    async with serving(Gateway(settings(provider, receiver, events=["keys_exhausted"]))) as base:
        assert await ask(base) == 502
        await until(lambda: receiver.seen)
    assert told(receiver) == [("keys_exhausted", "up/gpt", None)]


async def test_a_receiver_that_hangs_holds_nobody_up(
    provide: Provide, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = await provide(Whole({}, delay=60.0))
    provider = await provide(stubs.refusal("openai_chat", 401, "invalid_api_key", "No."))
    async with asyncio.timeout(120), serving(Gateway(settings(provider, receiver))) as base:
        assert await ask(base) == 502
        await until(lambda: receiver.seen)
        assert await ask(base) == 502
    unsent = [line for line in caplog.messages if "alert not sent" in line]
    assert len(unsent) == 3
    assert "of-the-hook" not in caplog.text
