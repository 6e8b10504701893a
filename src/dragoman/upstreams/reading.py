"""Turns the bytes of a provider's stream into IR events. If the decoder has a method `run`, successive events
that differ only in their text (a run) may be decoded in one step. All other events are decoded one by one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from dragoman import ir
from dragoman.dialects.bounds import Kept
from dragoman.dialects.streaming import StreamDecoder
from dragoman.errors import WireError
from dragoman.net.transport import Answer
from dragoman.upstreams.answers import PART, TOO_DEEP, AnswerLimits, Parts, refuse_blocks, too_long
from dragoman.upstreams.form import Splitter, unreadable
from dragoman.wire.sse import SSESplitter

_TURNS: Final = 8
"""How often one part of the stream may change between an event that is decoded alone and a run. After that,
the rest of the part is decoded event by event.
"""
_Run = Callable[[bytes], tuple[list[ir.Event], int]]


class Reading:
    """Reads one stream. run: the decoder's method for runs: it takes bytes that begin with an event, and
    returns (IR events, the number of bytes that it has decoded); see `ReadsRuns`. None = the decoder has no
    such method, the stream does not consist of server-sent events, or `limits.event` or `limits.unsuspicious`
    is below `PART`, so that each event must be measured. between: True = the next bytes begin a new event, so
    `run` may be called with them; always False if `run` is None.
    """

    __slots__ = ("_decoder", "_limits", "_splitter", "between", "run")

    def __init__(self, splitter: Splitter, decoder: StreamDecoder, limits: AnswerLimits) -> None:
        self._splitter = splitter
        self._decoder = decoder
        self._limits = limits
        self.run: _Run | None = None
        # Then no part of a read has to be measured before it is decoded.
        if type(splitter) is SSESplitter and min(limits.event, limits.unsuspicious) >= PART:
            self.run = getattr(decoder, "run", None)
        self.between = self.run is not None

    def read(self, part: bytes, batch: list[ir.Event]) -> None:
        """Decode `part`, at most `PART` bytes, and add the events that it completes to `batch`. Raises
        WireError for a mistake in the stream or an event that is too large, RecursionError for JSON that is
        nested too deeply; then `batch` has the events that were decoded before.
        """
        run, at = self.run, 0
        if run is not None:
            for _ in range(_TURNS):
                if self.between:
                    events, size = run(part[at:] if at else part)
                    batch += events
                    at += size
                end = part.find(b"\n\n", at) + 2
                if end < 2:
                    break
                self._feed(part[at:end], batch)
                at = end
        if at < len(part):
            self._feed(part[at:], batch)

    def close(self, batch: list[ir.Event]) -> None:
        """Add the events that the end of the stream completes to `batch`. Raises WireError or RecursionError
        for a mistake in the last bytes, such as a frame (the data of one event) that was cut off. A stream of
        whole frames that ends too early gives an `ir.Error` instead.
        """
        for frame in self._splitter.close():
            self._limits.hold_event(frame)
            batch += self._decoder.feed(frame)
        batch += self._decoder.close()

    def _feed(self, part: bytes, batch: list[ir.Event]) -> None:
        splitter, feed, unsuspicious = self._splitter, self._decoder.feed, self._limits.unsuspicious
        for frame in splitter.feed(part):
            if len(frame) > unsuspicious:
                self._limits.hold_event(frame)
            batch += feed(frame)
        if self.run is not None:
            self.between = type(splitter) is SSESplitter and splitter.between()


async def events(
    answer: Answer, splitter: Splitter, decoder: StreamDecoder, limits: AnswerLimits, name: str
) -> AsyncGenerator[Sequence[ir.Event], None]:
    """Yield the events of a streamed answer: a batch for each read (several for a read of more than `PART`
    bytes), and one for the end; [] = nothing to tell. A mistake in the stream, or an exceeded limit, gives an
    `ir.Error` as the last event. Raises RequestFailed if the connection fails. name: the provider's name, for
    errors.
    """
    reading = Reading(splitter, decoder, limits)
    run, most, read = reading.run, limits.stream, answer.chunk
    parts = Parts()
    kept = Kept(limits.event_values)
    size = opened = 0
    batch: list[ir.Event] = []
    try:
        while chunk := await (parts.next() if parts.more else read()):
            if len(chunk) > PART:
                chunk = parts.first(chunk)
            batch = []  # what was yielded before is not to be told again with an error
            size += len(chunk)
            if size > most:
                raise too_long(limits)
            if run is not None and reading.between:
                batch, taken = run(chunk)
                if taken == len(chunk):  # nearly every read: only texts that go on
                    yield batch
                    continue
                chunk = chunk[taken:]
            reading.read(chunk, batch)
            opened = refuse_blocks(batch, opened, limits, kept)
            yield batch
        batch = []
        reading.close(batch)
        refuse_blocks(batch, opened, limits, kept)
        yield batch
    except WireError as error:
        # Events before the error in the same read are part of the answer.
        yield [*batch, ir.Error(unreadable(name, error).fault)]
    except RecursionError:
        yield [*batch, ir.Error(unreadable(name, WireError(TOO_DEEP)).fault)]
