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
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue
from typing import IO, Any

COMMAND = [sys.executable, "-m", "dragoman"]
SECONDS = 60
"""The longest wait for what must happen: the machine may be busy."""


_FAREWELL = 10
"""Seconds in which the workers of a gateway end whose parent a test has killed."""


class Serving:
    """A `dragoman serve` process. ready: the line of its log that tells its address. before: the
    lines before it. A thread reads the log, so that no test
    depends on how much a pipe holds.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments],
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder,
        )  # fmt: skip
        assert self.process.stderr is not None
        self._log: Queue[str | None] = Queue()
        self._reading = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reading.start()
        self.process.stderr = None  # nobody else reads it, `communicate` neither
        self.before: list[dict[str, Any]] = []
        while "url" not in (line := self._line()):
            self.before.append(line)
        self.ready: dict[str, Any] = line
        self.url: str = self.ready["url"]
        assert self.url, f"it has ended: {self.before}"

    def _line(self) -> dict[str, Any]:
        """The next line of its log; what it says before its log begins, as `said`."""
        text = self._log.get(timeout=SECONDS) or '{"url": ""}'
        line: dict[str, Any] = json.loads(text) if text.startswith("{") else {"said": text}
        return line

    def _read(self, log: IO[str]) -> None:
        with log:
            for line in log:
                self._log.put(line)
        self._log.put(None)

    def events(self) -> Iterator[dict[str, Any]]:
        """The events of its log that were not read before, until it has ended."""
        while (line := self._log.get()) is not None:
            yield json.loads(line)

    def told(self) -> dict[str, Any]:
        """The next event of its log that is not of the access log."""
        end = time.monotonic() + SECONDS
        while True:
            line = self._log.get(timeout=max(0.0, end - time.monotonic()))
            assert line is not None, "it has ended"
            event: dict[str, Any] = json.loads(line)
            if event["event"] != "exchange":
                return event

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, list[dict[str, Any]]]:
        """Stop it as an operator does: exit code, stdout, the events of its log that were not read before,
        without those by which each log ends.
        """
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str, list[dict[str, Any]]]:
        """What `stop` gives, when it has ended by itself."""
        out, _ = self.process.communicate(timeout=SECONDS)
        events = [event for event in self.events() if event["event"] not in {"stopping", "stopped"}]
        return self.process.returncode, out, events


@contextlib.contextmanager
def serving(environment: Mapping[str, str], folder: Path, *arguments: str) -> Iterator[Serving]:
    """A running gateway, whose parent is killed at the end if it still runs. Its workers end by themselves,
    but answer their clients first, and these may be in this very process: nobody waits for them for long.
    """
    server = Serving(environment, folder, *arguments)
    try:
        yield server
    finally:
        server.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.communicate(timeout=_FAREWELL)


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
