"""What a decoder reads does not depend on how the network cuts a stream, whether it is valid or damaged. No
error but a WireError leaves a decoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.case import Case, Splitter, cuts, dialect_of
from dragoman.testing.mutations import odd_streams
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.reading import Reading
from dragoman.wire.ndjson import NDJSONSplitter
from dragoman.wire.sse import SSESplitter

CASES = Path(__file__).parent.parent / "cases"
ODD = 12
"""How many damaged forms of each recorded stream are read."""
CUT = {name: dialect for name, dialect in DIALECTS.items() if dialect.stream.framing in {"sse", "ndjson"}}


def cases(name: str) -> list[Case]:
    read = corpus.read(CASES)
    found = [Case(one, DIALECTS[name], []) for one in read if dialect_of(one.api) == name]
    return [case for case in found if "stream" in case.subjects and case.exchange.response is not None]


def framed(case: Case, frames: Sequence[bytes]) -> bytes:
    if case.dialect.stream.framing == "ndjson":
        return b"".join(frame + b"\n" for frame in frames)
    return b"".join(
        [named(frame) + b"data: " + frame.replace(b"\n", b"\ndata: ") + b"\n\n" for frame in frames]
    )


def named(frame: bytes) -> bytes:
    """Return the line with the event's name, as Anthropic and the Responses API write it; b"" = no name."""
    found = re.match(rb'\{"type":"([a-z._]+)"', frame)
    return b"event: " + found[1] + b"\n" if found else b""


def splitter(case: Case) -> Splitter:
    return NDJSONSplitter() if case.dialect.stream.framing == "ndjson" else SSESplitter()


def frame_by_frame(case: Case, stream: bytes) -> list[ir.Event | str]:
    split, decoder = splitter(case), case.dialect.stream.decoder(case.quirks)
    told: list[ir.Event | str] = []
    try:
        for frame in [*split.feed(stream), *split.close()]:
            told += decoder.feed(frame)
        told += decoder.close()
    except WireError as error:
        told.append(str(error))
    return told


def in_chunks(case: Case, chunks: Iterable[bytes]) -> list[ir.Event | str]:
    """Read the chunks as they are read from a connection: events that differ in their text alone are read in
    one step.
    """
    reading = Reading(splitter(case), case.dialect.stream.decoder(case.quirks), AnswerLimits())
    told: list[ir.Event | str] = []
    batch: list[ir.Event] = []
    try:
        for chunk in chunks:
            batch = []
            reading.read(chunk, batch)
            told += batch
        batch = []
        reading.close(batch)
        told += batch
    except WireError as error:
        told += [*batch, str(error)]
    return told


@pytest.mark.parametrize("name", list(CUT))
def test_the_cuts_change_nothing(name: str) -> None:
    streams = 0
    for case in cases(name):
        odd = [mutant.value for mutant in odd_streams(case.frames, f"cuts {case.exchange.id}", ODD)]
        for number, form in enumerate([case.frames, *odd]):
            frames = [frame for frame in form for _ in range(number % 4 + 1)]  # alike events make runs
            stream = framed(case, frames)
            expected = frame_by_frame(case, stream)
            where = f"{case.exchange.id}, form {number}"
            assert in_chunks(case, [stream]) == expected, where
            assert in_chunks(case, [framed(case, [frame]) for frame in frames]) == expected, where
            assert in_chunks(case, cuts(stream, f"{number}")) == expected, where
            streams += 1
    assert streams > ODD
