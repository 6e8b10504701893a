"""The Valkey server beside the workers: private, restarted when killed, gone with the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.accounts.shared.address import parsed
from dragoman.accounts.shared.link import LinkFailed, connect
from dragoman.server.embedded import _locked, prepared, program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")

PROGRAM = """
import os, socket, sys, time
from pathlib import Path
from dragoman.server import embedded, supervisor

def serve(worker):
    worker.ready(b"ready")
    worker.orders.recv(16)

with embedded.prepared(Path(sys.argv[1])) as store, socket.create_server(("127.0.0.1", 0)) as listener:
    if sys.argv[2] == "watched":
        sys.platform = "another system"
    os.write(1, f"{store.url} {store.password.reveal()}\\n".encode())
    supervisor.supervise(listener, 1, serve, lambda told: None, drain=5, beside=store.run)
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


class Gateway:
    def __init__(self, folder: Path, way: str) -> None:
        words = [sys.executable, "-c", PROGRAM, str(folder), way]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.url, self.password = self.process.stdout.readline().split()
        self.folder = Path(parsed(self.url).path).parent

    def run_id(self) -> str:
        """The id of the server that answers."""

        async def ask() -> str:
            address = parsed(self.url)
            link = await connect(address, password=self.password, ca=None, prefix="t:", patience=5)
            await link.close()
            return link.run

        until = time.monotonic() + 60
        while True:
            try:
                return asyncio.run(ask())
            except LinkFailed:
                assert time.monotonic() < until
                time.sleep(0.01)

    def server(self) -> int:
        """The process id of the server."""
        for one in Path("/proc").glob("[0-9]*/cwd"):
            try:
                if one.resolve() == self.folder:
                    return int(one.parent.name)
            except OSError:
                continue
        raise AssertionError("no server")

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 60
    while not _gone(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("way", ["plain", "watched"])
def test_it_is_private_and_comes_back_when_killed(short: Path, way: str) -> None:
    gateway = Gateway(short, way)
    first = gateway.run_id()
    assert stat.S_IMODE(gateway.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((gateway.folder / "socket").stat().st_mode) & 0o077 == 0
    with pytest.raises(LinkFailed, match="refuses us"):
        asyncio.run(connect(parsed(gateway.url), password="wrong", ca=None, prefix="", patience=5))
    assert not any(gateway.password in file.read_text() for file in gateway.folder.glob("l*"))
    words = Path(f"/proc/{gateway.server()}/cmdline").read_bytes()
    assert gateway.password.encode() not in words
    killed = gateway.server()
    os.kill(killed, signal.SIGKILL)
    _wait_until_gone(killed)
    assert gateway.run_id() != first
    last = gateway.server()
    gateway.end()
    _wait_until_gone(last)
    assert not gateway.folder.exists()


@pytest.mark.parametrize("way", ["plain", "watched"])
def test_it_ends_with_a_gateway_that_is_killed(short: Path, way: str) -> None:
    gateway = Gateway(short, way)
    gateway.run_id()
    server = gateway.server()
    gateway.end(signal.SIGKILL)
    _wait_until_gone(server)
    assert gateway.folder.exists()
    until = time.monotonic() + 60
    while (lock := _locked(gateway.folder)) is None:  # its worker ends, too
        assert time.monotonic() < until
        time.sleep(0.01)
    os.close(lock)
    with prepared(short) as another:
        assert another is not None
        assert not gateway.folder.exists()


def test_a_living_gateway_keeps_its_place(short: Path) -> None:
    with prepared(short) as one, prepared(short) as other:
        assert one is not None
        assert other is not None
        assert one.url != other.url
        assert one.password != other.password
        assert len(list(short.iterdir())) == 2
    assert list(short.iterdir()) == []


def test_a_long_folder_is_avoided(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    with prepared(long) as one:
        assert one is not None
        assert len(one.url) < 100


def test_without_the_extra_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.embedded.find_spec", lambda _: None)
    assert program() is None
    with prepared() as one:
        assert one is None
