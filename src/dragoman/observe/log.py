"""The access log: one line for each finished exchange except health probes, for people or as JSON.

A request only puts its line into a queue, from which a thread writes several lines together, so that no
request waits for a terminal or a pipe that nobody reads. If the queue is full, lines are dropped, and the log
says how many.

Prompts, answers and client keys are never logged, of provider keys only the last characters, of providers'
texts only error codes and messages. Control characters are escaped or replaced. Fields: docs/operations.md.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import floor
from threading import Event, Thread
from typing import Any, BinaryIO

import msgspec
from msgspec import UNSET, UnsetType

from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange, Mode

_COLLECT_SECONDS = 0.2
_RETRY_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0
_QUEUED_LINES = 5_000
_TEXT_CHARACTERS = 256
_PIPE_BYTES = 4096
"""The most bytes of a write to a pipe that Linux never mixes with writes of other processes (PIPE_BUF).
https://man7.org/linux/man-pages/man7/pipe.7.html
"""
_PROBES = frozenset(
    {
        *("/health", "/health/live", "/health/liveness", "/health/liveliness", "/ping"),
        *("/health/ready", "/health/readiness", "/metrics"),
    }
)
"""Paths that monitors and load balancers request every few seconds."""
_NAMED_LOSSES = 10
_NAMED_ATTEMPTS = 8
_PLACE_CHARACTERS = 80
"""The most characters of a loss's JSON path in the log. It contains names that clients choose."""
_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))
_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Writes a line for each finished exchange to a binary stream.

    people: True = lines for people instead of JSON. queued: the largest number of lines that wait for the
    stream; further lines are dropped and counted. shared: True = other processes write to the same stream, so
    each write, unless one line is longer, is small enough that a pipe does not mix it with other writes.
    """

    def __init__(
        self, stream: BinaryIO, *, people: bool, queued: int = _QUEUED_LINES, shared: bool = False
    ) -> None:
        # The raw stream, not the buffer: a thread that blocks in a buffer holds its lock, and then Python
        # aborts at exit.
        self._stream: Any = getattr(stream, "raw", stream)
        self._people = people
        self._queued = queued
        self._piece = _PIPE_BYTES if shared else sys.maxsize
        self._lines: deque[bytes] = deque()
        self._noted = Event()
        self._hurry = Event()
        self._written = Event()
        self._ending = False
        self._dropped = 0
        self._dropped_at = 0.0
        self._told = 0
        self._thread: Thread | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Queue the line of a finished exchange, or drop the line if the queue is full. Health probes that
        were answered with 200 get no line.
        """
        if exchange.path in _PROBES and exchange.status == 200:
            return
        lines = self._lines
        if len(lines) >= self._queued:
            self._dropped += 1
            self._dropped_at = exchange.created
            return
        lines.append(_for_people(exchange) if self._people else _for_machines(exchange, self._piece))
        if len(lines) == 1:
            self._noted.set()
            if self._thread is None:
                # A daemon thread: the process must be able to end while the thread is blocked in a write.
                self._thread = Thread(target=self._work, name="access log", daemon=True)
                self._thread.start()

    def flush(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Wait until all queued lines are written, at most `patience` seconds."""
        if self._thread is not None and self._thread.is_alive():
            self._written.clear()
            self._hurry.set()
            self._noted.set()
            self._written.wait(patience)

    def close(self, patience: float = _PATIENCE_SECONDS) -> None:
        """Write all queued lines and end the thread. Waits at most `patience` seconds.

        The stream stays open. Call nothing afterwards: later lines may be lost.
        """
        if self._thread is not None:
            self._ending = True
            self._hurry.set()
            self._noted.set()
            self._thread.join(patience)

    # Methods that run in the thread ------------------------------------------------------------------

    def _work(self) -> None:
        while self._lines or self._dropped > self._told or not self._ending:
            self._noted.wait()
            self._hurry.wait(_COLLECT_SECONDS)
            self._hurry.clear()
            # The event must be cleared before the queue is emptied. A line that is added to a queue with
            # lines is taken by the loop below; a line that is added to an empty queue sets the event again.
            if not self._ending:
                self._noted.clear()
            lines: list[bytes] = []
            while self._lines:
                lines.append(self._lines.popleft())
            if missed := self._dropped - self._told:
                self._told += missed
                lines.append(_missed(missed, self._dropped_at, people=self._people))
            for piece in _pieces(lines, self._piece):
                self._write(piece)
            self._written.set()

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


def _pieces(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Join lines into pieces of at most `most` bytes. A longer line is a piece of its own."""
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


def _missed(count: int, at: float, *, people: bool) -> bytes:
    if people:
        return f"{_clock(at)} {count} log lines dropped: the log was not read in time\n".encode()
    return bytes(_encode({"time": utc(at), "at": at, "event": "log_dropped", "lines": count})) + b"\n"


class _Tokens(msgspec.Struct, rename={"input": "in", "output": "out"}):
    """The counts of `ir.Usage` in the JSON line."""

    input: int
    cached: int | None
    cache_write: int | None
    output: int
    reasoning: int | None
    estimated: bool


class _Tried(msgspec.Struct):
    """One attempt in the JSON line, with its error message (keys were removed from it before), unless the
    error is the client's: that message may repeat a part of the request. key_source: the variable or the file
    of a key that was refused. overtaken: another attempt, which ran beside it, had content first.
    """

    deployment: str
    key: str | None
    mode: Mode
    status: int | None
    us: int | None
    error: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    key_source: str | UnsetType = UNSET
    overtaken: bool | UnsetType = UNSET


class _Line(msgspec.Struct):
    """The JSON line of an exchange; its members in their order. UNSET = it has no such member."""

    time: str
    at: float
    event: str
    id: str
    request_id: str
    method: str
    path: str
    status: int | None
    end: str | None
    client: str | None
    address: str | None
    forwarded_for: str | None
    user_agent: str | None
    total_us: int
    model: str | UnsetType = UNSET
    deployment: str | UnsetType | None = UNSET
    mode: Mode | UnsetType | None = UNSET
    stream: bool | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    tried: list[_Tried] | UnsetType = UNSET
    losses: int | UnsetType = UNSET
    lost: list[dict[str, str]] | UnsetType = UNSET
    upstream_us: int | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    first_us: int | UnsetType = UNSET
    tokens: _Tokens | UnsetType = UNSET
    error: str | UnsetType = UNSET
    param: str | UnsetType = UNSET
    shortened: bool | UnsetType = UNSET


def _for_machines(exchange: Exchange, most: int = sys.maxsize) -> bytes:
    """The line of an exchange as JSON. Above `most` bytes, it is `_shortened`, but may still be longer."""
    began, ended, end = exchange.began, exchange.ended, exchange.end
    line = _Line(
        utc(exchange.created),
        exchange.created,
        "exchange",
        exchange.id,
        exchange.request_id,
        exchange.method,
        _cut(exchange.path),
        exchange.status,
        end if end is None or end == "done" else _cut(end),
        exchange.client,
        exchange.address,
        exchange.forwarded,
        exchange.agent,
        0 if ended is None else int((ended - began) * 1e6),
        *(() if exchange.asked is None else _model(exchange, exchange.asked)),
    )
    if exchange.tags:
        line.tags = exchange.tags
    if exchange.first is not None:
        line.first_us = int((exchange.first - began) * 1e6)
    if (usage := exchange.usage) is not None:
        line.tokens = _Tokens(
            usage.input_total,
            usage.cache_read,
            usage.cache_write,
            usage.output_total,
            usage.reasoning,
            usage.estimated,
        )
    if exchange.fault is not None:
        line.error = _cut(exchange.fault.code or exchange.fault.kind)
        if exchange.fault.param is not None:
            line.param = _cut(exchange.fault.param)
    encoded = _encode(line)
    return (encoded if len(encoded) < most else _shortened(line, most)) + b"\n"


def _model(exchange: Exchange, asked: str) -> tuple[Any, ...]:
    """The members of the JSON line from `model` to `upstream_us`."""
    attempts, losses, answered = exchange.attempts, exchange.losses, exchange.answered
    return (
        _cut(asked),
        answered and _cut(answered),
        exchange.mode,
        exchange.streamed,
        len(attempts),
        [_tried(attempt) for attempt in attempts[-_NAMED_ATTEMPTS:]],
        len(losses),
        _worst(exchange) if losses else UNSET,
        int(exchange.waited * 1e6),
    )


def _worst(exchange: Exchange) -> list[dict[str, str]]:
    foremost = exchange.foremost_losses(_NAMED_LOSSES)
    return [{"path": _cut(x.path, _PLACE_CHARACTERS), "severity": x.severity} for x in foremost]


def _tried(attempt: AttemptRecord) -> _Tried:
    started, ended = attempt.started, attempt.ended
    tried = _Tried(
        _cut(attempt.deployment),
        attempt.key_tail,
        attempt.mode,
        attempt.status,
        None if ended is None else int((ended - started) * 1e6),
    )
    if (fault := attempt.fault) is not None:
        tried.error = _cut(fault.code or fault.kind)
        if fault.blame != "client":
            tried.message = _cut(fault.message)
    if attempt.key_source is not None:
        tried.key_source = _cut(attempt.key_source)
    if attempt.outcome == OVERTAKEN:
        tried.overtaken = True
    return tried


def _shortened(line: _Line, most: int) -> bytes:
    """The line as JSON with `shortened`. Members are removed from `line`, one after another, until the JSON
    has less than `most` bytes: the attempts' messages (always), `lost`, `tags`, `tried`; then no more.
    """
    line.shortened = True
    for tried in line.tried or ():
        tried.message = UNSET
    for member in ("lost", "tags", "tried"):
        if len(encoded := _encode(line)) < most:
            return encoded
        setattr(line, member, UNSET)
    return _encode(line)


def _for_people(exchange: Exchange) -> bytes:
    total = ((exchange.ended or exchange.began) - exchange.began) * 1000
    parts = [_clock(exchange.created), str(exchange.status or "---"), exchange.method, _cut(exchange.path)]
    if exchange.asked:
        parts.append(_cut(exchange.asked))
        parts.extend(_way(exchange))
    if exchange.mode:
        parts.append(exchange.mode)
    parts.append(f"{total:,.0f} ms" if total >= 100 else f"{total:.3g} ms")
    if (usage := exchange.usage) is not None:
        about = "about " if usage.estimated else ""
        parts.append(f"{about}{usage.input_total} in {usage.output_total} out")
    if exchange.tags:
        parts.append(f"tags {', '.join(exchange.tags)}")
    if exchange.losses:
        parts.append(_lost(exchange))
    if exchange.end != "done":
        parts.append(_cut(str(exchange.end)))
        parts.extend(_reason(exchange))
    who = (exchange.client, exchange.address, exchange.agent, exchange.request_id)
    parts.append(f"[{' '.join(_cut(one) for one in who if one)}]")
    line = " ".join(parts)
    return "".join(c if c.isprintable() else "?" for c in line).encode() + b"\n"


def _way(exchange: Exchange) -> Iterator[str]:
    """The latest eight attempts, for people: `→ openai/gpt-5 503 → anthropic/claude-sonnet-5 200`.

    A single successful attempt has no status. If two attempts use one deployment, the last characters of
    their keys are shown.
    """
    attempts = exchange.attempts[-_NAMED_ATTEMPTS:]
    if exchange.answered is not None and (not attempts or (len(attempts) == 1 and not attempts[0].fault)):
        yield f"→ {_cut(exchange.answered)}"
        return
    named = Counter(attempt.deployment for attempt in attempts)
    for attempt in attempts:
        yield f"→ {_cut(attempt.deployment)}"
        if attempt.key_tail and named[attempt.deployment] > 1:
            yield f"…{attempt.key_tail}"
        if (fault := attempt.fault) is not None:
            yield str(attempt.status or _cut(fault.code or fault.kind))
        elif attempt.outcome == OVERTAKEN:
            yield OVERTAKEN
        elif attempt.status is not None:
            yield str(attempt.status)


def _reason(exchange: Exchange) -> Iterator[str]:
    """The reason of a failure for people, at most one text. For an error of the client only the field is
    named: the message may repeat a part of the request.
    """
    fault, tried = exchange.fault, exchange.attempts
    if fault is None:
        return
    if fault.blame == "client":
        if fault.param is not None:
            yield f"in {_cut(fault.param)}"
    elif tried and (told := tried[-1].fault) is not None:  # keys were removed from this message
        yield f"({_cut(told.message)})"
        if (source := tried[-1].key_source) is not None:
            yield f"key …{tried[-1].key_tail} of {_cut(source)}"
    elif fault.blame == "gateway":
        yield f"({_cut(fault.message)})"


def _lost(exchange: Exchange) -> str:
    """The losses for people: `3 lost: $.logit_bias (meaning), …`. Ten are named, but no hints."""
    foremost = exchange.foremost_losses(_NAMED_LOSSES)
    named = [f"{_cut(x.path, _PLACE_CHARACTERS)} ({x.severity})" for x in foremost if x.severity != "hint"]
    more = ["…"] if named and len(exchange.losses) > len(named) else []
    return f"{len(exchange.losses)} lost" + (f": {', '.join(named + more)}" if named else "")


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def utc(seconds: float) -> str:
    """Unix seconds as a time of RFC 3339 in UTC, with milliseconds."""
    whole = floor(seconds)
    return _date(whole) + _MILLISECONDS[int((seconds - whole) * 1000)]


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    """Format Unix seconds as UTC. Cached, because most log lines have the second of the line before."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _cut(text: str, most: int = _TEXT_CHARACTERS) -> str:
    """The text, cut to at most `most` characters: texts of clients and providers must not fill the log."""
    return text if len(text) <= most else text[: most - 1] + "…"
