"""The ways into the gateway for operators: a port that only administration uses, and a Unix socket. They
serve only the paths for administration and the health paths. Each has its own connection limit, so operators
can connect while the clients' port is full, and while the gateway drains.

If there are several workers, the listening sockets are created before the first fork, like the socket of the
clients' port. Any worker may accept a connection and answer its requests.
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
"""Seconds after which `answers` returns False, if the connection to the Unix socket is not made yet."""
_CREDENTIALS: Final = struct.Struct("3i")
"""What Linux tells about the process at the other end of a Unix socket: its process id, user id and group id.
"""


class Opened(NamedTuple):
    """A door and its listening socket. path: the file of a Unix socket; None = the socket is a TCP port."""

    door: Door
    listener: socket.socket
    path: Path | None = None

    def remove(self) -> None:
        """Close the listening socket in this process; if it is a Unix socket, also delete its file, so that
        nobody can connect to it any more. A TCP port accepts connections until the workers, which have
        inherited its socket, close it or end.
        """
        self.listener.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()


def listen_locally(path: Path) -> socket.socket:
    """Return a listening Unix socket at `path`, to which other users (except root) cannot connect. A file at
    `path`, also one that is not a socket, is replaced, unless `answers` is True for it. Raises OSError:
    EADDRINUSE if `answers` is True; others if the socket cannot be created, for example because the path is
    too long (about 100 characters are possible) or is a folder.
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
    """Whether this process can connect to the Unix socket at `path` within `_PATIENCE` seconds, because a
    program listens on it. Whether the program still handles connections is not checked. Also False if another
    user's socket does not let this user connect.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(_PATIENCE)
        try:
            trial.connect(str(path))
        except OSError:
            return False
        return True


class Doors:
    """The operators' doors (admin port, Unix socket) of one server process. app: the application at the
    clients' port; each door gets an application of its own for the same gateway. opened: the doors, with
    their listening sockets. config: the server's options (uvicorn).
    """

    def __init__(self, app: App, opened: Sequence[Opened], config: uvicorn.Config) -> None:
        self._app = app
        self._opened = opened
        self._config = config
        self._state = ServerState()  # not the clients', whose end the server waits for when it stops
        self._servers: list[asyncio.AbstractServer] = []

    async def open(self) -> None:
        """Begin to accept connections at all doors."""
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
        """Set the headers with which every answer at these doors begins. The server calls this several times
        a second, because the date is one of the headers.
        """
        self._state.default_headers = headers

    def close(self) -> None:
        """Accept no more connections. A connection without a running request ends now, any other one when its
        requests are answered, or earlier (`HttpProtocol.shutdown`).
        """
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()


class _LocalProtocol(HttpProtocol):
    """A connection on the Unix socket. In place of the client's address it has a text that says which user
    runs the program at the other end: "uid 1000" on Linux, "operator" on other systems (`_user`).
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._client = (_user(transport.get_extra_info("socket")), 0)


def _user(connected: socket.socket) -> str:
    """Return the user who runs the program at the other end of a connection on a Unix socket: on Linux "uid "
    and the number of the user, such as "uid 1000"; on other systems, where this is not known, "operator".
    """
    if sys.platform != "linux":
        return "operator"
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return f"{OPERATOR}{user}"
