"""How uvicorn's server runs for a gateway."""

from __future__ import annotations

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.server.uvicorn_options import uvicorn_options


def test_a_server_has_the_gateways_limits_and_tells_of_its_connections() -> None:
    gateway = Gateway({"server": {"max_body": 1000, "heartbeat": "7s"}})
    options = uvicorn_options(app := App(gateway))
    assert (options["ws_max_size"], options["ws_ping_interval"], options["ws_ping_timeout"]) == (
        1000,
        7,
        None,
    )
    assert options["http"].args == (app, app.connections)
    assert gateway.connections is not None
    assert gateway.connections() == app.connections.state()
    assert uvicorn_options(App(Gateway({"server": {"heartbeat": 0}})))["ws_ping_interval"] is None
