"""Events of other dialects, as Cohere's client reads them."""

from __future__ import annotations

import json
from typing import Any

from cohere.core.unchecked_base_model import construct_type
from cohere.v2.types import V2ChatStreamResponse

from dragoman import ir
from dragoman.dialects.cohere.stream_encoder import CohereEncoder
from dragoman.dialects.loss import Report
from tests.unit.dialects.cohere.speaking import lost, reply


def sent(*events: ir.Event, report: Report | None = None) -> list[dict[str, Any]]:
    encoder = CohereEncoder(reply(report))
    text = b"".join(map(encoder.feed, events)).decode()
    told = []
    for frame in text.split("\n\n"):
        name, _, payload = frame.rpartition("data: ")
        if payload and payload != "[DONE]":
            told.append(json.loads(payload))
            assert name == f"event: {told[-1]['type']}\n"
    return told


def test_an_answer_of_another_dialect() -> None:
    cited = ir.Citation("url", "https://e.x", start=0, end=2)
    events = sent(
        ir.Start("another", "a-1"),
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "t"),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, "It is."),
        ir.Cite(1, cited),
        ir.Close(1),
        ir.Open(2, ir.ToolCall("c", "f")),
        ir.ArgsDelta(2, "{}"),
        ir.Close(2),
        ir.Finish(ir.Stop("tool")),
        ir.Tally(ir.Usage(5, output=3)),
        ir.End(),
    )
    kind: Any = V2ChatStreamResponse
    read: list[Any] = [construct_type(type_=kind, object_=event) for event in events]
    assert [event.type for event in read] == [
        *("message-start", "content-start", "content-delta", "content-end"),
        *("content-start", "content-delta", "citation-start", "citation-end", "content-end"),
        *("tool-call-start", "tool-call-delta", "tool-call-end", "message-end"),
    ]
    assert read[2].delta.message.content.thinking == "t"
    assert read[6].delta.message.citations.text == "It"
    assert read[9].delta.message.tool_calls.function.name == "f"
    assert read[-1].delta.usage.tokens.input_tokens == 5
    assert read[-1].delta.finish_reason == "TOOL_CALL"


def test_a_citation_counts_the_blank_line_that_the_encoder_adds() -> None:
    cited = ir.Citation("url", "https://e.x", start=0, end=2)
    events = sent(
        ir.Start("another"),
        ir.Open(0, ir.Text("One.")),
        ir.Close(0),
        ir.Open(1, ir.Text("It is.")),
        ir.Cite(1, cited),
        ir.Close(1),
        ir.Open(2, ir.Text("")),
        ir.Close(2, ir.Text("So be it.", (ir.Citation(start=3, end=5),))),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    )
    told = [
        event["delta"]["message"] for event in events if event["type"] != "message-end" and "delta" in event
    ]
    texts = [one["content"]["text"] for one in told if one.get("content", {}) and one["content"].get("text")]
    assert texts == ["One.", "\n\nIt is.", "\n\nSo be it."]
    wires = [one["citations"] for one in told if one.get("citations")]
    assert [texts[wire["content_index"]][wire["start"] : wire["end"]] for wire in wires] == ["It", "be"]
    assert [wire["text"] for wire in wires] == ["It", "be"]


def test_scored_tokens_after_another_text_keep_their_text() -> None:
    tokens = tuple(ir.Logprob(token, -0.5) for token in ("It", " is", "."))
    events = sent(
        ir.Start("another"),
        ir.Open(0, ir.Text("One.")),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, "It is.", logprobs=tokens),
        ir.Close(1),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    )
    scored = [event for event in events if "logprobs" in event]
    assert [one["delta"]["message"]["content"]["text"] for one in scored] == ["\n\nIt", " is", "."]
    assert [one["logprobs"]["text"] for one in scored] == ["It", " is", "."]


def test_what_comes_whole() -> None:
    events = sent(
        ir.Start("another"),
        ir.Open(0, ir.Text("a")),
        ir.Close(0),
        ir.Open(1, ir.ToolCall("c", "f", "free", kind="custom")),
        ir.Close(1),
        ir.Open(2, ir.Text("")),
        ir.Close(2, ir.Text("b", (ir.Citation(start=0, end=1),))),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    )
    said = [event["delta"]["message"] for event in events if event["type"].endswith("-delta")]
    assert said == [
        {"content": {"text": "a"}},
        {"tool_calls": {"function": {"arguments": '{"input":"free"}'}}},
        {"content": {"text": "\n\nb"}},
    ] or said[-1] == {"content": {"text": "b"}}
    assert [event["type"] for event in events].count("citation-start") == 1
    assert events[-1]["delta"]["finish_reason"] == "TOOL_CALL"


def test_a_failure_is_the_last_event() -> None:
    events = sent(ir.Start("another"), ir.Error(ir.Fault("rate_limit", "slowly")))
    assert events[-1] == {
        "type": "message-end",
        "delta": {"finish_reason": "ERROR", "error": "slowly", "code": "rate_limit"},
    }


def test_what_is_lost() -> None:
    report = Report("cohere", "response")
    sent(
        ir.Start("another", status="completed"),
        ir.Open(0, ir.Text("a", sealed=ir.Sealed("x", "y"))),
        ir.Close(0),
        ir.Open(0, ir.Text("other"), 1),
        ir.Open(1, ir.Media("image", data="AAAA")),
        ir.Close(1),
        ir.Raw("another", {}),
        ir.Finish(ir.Stop("end")),
        ir.End(),
        report=report,
    )
    assert set(lost(report)) == {"status", "candidates[1]", "candidates[0].blocks[1]", "events"}
