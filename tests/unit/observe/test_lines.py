"""Lines are written in their order, whole, and nobody waits for their reader."""

from __future__ import annotations

import gc
import io
import json
import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from dragoman.observe import lines as module
from dragoman.observe.lines import Lines

BOTH = pytest.mark.parametrize("people", [False, True], ids=["machines", "people"])
LONG = b"x" * 250 + b"\n"


@contextmanager
def queueing(stream: Any, *, people: bool = False, queued: int = 5_000) -> Generator[Lines, None, None]:
    lines = Lines(stream, people=people, queued=queued)
    lines.start()
    try:
        yield lines
    finally:
        lines.close()


def missed(line: bytes, *, people: bool = False) -> int:
    """How many lines this one says that were dropped."""
    return int(line.split()[2]) if people else int(json.loads(line)["lines"])


class Reader:
    """The far end of a pipe, which reads when it is told to."""

    def __init__(self, *, blocking: bool = True) -> None:
        self.source, sink = os.pipe()
        os.set_blocking(sink, blocking)
        self.stream = os.fdopen(sink, "wb")

    def lines(self) -> list[bytes]:
        """All that has been written until the stream was closed."""
        with os.fdopen(self.source, "rb") as source:
            return source.read().splitlines(keepends=True)

    def some(self) -> bytes:
        """All that is in the pipe now."""
        read = b""
        while select.select([self.source], [], [], 0)[0]:
            read += os.read(self.source, 65_536)
        return read

    def close(self) -> None:
        self.stream.close()
        os.close(self.source)


def test_without_a_thread_a_line_is_written_at_once() -> None:
    stream = io.BytesIO()
    lines = Lines(stream, people=False)
    lines.put(b"1\n")
    assert stream.getvalue() == b"1\n"


def test_the_lines_of_a_process_keep_their_order() -> None:
    """Before the thread runs, while it runs, and when it has ended."""
    stream = io.BytesIO()
    lines = Lines(stream, people=False)
    lines.put(b"1\n")
    lines.start()
    lines.put(b"2\n")
    lines.put(b"3\n", urgent=True)
    lines.put(b"4\n")
    lines.close()
    lines.put(b"5\n")
    assert stream.getvalue() == b"1\n2\n3\n4\n5\n"


def test_flush_waits_until_all_is_written() -> None:
    stream = io.BytesIO()
    with queueing(stream) as lines:
        for number in range(3):
            lines.put(b"line\n")
            lines.flush(patience=60)
            assert stream.getvalue().count(b"\n") == number + 1


class Gated(io.RawIOBase):
    """A stream whose writes each wait until they are let through. started: one entry for each begun write."""

    def __init__(self) -> None:
        self.started: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.gate: queue.SimpleQueue[None] = queue.SimpleQueue()

    def write(self, data: Any) -> int:
        self.started.put(bytes(data))
        self.gate.get(timeout=60)
        return len(data)


def test_flush_waits_for_a_line_that_came_during_a_write() -> None:
    stream = Gated()
    with queueing(stream) as lines:
        lines.put(b"1\n", urgent=True)
        assert stream.started.get(timeout=60) == b"1\n"
        lines.put(b"2\n")
        flushing = threading.Thread(target=lines.flush, args=(60,))
        flushing.start()
        time.sleep(0.1)
        stream.gate.put(None)
        assert stream.started.get(timeout=60) == b"2\n"
        flushing.join(0.2)
        assert flushing.is_alive()  # the second line is not written yet
        stream.gate.put(None)
        flushing.join(60)
        assert not flushing.is_alive()


def test_a_line_that_comes_while_the_writer_closes_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread logs after the writer's thread has looked at the queue for the last time."""
    stream = io.BytesIO()
    lines = Lines(stream, people=False)
    lines.start()
    thread = lines._thread
    assert thread is not None
    join = thread.join

    def joined(patience: float | None = None) -> None:
        join(patience)
        lines.put(b"late\n")

    monkeypatch.setattr(thread, "join", joined)
    lines.put(b"1\n")
    lines.close(patience=60)
    assert stream.getvalue() == b"1\nlate\n"


def test_an_urgent_line_waits_for_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COLLECT_SECONDS", 3600.0)
    reader = Reader()
    with queueing(reader.stream) as lines:
        lines.put(b"1\n")
        lines.put(b"2\n", urgent=True)
        read = b""
        while read != b"1\n2\n":
            assert select.select([reader.source], [], [], 60)[0]
            read += os.read(reader.source, 100)
    reader.close()


def test_a_writer_without_lines_has_nothing_to_end() -> None:
    lines = Lines(io.BytesIO(), people=False)
    lines.flush()
    lines.close()


def test_the_thread_ends_with_the_writer() -> None:
    before = threading.active_count()
    lines = Lines(io.BytesIO(), people=False)
    lines.start()
    assert threading.active_count() == before + 1
    lines.close(patience=60)
    assert threading.active_count() == before
    lines.flush(patience=60)


@BOTH
@pytest.mark.parametrize("blocking", [True, False], ids=["waiting", "refusing"])
def test_a_reader_that_stalls_stops_nobody_and_misses_whole_lines(people: bool, blocking: bool) -> None:
    reader = Reader(blocking=blocking)
    lines = Lines(reader.stream, people=people, queued=1_000)
    lines.start()
    for _ in range(1_000):  # more than a pipe holds: the thread is stuck in them from now on
        lines.put(LONG)
    lines.flush(patience=0.3)
    for _ in range(3_000):
        lines.put(LONG, urgent=True)
    lines.flush(patience=0.1)
    lines.close(patience=0.1)

    got: list[bytes] = []
    reading = threading.Thread(target=lambda: got.extend(reader.lines()))
    reading.start()
    lines.close(patience=60)
    reader.stream.close()
    reading.join()
    whole = [line for line in got if line == LONG]
    told = sum(missed(line, people=people) for line in got if line != LONG)
    assert told > 0
    assert len(whole) + told == 4_000


@BOTH
def test_without_a_thread_a_full_pipe_drops_lines_and_counts_them(
    people: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is in the parent of workers. It waits once, not for each line."""
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.2)
    reader = Reader()
    lines = Lines(reader.stream, people=people)
    began = time.monotonic()
    for _ in range(1_000):
        lines.put(LONG)
    assert time.monotonic() - began < 0.2 * 500
    got = reader.some().splitlines(keepends=True)
    assert set(got) == {LONG}
    lines.put(b"last\n")
    told, last = reader.some().splitlines(keepends=True)
    assert len(got) + missed(told, people=people) == 1_000
    assert last == b"last\n"
    reader.close()


def test_a_line_that_was_cut_off_is_ended_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.01)
    reader = Reader()
    lines = Lines(reader.stream, people=False)
    lines.put(b"y" * 200_000 + b"\n")
    cut = reader.some()
    lines.put(b"next\n")
    ended, told, after = reader.some().splitlines(keepends=True)
    assert (set(cut), ended, missed(told), after) == (set(b"y"), b"\n", 1, b"next\n")
    reader.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no timer of this kind")
def test_a_pipe_that_others_fill_between_the_look_and_the_write_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)
    reader = Reader()
    lines = Lines(reader.stream, people=False)
    monkeypatch.setattr(lines, "_takes", lambda _patience: True)
    handler = signal.getsignal(signal.SIGALRM)
    for _ in range(300):
        lines.put(LONG)
        if lines._dropped:
            break
    assert lines._dropped == 1
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (handler, (0.0, 0.0))
    reader.close()


def test_a_reader_that_has_gone_is_no_failure() -> None:
    reader = Reader()
    os.close(reader.source)
    lines = Lines(reader.stream, people=False)
    lines.put(b"1\n")
    lines.start()
    lines.put(b"2\n")
    lines.flush()
    lines.close()
    reader.stream.close()


class Pipe(io.RawIOBase):
    """Notes what each write brings. first: set once the first write has begun, which waits for `go_on`."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.first = threading.Event()
        self.go_on = threading.Event()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.first.set()
        assert self.go_on.wait(60)
        self.pieces.append(bytes(data))
        return len(data)


def test_lines_of_several_processes_stay_whole_in_a_pipe() -> None:
    pipe = Pipe()
    pipe.go_on.set()
    lines = Lines(pipe, people=False)  # type: ignore[arg-type]
    lines.start(shared=True)
    for _ in range(100):
        lines.put(LONG)
    lines.put(b"z" * 9_000 + b"\n")
    lines.put(LONG)
    lines.close(patience=60)
    assert len(pipe.pieces) > 3
    assert all(piece.endswith(b"\n") for piece in pipe.pieces)
    assert [len(piece) for piece in pipe.pieces if len(piece) > 4096] == [9_001], "a longer line is alone"
    assert b"".join(pipe.pieces).count(b"\n") == 102


def test_long_lines_have_less_room() -> None:
    """A queue full of tracebacks would be much memory."""
    pipe = Pipe()
    lines = Lines(pipe, people=False)  # type: ignore[arg-type]
    lines.start()
    lines.put(b"first\n", urgent=True)
    assert pipe.first.wait(60)
    for _ in range(600):
        lines.put(b"t" * 5_000 + b"\n")
    lines.put(b"short\n")
    pipe.go_on.set()
    lines.close(patience=60)
    _, *long, short, told = b"".join(pipe.pieces).splitlines()
    assert (len(long), short, missed(told)) == (500, b"short", 100)


def test_a_destructor_may_log_at_any_moment() -> None:
    """It may run while its thread is inside of `put`, or the writer inside of its wait."""
    stream = io.BytesIO()
    with queueing(stream, queued=100_000) as lines:

        class Logs:
            def __del__(self) -> None:
                lines.put(b"deleted\n", urgent=True)

        def work() -> None:
            for _ in range(300):
                cycle: list[Any] = [Logs()]
                cycle.append(cycle)
                lines.put(b"line\n")

        before = gc.get_threshold()
        gc.set_threshold(1)
        try:
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads)
        finally:
            gc.set_threshold(*before)
        gc.collect()
        lines.flush(patience=60)
    assert stream.getvalue().count(b"line\n") == stream.getvalue().count(b"deleted\n") == 900
