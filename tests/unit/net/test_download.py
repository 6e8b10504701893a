"""Files come over aiohttp, which nobody else has to load, and fail as `net.failures` says."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from dragoman.net.download import Downloads
from dragoman.net.egress import EgressRefused, GuardedResolver
from dragoman.net.failures import Failure


async def _answer(request: web.Request) -> web.StreamResponse:
    if request.path == "/elsewhere":
        raise web.HTTPFound("/file")
    if request.path == "/broken":
        response = web.StreamResponse(headers={"content-length": "9"})
        await response.prepare(request)
        await response.write(b"abc")
        assert request.transport is not None
        request.transport.close()
        return response
    return web.Response(body=b"bytes", headers={"set-cookie": "a=b"})


async def test_a_file_is_read_without_redirects_and_cookies() -> None:
    app = web.Application()
    app.router.add_get("/{rest:.*}", _answer)
    downloads = Downloads(GuardedResolver(("127.0.0.1",)))
    try:
        async with TestServer(app, host="127.0.0.1") as server:
            origin = URL(f"http://127.0.0.1:{server.port}")
            async with downloads.get(origin / "file") as response:
                assert await response.read() == b"bytes"
            async with downloads.get(origin / "elsewhere") as response:
                assert response.status == 302
                assert "cookie" not in response.request_info.headers
            with pytest.raises(Failure):
                async with downloads.get(origin / "broken") as response:
                    await response.read()
        with pytest.raises(Failure) as caught:
            async with downloads.get(origin / "file"):
                pytest.fail("the server is gone")
        assert isinstance(caught.value.__cause__, OSError)
    finally:
        await downloads.close()


async def test_the_guard_looks_up_every_name() -> None:
    async def looked_up(*_: object, **__: object) -> list[dict[str, object]]:
        raise EgressRefused("not there")

    guard = GuardedResolver()
    guard.resolve = looked_up  # type: ignore[method-assign, assignment]
    downloads = Downloads(guard)
    try:
        with pytest.raises(EgressRefused):
            async with asyncio.timeout(60), downloads.get(URL("http://name.example/")):
                pytest.fail("nothing was refused")
    finally:
        await downloads.close()
