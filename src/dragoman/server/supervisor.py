"""The parent process of several workers: holds the listening socket; starts, replaces and stops workers, and
the keeper, the process that does what must be done once on a machine.

Each of them is a fork of the parent, made after everything is loaded. So the parent must never run an event
loop or a thread, nor open anything that a fork must not share. Over a socket pair the child reports once that
it is ready, and the parent sends its orders (`server.serve`); the pair's end tells a child that the parent
died. The parent handles all signals. Another socket pair for each worker connects it with the keeper; the
parent has both ends of it, so that a replacement of either gets them. See docs/decisions/0010-workers.md and
0037-one-keeper.md.
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
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Final, NoReturn

from dragoman.errors import DragomanError
from dragoman.observe.board import Board
from dragoman.seams.clock import SYSTEM
from dragoman.server.lines import pair
from dragoman.server.serve import CLOSE, DRAIN, END, REREAD

log = logging.getLogger("dragoman.server.supervisor")

_STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_WATCHED: Final = (*_STOPS, signal.SIGCHLD, signal.SIGHUP)
_YOUNG = 10.0
"""Seconds. If a worker has run for less, its replacement starts only after a pause."""
_PAUSE = 0.1
_PAUSE_MAX = 30.0
_GRACE = 10.0
"""Seconds after the drain time, or after the order to end at once, until a worker is killed."""


class NotStarted(DragomanError):
    """A worker failed before it answered requests, and before all did; it has logged why."""


@dataclass(frozen=True)
class Worker:
    """What a worker knows of its parent and of the other workers. number: from 1 to `count`; a replacement
    has its predecessor's. count: of all workers. orders: the socket over which the parent sends its orders.
    board: the shared memory with the counters of all workers. line: the socket to the keeper, None = there is
    no keeper.
    """

    number: int
    count: int
    orders: socket.socket
    board: Board
    line: socket.socket | None = None

    def ready(self, message: bytes) -> None:
        """Tell the parent that this worker answers requests. message: one line, for `announce`."""
        _report(self.orders, message)


@dataclass(frozen=True)
class Keeper:
    """What the keeper knows of its parent and of the workers. orders, board: as for a worker. lines: the
    sockets to the workers, in the order of their numbers.
    """

    orders: socket.socket
    board: Board
    lines: Sequence[socket.socket]

    def ready(self) -> None:
        """Tell the parent that the keeper is at work."""
        _report(self.orders, b"")


def _report(orders: socket.socket, message: bytes) -> None:
    with contextlib.suppress(OSError):  # the parent has gone; `orders` will end, too
        orders.sendall(message + b"\n")


@dataclass
class _Place:
    """One of the places for child processes: its running process, or when the next one starts (`due`).

    name: for the log. number: its slot of the board. live: the whole life of its process, which gets its
    socket to the parent. pid: 0 = no process runs. line: the parent's end of the socket pair, None = closed.
    said: what the process has sent of its message. pause: seconds that the latest start was put off. began,
    due: monotonic seconds.
    """

    name: str
    number: int
    live: Callable[[socket.socket], None]
    pid: int = 0
    line: socket.socket | None = None
    said: bytes = b""
    ready: bool = False
    began: float = 0.0
    due: float = 0.0
    pause: float = 0.0

    def order(self, what: bytes) -> None:
        if self.line is not None:
            with contextlib.suppress(OSError):  # it has just died, or hangs and no longer reads orders
                self.line.send(what, socket.MSG_DONTWAIT)

    def hear(self, line: socket.socket) -> None:
        """Read more of the message by which a new process reports that it is ready, and note if it is."""
        try:
            heard = line.recv(65_536)
        except ConnectionResetError:  # it died before it read its orders
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
    keep: Callable[[Keeper], None] | None = None,
) -> None:
    """Run `count` workers and the keeper until a signal stops them and all of them have ended.

    The first SIGTERM or SIGINT lets the workers finish their requests, for at most `drain` seconds; after
    SIGTERM the port stays open for a part of this time (`Gateway.drain_delay`). The second one ends them at
    once. The keeper stops after the last worker, or at the second signal. SIGHUP makes all of them read the
    secret files again. listener: the socket on which the workers accept; the parent closes it at the first
    stop signal. work: a worker's whole life, called in its own process, where `supervise` never returns.
    keep: the same for the keeper, None = there is none. announce: called once with the first worker's
    message, when all workers answer requests and the keeper is at work.

    Must run in the main thread of a process without other threads. Raises NotStarted, and KeyboardInterrupt
    if it was stopped before all workers answered.
    """
    _Parent(listener, count, work, announce, drain=drain, keep=keep).run()


class _Parent:
    def __init__(
        self,
        listener: socket.socket,
        count: int,
        work: Callable[[Worker], None],
        announce: Callable[[bytes], None],
        *,
        drain: float,
        keep: Callable[[Keeper], None] | None,
    ) -> None:
        self._listener = listener
        self._board = Board(count)
        self._pairs = [] if keep is None else [pair() for _ in range(count)]
        """For each worker its own end of its line to the keeper, and the keeper's end."""
        self._work = work
        self._keep = keep
        self._workers = [
            _Place(f"worker {number}", number, partial(self._as_worker, number))
            for number in range(1, count + 1)
        ]
        self._keeper = None if keep is None else _Place("the keeper", self._board.keeper, self._as_keeper)
        self._places = self._workers if self._keeper is None else [*self._workers, self._keeper]
        self._announce = announce
        self._drain = drain
        self._announced = False
        self._stopping = False
        self._reread = False
        self._failure: NotStarted | None = None
        self._kill_at = math.inf

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # otherwise garbage collection would write to every object, and so copy the shared memory
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
        """Wait for a signal, a message of a new process, or the next time limit; handle the first two."""
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

    def _startable(self) -> Sequence[_Place]:
        """The places that may start a process: only the first until its worker answered or all did."""
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
                    self._rest(place, f"{place.name} cannot be started: {error.strerror}")

    def _start(self, place: _Place) -> None:
        place.began = SYSTEM.monotonic()
        place.said, place.ready = b"", False
        place.line, theirs = socket.socketpair()
        if self._reread:
            place.order(REREAD)  # the first order: a fork has the secrets that the parent read at its start
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)  # until the child has its own handlers
        try:
            place.pid = os.fork()
            if place.pid == 0:
                self._become(place, theirs, unblocked)
        except OSError:
            place.hang_up()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)

    def _as_worker(self, number: int, orders: socket.socket) -> None:
        """Be a worker, in its own process."""
        line = None
        for worker, (its_end, keepers_end) in enumerate(self._pairs, 1):
            keepers_end.close()
            if worker == number:
                line = its_end
            else:
                its_end.close()
        self._work(Worker(number, len(self._workers), orders, self._board, line))

    def _as_keeper(self, orders: socket.socket) -> None:
        """Be the keeper, in its own process."""
        self._listener.close()  # otherwise the port would stay open after the last worker
        for its_end, _ in self._pairs:
            its_end.close()
        assert self._keep is not None
        self._keep(Keeper(orders, self._board, [keepers_end for _, keepers_end in self._pairs]))

    def _become(self, mine: _Place, orders: socket.socket, unblocked: set[int | signal.Signals]) -> NoReturn:
        code = 1
        try:
            for place in self._places:
                place.hang_up()  # an open copy would hide the parent's death from its child
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            mine.live(orders)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except KeyboardInterrupt:
            code = 0
        except BaseException:
            log.exception("%s has failed", mine.name)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    def _bury_the_dead(self) -> None:
        for place in self._places:
            if place.pid:
                pid, status = os.waitpid(place.pid, os.WNOHANG)
                if pid:
                    self._ended(place, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, code: int) -> None:
        pid, place.pid = place.pid, 0
        self._board.clear(place.number)
        answered, place.ready = place.ready, False
        place.hang_up()
        if self._stopping:
            self._release_keeper()
            return
        if code > 0 and not answered and not self._announced:
            self._failure = NotStarted(f"{place.name} could not start")
            self._stop(CLOSE)
            return
        self._rest(place, f"{place.name} (process {pid}) has ended {_how(code)}")

    def _rest(self, place: _Place, why: str) -> None:
        """Set when the place's next process starts: later each time while they end young. why: to log."""
        now = SYSTEM.monotonic()
        young = now - place.began < _YOUNG
        place.pause = min(max(_PAUSE, 2 * place.pause), _PAUSE_MAX) if young else 0.0
        place.due = now + place.pause
        _say(logging.WARNING, f"{why}; another one starts in {place.pause:g} s")

    def _renew(self) -> None:
        """Order all processes to read the secret files again; those that start later will also do so."""
        self._reread = True
        for place in self._places:
            place.order(REREAD)

    def _stop(self, order: bytes) -> None:
        """Order all workers to stop, first by `order`, later by END and the keeper too. Sets `_kill_at`;
        closes the listener.
        """
        patience = _GRACE if self._stopping else self._drain + _GRACE
        for place in self._places if self._stopping else self._workers:
            place.order(END if self._stopping else order)
        self._kill_at = SYSTEM.monotonic() + patience
        self._stopping = True
        self._listener.close()  # so the port refuses new connections once the last worker has closed its copy
        self._release_keeper()

    def _release_keeper(self) -> None:
        """Order the keeper to stop, if no worker runs any more. Only after `_stop`."""
        if self._keeper is not None and not any(worker.pid for worker in self._workers):
            self._keeper.order(CLOSE)

    def _kill(self) -> None:
        self._kill_at = math.inf
        for place in self._places:
            if place.pid:
                _say(logging.ERROR, f"{place.name} (process {place.pid}) does not stop and is killed")
                os.kill(place.pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:  # most real-time signals have no name
        return f"by signal {-code}"


def _say(level: int, message: str) -> None:
    """Log a message, or drop it if stderr is a full pipe, because writing would block the parent."""
    _, writable, _ = select.select([], [sys.stderr], [], 0)
    if writable:
        log.log(level, message)


@contextlib.contextmanager
def _noted_signals() -> Generator[socket.socket]:
    """While entered, the numbers of received signals can be read from the yielded socket, one byte each."""
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
    """Do nothing: Python writes only signals that have a Python handler to the socket."""
