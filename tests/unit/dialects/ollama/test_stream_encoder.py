"""Streams, written: events to the lines that Ollama's clients read."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from tests.unit.dialects.ollama.speaking import CREATED, CREATED_AT, PNG, lost, reply, sent

START = ir.Start("another", "id-1", "big")
DONE = (ir.Finish(ir.Stop("end")), ir.Tally(ir.Usage(3, output=5)), ir.End())


def messages(*stream: ir.Event, report: Report | None = None) -> list[dict[str, Any]]:
    """What each line but the last says, without the role."""
    lines = sent([START, *stream, *DONE], reply(report))
    assert all(one["done"] is False for one in lines[:-1])
    return [{key: value for key, value in one["message"].items() if key != "role"} for one in lines[:-1]]


def test_golden_bytes() -> None:
    encoder = DIALECT.stream.encoder(reply(now=lambda: CREATED + 2))
    stream: list[ir.Event] = [START, ir.Open(0, ir.Text("")), ir.TextDelta(0, 'a"é'), ir.Close(0), *DONE]
    data = b"".join(map(encoder.feed, stream))
    head = f'{{"model":"big","created_at":"{CREATED_AT}",'
    assert data.decode() == (
        head + '"message":{"role":"assistant","content":"a\\"é"},"done":false}\n'
        "" + head + '"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",'
        '"total_duration":2000000000,"prompt_eval_count":3,"eval_count":5}\n'
    )


def test_thinking_parts_and_words() -> None:
    assert messages(
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "One.", part=0),
        ir.ThinkDelta(0, "Two.", part=1),
        ir.Close(0),
        ir.Open(1, ir.Text("W")),
        ir.TextDelta(1, "ait"),
        ir.Close(1),
    ) == [
        {"content": "", "thinking": "One."},
        {"content": "", "thinking": "\n\n"},
        {"content": "", "thinking": "Two."},
        {"content": "W"},
        {"content": "ait"},
    ]


def test_calls_are_sent_whole_with_their_position() -> None:
    assert messages(
        ir.Open(0, ir.ToolCall("x", "f")),
        ir.ArgsDelta(0, '{"a"'),
        ir.ArgsDelta(0, ":1}"),
        ir.Close(0),
        ir.Open(1, ir.ToolCall(None, "g")),
        ir.Close(1),
        ir.Open(2, ir.ToolCall("y", "search", by="provider")),
        ir.Close(2),
    ) == [
        {
            "content": "",
            "tool_calls": [{"id": "x", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
        },
        {
            "content": "",
            "tool_calls": [{"id": "call_1_1", "function": {"index": 1, "name": "g", "arguments": {}}}],
        },
    ]


def test_a_block_that_is_told_at_its_end() -> None:
    assert messages(
        ir.Open(0, ir.Text("")),
        ir.Close(0, ir.Text("whole")),
        ir.Open(1, ir.ToolCall("x", "f")),
        ir.Close(1, ir.ToolCall("x", "f", '{"b":2}')),
        ir.Open(2, ir.Thinking()),
        ir.Close(2, ir.Thinking(summary=("a", "b"))),
    ) == [
        {"content": "whole"},
        {
            "content": "",
            "tool_calls": [{"id": "x", "function": {"index": 0, "name": "f", "arguments": {"b": 2}}}],
        },
        {"content": "", "thinking": "a\n\nb"},
    ]


def test_words_of_two_blocks_are_set_apart() -> None:
    told = messages(
        ir.Open(0, ir.Text("a")),
        ir.Close(0),
        ir.Open(1, ir.Json({"b": 1})),
        ir.Close(1),
        ir.Open(2, ir.Text("c")),
        ir.Close(2),
    )
    assert told == [{"content": "a"}, {"content": '{"b":1}'}, {"content": "\n\nc"}]


def test_pictures_are_told_as_markdown_and_sounds_as_their_words() -> None:
    report = Report("ollama", "response")
    told = messages(
        ir.Open(0, ir.Media("image", "image/png")),
        ir.MediaDelta(0, PNG),
        ir.Close(0),
        ir.Open(1, ir.Media("audio", "audio/wav")),
        ir.MediaDelta(1, "AAAA", "Hel"),
        ir.MediaDelta(1, transcript="lo"),
        ir.Close(1),
        report=report,
    )
    assert told == [{"content": f"![image](data:image/png;base64,{PNG})"}, {"content": "\n\nHello"}]
    assert lost(report) == {
        "id": "hint",
        "candidates[0].blocks[1]": "meaning",
    }


def test_logprobs_lie_beside_the_message() -> None:
    stream: list[ir.Event] = [
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "a", logprobs=(ir.Logprob("a", -1.0, (97,)),)),
        ir.Close(0),
        *DONE,
    ]
    assert sent(stream)[0]["logprobs"] == [{"token": "a", "logprob": -1.0, "bytes": [97]}]


def test_what_a_stream_cannot_say_is_named() -> None:
    report = Report("ollama", "response")
    messages(
        ir.Open(0, ir.Refusal("No.")),
        ir.RefusalDelta(0, "!"),
        ir.Close(0),
        ir.Open(1, ir.Text("a", citations=(ir.Citation(),))),
        ir.Cite(1, ir.Citation()),
        ir.Close(1),
        ir.Open(2, ir.Thinking()),
        ir.SealDelta(2, ir.Sealed("another", "s")),
        ir.Close(2),
        ir.Open(0, ir.Text("x"), 1),
        ir.Raw("another", {}),
        ir.More({"another": {"odd": 1}}, tier="flex"),
        report=report,
    )
    assert lost(report) == {
        "id": "hint",
        "candidates[0].blocks[1].citations[0]": "quality",
        "candidates[0].blocks[1].citations[1]": "quality",
        "candidates[0].blocks[2]": "hint",
        "candidates[1]": "meaning",
        "events": "hint",
        "tier": "hint",
        "odd": "hint",
    }
    assert [change.path for change in report.changes] == [
        "candidates[0].blocks[0]",
        "candidates[0].blocks[2].sealed",
    ]


def test_our_own_leftovers_come_back() -> None:
    stream: list[ir.Event] = [
        ir.Start("ollama", None, "m", extra={"ollama": {"remote_model": "x"}}),
        ir.Finish(ir.Stop("end"), extra={"ollama": {"message.odd": 1}}),
        ir.More({"ollama": {"total_duration": 5}}),
        ir.End(),
    ]
    assert sent(stream) == [
        {
            "model": "m",
            "created_at": CREATED_AT,
            "message": {"role": "assistant", "content": "", "odd": 1},
            "done": True,
            "done_reason": "stop",
            "remote_model": "x",
            "total_duration": 5,
        }
    ]


@pytest.mark.parametrize("end", [ir.Error, lambda fault: ir.End(error=fault)])
def test_nothing_follows_an_error(end: Any) -> None:
    report = Report("ollama", "response")
    fault = ir.Fault("upstream", "It broke: sk-abcdef1234567890")
    lines = sent([START, ir.Open(0, ir.ToolCall("x", "f")), end(fault)], reply(report))
    assert lines == [{"error": "It broke: [redacted]"}]
    assert lost(report)["candidates[0].blocks[0]"] == "meaning"


def test_there_is_no_heartbeat() -> None:
    assert DIALECT.stream.ping == b""
