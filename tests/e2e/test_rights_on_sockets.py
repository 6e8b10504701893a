"""Each turn of a WebSocket has the rights that its key has then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving
from tests.e2e.test_websocket import at, chat, heard


async def test_a_key_that_may_do_less_now_does_less_on_an_open_socket(tmp_path: Path) -> None:
    """What it may use, its tags and its limits are those of now and not those of the handshake."""
    file = tmp_path / "dragoman.yaml"

    def write(**more: Any) -> None:
        file.write_text(json.dumps({"auth": {"keys": [{"name": "ann", "key": "ann-s-own-key", **more}]}}))

    write(tags=["before"])
    exchanges: list[Exchange] = []
    gateway = Gateway(file, observers=[exchanges.append])
    key = {"authorization": "Bearer ann-s-own-key"}
    async with serving(gateway) as base, connect(at(base), additional_headers=key) as socket:
        await socket.send(chat())
        assert (await heard(socket))["object"] == "chat.completion"
        write(tags=["after"])
        assert (await gateway.reload()).changed
        await socket.send(chat())
        assert (await heard(socket))["object"] == "chat.completion"
        write(models=["local/*"])
        assert (await gateway.reload()).changed
        await socket.send(chat())
        assert (await heard(socket))["status"] == 403
    assert [one.caller.tags for one in exchanges if one.caller] == [("before",), ("after",), ()]
