"""What breaks: connections that stop forwarding, disks that are full, servers that stop, clocks that jump."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from tests.postgres import PostgresServer, postgres_server
from tests.valkey_server import free_port

DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
MB = 1_000_000


class Wire:
    """A TCP port that forwards to a Unix socket, until it is cut. Then it swallows what comes and keeps the
    connections, as a network that has lost its way. Once it is mended, what it has swallowed arrives.
    """

    def __init__(self, target: Path) -> None:
        self.port = free_port()
        self._target = target
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._whole.wait()
            there, back = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, back), (there, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._whole.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


class Disk:
    """A small file system in memory of its own, which a test can fill. Only root can make one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Take all of its room."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for size in (MB, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        (self.folder / "filler").unlink()


@contextmanager
def disk(megabytes: int) -> Iterator[Disk | None]:
    """A disk of this size; None if this system does not let us make one."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-disk-"))
    made = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=1777", "tmpfs", str(folder)]
    mounted = (
        shutil.which("mount") is not None
        and subprocess.run(made, check=False, capture_output=True).returncode == 0
    )
    try:
        yield Disk(folder) if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


class DebianPostgres(PostgresServer):
    """Debian's PostgreSQL 15."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder.parent
        folder.parent.chmod(0o777)
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self._run("initdb", "-D", str(folder), "-U", "postgres", "-A", "trust")
        with (folder / "postgresql.conf").open("a") as file:
            file.write("fsync = off\nmax_connections = 300\n")
        self.pg_ctl("start")

    def pg_ctl(self, *words: str) -> None:
        options = ["-w", "-t", "60", "-o", f'-h "" -k {self.socket}', "-l", str(self.folder / "log")]
        self._run("pg_ctl", "-D", str(self.folder), *options, *words)

    def _run(self, program: str, *words: str) -> None:
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        before = user if os.geteuid() == 0 else []
        command = [*before, str(DEBIAN_POSTGRES / program), *words]
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd="/")


@contextmanager
def database(*, debian: bool, megabytes: int = 400) -> Iterator[tuple[PostgresServer, Disk | None]]:
    """A PostgreSQL server of the wheel or of Debian, and its disk of so many MB, if we can make one."""
    with ExitStack() as stack:
        own = stack.enter_context(disk(megabytes))
        if own is not None:
            stack.enter_context(patch.object(tempfile, "tempdir", str(own.folder)))
        if debian:
            stack.enter_context(patch("tests.postgres.PostgresServer", DebianPostgres))
        yield stack.enter_context(postgres_server()), own


def revive(server: PostgresServer) -> None:
    """Start a PostgreSQL server that has ended, or leave it as it is."""
    with suppress(subprocess.SubprocessError):
        server.pg_ctl("stop", "-m", "immediate")
    server.pg_ctl("start")


class Clock:
    """The clock of the processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.ahead = 0.0
        self.set(0.0)

    @property
    def environment(self) -> dict[str, str]:
        return {"CLOCK_IS_AHEAD_BY": str(self._file)}

    def set(self, ahead: float) -> None:
        """Let it be ahead by so many seconds."""
        self.ahead = ahead
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:  # in place: the processes have mapped it
            file.write(struct.pack("d", ahead))


def bound_files(pids: Iterable[int], most: int) -> None:
    """Let no file that these processes write be larger than so many bytes (-1 = any size)."""
    for pid in pids:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
