"""Streams for clients: every kind of block comes back from its messages, and a failure is an exception."""

from __future__ import annotations

import json

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.stream_decoder import BedrockDecoder
from dragoman.dialects.bedrock.stream_encoder import BedrockEncoder
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.testing.case import events_of, split
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.bedrock.speaking import reasons, reply


def frames(*events: ir.Event, report: Report | None = None) -> list[bytes]:
    encoder = BedrockEncoder(reply(report))
    return split(b"".join(encoder.feed(event) for event in events), framing="eventstream")


def carried(response: ir.Response) -> ir.Response:
    return ir.fold(events_of(BedrockDecoder(STANDARD), frames(*ir.unfold(response))))


@pytest.mark.parametrize(
    "block",
    [
        ir.Text("Hi"),
        ir.Thinking("Hm", sealed=ir.Sealed("bedrock", "c2ln")),
        ir.Thinking(sealed=ir.Sealed("bedrock", "YWJj"), redacted=True),
        ir.ToolCall("a", "f", '{"x":1}'),
        ir.ToolCall("a", "nova_grounding", "{}", "builtin", "provider"),
        ir.ToolResult("a", (ir.Text("x"),), error=False, kind="nova_x_result", by="provider"),
        ir.Media("image", "image/png", "AA=="),
        ir.Native("bedrock", "new", {"new": {"a": 1}}),
    ],
)
def test_each_block_comes_back(block: ir.Block) -> None:
    candidate = ir.Candidate((ir.Text("First"), block), ir.Stop("end"))
    response = ir.Response("bedrock", candidates=(candidate,), usage=ir.Usage(1, output=2), tier="flex")
    assert carried(response) == response


def test_blocks_that_are_open_together_are_written_one_after_the_other() -> None:
    """Strands knows only one call at a time."""
    told = frames(
        ir.Start("openai_chat", "chatcmpl-1"),
        ir.Open(0, ir.Text("")),
        ir.Open(1, ir.ToolCall("a", "f")),
        ir.TextDelta(0, "x"),
        ir.ArgsDelta(1, "{}"),
        ir.Close(1),
        ir.TextDelta(0, "y"),
        ir.Close(0),
        ir.Finish(ir.Stop("tool")),
        ir.End(),
    )
    assert [next(iter(json.loads(frame))) for frame in told] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert json.loads(told[-2]) == {"messageStop": {"stopReason": "tool_use"}}


def test_a_failure_is_an_exception_and_nothing_follows() -> None:
    fault = ir.Fault("rate_limit", "Slow down")
    told = frames(ir.Start("bedrock"), ir.Error(fault), ir.End())
    assert type(told[1]) is ErrorFrame
    assert json.loads(told[1]) == {"message": "Slow down", "type": "throttlingException"}
    assert len(told) == 2


def test_what_the_api_has_no_place_for() -> None:
    report = Report("bedrock", "response")
    frames(
        ir.Start("openai_chat", "chatcmpl-1"),
        ir.Open(0, ir.Text("a")),
        ir.Close(0),
        ir.Open(0, ir.Text("b"), candidate=1),
        ir.Close(0, candidate=1),
        ir.Finish(ir.Stop("end")),
        ir.Finish(ir.Stop("end"), candidate=1),
        ir.End(),
        report=report,
    )
    assert reasons(report) == [("id", "hint"), ("candidates[1]", "meaning")]


@pytest.mark.parametrize("closed", [True, False])
def test_the_seal_and_the_members_of_an_opened_block_are_named(closed: bool) -> None:
    """Also if the stream breaks off before the block is closed."""
    report = Report("bedrock", "response")
    block = ir.Text("x", sealed=ir.Sealed("gemini", "c2ln"), extra={"openai_chat": {"index": 0}})
    frames(ir.Start("gemini"), ir.Open(0, block), *([ir.Close(0)] if closed else []), report=report)
    named = {loss.path for loss in report.losses}
    assert {"candidates[0].blocks[0].sealed", "candidates[0].blocks[0].index"} <= named


def test_members_that_a_call_gets_at_its_end_are_named() -> None:
    report = Report("bedrock", "response")
    call = ir.ToolCall("a", "f", "{}")
    final = ir.ToolCall("a", "f", "{}", sealed=ir.Sealed("gemini", "c2ln"), extra={"openai_chat": {"new": 1}})
    frames(ir.Start("gemini"), ir.Open(0, call), ir.Close(0, final), report=report)
    named = {loss.path for loss in report.losses}
    assert {"candidates[0].blocks[0].sealed", "candidates[0].blocks[0].new"} <= named
