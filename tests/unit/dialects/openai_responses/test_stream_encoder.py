"""Streams, written: each event judged by OpenAI's own types, in the order that the specification demands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.openai_responses import DIALECT
from dragoman.dialects.openai_responses.stream_encoder import ResponsesEncoder
from tests.unit.dialects.openai_responses.answering import (
    CREATED,
    FOREIGN,
    START,
    body,
    events,
    kinds,
    payloads,
    reply,
    sent,
    streamed,
)

END: tuple[ir.Event, ...] = (ir.Finish(ir.Stop("end")), ir.Tally(ir.Usage(input=3, output=2)), ir.End())


def between(*said: ir.Event) -> list[dict[str, Any]]:
    """What is written for an answer between its first two events and its last."""
    return payloads(streamed(START, *said, *END))[2:-1]


def test_a_message() -> None:
    said = (ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hel"), ir.TextDelta(0, "lo"), ir.Close(0))
    data = streamed(START, *said, *END)
    assert data.endswith(b"\n\ndata: [DONE]\n\n")
    values = payloads(data)
    assert kinds(values) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    item = values[2]["item"]
    assert (item["id"], item["status"], item["content"]) == ("msg_a_1", "in_progress", [])
    assert {value["item_id"] for value in values if "item_id" in value} == {"msg_a_1"}
    assert values[6]["text"] == "Hello"
    last = values[-1]["response"]
    assert last["output"] == [values[8]["item"]]
    assert last["usage"]["total_tokens"] == 5
    first = values[0]["response"]
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert {value["response"]["id"] for value in values if "response" in value} == {"resp_a"}


def test_parts_of_one_message_and_messages_apart() -> None:
    one, two = ir.Item("msg_1"), ir.Item("msg_2")
    said: list[ir.Event] = []
    for index, item in enumerate((one, one, two)):
        said += [ir.Open(index, ir.Text("", item=item)), ir.TextDelta(index, "x"), ir.Close(index)]
    values = between(*said)
    done = [value["item"] for value in values if value["type"] == "response.output_item.done"]
    assert [(item["id"], len(item["content"])) for item in done] == [("msg_1", 2), ("msg_2", 1)]
    assert [value["content_index"] for value in values if value["type"].endswith("text.done")] == [0, 1, 0]


def test_sources_come_before_the_end_of_their_text() -> None:
    cite = ir.Cite(0, ir.Citation(url="u", title="t"))
    values = between(ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hi"), ir.Close(0), cite)
    assert kinds(values)[3:5] == ["output_text.annotation.added", "output_text.done"]
    assert values[3]["annotation"] == values[5]["part"]["annotations"][0]
    assert (values[3]["annotation"]["start_index"], values[3]["annotation"]["end_index"]) == (0, 2)


def test_a_source_after_its_message_is_named_as_lost() -> None:
    to = reply()
    said = (
        ir.Open(0, ir.Text("x")),
        ir.Close(0),
        ir.Open(1, ir.ToolCall("c", "f")),
        ir.Cite(0, ir.Citation(url="u")),
    )
    streamed(START, *said, for_=to)
    assert "candidates[0].blocks[0].citations" in {loss.path for loss in to.report.losses}


def test_reasoning() -> None:
    values = between(
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "long"),
        ir.ThinkDelta(0, "sh", part=0),
        ir.ThinkDelta(0, "ort", part=0),
        ir.ThinkDelta(0, "other", part=1),
        ir.SealDelta(0, ir.Sealed(FOREIGN, "S")),
        ir.Close(0),
    )
    assert kinds(values) == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert values[8]["text"] == "short"
    assert values[-1]["item"] == {
        "type": "reasoning",
        "id": "rs_a_1",
        "summary": [{"type": "summary_text", "text": "short"}, {"type": "summary_text", "text": "other"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
        "encrypted_content": f"dgm1.{FOREIGN}.S",
    }


def test_calls_that_are_open_together() -> None:
    values = between(
        ir.Open(0, ir.ToolCall("c", "f")),
        ir.ArgsDelta(0, "{}"),
        ir.Open(1, ir.ToolCall("d", "g", kind="custom")),
        ir.ArgsDelta(1, "ls"),
        ir.Close(0),
        ir.Close(1),
    )
    assert kinds(values) == [
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "custom_tool_call_input.delta",
        "function_call_arguments.done",
        "output_item.done",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert [value["output_index"] for value in values] == [0, 0, 1, 1, 0, 0, 1, 1]
    assert (values[0]["item"]["arguments"], values[0]["item"]["call_id"]) == ("", "c")
    assert (values[5]["item"]["arguments"], values[7]["item"]["input"]) == ("{}", "ls")


def test_a_call_without_arguments_is_an_empty_object() -> None:
    values = between(ir.Open(0, ir.ToolCall("c", "f")), ir.Close(0))
    assert [value.get("delta") for value in values[1:2]] == ["{}"]
    assert values[2]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("block", "final"),
    [
        (ir.Text(""), ir.Text("whole")),
        (ir.Refusal(""), ir.Refusal("whole")),
        (ir.ToolCall("c", "f"), ir.ToolCall("c", "f", '"whole"')),
        (ir.Thinking(), ir.Thinking("whole")),
        (ir.Thinking(), ir.Thinking(summary=("whole",))),
    ],
)
def test_words_that_only_the_end_tells_are_told_as_deltas(block: ir.Block, final: ir.Block) -> None:
    deltas = [value["delta"] for value in between(ir.Open(0, block), ir.Close(0, final)) if "delta" in value]
    assert [text.strip('"') for text in deltas] == ["whole"]


def test_a_picture_is_sent_once() -> None:
    values = between(ir.Open(0, ir.Media("image", "image/webp")), ir.MediaDelta(0, "QQ=="), ir.Close(0))
    assert kinds(values) == ["output_item.added", "output_item.done"]
    assert [value["item"]["result"] for value in values] == [None, "QQ=="]
    assert values[1]["item"]["output_format"] == "webp"


@pytest.mark.parametrize(
    ("blocks", "statuses"),
    [
        ((ir.Text("x"),), ["incomplete"]),
        ((ir.Text("x"), ir.ToolCall("c", "f", "{")), ["completed", "incomplete"]),
    ],
)
def test_the_last_item_of_an_incomplete_answer_is_incomplete(
    blocks: tuple[ir.Block, ...], statuses: list[str]
) -> None:
    said = [event for index, block in enumerate(blocks) for event in (ir.Open(index, block), ir.Close(index))]
    values = payloads(streamed(START, *said, ir.Finish(ir.Stop("length")), ir.End()))
    assert kinds(values)[-1] == "incomplete"
    assert [item["status"] for item in values[-1]["response"]["output"]] == statuses


def test_a_failure_is_an_event_and_a_failed_answer() -> None:
    fault = ir.Fault("context_length", "too long")
    data = streamed(START, ir.Open(0, ir.Text("")), ir.TextDelta(0, "x"), ir.Error(fault), ir.Ping(), END[0])
    lines = [json.loads(line[6:]) for line in data.decode().split("\n") if line.startswith("data: {")]
    assert kinds(lines)[-2:] == ["error", "failed"]
    error, failed = lines[-2:]
    assert error["code"] == error["error"]["code"] == "context_length_exceeded"
    assert failed["response"]["error"] == {"code": "context_length_exceeded", "message": "too long"}
    assert data.endswith(b"data: [DONE]\n\n")


def test_a_failure_before_the_start() -> None:
    data = streamed(ir.Error(ir.Fault("overloaded", "busy")))
    assert b'"sequence_number":0' in data
    assert b'"id":"resp_a"' in data
    fault = ir.fold(events(*(line[6:] for line in data.split(b"\n") if line.startswith(b"data: ")))).error
    assert fault is not None
    assert (fault.kind, fault.message) == ("overloaded", "busy")


def test_lines_for_a_socket() -> None:
    encoder = ResponsesEncoder(reply(framing="ndjson"))
    said = (START, ir.Open(0, ir.Text("")), ir.TextDelta(0, "a\nb"), ir.Close(0), *END)
    lines = b"".join(encoder.feed(event) for event in said).split(b"\n")
    assert lines.pop() == b""
    values = [json.loads(line) for line in lines]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))


def test_a_heartbeat_is_a_comment() -> None:
    assert DIALECT.stream.ping == b": ping\n\n"
    assert ResponsesEncoder(reply()).feed(ir.Ping()) == b""


def test_progress_of_its_own_keeps_its_place() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    own = events(
        CREATED,
        sent("output_item.added", output_index=7, item={**search, "status": "in_progress"}),
        sent("web_search_call.searching", output_index=7, item_id="ws_1", sequence_number=99),
        sent("output_item.done", output_index=7, item=search),
        sent("completed", response=body(search, tools=[], tool_choice="auto", parallel_tool_calls=True)),
    )
    data = streamed(*own).decode()
    values = [json.loads(line[6:]) for line in data.split("\n") if line.startswith("data: {")]
    assert kinds(values)[2:-1] == ["output_item.added", "web_search_call.searching", "output_item.done"]
    assert [value["output_index"] for value in values[2:-1]] == [0, 0, 0]
    assert [value["sequence_number"] for value in values] == list(range(6))


def test_another_candidate_is_named_as_lost() -> None:
    to = reply()
    said = (
        ir.Open(0, ir.Text(""), 1),
        ir.TextDelta(0, "x", 1),
        ir.Close(0, None, 1),
        ir.Finish(ir.Stop("end"), 1),
    )
    assert payloads(streamed(START, *said, *END, for_=to))[-1]["response"]["output"] == []
    assert to.report.losses[0].path == "candidates[1]"


SOURCE = ir.Citation("url", "https://a.example/", "A")
LATE = (
    *(ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hello"), ir.Close(0)),
    *(ir.Open(1, ir.Text("")), ir.Cite(0, SOURCE), ir.Close(1)),
)


def test_a_source_that_is_named_when_its_text_has_ended() -> None:
    """Gemini names its sources in the last chunk, behind an empty text that holds a seal."""
    values = between(*LATE)
    (cited,) = [value for value in values if value["type"] == "response.output_text.annotation.added"]
    assert (cited["content_index"], cited["annotation_index"]) == (0, 0)
    told = values[-1]["item"]["content"][0]
    assert told["annotations"] == [cited["annotation"]]
    assert (cited["annotation"]["url"], cited["annotation"]["end_index"]) == ("https://a.example/", 5)


def test_a_document_with_a_url_is_a_source() -> None:
    """Cohere's documents, and those of Gemini's retrieval, may state where they are from."""
    paper = ir.Citation("document", "https://a.example/b", "B", quote="b", start=1, end=3, source={"id": "d"})
    told = between(ir.Open(0, ir.Text("Hello")), ir.Cite(0, paper), ir.Close(0))[-1]["item"]["content"][0]
    assert told["annotations"] == [
        {"type": "url_citation", "url": "https://a.example/b", "title": "B", "start_index": 1, "end_index": 3}
    ]


def test_a_source_of_a_message_that_has_ended_is_named_as_lost() -> None:
    answer = reply()
    call = ir.ToolCall("call_1", "f", "{}")
    said = (*LATE[:3], ir.Open(1, call), ir.Cite(0, SOURCE), ir.Close(1, call))
    encoder = ResponsesEncoder(answer)
    for event in (START, *said, *END):
        encoder.feed(event)
    assert [loss.path for loss in answer.report.losses] == ["candidates[0].blocks[0].citations"]


def test_a_source_that_has_no_word_is_lost_however_late() -> None:
    answer = reply()
    encoder = ResponsesEncoder(answer)
    data = b"".join(
        map(encoder.feed, (START, *LATE[:4], ir.Cite(0, ir.Citation("page", title="B")), *LATE[5:], *END))
    )
    assert b"annotation.added" not in data
    assert [loss.path for loss in answer.report.losses] == ["candidates[0].blocks[0].citations"]
