"""The processes of a run: started on a core of their own, measured, stopped.

CPU time and memory come from /proc and cover the process and all its children. Where there is no /proc, or a
process cannot be bound to a core (macOS), the figure is None and the report says what was not measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROC = Path("/proc")
CAN_MEASURE = (PROC / "self" / "schedstat").exists()
CAN_BIND = hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@dataclass(frozen=True, slots=True)
class Cores:
    """subject: the core of the process under test; bench: that of the load generator and the provider."""

    subject: int | None
    bench: int | None

    @classmethod
    def choose(cls) -> Cores:
        """The first and the last core that this process may use; None each where cores cannot be chosen."""
        if not CAN_BIND:
            return cls(None, None)
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[-1])


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds used, and seconds in which the process was ready but another had its core."""

    used: float
    waited: float


class Process:
    """A started program that serves on a loopback port."""

    def __init__(
        self,
        arguments: list[str],
        port: int,
        core: int | None,
        log: Path,
        env: dict[str, str],
        *,
        command: Sequence[str] = (sys.executable,),
    ) -> None:
        """Start an interpreter with `arguments` from the repository's root; its output goes to `log`.

        command: that starts the interpreter, this one alone by default.
        """
        self.port = port
        self.log = log
        with log.open("ab") as output, bound(core):
            self._popen = subprocess.Popen(
                [*command, *arguments], cwd=ROOT, env=env, stdout=output, stderr=output
            )
        self.pid = self._popen.pid

    async def ready(self, timeout: float = 30.0) -> None:
        """Wait until the port accepts. Raises RuntimeError with the log's last line if the program ended."""
        async with asyncio.timeout(timeout):
            while not self._accepts():
                if self._popen.poll() is not None:
                    said = self.log.read_text().split("\n")
                    raise RuntimeError(f"{self.log.stem} has ended: {next(filter(None, reversed(said)), '')}")
                await asyncio.sleep(0.002)

    def spent(self) -> Spent | None:
        """What the program and its children have used since they began; None without /proc."""
        if not CAN_MEASURE:
            return None
        used = waited = 0
        for pid in self._family():
            for thread in (PROC / str(pid) / "task").iterdir():
                with contextlib.suppress(OSError):  # a thread may end between the listing and the reading
                    fields = (thread / "schedstat").read_text().split()
                    used += int(fields[0])
                    waited += int(fields[1])
        return Spent(used / 1e9, waited / 1e9)

    def resident(self) -> float | None:
        """Resident memory of the program and its children, in MB (10^6 bytes); None without /proc."""
        if not CAN_MEASURE:
            return None
        pages = 0
        for pid in self._family():
            with contextlib.suppress(OSError):
                pages += int((PROC / str(pid) / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self) -> None:
        """End the program: asked first, forced after ten seconds."""
        self._popen.terminate()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _family(self) -> list[int]:
        family = [self.pid]
        for pid in family:  # grows while it is walked
            for children in (PROC / str(pid) / "task").glob("*/children"):
                with contextlib.suppress(OSError):
                    family.extend(map(int, children.read_text().split()))
        return family


@contextlib.contextmanager
def bound(core: int | None) -> Iterator[None]:
    """Bind this process to one core for a while; what it starts meanwhile stays there."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
