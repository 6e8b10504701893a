"""What one request learns of keys and deployments, the next one knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import aiohttp
import msgspec
import pytest

from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

CHAT = "/v1/chat/completions"
FIRST, SECOND = "key-of-the-first", "key-of-the-other"
GOOD: Any = stubs.openai_chat(Said())


def key_of(seen: Seen) -> str:
    return seen.headers["authorization"].removeprefix("Bearer ")


def by_key(answers: dict[str, Answer]) -> Callable[[Seen], Answer]:
    """What a provider says to each key; it answers all others."""
    return lambda seen: answers.get(key_of(seen)) or GOOD(seen)


def keys_seen(provider: FakeProvider) -> list[str]:
    return [key_of(seen) for seen in provider.seen]


def limited(**headers: str) -> Whole:
    refused = stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down.")
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return msgspec.structs.replace(refused, headers=told)


async def asked(
    settings: dict[str, Any], times: int, *, model: str = "up/gpt", **gateway: Any
) -> list[tuple[int, aiohttp.ClientResponse]]:
    answers = []
    async with (
        serving(Gateway(settings, **gateway)) as base,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(times):
            body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
            async with session.post(base + CHAT, json=body) as response:
                await response.read()
                answers.append((response.status, response))
    return answers


def two_keys(url: str, **more: Any) -> dict[str, Any]:
    return {
        "providers": {"up": {"base_url": url, "keys": [FIRST, SECOND], **more}},
        "retries": {"attempts": 1},
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "30"},
        {"retry_after_ms": "30000"},
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "6m0s"},
        {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(time.time()) + 7200)},
        {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(time.time()) * 1000 + 7_200_000)},
    ],
)
async def test_a_key_at_its_limit_is_not_asked_again(provide: Provide, headers: dict[str, str]) -> None:
    provider = await provide(by_key({FIRST: limited(**headers)}))
    answers = await asked(two_keys(provider.url), 3)
    assert [status for status, _ in answers] == [200, 200, 200]
    assert keys_seen(provider) == [FIRST, SECOND, SECOND, SECOND]


def nearly_limited(**headers: str) -> Answer:
    """A good answer that says what is left."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    body = GOOD(Seen("POST", CHAT, {}, {}, b'{"model": "gpt", "messages": []}')).body
    return Whole(body, 200, told)


@pytest.mark.parametrize("transport", ["own", "aiohttp"])
async def test_a_key_with_nothing_left_is_not_asked_until_there_is_more(
    provide: Provide, transport: str
) -> None:
    spent = nearly_limited(x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="2s")
    provider = await provide(by_key({FIRST: spent}))
    settings = {**two_keys(provider.url), "server": {"transport": transport}}
    async with serving(Gateway(settings)) as base, aiohttp.ClientSession() as session:

        async def ask() -> float:
            body = {"model": "up/gpt", "messages": [{"role": "user", "content": "Hello!"}]}
            async with session.post(base + CHAT, json=body) as response:
                assert response.status == 200
                await response.read()
            return time.monotonic()

        began = time.monotonic()
        ended = await ask()
        assert keys_seen(provider) == [FIRST]
        while keys_seen(provider).count(FIRST) == 1:
            ended = await ask()
            assert ended - began < 60
            await asyncio.sleep(0.05)
    assert ended - began >= 2, "it was left alone until then"
    assert keys_seen(provider).count(SECOND) >= 1


async def test_a_key_that_is_alone_is_asked_though_nothing_is_left(provide: Provide) -> None:
    spent = nearly_limited(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="6m0s")
    provider = await provide(spent)
    settings = {"providers": {"up": {"base_url": provider.url, "keys": [FIRST]}}, "retries": {"attempts": 1}}
    answers = await asked(settings, 3)
    assert [status for status, _ in answers] == [200, 200, 200]


async def test_a_limit_that_does_not_say_for_how_long_rests_nobody(provide: Provide) -> None:
    provider = await provide(by_key({FIRST: limited(x_ratelimit_reset_requests="soon")}))
    answers = await asked(two_keys(provider.url), 2)
    assert [status for status, _ in answers] == [200, 200]
    assert keys_seen(provider) == [FIRST, SECOND, FIRST, SECOND]


async def test_if_all_rest_nobody_is_asked_and_the_client_learns_how_long(provide: Provide) -> None:
    refusals: dict[str, Answer] = {FIRST: limited(retry_after="90"), SECOND: limited(retry_after="60")}
    provider = await provide(by_key(refusals))
    answers = await asked(two_keys(provider.url), 3)
    assert [status for status, _ in answers] == [429, 429, 429]
    assert keys_seen(provider) == [FIRST, SECOND]
    assert all(int(response.headers["retry-after"]) in {59, 60} for _, response in answers)


@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_api_key"), (402, "billing"), (429, "insufficient_quota")]
)
async def test_a_key_that_is_refused_comes_last(provide: Provide, status: int, code: str) -> None:
    provider = await provide(by_key({FIRST: stubs.refusal("openai_chat", status, code, "No.")}))
    answers = await asked(two_keys(provider.url), 3)
    assert [told for told, _ in answers] == [200, 200, 200]
    assert keys_seen(provider) == [FIRST, SECOND, SECOND, SECOND]


async def test_a_key_that_is_alone_is_asked_again_though_it_was_refused(provide: Provide) -> None:
    provider = await provide(stubs.refusal("openai_chat", 401, "invalid_api_key", "No."), GOOD)
    settings = {"providers": {"up": {"base_url": provider.url, "keys": [FIRST]}}, "retries": {"attempts": 1}}
    answers = await asked(settings, 2)
    assert [status for status, _ in answers] == [502, 200]


async def test_a_key_without_access_to_a_model_is_asked_for_others(provide: Provide) -> None:
    def says(seen: Seen) -> Answer:
        if key_of(seen) == FIRST and seen.body["model"] == "gpt":
            return stubs.refusal("openai_chat", 403, "model_not_allowed", "No access to the model.")
        return cast(Answer, GOOD(seen))

    provider = await provide(says)
    settings = two_keys(provider.url)
    async with serving(Gateway(settings)) as base, aiohttp.ClientSession() as session:
        for model in ("gpt", "gpt", "other"):
            body = {"model": f"up/{model}", "messages": [{"role": "user", "content": "Hello!"}]}
            async with session.post(base + CHAT, json=body) as response:
                assert response.status == 200
    assert keys_seen(provider) == [FIRST, SECOND, SECOND, FIRST]


async def test_keys_in_turns(provide: Provide) -> None:
    provider = await provide(GOOD)
    await asked(two_keys(provider.url, key_choice="round_robin"), 4)
    assert keys_seen(provider) == [FIRST, SECOND, FIRST, SECOND]


async def test_a_deployment_that_keeps_failing_comes_last(provide: Provide) -> None:
    broken = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."))
    sound = await provide(GOOD)
    settings = {
        "providers": {
            "one": {"base_url": broken.url, "keys": [FIRST]},
            "two": {"base_url": sound.url, "keys": [SECOND]},
        },
        "models": {"robust": {"deployments": ["one/gpt", "two/gpt"]}},
        "breaker": {"failures": 2, "pause": "10s"},
        "retries": {"attempts": 1},
    }
    async with serving(Gateway(settings)) as base, aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(6):
            body = {"model": "robust", "messages": [{"role": "user", "content": "Hello!"}]}
            async with session.post(base + CHAT, json=body) as response:
                statuses.append(response.status)
    assert statuses == [200] * 6
    assert (len(broken.seen), len(sound.seen)) == (2, 6)
