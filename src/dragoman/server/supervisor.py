"""The parent of several workers: owns the listening socket, starts, watches, replaces and stops them.

Workers are forks of the parent, made after everything is loaded: the configuration and its secrets stay in
memory, modules are shared, and a replacement is there within milliseconds. So the parent must never run an
event loop or a thread, and never opens what a fork must not share. See docs/decisions/0010-workers.md.

Parent and worker talk over one socket pair. The worker says once that it answers; the parent says when to
drain and when to end at once, and its end of the pair closes with it, however it dies. Signals are for the
parent: a terminal's Ctrl-C reaches every process, and only the parent decides what it means.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Generator, Sequence
from types import FrameType
from typing import Final, NoReturn

from dragoman.errors import DragomanError
from dragoman.observe.board import Board
from dragoman.seams.clock import SYSTEM
from dragoman.server.serve import CLOSE, DRAIN, END, REREAD

log = logging.getLogger("dragoman.server.supervisor")

_STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_WATCHED: Final = (*_STOPS, signal.SIGCHLD, signal.SIGHUP)
_YOUNG = 10.0
"""Seconds of life below which a death makes the next start wait."""
_PAUSE = 0.1
_PAUSE_MAX = 30.0
_GRACE = 10.0
"""Seconds that a worker has beyond the time to drain, or to end at once, before it is killed."""


class NotStarted(DragomanError):
    """The first worker has ended before it answered, so that no other would. It has said why itself."""


class Worker:
    """What a worker knows of its parent. number: 1 … count; a replacement takes over its predecessor's.

    orders: a socket that gives DRAIN, CLOSE, END or REREAD (`server.serve`), and ends when the parent has
    gone. board: where all workers tell what they count.
    """

    def __init__(self, number: int, count: int, orders: socket.socket, board: Board) -> None:
        self.number = number
        self.count = count
        self.orders = orders
        self.board = board

    def ready(self, message: bytes) -> None:
        """Tell the parent that requests are answered. message: without a line end, for `announce`."""
        with contextlib.suppress(OSError):  # the parent has gone: the orders say so in a moment
            self.orders.sendall(message + b"\n")


class _Place:
    """One worker's place: the process that fills it, or when the next one will.

    pid: 0 while nobody fills it. line: our end of the pair. said: what has been heard on it, up to the end
    of its message. pause: the wait before the latest start.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 0
        self.line: socket.socket | None = None
        self.said = b""
        self.ready = False
        self.began = 0.0
        self.due = 0.0
        self.pause = 0.0

    def order(self, what: bytes) -> None:
        if self.line is not None:
            with contextlib.suppress(OSError):  # it has just died, or hangs and has read no order for long
                self.line.send(what, socket.MSG_DONTWAIT)

    def hear(self, line: socket.socket) -> None:
        """Read what the worker says before it is ready."""
        try:
            heard = line.recv(65_536)
        except ConnectionResetError:  # it died with an order unread
            heard = b""
        self.said += heard
        self.ready = self.said.endswith(b"\n")
        if not heard:
            self.hang_up()

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None


def supervise(
    listener: socket.socket,
    count: int,
    work: Callable[[Worker], None],
    announce: Callable[[bytes], None],
    *,
    drain: float,
) -> None:
    """Run `count` workers until a signal says stop and all of them have ended.

    SIGTERM or SIGINT once lets them finish what runs, for `drain` seconds at most, of which SIGTERM leaves
    the port open for some (`Gateway.drain_delay`); twice ends them at once. SIGHUP has them read the files of
    secrets again. listener: what they accept from; it is closed here at the first signal that stops, and by
    each worker when that closes the port. work: a worker's whole life, called in its own process, where
    `supervise` never returns. announce: called once, with the first worker's message, when all answer.

    Only for the main thread of a process that has no other. Raises NotStarted, and KeyboardInterrupt when it
    was told to stop before all answered.
    """
    _Parent(listener, count, work, announce, drain).run()


class _Parent:
    def __init__(
        self,
        listener: socket.socket,
        count: int,
        work: Callable[[Worker], None],
        announce: Callable[[bytes], None],
        drain: float,
    ) -> None:
        self._listener = listener
        self._places = [_Place(number) for number in range(1, count + 1)]
        self._board = Board(count)
        self._work = work
        self._announce = announce
        self._drain = drain
        self._announced = False
        self._stopping = False
        self._reread = False
        self._failure: NotStarted | None = None
        self._kill_at = math.inf

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # otherwise the collector would write to every object, and copy what the workers share
        with _noted_signals() as noted:
            while not self._stopping or any(place.pid for place in self._places):
                self._start_who_is_due()
                self._listen(noted)
                self._bury_the_dead()
                if not self._announced and all(place.ready for place in self._places):
                    self._announced = True
                    self._announce(self._places[0].said.rstrip())
                if SYSTEM.monotonic() >= self._kill_at:
                    self._kill()
        if self._failure is not None:
            raise self._failure
        if not self._announced:
            raise KeyboardInterrupt

    def _listen(self, noted: socket.socket) -> None:
        """Wait for whatever comes first: a signal, a word of a worker that starts, or the next thing due."""
        starting = {place.line: place for place in self._places if place.line and not place.ready}
        times = [self._kill_at]
        if not self._stopping:
            times += [place.due for place in self._startable() if not place.pid]
        first = min(times)
        patience = None if first == math.inf else max(0.0, first - SYSTEM.monotonic())
        heard, _, _ = select.select([noted, *starting], [], [], patience)
        for line in heard:
            if line is noted:
                for number in noted.recv(4096):
                    if number in _STOPS:
                        self._stop(CLOSE if number == signal.SIGINT else DRAIN)
                    elif number == signal.SIGHUP:
                        self._renew()
            else:
                starting[line].hear(line)

    # --- Births --------------------------------------------------------------------------------------------

    def _startable(self) -> Sequence[_Place]:
        """The first worker goes ahead: what it cannot, none can, and that is said once."""
        first = self._places[0]
        return self._places if self._announced or first.ready else (first,)

    def _start_who_is_due(self) -> None:
        if self._stopping:
            return
        for place in self._startable():
            if not place.pid and place.due <= SYSTEM.monotonic():
                try:
                    self._start(place)
                except OSError as error:
                    self._rest(place, f"worker {place.number} cannot be started: {error.strerror}")

    def _start(self, place: _Place) -> None:
        place.began = SYSTEM.monotonic()
        place.said, place.ready = b"", False
        place.line, theirs = socket.socketpair()
        if self._reread:
            place.order(REREAD)  # its first one: what a fork knows of secrets is as old as the parent
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)  # until the child has its own handlers
        try:
            place.pid = os.fork()
            if place.pid == 0:
                self._become(Worker(place.number, len(self._places), theirs, self._board), unblocked)
        except OSError:
            place.hang_up()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _become(self, worker: Worker, unblocked: set[int | signal.Signals]) -> NoReturn:
        """The child's whole life. Nothing of the parent's stack runs in it again."""
        code = 1
        try:
            for place in self._places:
                place.hang_up()  # as long as a worker holds another's line, that one sees no parent die
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            self._work(worker)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except KeyboardInterrupt:
            code = 0
        except BaseException:
            log.exception("worker %d has failed", worker.number)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    # --- Deaths --------------------------------------------------------------------------------------------

    def _bury_the_dead(self) -> None:
        for place in self._places:
            if place.pid:
                pid, status = os.waitpid(place.pid, os.WNOHANG)
                if pid:
                    self._ended(place, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, code: int) -> None:
        """Note a death. code: the exit code, negative for the signal that ended it."""
        pid, place.pid = place.pid, 0
        self._board.clear(place.number)
        answered, place.ready = place.ready, False
        place.hang_up()
        if self._stopping:
            return
        if code > 0 and not answered and not self._announced:
            self._failure = NotStarted(f"worker {place.number} could not start")
            self._stop(CLOSE)
            return
        self._rest(place, f"worker {place.number} (process {pid}) has ended {_how(code)}")

    def _rest(self, place: _Place, why: str) -> None:
        """Decide when the next one starts: at once, or after a pause that grows while they die young."""
        now = SYSTEM.monotonic()
        young = now - place.began < _YOUNG
        place.pause = min(max(_PAUSE, 2 * place.pause), _PAUSE_MAX) if young else 0.0
        place.due = now + place.pause
        _say(logging.WARNING, f"{why}; another one starts in {place.pause:g} s")

    def _renew(self) -> None:
        """Have all read the files of secrets again, and those that are started later as well."""
        self._reread = True
        for place in self._places:
            place.order(REREAD)

    def _stop(self, order: bytes) -> None:
        """Stop all: the first time by this order, the second time at once."""
        patience = _GRACE if self._stopping else self._drain + _GRACE
        for place in self._places:
            place.order(END if self._stopping else order)
        self._kill_at = SYSTEM.monotonic() + patience
        self._stopping = True
        self._listener.close()  # when the last worker closes its own, newcomers are refused, not left waiting

    def _kill(self) -> None:
        """End those that did not obey in time."""
        self._kill_at = math.inf
        for place in self._places:
            if place.pid:
                _say(
                    logging.ERROR, f"worker {place.number} (process {place.pid}) does not stop and is killed"
                )
                os.kill(place.pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:  # most real-time signals have no name
        return f"by signal {-code}"


def _say(level: int, message: str) -> None:
    """Log what has happened, unless stderr is a pipe that is full: nothing may hold up the parent."""
    _, writable, _ = select.select([], [sys.stderr], [], 0)
    if writable:
        log.log(level, message)


@contextlib.contextmanager
def _noted_signals() -> Generator[socket.socket]:
    """A socket from which the numbers of the signals that we watch can be read, a byte each."""
    noted, noting = socket.socketpair()
    noting.setblocking(False)
    before = {number: signal.signal(number, _note) for number in _WATCHED}
    woken = signal.set_wakeup_fd(noting.fileno(), warn_on_full_buffer=False)
    try:
        yield noted
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        noted.close()
        noting.close()


def _note(number: int, frame: FrameType | None) -> None:
    """Nothing: only a signal with a handler in Python is written to the socket."""
