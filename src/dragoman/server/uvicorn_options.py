"""The options with which uvicorn's server runs for a gateway."""

from __future__ import annotations

from functools import partial
from typing import Any

from dragoman.server.app import App
from dragoman.server.http import HttpProtocol


def uvicorn_options(app: App) -> dict[str, Any]:
    """Return the options of `uvicorn.Config` with which every server of this gateway runs. Also sets the
    gateway's `connections` to a function that returns {"open": the number of open connections at the clients'
    port, "limit": the most that may be open}.

    Proxy headers are not trusted. A WebSocket gets a ping every `server.heartbeat` seconds; none if that is
    0. A missing pong has no effect, because a client that reads slowly has not read the ping yet. Messages
    are not compressed, because this would need about 40 kB for each WebSocket.
    """
    app.gateway.connections = app.connections.state
    settings = app.gateway.config.server
    return {
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "http": partial(HttpProtocol, app, app.connections),
        "ws": "none",
        "ws_max_size": settings.max_body,
        "ws_ping_interval": settings.heartbeat or None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
    }
