"""Serves a gateway on a free port of loopback, in the running event loop, during an `async with` block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.server.serve import listen
from dragoman.server.uvicorn_options import uvicorn_options


@asynccontextmanager
async def serving(gateway: Gateway, *, around: Callable[[App], Any] | None = None) -> AsyncIterator[str]:
    """Start this gateway, and serve it with the HTTP server of `dragoman serve` while the block runs. Yields
    `http://127.0.0.1:PORT`. At the end of the block the gateway is closed. around: gets the gateway's
    application, and returns the application to serve, which must have the same attributes and methods; None =
    the gateway's application is served. Raises SystemExit if the application cannot start; uvicorn's log says
    why.
    """
    app = App(gateway) if around is None else around(App(gateway))
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app,
        **uvicorn_options(app),
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    server.servers = []  # uvicorn sets it only after the application has started
    try:
        await server.startup([listener])  # not its main loop, which notices the end one tick late
        await server.on_tick(0)  # sets the date header of all answers
        yield f"http://127.0.0.1:{port}"
    finally:
        await _stop(server)
        listener.close()


async def _stop(server: uvicorn.Server) -> None:
    """Shut the server down without uvicorn's pauses. Requests that still run after a second are cancelled,
    and connections that are then still open are aborted.
    """
    for accepting in server.servers:
        accepting.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    if running := server.server_state.tasks:
        _, late = await asyncio.wait(running, timeout=1)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
    for connection in list(server.server_state.connections):  # their clients do not read the last answer
        connection.transport.abort()
    await asyncio.sleep(0)
    await server.lifespan.shutdown()
