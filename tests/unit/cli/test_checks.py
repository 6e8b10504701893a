"""The self-test: passes where everything holds, and says of anything else what was seen instead."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import aiohttp
import pytest
from aiohttp import web

from dragoman.cli.checks import CHECKS, KeyRefused, Outcome, Probe, outcomes
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

Reply: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(reply: Reply) -> AsyncIterator[str]:
    """A server that answers every request in one way."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", reply)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site.name + "/v1"
    finally:
        await runner.cleanup()


async def results(base: str, model: str | None = None, shown: list[str] | None = None) -> dict[str, Outcome]:
    async with aiohttp.ClientSession() as session:
        probe = Probe(session, base, model, (shown if shown is not None else []).append)
        return {outcome.name: outcome async for outcome in outcomes(probe)}


async def test_a_gateway_of_ours_passes_all_of_it() -> None:
    shown: list[str] = []
    gateway = Gateway(load(None, {"DRAGOMAN_CONFIG": ""}, cwd=Path("/")))
    async with serving(gateway) as origin:
        found = await results(f"{origin}/v1", "simulate/echo", shown)
    assert {name: outcome.said for name, outcome in found.items() if not outcome.passed} == {}
    assert list(found) == list(CHECKS)
    assert len(found) >= 10
    assert "".join(shown) == "Say hello in one short sentence.\n"


async def test_nothing_there_ends_the_test_at_once() -> None:
    (only,) = (await results("http://127.0.0.1:1/v1")).values()
    assert (only.passed, only.said) == (False, "cannot connect to http://127.0.0.1:1/v1: Connection refused")


async def test_a_refused_key_ends_the_test() -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "bad \x1b[31mkey"}}, status=401)

    async with answering(reply) as base:
        with pytest.raises(KeyRefused, match=r"^bad \[31mkey$"):
            await results(base)


async def test_a_key_that_may_not_ask_for_every_name_leaves_one_check_out() -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "not granted"}}, status=403)

    async with answering(reply) as base:
        found = await results(base, "m")
    assert (found["unknown model"].passed, found["whole answer"].passed) == (None, False)


ODD = [
    b"",
    b"<html>",
    b"[]",
    b"null",
    b"{}",
    b'{"object":"list","data":[]}',
    b'{"object":"list","data":[{}]}',
]
ODD += [
    b'{"choices":[]}',
    b'{"choices":[{"message":null}],"usage":5}',
    b'{"error":"no"}',
    b"\xff",
    b"[" * 9_999,
]


@pytest.mark.parametrize("body", ODD, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("status", [200, 404, 500])
async def test_any_other_answer_is_a_failed_check_and_no_crash(body: bytes, status: int) -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    async with answering(reply) as base:
        found = await results(base, "m")
    assert list(found) == list(CHECKS)
    assert not any(
        found[name].passed for name in ("model list", "one model", "whole answer", "usage", "stream")
    )
    assert all(outcome.said for outcome in found.values())


async def test_redirects_are_said_and_not_followed() -> None:
    async def reply(request: web.Request) -> web.Response:
        assert "elsewhere" not in request.path
        return web.Response(status=307, headers={"location": "/elsewhere"})

    async with answering(reply) as base:
        found = await results(base, "m")
    assert found["whole answer"].said == "status 307 instead of 200: redirected to /elsewhere"


DOWN = {
    "up": {"healthy": True},
    "new": {"healthy": None},
    "nobody": {"healthy": False, "last_error": "\x1bgone"},
}


@pytest.mark.parametrize(
    ("status", "health", "passed", "said"),
    [
        (200, {"status": "healthy", "uptime": 7.2}, True, "up 7 s"),
        (200, {"status": "degraded", "providers": DOWN}, True, "degraded: nobody (gone)"),
        (200, {"status": "degraded", "providers": {"total": 2, "unhealthy": 1}}, True, "degraded"),
        (200, {"status": "unhealthy", "providers": {"a": {"healthy": False}}}, True, "unhealthy: a"),
        (503, {"status": "draining"}, False, "status 503: draining"),
    ],
)
async def test_providers_that_are_down_are_told_and_fail_nothing(
    status: int, health: dict[str, object], passed: bool, said: str
) -> None:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response(health, status=status)

    async with answering(reply) as base:
        found = (await results(base, "m"))["health"]
    assert (found.passed, found.said) == (passed, said)


async def test_without_a_model_nothing_is_asked_and_health_may_be_absent() -> None:
    asked: list[str] = []

    async def reply(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({}, status=404)

    async with answering(reply) as base:
        found = await results(base)
    assert [name for name, outcome in found.items() if outcome.passed is None] == [
        "health", "one model", "whole answer", "usage", "several turns", "stream", "usage in a stream",
        "unknown model", "missing messages", "value out of range",
    ]  # fmt: skip
    assert "--model" in found["whole answer"].said


def chunk(**delta: str) -> str:
    return json.dumps({"choices": [{"delta": delta}]})


FINISH = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})
ROLE, TEXT, DONE = chunk(role="assistant"), chunk(content="Hi"), "[DONE]"


@pytest.mark.parametrize(
    ("events", "seen"),
    [
        ((ROLE, TEXT, FINISH, DONE), None),
        ((TEXT, FINISH, DONE), "no chunk contains the role"),
        ((ROLE, TEXT, FINISH), "expected one [DONE], got 0"),
        ((ROLE, TEXT, FINISH, DONE, DONE), "the stream continues after [DONE]"),
        ((ROLE, TEXT, DONE), "finish reasons: []"),
        ((ROLE, FINISH, FINISH, DONE), "finish reasons: ['stop', 'stop']"),
        ((ROLE, '{"error":{"message":"broke"}}'), "broke"),
        ((ROLE, "{"), "not a valid response: JSONDecodeError"),
    ],
)
async def test_a_stream_is_held_to_its_form(events: tuple[str, ...], seen: str | None) -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {event}\n\n".encode())
        return response

    async with answering(reply) as base:
        found = (await results(base, "m"))["stream"]
    if seen is None:
        assert found.passed
    else:
        assert not found.passed
        assert seen in found.said
