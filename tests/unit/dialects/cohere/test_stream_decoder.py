"""Streams of events, decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere.response import decode_response, encode_response
from dragoman.dialects.cohere.stream_decoder import CohereDecoder
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.testing.case import check_grammar
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.cohere.speaking import reply

START = {"id": "c", "type": "message-start", "delta": {"message": {"role": "assistant"}}}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}


def content(kind: str, index: int, **said: str) -> dict[str, Any]:
    return {"type": f"content-{kind}", "index": index, "delta": {"message": {"content": said}}}


def call(kind: str, index: int, **said: Any) -> dict[str, Any]:
    return {"type": f"tool-call-{kind}", "index": index, "delta": {"message": {"tool_calls": said}}}


def told(*events: dict[str, Any]) -> list[ir.Event]:
    decoder = CohereDecoder(STANDARD)
    return [told for event in events for told in decoder.feed(json.dumps(event).encode())] + decoder.close()


def test_the_usual_order() -> None:
    plan = {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "p"}}}
    function = {"name": "f", "arguments": ""}
    events = told(
        START,
        content("start", 0, type="thinking", thinking=""),
        content("delta", 0, thinking="t"),
        {"type": "content-end", "index": 0},
        plan,
        call("start", 0, id="a", type="function", function=function),
        call("delta", 0, function={"arguments": "{}"}),
        {"type": "tool-call-end", "index": 0},
        END,
    )
    assert events == [
        ir.Start("cohere", "c"),
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "t"),
        ir.Close(0),
        ir.Open(1, ir.Text("", form="tool_plan")),
        ir.TextDelta(1, "p"),
        ir.Close(1),
        ir.Open(2, ir.ToolCall("a", "f")),
        ir.ArgsDelta(2, "{}"),
        ir.Close(2),
        ir.Finish(ir.Stop("tool", raw="COMPLETE")),
        ir.End(),
    ]


@pytest.mark.parametrize(
    ("pieces", "arguments"), [(["null"], ""), (["nul", "l"], "null"), (["null", "ify"], "nullify"), ([], "")]
)
def test_the_arguments_null_mean_none(pieces: list[str], arguments: str) -> None:
    deltas = [call("delta", 0, function={"arguments": piece}) for piece in pieces]
    head = call("start", 0, id="a", function={"name": "f", "arguments": ""})
    answer = ir.fold(told(START, head, *deltas, {"type": "tool-call-end", "index": 0}, END))
    (block,) = answer.candidates[0].blocks
    assert isinstance(block, ir.ToolCall)
    assert block.arguments == arguments


def test_a_text_without_its_start_or_end_is_read() -> None:
    answer = ir.fold(told(START, content("delta", 0, text="a"), content("delta", 0, text="b"), END))
    assert answer.candidates[0].blocks == (ir.Text("ab"),)


def test_a_late_citation_names_its_text() -> None:
    cited = {"start": 0, "end": 1, "text": "a", "sources": [], "content_index": 0, "type": "TEXT_CONTENT"}
    late = {"type": "citation-start", "index": 0, "delta": {"message": {"citations": cited}}}
    answer = ir.fold(
        told(
            START,
            content("start", 0, type="text", text=""),
            content("delta", 0, text="ab"),
            {"type": "content-end", "index": 0},
            late,
            END,
        )
    )
    (text,) = answer.candidates[0].blocks
    assert isinstance(text, ir.Text)
    assert text.citations == (ir.Citation("document", start=0, end=1),)


@pytest.mark.parametrize(
    ("last", "kind", "code"),
    [
        ({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "oops"}}, "upstream", None),
        ({"type": "message-end", "delta": {"finish_reason": "ERROR"}}, "upstream", None),
        ({"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}, "timeout", None),
        ({"message": "too many tokens"}, "context_length", None),
        ({"type": "content-end", "index": 0}, "upstream", "stream_broken"),
    ],
)
def test_failures(last: dict[str, Any], kind: str, code: str | None) -> None:
    error = told(START, content("delta", 0, text="a"), last)[-1]
    assert isinstance(error, ir.Error)
    assert (error.fault.kind, error.fault.code) == (kind, code)


@pytest.mark.parametrize("delta", [{"finish_reason": "TIMEOUT"}, {"finish_reason": "ERROR", "error": "oops"}])
def test_what_was_used_until_a_failure_counts(delta: dict[str, Any]) -> None:
    usage = {"tokens": {"input_tokens": 5, "output_tokens": 2}}
    events = told(
        START, content("delta", 0, text="a"), {"type": "message-end", "delta": {**delta, "usage": usage}}
    )
    assert events[-2] == ir.Tally(ir.Usage(5, output=2))
    assert isinstance(events[-1], ir.Error)
    check_grammar(events)


def test_frames_that_are_no_events() -> None:
    (error,) = CohereDecoder(STANDARD).feed(ErrorFrame(b'{"message": "no"}'))
    assert isinstance(error, ir.Error)
    for frame in (
        b"[]",
        b"{",
        b'{"type": "content-start"}',
        json.dumps(call("delta", 3, function={})).encode(),
    ):
        with pytest.raises(WireError):
            CohereDecoder(STANDARD).feed(frame)


def test_an_unknown_event_is_kept_for_clients_of_the_same_protocol() -> None:
    assert ir.Raw("cohere", {"type": "debug", "prompt": "p"}) in told(
        START, {"type": "debug", "prompt": "p"}, END
    )


def test_pieces_of_several_tokens_do_not_replace_those_of_one() -> None:
    def piece(text: str, *ids: int) -> dict[str, Any]:
        scored = {"text": text, "token_ids": list(ids), "logprobs": [-0.5] * len(ids)}
        return {**content("delta", 0, text=text), "logprobs": scored}

    begin = content("start", 0, type="text", text="")
    answer = ir.fold(told(START, begin, piece("a", 1), piece("bc", 2, 3), END))
    body = encode_response(answer, reply())
    (text,) = decode_response(body, STANDARD).candidates[0].blocks
    assert isinstance(text, ir.Text)
    assert [token.token for token in text.logprobs or ()] == ["a"]
    assert [one["text"] for one in body["odd.logprobs"]] == ["bc"]
