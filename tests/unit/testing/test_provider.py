"""The fake provider: it answers by its script, and remembers what it was asked and who left."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from dragoman.testing.provider import FakeProvider, Streamed, Whole


async def test_answers_follow_the_script_and_the_last_one_is_repeated() -> None:
    async with FakeProvider(Whole({"n": 1}, 500), lambda seen: Whole(seen.raw)) as provider:
        async with aiohttp.ClientSession() as session:
            answers = []
            for number in range(3):
                async with session.post(f"{provider.url}/a?b=c", json={"n": number}) as response:
                    answers.append((response.status, await response.json()))
        assert answers == [(500, {"n": 1}), (200, {"n": 1}), (200, {"n": 2})]
        assert (provider.last.path, provider.last.query, provider.last.body) == ("/a", {"b": "c"}, {"n": 2})
        assert provider.last.headers["content-type"] == "application/json"
        assert len(provider.peers) == 1


async def test_a_stream_has_the_form_that_is_asked_for() -> None:
    frames = [{"type": "a"}, ": ping\n\n", b"data: [DONE]\n\n"]
    async with (
        FakeProvider(Streamed(frames, named=True, line_end="\r\n")) as provider,
        aiohttp.ClientSession() as session,
        session.get(provider.url) as response,
    ):
        told = await response.read()
    assert told == b'event: a\r\ndata: {"type": "a"}\r\n\r\n: ping\n\ndata: [DONE]\n\n'


async def test_a_stream_may_die_and_a_client_may_leave() -> None:
    async with FakeProvider(Streamed([{"a": 1}], die=True), Whole({}, delay=60)) as provider:
        async with aiohttp.ClientSession() as session:
            async with session.get(provider.url) as response:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()
            with pytest.raises(TimeoutError):
                await session.get(provider.url, timeout=aiohttp.ClientTimeout(total=0.3))
        async with asyncio.timeout(5):
            while not provider.cut:  # noqa: ASYNC110 - the provider tells nobody
                await asyncio.sleep(0.01)
        assert provider.open == 0
