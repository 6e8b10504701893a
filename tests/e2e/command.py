"""The command as people and programs start it: a process of its own, with pipes or a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "dragoman"]
SECONDS = 30


class Serving:
    """A `dragoman serve` process with its log in a pipe. ready: its first line."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder,
        )  # fmt: skip
        assert self.process.stderr is not None
        self.ready: dict[str, Any] = json.loads(self.process.stderr.readline())
        self.url: str = self.ready["url"]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, list[dict[str, Any]]]:
        """Stop it as an operator does: exit code, stdout, the events of its log."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, [json.loads(line) for line in err.splitlines()]


@contextlib.contextmanager
def serving(environment: Mapping[str, str], folder: Path, *arguments: str) -> Iterator[Serving]:
    server = Serving(environment, folder, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def run(
    environment: Mapping[str, str], folder: Path, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=SECONDS,
    )


def chat(url: str, key: str | None = None, **fields: Any) -> Any:
    body = {"model": "simulate/echo", "messages": [{"role": "user", "content": "Hi there"}], **fields}
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    return urllib.request.urlopen(request, timeout=SECONDS)


class Terminal:
    """A command that believes to be at a terminal: what it shows, and how it ends."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs,
            env=environment, cwd=folder, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def until(self, text: str) -> str:
        """Everything shown up to and including `text`."""
        end = time.monotonic() + SECONDS
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} is not in {self.shown!r}"
            assert self._read(), f"{text!r} is not in {self.shown!r}, and it has ended"
        return self.shown

    def end(self) -> tuple[int, str]:
        """The exit code, and everything shown."""
        while self._read():
            pass
        code = self.process.wait(SECONDS)
        os.close(self._ours)
        return code, self.shown.replace("\r\n", "\n")

    def _read(self) -> bool:
        """Read more; False when it has ended."""
        if not select.select([self._ours], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.shown += data.decode()
        return bool(data)
