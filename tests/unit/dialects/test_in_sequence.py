"""Blocks that overlap are written one after the other where clients know only one block at a time."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.in_sequence import InSequence
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS

SERIAL = ("anthropic", "bedrock", "cohere")
FIRST, SECOND, THIRD = (ir.ToolCall(f"call_{number}", "look", "") for number in range(3))
OVERLAPPING: list[ir.Event] = [
    *(ir.Open(0, FIRST), ir.ArgsDelta(0, '{"a"'), ir.Open(1, SECOND), ir.ArgsDelta(1, '{"b"')),
    *(ir.ArgsDelta(0, ":0}"), ir.Open(2, THIRD), ir.ArgsDelta(2, '{"c":2}'), ir.Close(2)),
    *(ir.Close(0), ir.ArgsDelta(1, ":1}"), ir.Close(1)),
]
IN_TURN: list[ir.Event] = [
    *(ir.Open(0, FIRST), ir.ArgsDelta(0, '{"a"'), ir.ArgsDelta(0, ":0}"), ir.Close(0)),
    *(ir.Open(1, SECOND), ir.ArgsDelta(1, '{"b"'), ir.ArgsDelta(1, ":1}"), ir.Close(1)),
    *(ir.Open(2, THIRD), ir.ArgsDelta(2, '{"c":2}'), ir.Close(2)),
]


def written(name: str, content: list[ir.Event]) -> list[bytes]:
    request = ir.Request(name, "m", ())
    reply = Reply(request, Report(name, "response"), id="answer-1", created=1)
    encoder = DIALECTS[name].stream.encoder(reply)
    events = [ir.Start("openai_chat", "answer-1", "m"), *content]
    events += [ir.Finish(ir.Stop("tool")), ir.End()]
    return [encoder.feed(event) for event in events]


@pytest.mark.parametrize("name", SERIAL)
def test_calls_that_overlap_are_written_one_after_the_other(name: str) -> None:
    assert b"".join(written(name, OVERLAPPING)) == b"".join(written(name, IN_TURN))


@pytest.mark.parametrize("name", SERIAL)
def test_the_first_block_is_not_held_back(name: str) -> None:
    assert written(name, OVERLAPPING)[2]


@pytest.mark.parametrize("name", SERIAL)
def test_any_number_of_ended_blocks_may_wait(name: str) -> None:
    content: list[ir.Event] = [ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hi.")]
    for number in range(1, 2000):
        call = ir.ToolCall(f"call_{number}", "look", "")
        content += [ir.Open(number, call), ir.ArgsDelta(number, "{}"), ir.Close(number)]
    stream = b"".join(written(name, [*content, ir.Close(0)]))
    assert stream.count(b'"look"') == 1999


def test_what_comes_after_a_block_has_ended_is_written_at_once() -> None:
    blocks, wrote = InSequence(), list[ir.Event]()

    def write(event: ir.Event) -> bytes:
        wrote.append(event)
        return b"."

    first, second = ir.Open(0, ir.Text("")), ir.Open(1, ir.Text(""))
    assert [blocks.feed(first, write), blocks.feed(second, write)] == [b".", b""]
    assert blocks.feed(ir.Close(0), write) == b".."
    assert wrote == [first, ir.Close(0), second]
    assert blocks.feed(ir.Cite(0, ir.Citation()), write) == b"."
    assert blocks.feed(ir.Close(0), write) == b"."
    assert blocks.feed(ir.TextDelta(1, "a"), write) == b"."
