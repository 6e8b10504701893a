"""Limits on clients: exactly as many requests pass as a limit allows, and its headers and errors are true."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dragoman.gateway import Gateway
from dragoman.seams.clock import Seams
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.stubs import Said

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
KEY = "0123456789-key-of-ci"
OTHER = "0123456789-key-of-other"
NOW = 1_795_446_278.5
"""38.5 s into a minute, on 2026-11-23, in Unix seconds."""


def slowly(seen: Seen) -> Answer:
    made = stubs.openai_chat(Said("word"))
    answer = made(seen) if callable(made) else made
    assert isinstance(answer, Whole)
    return msgspec.structs.replace(answer, delay=0.02)


class House:
    """A gateway whose clock stands still, and its client."""

    def __init__(self, gateway: Gateway, base: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.base = base
        self.session = session

    async def ask(
        self, path: str = CHAT, key: str = KEY, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        body: dict[str, Any] = {"model": "m", "messages": HELLO, "max_tokens": 16, **fields}
        named = {"authorization": f"Bearer {key}", **(headers or {})}
        async with self.session.post(self.base + path, json=body, headers=named) as response:
            return response.status, json.loads(await response.read()), response.headers


@asynccontextmanager
async def house(limits: Mapping[str, Any], **more: Any) -> AsyncIterator[House]:
    """A gateway with these limits, in front of a fake provider. more: further settings; `now`: its clock."""
    now = more.pop("now", lambda: NOW)
    async with FakeProvider(slowly) as provider:
        settings = {
            "providers": {"a": {"base_url": provider.url, "keys": ["sk-0123456789"]}},
            "models": {"m": "a/x"},
            "auth": {"keys": [{"name": "ci", "key": KEY}, {"name": "other", "key": OTHER}]},
            "limits": limits,
            "retries": {"attempts": 1},
            **more,
        }
        gateway = Gateway(settings, seams=Seams(now=now))
        async with serving(gateway) as base, aiohttp.ClientSession() as session:
            yield House(gateway, base, session)


@pytest.mark.parametrize(
    ("limit", "status", "code"),
    [
        ({"requests": "50/day"}, 429, "rate_limit_exceeded"),
        ({"requests": "50/lifetime"}, 429, "insufficient_quota"),
        ({"concurrency": 50}, 429, "rate_limit_exceeded"),
    ],
)
async def test_of_200_at_once_exactly_50_pass(limit: Any, status: int, code: str) -> None:
    """5.11, in memory: the issue's first measure."""
    async with house({"each": limit}) as one:
        found = await asyncio.gather(*(one.ask() for _ in range(200)))
        assert Counter(told[0] for told in found) == {200: 50, status: 150}
        assert {body["error"]["code"] for told, body, _ in found if told != 200} == {code}
        if "concurrency" in limit:
            assert (await one.ask())[0] == 200, "the places are free again"
        else:
            assert (await one.ask())[0] == status
        assert (await one.ask(key=OTHER))[0] == 200, "another key is counted apart"


async def test_headers_are_true_to_the_numbers() -> None:
    """1.15 and 2.18: each answer says how much is left, and a refusal when to come again."""
    async with house({"each": {"requests": "5/min"}}) as one:
        left = []
        for _ in range(5):
            status, _, headers = await one.ask()
            assert status == 200
            assert headers["x-ratelimit-limit-requests"] == "5"
            assert headers["x-ratelimit-reset-requests"] == "22s"
            left.append(headers["x-ratelimit-remaining-requests"])
        assert left == ["4", "3", "2", "1", "0"]
        status, body, headers = await one.ask()
        assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
        assert headers["retry-after"] == "22"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert body["error"]["message"] == (
            "The rate limit `each` of key ci is reached. Of 5 requests per minute, 5 requests are used."
            " Try again in 22s."
        )
        status, _, headers = await one.ask("/v1/messages", headers={"anthropic-version": "2023-06-01"})
        assert status == 429
        assert headers["anthropic-ratelimit-requests-limit"] == "5"
        assert headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert headers["anthropic-ratelimit-requests-reset"] == "2026-11-23T15:05:00Z"


async def test_the_next_window_begins_anew() -> None:
    now = NOW
    async with house({"each": {"requests": "1/min"}}, now=lambda: now) as one:
        assert [(await one.ask())[0] for _ in range(2)] == [200, 429]
        now += 22
        assert [(await one.ask())[0] for _ in range(2)] == [200, 429]


async def test_a_quota_of_tokens_ends_and_says_so() -> None:
    """4.28: when the tokens of a day are used, requests get 429 insufficient_quota until midnight."""
    now = NOW
    async with house({"each": {"tokens": "100/day"}}, now=lambda: now) as one:
        found = [await one.ask() for _ in range(40)]
        statuses = [status for status, _, _ in found]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 429}
        body = found[-1][1]
        assert body["error"]["code"] == "insufficient_quota"
        assert "2026-11-24T00:00:00Z" in body["error"]["message"]
        now += 86_400
        assert (await one.ask())[0] == 200


async def test_a_soft_limit_warns_and_answers() -> None:
    async with house({"each": {"requests": "2/min", "soft": True, "warn_at": "50%"}}) as one:
        told = [(await one.ask())[2].get("x-dragoman-warning") for _ in range(4)]
        assert told[0] == (
            "the limit each of key ci (2 requests per minute) is 50 % used, until 2026-11-23T15:05:00Z"
        )
        assert told[3] is not None
        assert "200 % used" in told[3]


@pytest.mark.parametrize(
    ("deployment", "provider"),
    [({"limits": {"requests": "2/min"}}, {}), ({}, {"limits": {"requests": "2/min"}})],
)
async def test_a_limit_of_a_deployment_leads_to_the_next_one(deployment: Any, provider: Any) -> None:
    async with FakeProvider(slowly) as first, FakeProvider(slowly) as second:
        providers = {
            "a": {"base_url": first.url, "keys": ["sk-0123456789"], **provider},
            "b": {"base_url": second.url, "keys": ["sk-0123456789"]},
        }
        models = {"m": {"deployments": [{"use": "a/x", **deployment}, "b/y"]}, "alone": "a/x"}
        async with house({}, providers=providers, models=models) as one:
            assert [(await one.ask())[0] for _ in range(5)] == [200] * 5
            status, body, headers = await one.ask(model="alone")
            assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
            assert headers["retry-after"] == "22"
        assert (len(first.seen), len(second.seen)) == (2, 3)


async def test_a_trusted_proxy_says_whose_address_counts() -> None:
    limits = {"each": {"scope": "address", "requests": "1/min"}}
    async with house(limits, server={"trusted_proxies": ["127.0.0.0/8", "::1"]}) as one:
        for address, status in (
            ("198.51.100.1", 200),
            ("198.51.100.1", 429),
            ("6.6.6.6, 198.51.100.1", 429),
            ("198.51.100.2", 200),
        ):
            assert (await one.ask(headers={"x-forwarded-for": address}))[0] == status
    async with house(limits) as one:
        for status in (200, 429):
            assert (await one.ask(headers={"x-forwarded-for": "198.51.100.1"}))[0] == status
        assert (await one.ask(headers={"x-forwarded-for": "198.51.100.2"}))[0] == 429


async def test_operators_see_how_full_limits_are() -> None:
    keys = [{"name": "ops", "key": KEY, "scopes": ["inference", "admin"], "limits": {"requests": "4/min"}}]
    async with house({"all": {"scope": "global", "tokens": "1M/day"}}, auth={"keys": keys}) as one:
        assert [(await one.ask())[0] for _ in range(5)] == [200] * 4 + [429]
        async with one.session.get(
            one.base + "/admin/limits", headers={"authorization": f"Bearer {KEY}"}
        ) as response:
            rows = json.loads(await response.read())["data"]
        first, second = rows
        assert (first["name"], first["whose"], first["used"], first["limit"]) == ("key ops", "ops", 4, 4)
        assert (first["state"], first["refused"], first["resets"]) == (
            "reached",
            1,
            "2026-11-23T15:05:00.000Z",
        )
        assert (second["name"], second["whose"], second["resource"]) == ("all", None, "tokens")
        assert second["used"] > 0
        assert second["reserved"] == 0


@pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="usage is kept in a database")
async def test_a_restart_goes_on_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """5.11: what was used in windows that still run is known again from the usage records."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    stores = {"sql": f"sqlite:///{tmp_path}/state.db"}
    limits = {
        "each": {"requests": "5/day"},
        "models": {"requests": "100/day", "models": ["m"]},
        "all": {"scope": "global", "tokens": "1M/month"},
    }
    async with house(limits, stores=stores) as one:
        assert [(await one.ask())[0] for _ in range(7)] == [200] * 5 + [429] * 2
    limits["each"] = {"requests": "7/day"}
    async with house(limits, stores=stores) as one:
        assert [(await one.ask())[0] for _ in range(3)] == [200, 200, 429], "what was refused was not used"
        assert (await one.ask(key=OTHER))[0] == 200
