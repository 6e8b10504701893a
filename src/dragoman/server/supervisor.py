"""The parent process of several workers. It holds the listening socket, and it starts, replaces and stops the
workers and the keeper. The keeper is the process for the work that must be done once on a machine.

Each child is a fork of the parent, made after everything is loaded. So the parent must never run an event
loop or a thread, nor open anything that a fork must not share. A socket pair connects the parent with each
child. Over it the child reports once that it is ready, the parent sends orders, and both send messages about
reloads (`server.orders`); if the parent's end closes, the child knows that the parent has ended. The parent
handles the signals that stop or reload the gateway. It also notices changes of the configuration
(`config.watch`), and then makes all processes reload (`server.rounds`). Another socket pair connects each
worker with the keeper. The parent keeps both ends of this pair open, so that a replacement of the worker or
the keeper gets its end. A program that all processes use, such as the embedded Valkey, runs beside them. See
docs/decisions/0010-workers.md, 0037-one-keeper.md, 0038-reload.md and 0050-shared-limits.md.
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
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Final, NoReturn

from dragoman.assembly.reload import Outcome
from dragoman.config.differences import fingerprint
from dragoman.config.load import Loaded
from dragoman.config.watch import Watch
from dragoman.errors import ConfigError, DragomanError
from dragoman.observe.board import Board
from dragoman.seams.clock import SYSTEM
from dragoman.server.last_signals import settle
from dragoman.server.lines import pair
from dragoman.server.orders import CLOSE, DRAIN, END, Message, Orders, receive, send, written
from dragoman.server.rounds import Rounds

log = logging.getLogger("dragoman.server.supervisor")

_STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_WATCHED: Final = (*_STOPS, signal.SIGCHLD, signal.SIGHUP)
_YOUNG = 10.0
"""Seconds. If a process has run for less, its replacement starts only after a pause."""
_PAUSE = 0.1
_PAUSE_MAX = 30.0
_PAUSE_BESIDE = 1.0
"""The most seconds of the pause before a program that all processes use is started again."""
_FAREWELL = 2.0
"""Seconds after SIGTERM until a program beside the workers is killed."""
_GRACE = 10.0
"""Seconds after the drain time, or after the order to end at once, until workers and the keeper that still
run are killed.
"""


class NotStarted(DragomanError):
    """Raised if a worker or the keeper ends with an exit code above 0 before it is ready, while the gateway
    is starting.
    """


@dataclass(frozen=True)
class Worker:
    """What the parent gives to a worker. number: from 1 to `count`; a replacement gets the number of the
    worker that it replaces. count: how many workers there are. orders: the socket to the parent, which sends
    orders over it. board: the shared memory of all processes: messages of each worker and of the keeper, and
    the counters for `/metrics`. line: the socket to the keeper, None = there is no keeper. loaded: the
    configuration in use; None = the configuration that the program loaded at its start.
    """

    number: int
    count: int
    orders: socket.socket
    board: Board
    line: socket.socket | None = None
    loaded: Loaded | None = None

    def ready(self, message: bytes) -> None:
        """Tell the parent that this worker answers requests. message: one line of text without its line end;
        the argument `announce` of `supervise` gets the line of worker 1. No error is raised if the parent has
        ended.
        """
        _report(self.orders, message)


@dataclass(frozen=True)
class Keeper:
    """What the parent gives to the keeper. orders, board, loaded: as in `Worker`. lines: the sockets to the
    workers, in the order of the workers' numbers.
    """

    orders: socket.socket
    board: Board
    lines: Sequence[socket.socket]
    loaded: Loaded | None = None

    def ready(self) -> None:
        """Tell the parent that the keeper has started its work."""
        _report(self.orders, b"")


def _report(orders: socket.socket, message: bytes) -> None:
    with contextlib.suppress(OSError):  # the parent has gone; `orders` will end, too
        orders.sendall(message + b"\n")


@dataclass
class _Place:
    """A place for one child process: either the process is running, or the next process starts at the time
    `due`.

    name: for the log. number: the slot of the process on the shared board; 0 = it has none. live: called in
    the child with its socket to the parent; runs the complete life of the process. pid: 0 = no process runs.
    line: the parent's end of the socket pair, None = closed. said: the bytes that have arrived of the first
    line; by this line the process reports that it is ready. ready: whether the complete first line has
    arrived. orders: reads the messages after that line. began: when the latest process was started. due: when
    the next process may be started. Both times are in monotonic seconds. pause: the seconds between the end
    of the latest process and `due`.
    """

    name: str
    number: int
    live: Callable[[socket.socket], None]
    pid: int = 0
    line: socket.socket | None = None
    said: bytes = b""
    orders: Orders = field(default_factory=Orders)
    ready: bool = False
    began: float = 0.0
    due: float = 0.0
    pause: float = 0.0

    def order(self, what: bytes) -> None:
        if self.line is not None:
            send(self.line, what)  # it may have just died, or hang and no longer read orders

    def hear(self, line: socket.socket) -> list[Message]:
        """Read what the process has sent, and return the messages about reloads. If the line that reports
        that the process is ready has arrived, set `ready`. If the process has closed its end of the socket
        pair, close the parent's end, too.
        """
        heard = receive(line)
        if not heard:
            self.hang_up()
        if not self.ready:
            self.said, ended, heard = (self.said + heard).partition(b"\n")
            self.ready = bool(ended)
        return [one for one in self.orders.feed(heard) if not isinstance(one, bytes)]

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
    loaded: Loaded | None = None,
    told: Callable[[Outcome], None] = lambda _outcome: None,
    beside: Callable[[socket.socket], None] | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Run `count` workers and the keeper until a signal stops them and all of them have ended.

    At the first SIGTERM or SIGINT, the workers may finish their requests, for at most `drain` seconds; after
    SIGTERM the port stays open for the first part of this time (`Draining.delay`). The second signal ends the
    workers at once. Processes that still run `_GRACE` seconds after `drain`, or after the second signal, are
    killed. The keeper stops after the last worker, or at the second signal. SIGHUP, a worker's request, or
    `config.watch` (a change of the files or of the entries in the database, or the time `reload.poll`) starts
    a reload: all processes use the new configuration, or none does.

    listener: the socket on which the workers accept connections; the parent closes its copy at the first stop
    signal. work: runs the complete life of a worker; it is called in the worker's process, in which
    `supervise` never returns. keep: the same for the keeper, None = there is no keeper. announce: called
    once, with the message of worker 1, when all workers answer requests and the keeper has started. drain:
    seconds; must include the time for which the port stays open after SIGTERM. loaded: the configuration with
    which the processes begin; None = there are no reloads. told: called with the outcome of each reload,
    except if `config.watch` has started the reload and the outcome has no news. beside: runs the complete
    life of a process that all others use, such as a database; None = there is no such process. It starts
    first, gets no orders, and gets SIGTERM after the last of the others has ended; the argument of `beside`
    is a socket that closes when the parent ends. stopping: called at the first signal that stops the gateway,
    unless that comes before `announce` was called.

    Must run in the main thread of a process without other threads. The log, `announce`, `told` and `stopping`
    must not wait for the reader of stderr; those of `cli.log.narrate` do not. At the end of a gateway that
    was announced, `last_signals.settle` was called. Raises NotStarted; and KeyboardInterrupt if a signal
    stopped the gateway before `announce` was called.
    """
    parent = _Parent(listener, count, work, announce, drain=drain, keep=keep)
    if beside is not None:
        parent.beside.append(_Place("the store of shared limits", 0, beside))
    if loaded is not None:
        parent.reloads(loaded, told)
    parent.stopping = stopping
    parent.run()


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
        """For each worker: its end of the line to the keeper, and the keeper's end."""
        self._work = work
        self._keep = keep
        self._workers = [
            _Place(f"worker {number}", number, partial(self._as_worker, number))
            for number in range(1, count + 1)
        ]
        self._keeper = None if keep is None else _Place("the keeper", self._board.keeper, self._as_keeper)
        self._places = self._workers if self._keeper is None else [*self._workers, self._keeper]
        self.beside: list[_Place] = []
        """Places of programs that all processes use. They have no slot on the board, and take no part in
        reloads.
        """
        self._announce = announce
        self._drain = drain
        self._announced = False
        self.stopping: Callable[[], None] = lambda: None
        """Called at the first signal that stops the gateway, unless that comes before `announce` was called.
        """
        self._stopping = False
        self._rounds: Rounds | None = None
        self._watch: Watch | None = None
        self._watched: Loaded | None = None
        self._look_at = math.inf
        self._failure: NotStarted | None = None
        self._kill_at = math.inf

    def reloads(self, loaded: Loaded, told: Callable[[Outcome], None]) -> None:
        """Allow reloads from now on, and watch the files and the database of this configuration. told: as in
        `supervise`.
        """
        self._watch = Watch(loaded, SYSTEM.monotonic())
        self._rounds = Rounds(
            loaded,
            fingerprint(loaded.config),
            send=self._send,
            running=lambda: [place.number for place in self._places if place.pid],
            told=told,
            lost=self._lose,
            name=lambda number: self._places[number - 1].name,
        )

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # otherwise garbage collection would write to every object, and so copy the shared memory
        with _noted_signals() as noted:
            while not self._stopping or any(place.pid for place in self._places):
                self._start_who_is_due()
                self._listen(noted)
                self._bury_the_dead()
                self._reload()
                if not self._announced and all(place.ready for place in self._places):
                    self._announced = True
                    self._announce(self._places[0].said.rstrip())
                if SYSTEM.monotonic() >= self._kill_at:
                    self._kill()
            for place in self.beside:
                if place.pid:
                    _end(place.pid)
                place.hang_up()
            unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            if self._announced and self._failure is None:
                settle()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        if self._failure is not None:
            raise self._failure
        if not self._announced:
            raise KeyboardInterrupt

    def _listen(self, noted: socket.socket) -> None:
        """Wait until a signal or a message of a process comes, but not longer than until the next time at
        which something is due. Handle the signals and messages that have come.
        """
        lines = {place.line: place for place in self._places if place.line}
        times = [self._kill_at]
        if not self._stopping:
            times += [place.due for place in (*self.beside, *self._startable()) if not place.pid]
            times += [self._look_at] if self._rounds is None else [self._look_at, self._rounds.due]
        first = min(times)
        patience = None if first == math.inf else max(0.0, first - SYSTEM.monotonic())
        heard, _, _ = select.select([noted, *lines], [], [], patience)
        for line in heard:
            if line is noted:
                for number in noted.recv(4096):
                    if number in _STOPS:
                        self._stop(CLOSE if number == signal.SIGINT else DRAIN)
                    elif number == signal.SIGHUP and self._rounds is not None and not self._stopping:
                        self._rounds.begin(SYSTEM.monotonic())
            else:
                self._heard(lines[line], line)

    def _heard(self, place: _Place, line: socket.socket) -> None:
        for message in place.hear(line):
            if self._rounds is not None and not self._stopping:
                self._rounds.heard(place.number, message, SYSTEM.monotonic())

    def _reload(self) -> None:
        """Go on with a reload that is running, as `Rounds.tick` does. If none is running and `config.watch`
        says that the configuration must be loaded again, begin one. Do nothing while the gateway stops.
        """
        rounds, watch, now = self._rounds, self._watch, SYSTEM.monotonic()
        if rounds is None or watch is None or self._stopping:
            return
        rounds.tick(now)
        if now >= self._look_at and rounds.phase == "rest" and watch.look(now):
            rounds.begin(now, quiet=True)
        if rounds.loaded is not self._watched:
            self._watched = rounds.loaded
            watch.follow(rounds.loaded)
        if now >= self._look_at or self._look_at == math.inf:
            self._look_at = now + watch.pause

    def _send(self, number: int, message: Message) -> None:
        self._places[number - 1].order(written(message))

    def _lose(self, number: int) -> None:
        """Kill the worker or keeper with this number, if it is running, because it has not begun to use the
        new configuration. A new process replaces it.
        """
        place = self._places[number - 1]
        if place.pid:
            log.error("%s (process %d) does not reload and is killed", place.name, place.pid)
            os.kill(place.pid, signal.SIGKILL)

    def _startable(self) -> Sequence[_Place]:
        """Return the places in which a process may be started now: all, with two exceptions. While the
        gateway starts, only the first place until its worker is ready; while the workers prepare a new
        configuration none, because it is not decided yet which configuration new processes get.
        """
        if self._rounds is not None and self._rounds.phase == "preparing":
            return ()
        first = self._places[0]
        return self._places if self._announced or first.ready else (first,)

    def _start_who_is_due(self) -> None:
        if self._stopping:
            return
        for place in (*self.beside, *self._startable()):
            if not place.pid and place.due <= SYSTEM.monotonic():
                try:
                    self._start(place)
                except OSError as error:
                    self._rest(place, f"{place.name} cannot be started: {error.strerror}")

    def _start(self, place: _Place) -> None:
        place.began = SYSTEM.monotonic()
        place.said, place.orders, place.ready = b"", Orders(), False
        place.line, theirs = socket.socketpair()
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

    @property
    def _loaded(self) -> Loaded | None:
        """The configuration in use; None = there are no reloads."""
        return None if self._rounds is None else self._rounds.loaded

    def _as_worker(self, number: int, orders: socket.socket) -> None:
        """Run the complete life of the worker with this number. Called in the worker's own process."""
        line = None
        for worker, (its_end, keepers_end) in enumerate(self._pairs, 1):
            keepers_end.close()
            if worker == number:
                line = its_end
            else:
                its_end.close()
        self._work(Worker(number, len(self._workers), orders, self._board, line, self._loaded))

    def _as_keeper(self, orders: socket.socket) -> None:
        """Run the complete life of the keeper. Called in the keeper's own process."""
        self._listener.close()  # otherwise the port would stay open after the last worker
        for its_end, _ in self._pairs:
            its_end.close()
        assert self._keep is not None
        lines = [keepers_end for _, keepers_end in self._pairs]
        self._keep(Keeper(orders, self._board, lines, self._loaded))

    def _become(self, mine: _Place, orders: socket.socket, unblocked: set[int | signal.Signals]) -> NoReturn:
        code = 1
        try:
            for place in (*self._places, *self.beside):
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
        except ConfigError as error:
            log.error("%s cannot use the configuration: %s", mine.name, error)  # noqa: TRY400 - no traceback
        except BaseException:
            log.exception("%s has failed", mine.name)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing may keep the process from ending here
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    def _bury_the_dead(self) -> None:
        for place in (*self._places, *self.beside):
            if place.pid:
                pid, status = os.waitpid(place.pid, os.WNOHANG)
                if pid:
                    self._ended(place, os.waitstatus_to_exitcode(status))

    def _ended(self, place: _Place, code: int) -> None:
        pid, place.pid = place.pid, 0
        if place in self.beside:
            place.hang_up()
            if not self._stopping:
                self._rest(place, f"{place.name} (process {pid}) has ended {_how(code)}", _PAUSE_BESIDE)
            return
        self._board.clear(place.number)
        answered, place.ready = place.ready, False
        place.hang_up()
        if self._stopping:
            self._release_keeper()
            return
        if self._rounds is not None:
            self._rounds.gone(place.number, SYSTEM.monotonic())
        if code > 0 and not answered and not self._announced:
            self._failure = NotStarted(f"{place.name} could not start")
            self._stop(CLOSE)
            return
        self._rest(place, f"{place.name} (process {pid}) has ended {_how(code)}")

    def _rest(self, place: _Place, why: str, most: float | None = None) -> None:
        """Set when the next process starts in this place, and log it: at once if the last process ran for
        `_YOUNG` seconds or more, otherwise after a pause, first of `_PAUSE` seconds, then each time twice as
        long, up to `most`. why: for the log. most: seconds, None = `_PAUSE_MAX`.
        """
        now = SYSTEM.monotonic()
        young = now - place.began < _YOUNG
        place.pause = (
            min(max(_PAUSE, 2 * place.pause), _PAUSE_MAX if most is None else most) if young else 0.0
        )
        place.due = now + place.pause
        log.warning("%s; another one starts in %g s", why, place.pause)

    def _stop(self, order: bytes) -> None:
        """Stop the processes. The first call sends `order` to all workers; each later call sends END to all
        workers and the keeper. Each call also sets when the processes that still run will be killed, and
        closes the parent's copy of the listening socket.
        """
        patience = _GRACE if self._stopping else self._drain + _GRACE
        for place in self._places if self._stopping else self._workers:
            place.order(END if self._stopping else order)
        self._kill_at = SYSTEM.monotonic() + patience
        if self._announced and not self._stopping:
            self.stopping()
        self._stopping = True
        self._listener.close()  # so the port refuses new connections once the last worker has closed its copy
        self._release_keeper()

    def _release_keeper(self) -> None:
        """Order the keeper to stop if no worker is running any more. To be called only after `_stop`."""
        if self._keeper is not None and not any(worker.pid for worker in self._workers):
            self._keeper.order(CLOSE)

    def _kill(self) -> None:
        self._kill_at = math.inf
        for place in self._places:
            if place.pid:
                log.error("%s (process %d) does not stop and is killed", place.name, place.pid)
                os.kill(place.pid, signal.SIGKILL)


def _end(pid: int) -> None:
    """Send SIGTERM to a child process, and wait until it has ended. If this takes more than `_FAREWELL`
    seconds, kill it.
    """
    os.kill(pid, signal.SIGTERM)
    until = SYSTEM.monotonic() + _FAREWELL
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if SYSTEM.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        select.select([], [], [], 0.01)


def _how(code: int) -> str:
    if code >= 0:
        return f"with code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:  # most real-time signals have no name
        return f"by signal {-code}"


@contextlib.contextmanager
def _noted_signals() -> Generator[socket.socket]:
    """A context manager that yields a socket. Inside the context, the number of each signal of `_WATCHED`
    that is received can be read from the socket, as one byte.
    """
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
    """Do nothing. This is the handler of the signals of `_WATCHED`: Python writes the number of a signal to
    the socket only if the signal has a Python handler.
    """
