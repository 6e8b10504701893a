"""The last events of a stream repeat its text: in pieces that hold it once, and byte for byte the same."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.dialect import Reply
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.sharing import LONG, Shared
from dragoman.dialects.openai_responses.stream_encoder import StreamEncoder
from dragoman.wire.json import encode


def streamed(text: str, *, pieces: list[bytes] | None) -> bytes:
    encoder = StreamEncoder(Reply(ir.Request("openai_responses", "m"), Report(""), "resp_1", 1))
    encoder.pieces = pieces
    events: list[ir.Event] = [
        ir.Start("openai_chat", model="m"),
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, text),
        ir.Close(0),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    ]
    return b"".join([encoder.feed(event) for event in events])


@pytest.mark.parametrize("text", ["short", "x" * LONG, 'é"\\\x01\n' * LONG])
def test_pieces_say_what_whole_events_say(text: str) -> None:
    pieces: list[bytes] = []
    before = streamed(text, pieces=pieces)
    assert before + b"".join(pieces) == streamed(text, pieces=None)
    assert pieces[-1] == b"data: [DONE]\n\n"


def test_a_long_text_is_held_once() -> None:
    """Four events repeat it, which was four times its size and the copies of joining them."""
    text = "x" * 1_000_000
    pieces: list[bytes] = []
    streamed(text, pieces=pieces)
    held = {id(piece): len(piece) for piece in pieces}
    assert len([piece for piece in pieces if len(piece) > LONG]) == 4
    assert sum(held.values()) < 1.1 * len(text)


@pytest.mark.parametrize("value", [{"a": "\x01"}, {"a": ["b" * LONG, {"c": "d" * LONG}], "e": 1}, "f" * LONG])
def test_parts_are_the_json(value: Any) -> None:
    assert b"".join(Shared().parts(value)) == encode(value)
