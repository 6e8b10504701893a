"""`dragoman test` against servers of other protocols: a gateway of ours, one protocol of which is seen."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dragoman.cli.checks import Outcome, outcomes
from dragoman.cli.choosing import choice
from dragoman.cli.native_checks import NATIVE_CHECKS, NativeProbe
from dragoman.cli.protocols import Spoken, spoken
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

SEEN = {
    "openai_responses": ("/v1/responses", "/v1/models"),
    "anthropic": ("/v1/messages", "/v1/models"),
    "gemini": ("/v1beta/",),
    "ollama": ("/api/",),
}
BASES = {"openai_responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "ollama": ""}


@asynccontextmanager
async def only(dialect: str) -> AsyncGenerator[str]:
    """The origin of a gateway that has the paths of one protocol, and no others."""
    gateway = Gateway(load(None, {"DRAGOMAN_CONFIG": "", "DRAGOMAN_DISCOVER": "false"}, cwd=Path("/")))
    async with serving(gateway) as origin, aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.StreamResponse:
            if not request.path.startswith(SEEN[dialect]):
                return web.json_response({"error": "not here"}, status=404)
            async with session.request(
                request.method, origin + request.path_qs, data=await request.read(),
                headers={name: value for name, value in request.headers.items() if name != "Host"},
            ) as answer:  # fmt: skip
                kept = {"content-type": answer.headers["content-type"]}
                return web.Response(body=await answer.read(), status=answer.status, headers=kept)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield site.name
        finally:
            await runner.cleanup()


async def results(there: Spoken, model: str | None, shown: list[str]) -> dict[str, Outcome]:
    async with aiohttp.ClientSession(headers=there.headers("key")) as session:
        probe = NativeProbe(session, there, model, shown.append, choice)
        return {outcome.name: outcome async for outcome in outcomes(probe)}


@pytest.mark.parametrize("dialect", SEEN)
async def test_the_protocol_is_found_and_tested(dialect: str) -> None:
    shown: list[str] = []
    async with only(dialect) as origin:
        there = await spoken(f"{origin}/v1", None)
        assert there == (dialect, origin + BASES[dialect])
        assert await spoken(origin + BASES[dialect], "key") == there
        found = await results(there, "simulate/echo", shown)
    assert {name: one.said for name, one in found.items() if one.passed is False} == {}
    assert list(found) == list(NATIVE_CHECKS)
    assert sum(one.passed is True for one in found.values()) >= len(NATIVE_CHECKS) - 2
    assert "".join(shown) == "Say hello in one short sentence.\n"


async def test_a_model_of_the_list_is_asked_where_none_is_named() -> None:
    async with only("gemini") as origin:
        found = await results(Spoken("gemini", f"{origin}/v1beta"), None, [])
    assert (
        "models; asking simulate/" in found["model list"].said or "asking local/" in found["model list"].said
    )


@pytest.mark.parametrize("dialect", SEEN)
async def test_an_answer_of_another_shape_is_a_failed_check(dialect: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"candidates": 5, "content": 5, "output": 5, "message": 5})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", odd)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        found = await results(Spoken(dialect, site.name), "m", [])
    finally:
        await runner.cleanup()
    assert not any(found[name].passed for name in ("model list", "whole answer", "usage", "stream"))
    assert all(one.said for one in found.values())
