"""Streams, read: lines to events."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.ollama.speaking import AT, PNG, events, last, line

START = ir.Start("ollama", None, "m", AT)


def call(name: str, **function: Any) -> dict[str, Any]:
    return {"id": f"call_{name}", "function": {"name": name, "arguments": {"a": 1}, **function}}


def test_thinking_then_words() -> None:
    assert events(line(thinking="H"), line(thinking="m"), line(content="Hi"), last(eval_count=2)) == [
        START,
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "H"),
        ir.ThinkDelta(0, "m"),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, "Hi"),
        ir.Close(1),
        ir.Finish(ir.Stop("end")),
        ir.Tally(ir.Usage(output=2)),
        ir.End(),
    ]


def test_calls_come_whole() -> None:
    told = events(
        line(content="Wait."),
        line(tool_calls=[call("f", index=0)]),
        line(tool_calls=[call("g", index=1)]),
        last(),
    )
    assert told[3:] == [
        ir.Close(0),
        ir.Open(1, ir.ToolCall("call_f", "f")),
        ir.ArgsDelta(1, '{"a":1}'),
        ir.Close(1),
        ir.Open(2, ir.ToolCall("call_g", "g")),
        ir.ArgsDelta(2, '{"a":1}'),
        ir.Close(2),
        ir.Finish(ir.Stop("tool")),
        ir.End(),
    ]


def test_the_last_line_may_hold_words() -> None:
    told = events(last(message={"role": "assistant", "content": "Hi", "images": [PNG], "odd": 1}))
    response = ir.fold(told)
    assert response.candidates == (
        ir.Candidate(
            (ir.Text("Hi"), ir.Media("image", "image/png", PNG)),
            ir.Stop("end"),
            extra={"ollama": {"message.odd": 1}},
        ),
    )


def test_leftovers_are_told_once() -> None:
    remote = line(content="a")[:-1] + b',"remote_model":"x"}'
    told = events(remote, remote, last(remote_model="x", total_duration=5))
    assert told[0] == ir.Start("ollama", None, "m", AT, extra={"ollama": {"remote_model": "x"}})
    assert [event for event in told if isinstance(event, ir.More)] == [
        ir.More({"ollama": {"total_duration": 5}})
    ]


def test_logprobs_come_with_their_words() -> None:
    scored = line(content="a")[:-1] + b',"logprobs":[{"token":"a","logprob":-1.0}]}'
    assert ir.TextDelta(0, "a", logprobs=(ir.Logprob("a", -1.0),)) in events(scored, last())


def test_an_error_ends_the_stream() -> None:
    told = events(line(content="a"), b'{"error":"an error was encountered while running the model"}', last())
    assert isinstance(told[-1], ir.Error)
    assert (told[-1].fault.kind, len(told)) == ("upstream", 4)
    assert isinstance(events(ErrorFrame(b"busy"))[-1], ir.Error)


def test_a_stream_that_is_not_done_broke_off() -> None:
    for told in (events(), events(line(content="a"))):
        assert isinstance(told[-1], ir.Error)
        assert told[-1].fault.code == "stream_broken"


@pytest.mark.parametrize(
    "frame", [b"{", b"[1]", b'{"message":1}', b'{"message":{"tool_calls":[{}]}}', b"\xff"]
)
def test_what_is_no_line(frame: bytes) -> None:
    with pytest.raises(WireError):
        DIALECT.stream.decoder(STANDARD).feed(frame)
