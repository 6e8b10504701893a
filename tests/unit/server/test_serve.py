"""A worker obeys its parent, which says what to do over a socket."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest

from dragoman.config.reread import Reading
from dragoman.gateway import Gateway
from dragoman.server.serve import CLOSE, REREAD, listen, serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")


def test_secrets_that_are_to_be_read_again_are_read_before_the_first_request(tmp_path: Path) -> None:
    """A replaced worker knows those that its parent has read at the start."""
    file = tmp_path / "key"
    file.write_text("the-key-before-it-changed")
    gateway = Gateway({"auth": {"keys": [{"name": "ann", "key": {"file": str(file)}}]}})
    file.write_text("the-key-after-it-changed")
    happened: list[str] = []
    ours, theirs = socket.socketpair()
    ours.send(REREAD)

    def ready() -> None:
        happened.append("ready")
        ours.send(CLOSE)

    def reread(readings: Sequence[Reading]) -> None:
        happened.extend(reading.outcome for reading in readings)

    with ours, theirs, listen("127.0.0.1", 0) as listener:
        options = {"orders": theirs, "reread": reread}
        server = Thread(target=serve, args=(gateway, listener, ready), kwargs=options, daemon=True)
        server.start()
        server.join(20)
        assert not server.is_alive()
    assert happened == ["changed", "ready"]
    assert gateway.config.auth.keys[0].key.matches("the-key-after-it-changed")
