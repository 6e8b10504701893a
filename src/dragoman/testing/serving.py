"""A gateway on a free port of loopback, in the running loop, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.server.http import HttpProtocol
from dragoman.server.serve import listen
from dragoman.tasks import spawn


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[str]:
    """Serve this gateway as `dragoman serve` does; gives its origin, `http://127.0.0.1:PORT`."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        App(gateway),
        http=HttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = spawn(server._serve([listener]), "serving")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
        listener.close()
