"""The operators' doors of a gateway on this machine (a Unix socket, and a separate port): where they are, and
how `serve` opens them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dragoman.cli.terminal import UNREACHABLE, Failure

if TYPE_CHECKING:
    from dragoman.config.load import Loaded
    from dragoman.server.doors import Opened

log = logging.getLogger("dragoman.server.doors")
_FOLDER: Final = "run"
"""The folder of the Unix sockets, in Dragoman's own folder."""
_PLATFORM = sys.platform


def socket_path(found: Loaded, port: int) -> Path:
    """Return the path of the Unix socket of a gateway with this configuration: `server.admin_socket`, or if
    that is not stated, `run/PORT.sock` in Dragoman's folder. port: the port on which the gateway listens.
    """
    stated = found.config.server.admin_socket
    return Path(stated) if stated is not None else found.home / _FOLDER / f"{port}.sock"


def running(found: Loaded) -> Path | None:
    """Return the Unix socket by which the gateway with this configuration can probably be reached: the file
    at `socket_path` for the configured port; else, because the gateway may listen on another port, the only
    socket in Dragoman's folder (of several, the only one on which a process listens), unless the
    configuration states a path. None = there is no such file. A killed gateway's socket may be returned.
    """
    place = socket_path(found, found.config.server.port)
    if place.exists() or found.config.server.admin_socket is not None:
        return place if place.exists() else None
    others = list((found.home / _FOLDER).glob("*.sock"))
    if len(others) > 1:
        from dragoman.server.doors import answers

        others = list(filter(answers, others))
    return others[0] if len(others) == 1 else None


@contextlib.contextmanager
def opened(found: Loaded, port: int) -> Iterator[list[Opened]]:
    """Open the operators' doors of the gateway whose clients' port is `port`: the separate port if
    `server.admin_port` is set, and the Unix socket except on Windows. Gives the open doors to the `with`
    block, and removes them at its end.

    Raises Failure if the separate port, or the Unix socket at a stated path, cannot be opened. If the Unix
    socket at its default path cannot be opened, the gateway runs without it.
    """
    from dragoman.server.doors import Opened
    from dragoman.server.serve import CannotListen, listen

    server = found.config.server
    doors: list[Opened] = []
    try:
        if server.admin_port is not None:
            try:
                doors.append(Opened("admin", listen(server.admin_host, server.admin_port)))
            except CannotListen as error:
                hint = "server.admin_port and server.admin_host say where"
                raise Failure(UNREACHABLE, str(error), hint=hint) from None
        if _PLATFORM != "win32" and (local := _local(found, port)) is not None:
            doors.append(local)
        yield doors
    finally:
        for door in doors:
            door.remove()


def _local(found: Loaded, port: int) -> Opened | None:
    from dragoman.server.doors import Opened, listen_locally

    path, stated = socket_path(found, port), found.config.server.admin_socket is not None
    try:
        if not stated:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Opened("socket", listen_locally(path), path)
    except OSError as error:
        why = error.strerror or str(error)
        if stated:
            text = f"server.admin_socket: cannot listen on {path}: {why}"
            raise Failure(UNREACHABLE, text, hint="choose another path") from None
        log.info("there is no Unix socket for operators: %s: %s", path, why)
        return None
