"""Rows 1.15, 2.18 and 4.28 with the official clients: which exception a limit becomes, its code, its headers,
and that a client which repeats by itself succeeds, or does not try what cannot help.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any, cast

import aiohttp
import anthropic
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, AsyncStream

from dragoman.seams.clock import Seams
from dragoman.testing.provider import FakeProvider
from tests.e2e import stubs
from tests.e2e.conftest import Provide, Serve
from tests.e2e.stubs import Said
from tests.scraping import Scraped

KEY = "0123456789-key-of-ci"
NOW = 1_795_446_278.7
"""38.7 s into a minute, on 2026-11-23, in Unix seconds."""
HELLO: Any = [{"role": "user", "content": "Hello!"}]


class Clock:
    """What the gateway takes for the time, in Unix seconds."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Clients:
    """Official clients of a gateway with limits."""

    def __init__(self, base: str, provider: FakeProvider, clock: Clock, stack: AsyncExitStack) -> None:
        self.base = base
        self.provider = provider
        self.clock = clock
        self.stack = stack

    async def openai(self, **options: Any) -> AsyncOpenAI:
        made = AsyncOpenAI(base_url=f"{self.base}/v1", api_key=KEY, **{"max_retries": 0, **options})
        return await self.stack.enter_async_context(made)

    async def anthropic(self, **options: Any) -> AsyncAnthropic:
        made = AsyncAnthropic(base_url=self.base, api_key=KEY, **{"max_retries": 0, **options})
        return await self.stack.enter_async_context(made)

    async def requests(self) -> int:
        """How many chats the gateway has answered or refused."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.base}/metrics") as response:
            page = Scraped(await response.read())
        return int(page("dragoman_http_requests_total", path="/v1/chat/completions"))


@pytest.fixture
def limited(serve: Serve, provide: Provide, stack: AsyncExitStack) -> Any:
    """Serve a gateway with this limit on each key; its clock stands still."""

    async def start(**limit: Any) -> Clients:
        provider, clock = await provide(stubs.openai_chat(Said(input_tokens=5, output_tokens=20))), Clock()
        settings = {
            "providers": {"up": {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}},
            "models": {"m": "up/x"},
            "prices": {"up/x": {"input": 1, "output": 10}},
            "auth": {"keys": [{"name": "ci", "key": KEY}]},
            "limits": {"each": limit},
            "retries": {"attempts": 1},
            "metrics": {"public": True},
        }
        base = await serve(json.dumps(settings), seams=Seams(now=clock))
        return Clients(base, provider, clock, stack)

    return start


async def chat(client: AsyncOpenAI, *, stream: bool = False) -> Any:
    """The headers of an answer that was read to its end."""
    raw = await client.chat.completions.with_raw_response.create(
        model="m", messages=HELLO, max_tokens=20, stream=stream
    )
    if stream:
        assert [chunk async for chunk in cast("AsyncStream[Any]", raw.parse())]
    return raw.headers


async def until_refused(client: AsyncOpenAI) -> None:
    """Ask until it raises."""
    for _ in range(1000):
        await chat(client)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_sixth_of_5_a_minute(limited: Any, stream: bool) -> None:
    one = await limited(requests="5/min")
    client = await one.openai()
    told = [await chat(client, stream=stream) for _ in range(5)]
    assert [each["x-ratelimit-remaining-requests"] for each in told] == ["4", "3", "2", "1", "0"]
    with pytest.raises(openai.RateLimitError) as caught:
        await chat(client, stream=stream)
    assert caught.value.code == "rate_limit_exceeded"
    headers = caught.value.response.headers
    assert {name: headers[name] for name in headers if "limit" in name or "retry" in name} == {
        "retry-after": "22",
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "22s",
    }
    assert len(one.provider.seen) == 5
    one.clock.now += float(headers["retry-after"])
    await chat(client, stream=stream)


async def test_retry_after_is_never_too_early(limited: Any) -> None:
    """Whoever comes again after just so many seconds passes, wherever in the minute the refusal came."""
    one = await limited(requests="1/min")
    client = await one.openai()
    for part in (0.1, 0.4, 0.5, 0.6, 0.9):
        one.clock.now = one.clock.now // 60 * 60 + 60 + part
        await chat(client)
        with pytest.raises(openai.RateLimitError) as caught:
            await chat(client)
        one.clock.now += float(caught.value.response.headers["retry-after"])
        await chat(client)


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"tokens": "100/day"}, "insufficient_quota"),
        ({"money": "0.0006 USD/day"}, "insufficient_quota"),
        ({"tokens": "100/min"}, "rate_limit_exceeded"),
        ({"output_tokens": "50/min"}, "rate_limit_exceeded"),
        ({"requests": "2/lifetime"}, "insufficient_quota"),
    ],
)
async def test_a_quota_is_told_and_resets(limited: Any, limit: Any, code: str) -> None:
    one = await limited(**limit)
    client, claude = await one.openai(), await one.anthropic()
    with pytest.raises(openai.RateLimitError) as caught:
        await until_refused(client)
    assert caught.value.code == code
    assert caught.value.type in {"insufficient_quota", "rate_limit_error", "requests", "tokens"}
    headers = caught.value.response.headers
    assert headers.get("x-should-retry") == ("false" if code == "insufficient_quota" else None)
    before = len(one.provider.seen)
    with pytest.raises(anthropic.APIStatusError) as refused:
        await claude.messages.create(model="m", messages=HELLO, max_tokens=20)
    assert (refused.value.status_code, refused.value.type) == (
        (402, "billing_error") if code == "insufficient_quota" else (429, "rate_limit_error")
    )
    assert ("retry-after" in refused.value.response.headers) == ("retry-after" in headers)
    if "lifetime" in str(limit):
        assert "retry-after" not in headers
        one.clock.now += 86_400 * 365
        with pytest.raises(openai.RateLimitError):
            await chat(client)
        assert len(one.provider.seen) == before
        return
    assert len(one.provider.seen) == before
    one.clock.now += 86_400
    await chat(client)
    assert len(one.provider.seen) == before + 1


async def test_a_client_that_repeats_does_not_repeat_a_budget(limited: Any) -> None:
    one = await limited(tokens="100/day")
    repeating = await one.openai(max_retries=3)
    with pytest.raises(openai.RateLimitError):
        await until_refused(repeating)
    requests = await one.requests()
    assert requests == len(one.provider.seen) + 1


async def test_anthropics_client_sees_its_own_headers(limited: Any) -> None:
    one = await limited(requests="2/min", tokens="10000/min")
    claude = await one.anthropic()
    for left in ("1", "0"):
        raw = await claude.messages.with_raw_response.create(model="m", messages=HELLO, max_tokens=20)
        assert raw.headers["anthropic-ratelimit-requests-remaining"] == left
    with pytest.raises(anthropic.RateLimitError) as caught:
        async with claude.messages.stream(model="m", messages=HELLO, max_tokens=20):
            pass
    headers = caught.value.response.headers
    assert headers["retry-after"] == "22"
    assert headers["anthropic-ratelimit-requests-limit"] == "2"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert headers["anthropic-ratelimit-requests-reset"] == "2026-11-23T15:05:00Z"
    assert headers["anthropic-ratelimit-tokens-limit"] == "10000"
    assert headers["anthropic-ratelimit-tokens-remaining"] == str(10_000 - 2 * 25)
