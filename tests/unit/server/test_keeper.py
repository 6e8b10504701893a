"""The keeper's life: it begins, obeys, and ends with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dragoman.config.differences import fingerprint
from dragoman.gateway import Gateway
from dragoman.observe.board import Board
from dragoman.seams.clock import SYSTEM
from dragoman.server.orders import CLOSE, END, Orders, written

if sys.platform != "win32":
    from dragoman.server.keeper import keep
    from dragoman.server.lines import pair
    from dragoman.server.peers import KeeperPeers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the keeper is a fork")


def kept(settings: dict[str, Any], ready: Callable[[Gateway, socket.socket], None]) -> tuple[Gateway, Board]:
    """Be a keeper until what `ready` does with the parent's end of its socket ends it."""
    parents, orders = socket.socketpair()
    board, (ours, theirs) = Board(1), pair()
    gateway = Gateway(settings)
    gateway.peers = KeeperPeers([theirs], board)
    with parents, orders, ours, theirs:
        keep(gateway, orders, partial(ready, gateway, parents))
    return gateway, board


@pytest.mark.parametrize(
    "end",
    [
        lambda parents: parents.send(CLOSE),
        lambda parents: parents.send(END),
        lambda parents: parents.close(),
        lambda _: os.kill(os.getpid(), signal.SIGTERM),
    ],
    ids=["close", "end", "the parent has gone", "SIGTERM"],
)
def test_it_is_there_until_it_is_told_to_end(end: Callable[[socket.socket], object]) -> None:
    there: list[bool] = []

    def ready(gateway: Gateway, parents: socket.socket) -> None:
        there.append(gateway.started)
        end(parents)

    gateway, board = kept({"providers": {"up": {"base_url": "https://up.example", "keys": []}}}, ready)
    assert there == [True]
    assert gateway.closed
    assert board.present(board.keeper, SYSTEM.monotonic()), "its parent clears its place"


@pytest.mark.parametrize(
    "end",
    [
        lambda parents: parents.send(CLOSE),
        lambda parents: parents.close(),
        lambda _: os.kill(os.getpid(), signal.SIGTERM),
    ],
    ids=["close", "the parent has gone", "SIGTERM"],
)
def test_it_ends_while_it_starts(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[socket.socket], object]
) -> None:
    """A start may take long, as when the database is away."""
    parents, orders = socket.socketpair()
    built: list[str] = []

    async def build(gateway: Gateway) -> None:
        end(parents)
        try:
            await asyncio.sleep(60)
        finally:
            built.append("ended")

    monkeypatch.setattr(Gateway, "_build", build)
    gateway, ready = Gateway({}), list[bool]()
    with parents, orders:
        began = SYSTEM.monotonic()
        keep(gateway, orders, lambda: ready.append(True))
    assert SYSTEM.monotonic() - began < 30
    assert (built, ready, gateway.closed) == (["ended"], [], True)


def test_it_reloads_as_the_workers_do_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("key-of-the-first")
    settings = {"providers": {"up": {"base_url": "https://up.example", "keys": [{"file": str(file)}]}}}
    said: list[object] = []

    def ready(gateway: Gateway, parents: socket.socket) -> None:
        parents.settimeout(60)

        def order() -> None:
            assert gateway.loaded.again is not None
            mark = fingerprint(gateway.loaded.again().config)
            for what in ("prepare", "use"):
                parents.send(written({"do": what, "round": 1, "hash": mark}))
                said.extend(Orders().feed(parents.recv(4096)))
            parents.send(CLOSE)

        file.write_text("key-of-the-other")
        threading.Thread(target=order).start()

    gateway, _ = kept(settings, ready)
    assert said == [{"round": 1, "did": "prepare"}, {"round": 1, "did": "use"}]
    assert key_of(gateway) == "key-of-the-other"


def key_of(gateway: Gateway) -> str:
    (key,) = gateway.config.providers.named["up"].keys or ()
    return key.reveal()
