"""Server-sent events: splits a stream into the data of its events or into the bytes of whole events, and
writes events.

Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
There are four deliberate differences from the specification:

- An event that the end of the stream cuts off is not dropped, `close` returns it: streams of servers that
  forget the last blank line would lose their finish reason and usage.
- An event with the name `error`, a line `error: …` (llama.cpp before September 2025) and JSON without any
  framing (a gateway's error with status 200) are returned as `ErrorFrame`.
- A byte order mark is ignored before any event, not only before the first.
- An event with empty data is not returned, because there is nothing to decode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE

_decode = msgspec.json.Decoder().decode

MAX_EVENT = 64 * 1024 * 1024
"""The usual limit for one event, in bytes: enough for an image in base64."""
MAX_LINES = 100_000
"""The most lines of one event, comments not counted. Each line is an object in memory until the event
ends.
"""
ANSWER_TOO_LARGE = "answer_too_large"
"""The code of errors about an answer that is too large."""

_LINE = 48
"""Bytes that are counted for each line of an event besides its text, so that a flood of short lines is
limited, too.
"""
_BOM = b"\xef\xbb\xbf"
_END = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r)")
_USUAL = re.compile(rb"(?:event: (?!error\n)[^\n]*+\n)?data: ([^\n]++)\n\n")
"""One complete event in the form that nearly all have, with its data: a `data` line, alone or after an
`event` line.
"""
_CR = 13  # `int in bytes` is a bare memchr, eight times cheaper than `bytes in bytes`


class ErrorFrame(bytes):
    """The data of an event that reports an error: the server marked the event as an error, or sent it outside
    of the stream's framing. The data need not be JSON.
    """

    __slots__ = ()


class SSESplitter:
    """Splits one stream into the data of its events. The data is the same, however the stream is cut into
    chunks.

    max_event: the most bytes of one line of an event, and of all lines together that are collected for one
    event. `feed` raises WireError (code `answer_too_large`) for more, as soon as they exceed the limit.
    """

    __slots__ = ("_between", "_data", "_held", "_max_event", "_odd", "_odd_size", "_partial", "_skip_lf")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._partial: list[bytes] = []  # pieces of the unfinished line, joined only when it ends
        self._held = 0  # bytes in `_partial`
        self._data: bytes | None = None  # of the unfinished event, while it has one plain `data` line
        self._odd: list[bytes] = []  # all lines of the unfinished event, once it has others
        self._odd_size = 0  # bytes of `_odd` in memory
        self._skip_lf = False  # the last chunk ended in CR: its LF may still come
        self._between = True  # nothing of an event is held: the next byte begins one

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of every event that `chunk` completes, unless it is empty, in order; the data of an
        error is an `ErrorFrame`. Several `data` lines of one event are joined by LF.

        Raises WireError for an event with too many bytes or lines. The splitter cannot be used after that.
        """
        if _CR in chunk or self._skip_lf:
            chunk = self._with_lf(chunk)
        frames: list[bytes] = []
        end, size = 0, len(chunk)
        if self._between and size <= self._max_event:
            while end < size and (usual := _USUAL.match(chunk, end)):
                frames.append(usual[1])
                end = usual.end()
        if end < size:
            self._feed_lines(chunk[end:], frames)
            self._between = self._data is None and not (self._held or self._odd)
        return frames

    def _feed_lines(self, chunk: bytes, frames: list[bytes]) -> None:
        """Read the chunk, whose lines all end in LF, and append the data of each event that it completes to
        `frames`.
        """
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if rest or self._held:
            self._join(lines, rest)
        if len(chunk) > self._max_event:
            self._check(*map(len, lines))
        data, odd = self._data, self._odd
        for line in lines:
            if line.startswith(b"data: ") and data is None and not odd:
                data = line[6:]
            elif not line:
                if odd:
                    data = self._parse()
                if data:
                    frames.append(data)
                data = None
            elif odd or not line.startswith(b"event: ") or line == b"event: error":
                if data is not None:
                    self._set_aside(b"data: " + data)
                    data = None
                self._set_aside(line)
        self._data = data

    def between(self) -> bool:
        """Whether nothing is held that matters for the data of the next event, so that the bytes that follow
        can be read as if a new event began. False after a CR, because its LF may still come.
        """
        return not (self._held or self._odd or self._skip_lf) and self._data is None

    def close(self) -> list[bytes]:
        """End the stream. Returns a list with the data of the event that was cut off, or an empty list if
        there is no such event or it has no data. Raises WireError if its last line gives it too many bytes
        or lines.
        """
        return self.feed(b"\n\n")

    def _join(self, lines: list[bytes], rest: bytes) -> None:
        """Put the unfinished line of earlier chunks in front of the first of `lines`; this changes the list.
        Store `rest`, the unfinished line of this chunk, for the next chunk.
        """
        if lines and self._held:
            self._check(self._held + len(lines[0]))
            lines[0] = b"".join((*self._partial, lines[0]))
            self._partial.clear()
            self._held = 0
        if rest:
            self._partial.append(rest)
            self._held += len(rest)
            self._check(self._held)

    def _with_lf(self, chunk: bytes) -> bytes:
        """Return the chunk with LF for every line end (CR, LF or CRLF). A CR at the end of the chunk becomes
        LF at once; if the next chunk begins with an LF, this LF belongs to the CR and is dropped.
        """
        if self._skip_lf and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skip_lf = False
        if chunk.endswith(b"\r"):
            self._skip_lf = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _set_aside(self, line: bytes) -> None:
        if not line.startswith(b":"):
            self._odd.append(line)
            self._odd_size += len(line) + _LINE
            self._check(self._odd_size)
            if len(self._odd) > MAX_LINES:
                raise WireError(
                    f"an event of the stream has more than {MAX_LINES} lines", code=ANSWER_TOO_LARGE
                )

    def _check(self, *sizes: int) -> None:
        if max(sizes) > self._max_event:
            raise too_large("an event", self._max_event)

    def _parse(self) -> bytes | None:
        """Empty `_odd`, and return the data in its lines; b"" if they have none. The data is an ErrorFrame if
        the server marked the event as an error, or if the lines are JSON outside of the stream's framing.
        """
        lines = self._odd
        lines[0] = lines[0].removeprefix(_BOM)
        data: list[bytes] = []
        failed = False
        for line in lines:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                failed = value == b"error"
            elif field == b"error":
                data.append(value)
                failed = True
        if not data and lines[0].lstrip()[:1] in (b"{", b"["):
            data, failed = lines[:], True
        self._odd.clear()
        self._odd_size = 0
        payload = b"\n".join(data)
        return ErrorFrame(payload) if failed else payload


class SSECutter:
    """Splits one stream into whole events, byte for byte: the events joined are the stream again. So
    something else can be sent between two events, for example a heartbeat or an error event.

    max_event: the most bytes of one event. `feed` raises WireError (code `answer_too_large`) for a larger
    one.
    """

    __slots__ = ("_held", "_max_event", "_parts", "_tail")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._parts: list[bytes] = []  # of the unfinished event, joined only when it ends
        self._held = 0  # bytes in `_parts`
        self._tail = b""  # the last bytes in `_parts`, which may be the beginning of the event's end

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the bytes of each event that `chunk` completes, comments included. Raises WireError for an
        event above the limit.
        """
        start = len(self._tail)
        seen = self._tail + chunk
        events: list[bytes] = []
        for end in _ends(seen):
            self._hold(seen[start:end])
            events.append(b"".join(self._parts))
            self._parts.clear()
            start, self._held = end, 0
        if start < len(seen):
            self._hold(seen[start:])
        self._tail = seen[-2:] if self._held else b""
        return events

    def close(self) -> list[bytes]:
        """End the stream. Returns a list with the bytes of the event that was cut off, or an empty list."""
        rest = b"".join(self._parts)
        self._parts.clear()
        return [rest] if rest else []

    def _hold(self, part: bytes) -> None:
        self._parts.append(part)
        self._held += len(part)
        if self._held > self._max_event:
            raise too_large("an event", self._max_event)


def too_large(what: str, most: int) -> WireError:
    """Return (not raise) the error for a part of a stream with more than `most` bytes, with the code
    `answer_too_large`. what: "an event", "an element", "a line" or "a message".
    """
    return WireError(f"{what} of the stream is larger than {most} bytes", code=ANSWER_TOO_LARGE)


def _ends(stream: bytes) -> Iterator[int]:
    if _CR in stream:  # rare, and much slower to search
        yield from (found.end() for found in _END.finditer(stream))
        return
    place = stream.find(b"\n\n")
    while place >= 0:
        yield place + 2
        place = stream.find(b"\n\n", place + 2)


def data(payload: bytes) -> bytes:
    """Write an event without a name, as bytes. payload: JSON or other text; each of its lines becomes a
    `data` line. Raises WireError if the payload has a CR.
    """
    return b"data: %b\n\n" % _lines(payload)


def event(name: str, payload: bytes) -> bytes:
    """Write an event with a name, as bytes. name: one line. payload: JSON or other text; each of its lines
    becomes a `data` line. Raises WireError if the payload has a CR.
    """
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _lines(payload))


def _lines(payload: bytes) -> bytes:
    if b"\r" in payload:
        raise WireError("a server-sent event cannot carry a carriage return")
    return payload.replace(b"\n", b"\ndata: ")


def read_event(frame: bytes) -> dict[str, Any] | None:
    """Decode the JSON object in an event's data. frame: the data alone, without `data:` and line ends.
    Returns None if the data is `[DONE]` (with or without white space around it), with which servers that
    imitate OpenAI's API may end any stream.

    Raises WireError if the data is not a JSON object.
    """
    try:
        value = _decode(frame)
    except UNDECODABLE:
        if frame.strip() == b"[DONE]":
            return None
        raise WireError("a stream event is not JSON") from None
    if type(value) is not dict:
        raise WireError("a stream event must be an object")
    return value
