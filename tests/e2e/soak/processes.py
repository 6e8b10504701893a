"""The processes of a soak as a test sees them: the providers; the gateway's log, memory and descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.e2e.command import Serving

MB = 1_000_000


class Providers:
    """The process of the stub."""

    def __init__(self, pause: float) -> None:
        command = [sys.executable, "-m", "tests.e2e.soak.stub", str(pause)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def stop(self) -> None:
        self.process.communicate(timeout=30)


class Log:
    """The gateway's log, read in a thread: how many requests it tells of, and every other event."""

    def __init__(self, server: Serving) -> None:
        self.exchanges: Counter[str] = Counter()
        self.events: list[dict[str, Any]] = []
        self._server = server
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for event in self._server.events():
            if event["event"] == "exchange":
                self.exchanges[event["request_id"]] += 1
            else:
                self.events.append(event)


class Held:
    """Memory of the gateway's processes, by seconds since the load began."""

    def __init__(self, pids: Callable[[], set[int]]) -> None:
        self.pids = pids
        self.seen: list[tuple[float, dict[int, int]]] = []

    def look(self, at: float) -> None:
        self.seen.append((at, {pid: resident(pid) for pid in self.pids()}))

    def grown(self, after: float) -> float:
        """By how many bytes a process has grown: from its most in ten seconds up to `after` to its end. One
        that has come in place of another is not counted: what it needs once, it has not had from the start.
        """
        since = self.seen[0][1].keys()
        base: dict[int, int] = defaultdict(int)
        late: dict[int, list[int]] = defaultdict(list)
        for at, sizes in self.seen:
            for pid, size in sizes.items():
                if after - 10 <= at <= after and pid in since:
                    base[pid] = max(base[pid], size)
                late[pid].append(size)
        return max((max(late[pid][-10:]) - size for pid, size in base.items()), default=0)


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def descriptors(pids: set[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


@contextmanager
def providing(pause: float) -> Iterator[Providers]:
    """pause: seconds between two pieces of a stream."""
    providers = Providers(pause)
    try:
        yield providers
    finally:
        providers.stop()
