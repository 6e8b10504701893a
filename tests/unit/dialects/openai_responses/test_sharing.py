"""The last events of a stream repeat its text: in pieces that hold it once, and byte for byte the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.sharing import LONG, Shared
from dragoman.dialects.openai_responses.stream_encoder import ResponsesEncoder
from dragoman.dialects.reply import Framing, Reply
from dragoman.wire.json import encode

CALL = ir.ToolCall("call_1", "find", "")


def answer(text: str) -> list[ir.Event]:
    """One text that comes in words."""
    said = [ir.TextDelta(0, text[: len(text) // 2]), ir.TextDelta(0, text[len(text) // 2 :])]
    return [ir.Open(0, ir.Text("")), *said, ir.Close(0)]


def at_once(text: str) -> list[ir.Event]:
    """One text that is there when its block ends."""
    return [ir.Open(0, ir.Text("")), ir.Close(0, ir.Text(text))]


def with_calls(text: str) -> list[ir.Event]:
    """A text that ends in the middle of the stream, and a call whose arguments are as long."""
    return [*answer(text), ir.Open(1, CALL), ir.ArgsDelta(1, text), ir.Close(1), *opened_late(text)]


def opened_late(text: str) -> list[ir.Event]:
    return [ir.Open(2, CALL), ir.Close(2, msgspec.structs.replace(CALL, arguments=text))]


def thought(text: str) -> list[ir.Event]:
    """A thought, a summary of it, and a short text."""
    thinking = [ir.ThinkDelta(0, text), ir.ThinkDelta(0, text, part=0), ir.ThinkDelta(0, "b", part=1)]
    said: list[ir.Event] = [ir.Open(1, ir.Text("")), ir.TextDelta(1, "short"), ir.Close(1)]
    return [ir.Open(0, ir.Thinking("")), *thinking, ir.Close(0), *said]


def pictured(text: str) -> list[ir.Event]:
    picture = ir.Media("image", data=text, mime="image/png")
    return [ir.Open(0, picture), ir.Close(0), ir.Open(1, ir.Text("")), ir.TextDelta(1, "b"), ir.Close(1)]


Says = Callable[[str], Sequence[ir.Event]]
SAYS: Sequence[Says] = [answer, at_once, with_calls, thought, pictured]


def streamed(says: Says, text: str, framing: Framing, *, stored: bool, shares: bool) -> list[list[bytes]]:
    """All that is told, in the order in which it is sent."""
    reply = Reply(ir.Request("openai_responses", "m"), Report(""), "resp_1", 1, framing=framing)
    encoder = ResponsesEncoder(reply)
    pieces: list[list[bytes]] = []
    encoder.pieces = pieces if shares else None
    told: list[list[bytes]] = []
    start = ir.Start("openai_chat", model="m")
    for event in (start, *says(text), ir.Finish(ir.Stop("end")), ir.End()):
        told.append([encoder.feed(event)])
        told += pieces
        pieces.clear()
    if encoder.ending is not None:
        assert encoder.ending.size == len(encode(encoder.ending.response["output"]))
        encoder.end(stored=stored)
        told += pieces
    return told


def joined(told: Sequence[Sequence[bytes]]) -> bytes:
    return b"".join([piece for event in told for piece in event])


@pytest.mark.parametrize("text", ["short", "x" * LONG, 'é"\\\x01\n' * LONG], ids=["short", "long", "escaped"])
@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@pytest.mark.parametrize("says", SAYS)
def test_pieces_say_what_whole_events_say(says: Says, framing: Framing, text: str) -> None:
    whole = joined(streamed(says, text, framing, stored=True, shares=False))
    told = streamed(says, text, framing, stored=True, shares=True)
    assert joined(told) == whole
    numbers = [int(part.split(b",")[0].split(b"}")[0]) for part in whole.split(b'"sequence_number":')[1:]]
    assert numbers == list(range(len(numbers)))
    assert any(len(event) > 1 for event in told) == (text != "short")
    if framing == "ndjson":
        assert all(event[-1][-1:] in {b"\n", b""} for event in told)


def test_what_could_not_be_kept_is_told_in_the_last_event() -> None:
    told = joined(streamed(answer, "x" * LONG, "ndjson", stored=False, shares=True))
    last = msgspec.json.decode(told.splitlines()[-1])
    assert (last["type"], last["response"]["store"]) == ("response.completed", False)


@pytest.mark.parametrize("says", SAYS)
def test_a_long_text_is_held_once(says: Says) -> None:
    """Up to four events repeat it, which was four times its size and the copies of joining them."""
    text = "x" * 1_000_000
    told = streamed(says, text, "sse", stored=True, shares=True)
    held = {id(piece): len(piece) for event in told if len(event) > 1 for piece in event}
    assert len([piece for event in told for piece in event if len(piece) > LONG]) >= 2
    assert sum(held.values()) < 1.1 * len(text)


def test_a_failure_after_a_long_text_is_told_at_once() -> None:
    """Whoever tells it has nothing but the bytes."""
    encoder = ResponsesEncoder(Reply(ir.Request("openai_responses", "m"), Report(""), "resp_1", 1))
    encoder.pieces = []
    for event in (
        ir.Start("openai_chat", model="m"),
        *answer("x" * LONG),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    ):
        encoder.feed(event)
    assert encoder.ending is not None
    told = encoder.feed(ir.Error(ir.Fault("upstream", "It broke.")))
    assert told.count(b"event: response.failed\n") == 1
    assert told.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("value", [{"a": "\x01"}, {"a": ["b" * LONG, {"c": "d" * LONG}], "e": 1}, "f" * LONG])
def test_parts_are_the_json(value: Any) -> None:
    shared = Shared()
    assert b"".join(shared.cut(shared.json(value))) == encode(value)
