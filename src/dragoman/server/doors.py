"""The operators' ways in: a port of their own, and a Unix socket. Each has its own paths and its own room for
connections, so that operators come in while the clients' port is full, and while the gateway drains.

With several workers the sockets are made before the first fork, as that of the clients' port is: whichever
worker accepts a connection answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from dragoman.accounts.caller import OPERATOR
from dragoman.server.app import App
from dragoman.server.endpoint import Door
from dragoman.server.http import HttpProtocol

_BACKLOG: Final = 64
_PATIENCE: Final = 1.0
"""Seconds in which a gateway that listens on a Unix socket accepts a connection."""
_CREDENTIALS: Final = struct.Struct("3i")
"""What Linux tells of the process at the other end of a Unix socket: process, user, group."""


class Opened(NamedTuple):
    """A door with its listening socket. path: the file of a Unix socket, None = the socket is a TCP port."""

    door: Door
    listener: socket.socket
    path: Path | None = None

    def remove(self) -> None:
        """Close the socket here, and delete its file if it is a Unix socket. Workers, which have the socket
        too, go on to accept connections by it; nobody can connect any more when all of them have ended.
        """
        self.listener.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()


def listen_locally(path: Path) -> socket.socket:
    """A listening Unix socket that only the user of this process can open. An old file at `path` is replaced
    if nobody listens on it. Raises OSError if somebody listens on it (EADDRINUSE), if the path is too long
    (about 100 characters are possible), or if the file cannot be written.
    """
    if path.exists() and answers(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), str(path))
    # Under its own name it could be opened by others before its mode is set, and refuse connections before it
    # listens. The other name is longer, so where it fits the path does, too.
    made = path.with_name(f"{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            made.unlink()
        listener.bind(str(made))
        made.chmod(0o600)
        listener.listen(_BACKLOG)
        made.replace(path)
    except OSError:
        listener.close()
        raise
    return listener


def answers(path: Path) -> bool:
    """Whether somebody listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(_PATIENCE)
        try:
            trial.connect(str(path))
        except OSError:
            return False
        return True


class Doors:
    """The operators' doors of one server process. app: the application at the clients' port."""

    def __init__(self, app: App, opened: Sequence[Opened], config: uvicorn.Config) -> None:
        self._app = app
        self._opened = opened
        self._config = config
        self._state = ServerState()  # not the clients', whose end the server waits for when it stops
        self._servers: list[asyncio.AbstractServer] = []

    async def open(self) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        for one in self._opened:
            app = App(self._app.gateway, one.door, self._app.admin)
            if one.path is None:
                protocol = partial(self._protocol, HttpProtocol, app)
                server = await loop.create_server(protocol, sock=one.listener, backlog=_BACKLOG)
            else:
                protocol = partial(self._protocol, _LocalProtocol, app)
                server = await loop.create_unix_server(protocol, sock=one.listener, backlog=_BACKLOG)
            self._servers.append(server)

    def _protocol(self, kind: type[HttpProtocol], app: App) -> HttpProtocol:
        return kind(app, app.connections, config=self._config, server_state=self._state, app_state={})

    def tick(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Set the headers that each answer begins with. The server calls this every second, as the date is
        among them.
        """
        self._state.default_headers = headers

    def close(self) -> None:
        """Accept no more connections, and end those whose requests are answered."""
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()


class _LocalProtocol(HttpProtocol):
    """A connection on the Unix socket. Its client is identified by the user of this machine who runs the
    program at the other end.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._client = (_user(transport.get_extra_info("socket")), 0)


def _user(connected: socket.socket) -> str:
    """Who runs the program at the other end: "uid 1000", or "operator" where the system does not tell."""
    if sys.platform != "linux":
        return "operator"
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return f"{OPERATOR}{user}"
