"""The writer of a process's log: all its lines go to one stream, in one order, with one count of lost lines.

Logging must not wait for a terminal or a pipe that is not read, because the event loop would stand still. A
process that serves requests puts its lines into a queue, and a thread writes them, several at once. A process
without this thread (before it serves, at its end, and the parent of workers, which must not have a thread)
writes itself, and gives up after a short time. Lines that find no room are dropped, and the log says how
many. See docs/decisions/0010-workers.md.
"""

from __future__ import annotations

import contextlib
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Event, Thread, current_thread, main_thread
from types import FrameType
from typing import Any, BinaryIO, Final, NoReturn

import msgspec

from dragoman.observe.timestamps import local, utc
from dragoman.seams.clock import SYSTEM

PIPE_BYTES: Final = 4096
"""The largest write to a pipe, in bytes, that Linux never mixes with writes of other processes (PIPE_BUF).
https://man7.org/linux/man-pages/man7/pipe.7.html
"""
_COLLECT_SECONDS = 0.2
_RETRY_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0
_QUEUED_LINES = 5_000
_LONG_LINES = 500
"""If so many lines wait, a further line of more than PIPE_BYTES is dropped: 5,000 tracebacks would take much
memory.
"""


def begun(event: str, level: str = "info", at: float | None = None) -> dict[str, Any]:
    """Return the fields with which each JSON line of the log begins: `time` (RFC 3339 in UTC), `at` (Unix
    seconds), `event` and `level`. level: `info`, `warning`, `error` or `critical`. at: when it happened, in
    Unix seconds; None = now.
    """
    at = SYSTEM.now() if at is None else at
    return {"time": utc(at), "at": round(at, 3), "event": event, "level": level}


class Lines:
    """Writes lines to a binary stream: directly until `start` is called, then in a thread until `close`.

    people: True = the lines are for people, False = they are JSON; the callers of `put` make them so. queued:
    the most lines that wait for the thread. `put` may be called in any thread, also by a destructor.
    """

    def __init__(self, stream: BinaryIO, *, people: bool, queued: int = _QUEUED_LINES) -> None:
        # The raw stream, not the buffer: a thread that blocks in a buffer holds its lock, and then Python
        # aborts at exit.
        self._stream: Any = getattr(stream, "raw", stream)
        self.people = people
        self._queued = queued
        self.most = sys.maxsize
        """The most bytes that a line should have, so that the lines of other processes do not mix with it."""
        self._dropped = 0
        self._dropped_at = 0.0
        self._told = 0
        self._stuck = False
        self._queues = False
        self._torn = False
        self._lines: deque[bytes] = deque()
        # A queue of C, not an Event: a destructor that logs may run while this thread is inside `put`, or the
        # other one inside its wait, and would wait for ever for the lock of an Event.
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._awake = False
        self._flushes: deque[Event] = deque()
        self._ending = False
        self._thread: Thread | None = None

    def start(self, *, shared: bool = False) -> None:
        """Queue all lines from now on for a thread, which is started here. Call this at most once, and never
        in a process that forks. shared: True = other processes write to the same stream, so each write has at
        most PIPE_BYTES, which a pipe does not mix with other writes (except a single line that is longer).
        Sets `most`.
        """
        self.most = PIPE_BYTES if shared else sys.maxsize
        # A daemon thread: the process must be able to end while the thread is blocked in a write.
        self._thread = Thread(target=self._work, name="log", daemon=True)
        self._thread.start()
        self._queues = True

    def put(self, line: bytes, *, urgent: bool = False) -> None:
        """Write a line, or drop it if there is no room; then the log says later how many were dropped. line:
        with its line end. Before `start` and after `close` this method writes the line itself, and may wait
        some seconds; otherwise the thread writes it later. There is no room in the queue if `queued` lines
        wait, or if 500 wait and this one has more than PIPE_BYTES. urgent: True = the thread writes at once
        instead of waiting 0.2 s for more lines.
        """
        queues = self._queues
        if not queues:
            self._write_now(line)
            return
        lines = self._lines
        if (waiting := len(lines)) >= self._queued or (waiting >= _LONG_LINES and len(line) > PIPE_BYTES):
            self._drop()
            return
        lines.append(line)
        if not self._queues:  # `close` has ended the thread meanwhile
            self._write_rest()
        elif not self._awake or urgent:
            self._awake = True
            self._calls.put(urgent)

    def flush(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Wait until all lines that are queued now are written, at most `patience` seconds. Does nothing if
        there is no thread.
        """
        if self._thread is not None and self._thread.is_alive():
            # One event for each call: the lines that the thread is writing now may be older ones.
            written = Event()
            self._flushes.append(written)
            self._calls.put(True)
            written.wait(patience)

    def close(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Write all queued lines and end the thread. Waits at most `patience` seconds for the thread. Does
        nothing if there is no thread.

        The stream stays open, and later lines are written directly, as before `start`. If the thread has not
        ended in time, later lines are still queued, and perhaps never written.
        """
        if self._thread is not None:
            self._ending = True
            self._calls.put(True)
            self._thread.join(patience)
            self._queues = self._thread.is_alive()
            if not self._queues:
                self._write_rest()  # lines of other threads, which came after the thread's last look

    # Methods that run in the thread ------------------------------------------------------------------

    def _work(self) -> None:
        ended = False
        while not ended:
            if not self._ending and not self._calls.get():
                with contextlib.suppress(Empty):
                    self._calls.get(timeout=_COLLECT_SECONDS)
            # This must be said before the queue is emptied: who adds a line later calls again.
            self._awake = False
            flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
            lines: list[bytes] = []
            while self._lines:
                lines.append(self._lines.popleft())
            if missed := self._dropped - self._told:
                lines.append(self._missed(missed))
                self._told += missed
            for piece in _pieces(lines, self.most):
                self._write(piece)
            for written in flushes:
                written.set()
            ended = self._ending and not self._lines and self._dropped == self._told

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                written = self._stream.write(rest)
                if written is None:  # a non-blocking stream whose buffer is full
                    time.sleep(_RETRY_SECONDS)
                else:
                    rest = rest[written:]
        except (OSError, ValueError):
            return  # nobody reads the log any more; the requests continue

    # Without the thread ------------------------------------------------------------------------------

    def _write_rest(self) -> None:
        """Write the lines that are still queued, although the thread has ended."""
        with contextlib.suppress(IndexError):  # another thread has taken the last line
            while self._lines:
                self._write_now(self._lines.popleft())

    def _write_now(self, line: bytes) -> None:
        """Write a line, preceded by the count of lines that were dropped before it; or drop the line as
        well.
        """
        missed = self._dropped - self._told
        if self._deliver((self._missed(missed) if missed else b"") + line):
            self._told += missed
        else:
            self._drop()

    def _deliver(self, data: bytes) -> bool:
        """Write all of `data`. Returns False if the stream did not take all of it in time; True if it did, or
        if nobody can read the stream any more. For each piece this waits for room at most a second. After it
        has waited in vain, it does not wait for room any more, until the stream has taken a piece again.
        """
        rest = whole = memoryview(b"\n" + data if self._torn else data)
        try:
            while rest:
                if not self._takes(0.0 if self._stuck else _PATIENCE_SECONDS):
                    self._stuck = True
                    return False
                with _within(_PATIENCE_SECONDS):
                    rest = rest[self._stream.write(rest[:PIPE_BYTES]) or 0 :]
                self._stuck = False
                self._torn = 0 < len(rest) < len(whole)
        except TimeoutError:
            self._stuck = True
            return False
        except (OSError, ValueError):
            pass  # nobody reads the log any more
        return True

    def _takes(self, patience: float) -> bool:
        """Whether the stream has room for a write of PIPE_BYTES; True also if this cannot be found out. Waits
        for room at most `patience` seconds.
        """
        try:
            _, takes, _ = select.select([], [self._stream], [], patience)
        except (OSError, ValueError, TypeError):  # it has no descriptor, or is no socket on Windows
            return True
        return bool(takes)

    # In either case ----------------------------------------------------------------------------------

    def _drop(self) -> None:
        self._dropped += 1
        self._dropped_at = SYSTEM.now()

    def _missed(self, count: int) -> bytes:
        """Return the line that says: `count` lines were dropped."""
        at = self._dropped_at
        if self.people:
            return f"{local(at)} {count} log lines dropped: the log was not read in time\n".encode()
        told = {**begun("log_dropped", "warning", at), "lines": count}
        return msgspec.json.encode(told) + b"\n"


def _pieces(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Join lines into pieces of at most `most` bytes. A longer line is a separate piece."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > most:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield b"".join(piece)


@contextlib.contextmanager
def _within(seconds: float) -> Generator[None]:
    """Raise TimeoutError in the block after so many seconds, because a pipe that had room may be filled by
    other processes before it is written to. Has no effect outside of the main thread and on Windows.
    """
    if sys.platform == "win32" or current_thread() is not main_thread():
        yield
        return
    handler = signal.signal(signal.SIGALRM, _too_late)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)


def _too_late(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError
