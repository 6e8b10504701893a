"""A stream with one JSON value in each line (NDJSON): https://github.com/ndjson/ndjson-spec

Lines end in LF. A CR before the LF is ignored, and so are blank lines. A last line without a line end is
returned by `close`; if the JSON in it is cut off, its decoder reports that.
"""

from __future__ import annotations

from dragoman.wire.sse import MAX_EVENT, too_large


class NDJSONSplitter:
    """Splits one stream into its lines. The lines are the same, however the stream is cut into chunks.

    max_event: the most bytes of one line. `feed` raises WireError (code `answer_too_large`) for a longer one,
    as soon as it exceeds the limit.
    """

    __slots__ = ("_held", "_max_event", "_partial")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._partial: list[bytes] = []  # pieces of the unfinished line, joined only when it ends
        self._held = 0  # bytes in `_partial`

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return every line that `chunk` completes, in order, without the white space around it; blank lines
        are left out. Raises WireError for a line larger than the limit; the splitter cannot be used after
        that.
        """
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._held:
            self._partial.append(lines[0])
            lines[0] = b"".join(self._partial)
            self._partial.clear()
            self._held = 0
        if rest:
            self._partial.append(rest)
            self._held += len(rest)
        if max(self._held, *map(len, lines), 0) > self._max_event:
            raise too_large("a line", self._max_event)
        return [line for piece in lines if (line := piece.strip())]

    def close(self) -> list[bytes]:
        """End the stream. Returns a list with the last line if it had no line end and is not blank, else an
        empty list.
        """
        return self.feed(b"\n")


def line(payload: bytes) -> bytes:
    """Return JSON as one line that ends in LF. Each LF in `payload` becomes a space: in JSON an LF is only
    white space.
    """
    if b"\n" in payload:
        payload = payload.replace(b"\n", b" ")
    return payload + b"\n"
