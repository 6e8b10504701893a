"""Upstreams of one's own that do more than chat: strict mode refuses what would be lost before it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
import pytest_asyncio

from dragoman import ir
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving
from dragoman.upstreams.upstream import Batches, Call


class Own:
    """Knows no users, and finds out late that a text is too long."""

    name = "own"

    def __init__(self) -> None:
        self.worked = 0

    def chat(self, request: ir.Request, call: Call) -> AbstractAsyncContextManager[Batches]:
        raise AssertionError

    async def embed(self, request: ir.EmbedRequest, call: Call) -> ir.EmbedResponse:
        if request.user is not None:
            call.report.lose("user", "it asks nobody else", "meaning")
        call.ready()
        self.worked += 1
        if request.inputs[0] == "long":
            call.report.lose("inputs[0]", "it reads three letters")
        return ir.EmbedResponse((b"\0\0\0\0",) * len(request.inputs), call.model)


class Stage:
    """A running gateway before it."""

    def __init__(self, own: Own, base: str, session: aiohttp.ClientSession) -> None:
        self.own = own
        self.base = base
        self.session = session

    async def ask(self, strict: str, **body: object) -> tuple[int, str | None, int]:
        """The status, how many losses there were or what was at fault, and how often work was done."""
        self.own.worked = 0
        asked = {"model": "own/m", "input": ["a"], **body}
        headers = {"x-dragoman-strict": strict}
        async with self.session.post(f"{self.base}/v1/embeddings", json=asked, headers=headers) as response:
            told = await response.json()
            lost = response.headers.get("x-dragoman-losses")
            return response.status, told["error"]["param"] if "error" in told else lost, self.own.worked


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    own = Own()
    gateway = Gateway(upstreams={"own": own})
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        yield Stage(own, base, session)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_would_be_lost_is_refused_before_the_work(stage: Stage) -> None:
    assert await stage.ask("0", user="Ada") == (200, "1", 1)
    assert await stage.ask("1", user="Ada") == (400, "user", 0)
    assert await stage.ask("1") == (200, "0", 1)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_found_out_later_is_refused_then(stage: Stage) -> None:
    assert await stage.ask("1", input=["long"]) == (400, "input[0]", 1)
