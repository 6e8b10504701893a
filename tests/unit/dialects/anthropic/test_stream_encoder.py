"""Streams for Anthropic's clients: exact bytes, one block at a time, judged by the official client."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from tests.unit.dialects.anthropic.saying import FOREIGN, answer, events, lost, payloads, reply, streamed

START = ir.Start(FOREIGN, "id-1", "gpt")
END: list[ir.Event] = [ir.Tally(ir.Usage(input=3, output=2)), ir.End()]
DELTA = b'{"type":"content_block_delta","index":0,"delta":{"type":"%b":'
HEAD = (
    b"event: message_start\n"
    b'data: {"type":"message_start","message":{"id":"answer-1","type":"message","role":"assistant",'
    b'"model":"gpt","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"output_tokens":0}}}\n\n'
)
TAIL = (
    b"event: message_delta\n"
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"input_tokens":3,"output_tokens":2}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)


def blocks(*said: ir.Event) -> list[dict[str, Any]]:
    """The payloads between the head and the tail."""
    return payloads(streamed(START, *said, ir.Finish(ir.Stop("end")), *END)[0])[1:-2]


def accumulated(data: bytes) -> dict[str, Any]:
    """The message that the official client makes of a stream."""
    snapshot = None
    buffers: dict[int, bytes] = {}
    for payload in payloads(data):
        if payload["type"] != "ping":
            event = cast("RawMessageStreamEvent", payload)
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return snapshot.model_dump(mode="json", exclude_none=True)


def test_text_to_the_byte() -> None:
    data, report = streamed(
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Héllo\n"),
        ir.TextDelta(0, "you."),
        ir.Close(0),
        ir.Finish(ir.Stop("end")),
        *END,
    )
    assert data == (
        HEAD
        + b"event: content_block_start\n"
        + b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        + b"event: content_block_delta\n"
        + b"data: "
        + DELTA % b'text_delta","text'
        + b'"H\xc3\xa9llo\\n"}}\n\n'
        + b"event: content_block_delta\n"
        + b"data: "
        + DELTA % b'text_delta","text'
        + b'"you."}}\n\n'
        + b"event: content_block_stop\n"
        + b'data: {"type":"content_block_stop","index":0}\n\n'
        + TAIL
    )
    assert not report.losses


def test_an_empty_answer_still_has_its_head_and_tail() -> None:
    assert streamed(START, ir.Finish(ir.Stop("end")), *END)[0] == HEAD + TAIL


def test_two_calls_to_the_byte() -> None:
    data, _ = streamed(
        START,
        ir.Open(0, ir.ToolCall("call_a", "f")),
        ir.ArgsDelta(0, '{"x":'),
        ir.ArgsDelta(0, "1}"),
        ir.Close(0),
        ir.Open(1, ir.ToolCall(None, "g")),
        ir.Close(1),
        ir.Finish(ir.Stop("tool")),
        *END,
    )
    named = b"event: content_block_%b\ndata: "
    assert data == (
        HEAD
        + named % b"start"
        + b'{"type":"content_block_start","index":0,"content_block":'
        + b'{"type":"tool_use","id":"call_a","name":"f","input":{}}}\n\n'
        + named % b"delta"
        + DELTA % b'input_json_delta","partial_json'
        + b'"{\\"x\\":"}}\n\n'
        + named % b"delta"
        + DELTA % b'input_json_delta","partial_json'
        + b'"1}"}}\n\n'
        + named % b"stop"
        + b'{"type":"content_block_stop","index":0}\n\n'
        + named % b"start"
        + b'{"type":"content_block_start","index":1,"content_block":'
        + b'{"type":"tool_use","id":"toolu_answer-1_1","name":"g","input":{}}}\n\n'
        + named % b"stop"
        + b'{"type":"content_block_stop","index":1}\n\n'
        + TAIL.replace(b"end_turn", b"tool_use")
    )


def test_calls_that_interleave_are_made_contiguous() -> None:
    found = blocks(
        ir.Open(0, ir.ToolCall("a", "f")),
        ir.Open(1, ir.ToolCall("b", "g")),
        ir.Open(2, ir.Text("")),
        ir.ArgsDelta(1, "{"),
        ir.ArgsDelta(0, '{"x":1}'),
        ir.TextDelta(2, "Hi"),
        ir.ArgsDelta(1, "}"),
        ir.Close(1),
        ir.Close(0),
        ir.TextDelta(2, "!"),
        ir.Close(2),
    )
    assert [(frame["type"].removeprefix("content_block_"), frame["index"]) for frame in found] == [
        ("start", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        ("delta", 1),
        ("delta", 1),
        ("stop", 1),
        ("start", 2),
        ("delta", 2),
        ("delta", 2),
        ("stop", 2),
    ]
    deltas = [frame["delta"] for frame in found if "delta" in frame]
    assert [delta.get("partial_json", delta.get("text")) for delta in deltas] == [
        '{"x":1}',
        "{",
        "}",
        "Hi",
        "!",
    ]


def test_reasoning_is_closed_with_a_signature_before_the_text() -> None:
    found = blocks(
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "Hm."),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, "Hi"),
        ir.Close(1),
    )
    assert found[:4] == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": ""}},
        {"type": "content_block_stop", "index": 0},
    ]


@pytest.mark.parametrize("words", ["Hm.", ""])
def test_a_foreign_seal_is_a_tagged_signature(words: str) -> None:
    data, report = streamed(
        START,
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, words),
        ir.SealDelta(0, ir.Sealed(FOREIGN, "blob")),
        ir.Close(0, ir.Thinking(words, sealed=ir.Sealed(FOREIGN, "blob"))),
    )
    signed = [frame["delta"].get("signature") for frame in payloads(data) if "delta" in frame]
    assert signed == [*([None] if words else []), "dgm1.elsewhere.blob"]
    assert lost(report) == []


def test_a_foreign_seal_of_anything_but_thoughts_is_named() -> None:
    _, report = streamed(
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hi"),
        ir.SealDelta(0, ir.Sealed(FOREIGN, "blob")),
        ir.Close(0),
    )
    assert lost(report) == [("candidates[0].blocks[0].sealed", "quality")]


def test_words_that_come_later_are_no_loss() -> None:
    _, report = streamed(
        START,
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "Hm."),
        ir.Close(0),
        ir.Open(1, ir.Text("", extra={FOREIGN: {"mood": 1}})),
        ir.TextDelta(1, "Hi"),
        ir.Close(1),
        ir.Finish(ir.Stop("end")),
        *END,
    )
    assert lost(report) == [("candidates[0].blocks[1].mood", "hint")]


def test_an_own_seal_comes_back_even_without_words() -> None:
    found = blocks(ir.Open(0, ir.Thinking()), ir.SealDelta(0, ir.Sealed("anthropic", "sig")), ir.Close(0))
    assert [frame.get("delta") for frame in found] == [
        None,
        {"type": "signature_delta", "signature": "sig"},
        None,
    ]


def test_summary_parts_are_paragraphs() -> None:
    found = blocks(
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "A", part=0),
        ir.ThinkDelta(0, "b", part=0),
        ir.ThinkDelta(0, "C", part=1),
        ir.Close(0),
    )
    assert [frame["delta"].get("thinking") for frame in found if "delta" in frame] == [
        "A",
        "b",
        "\n\nC",
        None,
    ]


def test_a_block_that_stays_empty_is_not_sent() -> None:
    data, report = streamed(
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, ""),
        ir.Close(0),
        ir.Open(1, ir.Thinking()),
        ir.Close(1),
        ir.Open(2, ir.ToolCall("c", "f")),
        ir.Close(2),
        ir.Finish(ir.Stop("tool")),
        *END,
    )
    assert [frame["index"] for frame in payloads(data)[1:-2]] == [0, 0]
    assert lost(report) == [("candidates[0].blocks[1]", "hint")]


def test_content_that_comes_whole_with_a_block() -> None:
    found = blocks(
        ir.Open(0, ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "sig"))),
        ir.Close(0),
        ir.Open(1, ir.Text("Hi", (ir.Citation("url", "u", "T", "q"),))),
        ir.Close(1),
        ir.Open(2, ir.ToolCall("c", "f", '{"x":1}')),
        ir.Close(2),
    )
    assert [(frame["index"], frame["delta"]["type"]) for frame in found if "delta" in frame] == [
        (0, "thinking_delta"),
        (0, "signature_delta"),
        (1, "text_delta"),
        (1, "citations_delta"),
        (2, "input_json_delta"),
    ]
    assert found[0]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert found[8]["content_block"]["input"] == {}


def test_content_that_only_the_final_block_states() -> None:
    found = blocks(
        ir.Open(0, ir.Text("")),
        ir.Close(0, ir.Text("Hi")),
        ir.Open(1, ir.Thinking()),
        ir.Close(1, ir.Thinking(summary=("A", "B"), sealed=ir.Sealed("anthropic", "sig"))),
        ir.Open(2, ir.ToolCall("c", "f")),
        ir.Close(2, ir.ToolCall("c", "f", '{"x":1}')),
        ir.Open(3, ir.Text("")),
        ir.TextDelta(3, "said"),
        ir.Close(3, ir.Text("said")),
        ir.Open(4, ir.Text("whole")),
        ir.Close(4, ir.Text("whole")),
        ir.Open(5, ir.ToolCall("d", "g", "{}")),
        ir.Close(5, ir.ToolCall("d", "g", "{}")),
    )
    assert [list(frame["delta"].values())[1] for frame in found if "delta" in frame] == [
        "Hi",
        "A\n\nB",
        "sig",
        '{"x":1}',
        "said",
        "whole",
        "{}",
    ]


def test_leftovers_that_only_the_final_block_states_are_named() -> None:
    final = ir.Text("Hi", extra={FOREIGN: {"mood": 1}})
    _, report = streamed(START, ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hi"), ir.Close(0, final))
    assert lost(report) == [("candidates[0].blocks[0].mood", "hint")]


def test_citations_and_seals_of_blocks_that_wait() -> None:
    found = blocks(
        ir.Open(0, ir.ToolCall("a", "f")),
        ir.Open(1, ir.Text("")),
        ir.Cite(1, ir.Citation("url", "u")),
        ir.Cite(1, ir.Citation("document")),
        ir.Open(2, ir.Thinking()),
        ir.SealDelta(2, ir.Sealed("anthropic", "sig")),
        ir.MediaDelta(1, "AA=="),
        ir.Close(1),
        ir.Close(2),
        ir.Close(0),
    )
    assert [frame["delta"]["type"] for frame in found if "delta" in frame] == [
        "citations_delta",
        "signature_delta",
    ]


def test_a_refusal_is_text() -> None:
    found = blocks(ir.Open(0, ir.Refusal("")), ir.RefusalDelta(0, "No."), ir.Close(0))
    assert [frame["type"] for frame in found] == [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
    ]
    assert found[1]["delta"] == {"type": "text_delta", "text": "No."}


def test_citations_during_and_after_their_block() -> None:
    cite = ir.Cite(0, ir.Citation("url", "u", "T"))
    data, report = streamed(
        START, ir.Open(0, ir.Text("")), cite, ir.TextDelta(0, "Hi"), ir.Close(0), cite, ir.Finish(None), *END
    )
    kinds = [frame["delta"]["type"] for frame in payloads(data)[1:-2] if "delta" in frame]
    assert kinds == ["citations_delta", "text_delta"]
    assert lost(report) == [("candidates[0].blocks[0].citations", "quality")]


def test_what_has_no_form_is_skipped_by_name() -> None:
    data, report = streamed(
        START,
        ir.Open(0, ir.ToolCall("ws", "web_search", "", "builtin", "provider")),
        ir.ArgsDelta(0, "{}"),
        ir.Close(0),
        ir.Open(1, ir.Media("document", "application/pdf")),
        ir.MediaDelta(1, "AA=="),
        ir.Close(1),
        ir.Open(2, ir.Native(FOREIGN, "thing", {})),
        ir.Close(2, ir.Native(FOREIGN, "thing", {"x": 1})),
        ir.Open(3, ir.Thinking(redacted=True)),
        ir.Close(3),
        ir.Raw(FOREIGN, {"type": "progress"}),
        ir.Open(4, ir.Text("")),
        ir.TextDelta(4, "Hi", logprobs=(ir.Logprob("Hi", 0.0),)),
        ir.Close(4),
        ir.Finish(ir.Stop("end"), extra={FOREIGN: {"score": 1}}),
        ir.More({FOREIGN: {"late": 1}}),
        ir.Tally(ir.Usage(input=3, output=2)),
        ir.End("completed"),
    )
    assert [frame["index"] for frame in payloads(data)[1:-2]] == [0, 0, 0]
    assert lost(report) == [
        ("candidates[0].blocks[0]", "quality"),
        ("candidates[0].blocks[1]", "meaning"),
        ("candidates[0].blocks[2]", "meaning"),
        ("candidates[0].blocks[3]", "quality"),
        ("events", "hint"),
        ("candidates[0].blocks[4].logprobs", "hint"),
        ("candidates[0].score", "hint"),
        ("late", "hint"),
        ("status", "hint"),
    ]


def test_only_the_first_answer_is_streamed() -> None:
    data, report = streamed(
        START,
        ir.Open(0, ir.Text(""), 1),
        ir.TextDelta(0, "B", 1),
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "A"),
        ir.ThinkDelta(0, "B", 1),
        ir.ArgsDelta(0, "B", 1),
        ir.Close(0, None, 1),
        ir.Close(0),
        ir.Finish(ir.Stop("length"), 1),
        ir.Finish(ir.Stop("end"), 0),
        *END,
    )
    found = payloads(data)
    assert [frame["delta"]["text"] for frame in found[1:-2] if "delta" in frame] == ["A"]
    assert found[-2]["delta"]["stop_reason"] == "end_turn"
    assert lost(report) == [("candidates[1]", "meaning")]


def test_usage_and_tier_known_early_and_late() -> None:
    data, _ = streamed(
        ir.Start(FOREIGN, None, None, tier="default", usage=ir.Usage(input=9)),
        ir.Finish(ir.Stop("end")),
        ir.More(tier="priority"),
        ir.Tally(ir.Usage(input=9, output=4)),
        ir.End(),
        model="shown",
    )
    head, last, _ = payloads(data)
    assert (head["message"]["id"], head["message"]["model"]) == ("answer-1", "shown")
    assert head["message"]["usage"] == {"input_tokens": 9, "output_tokens": 0, "service_tier": "standard"}
    assert last["usage"] == {"input_tokens": 9, "output_tokens": 4, "service_tier": "priority"}


def test_calls_mean_tool_use() -> None:
    data, _ = streamed(START, ir.Open(0, ir.ToolCall("c", "f")), ir.Close(0), ir.Finish(ir.Stop("end")), *END)
    assert payloads(data)[-2]["delta"]["stop_reason"] == "tool_use"


def test_an_error_ends_the_stream_without_a_fake_finish() -> None:
    fault = ir.Fault("overloaded", "Busy.")
    data, _ = streamed(START, ir.Open(0, ir.Text("")), ir.TextDelta(0, "H"), ir.Error(fault), *END)
    assert data.endswith(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy."}}\n\n'
    )
    assert b"message_stop" not in data
    failed, _ = streamed(START, ir.End("failed", fault))
    assert payloads(failed)[-1]["type"] == "error"


def test_heartbeats_are_events_even_before_the_message_has_begun() -> None:
    encoder = DIALECT.stream.encoder(reply())
    told = b'event: ping\ndata: {"type":"ping"}\n\n'
    assert (encoder.feed(ir.Ping()), DIALECT.stream.ping) == (told, told)
    encoder.feed(START)
    assert encoder.feed(ir.Ping()) == told


def test_own_streams_keep_what_only_anthropic_says() -> None:
    raw = {"type": "progress", "x": 1}
    said: list[ir.Event] = [
        ir.Start("anthropic", "msg_1", "claude", extra={"anthropic": {"diagnostics": None}}),
        ir.Raw("anthropic", raw),
        ir.Open(0, ir.Text("")),
        ir.Close(0),
        ir.Open(1, ir.Native("anthropic", "compaction", {"type": "compaction", "content": None})),
        ir.Close(1, ir.Native("anthropic", "compaction", {"type": "compaction", "content": "So"})),
        ir.Open(2, ir.Native("anthropic", "hologram", {"type": "hologram"})),
        ir.Close(2, ir.Native("anthropic", "hologram", {"type": "hologram"})),
        ir.More({"anthropic": {"container": {"id": "c"}, "context_management": {}}}),
        ir.Finish(ir.Stop("other", "new_reason")),
        ir.Tally(ir.Usage(input=1, output=1)),
        ir.End(extra={"anthropic": {"metrics": 1}}),
    ]
    data, report = streamed(*said)
    found = payloads(data)
    assert found[1] == raw
    assert found[3] == {"type": "content_block_stop", "index": 0}
    assert found[5]["delta"] == {"type": "compaction_delta", "content": "So"}
    assert found[-2]["delta"] == {
        "stop_reason": "new_reason",
        "stop_sequence": None,
        "container": {"id": "c"},
    }
    assert found[-2]["context_management"] == {}
    assert found[-1] == {"type": "message_stop", "metrics": 1}
    assert not report.losses
    assert ir.fold(events(*found)) == ir.fold(said)


@pytest.mark.parametrize(
    "response",
    [
        answer("Hi"),
        answer(ir.Thinking("Hm."), "Hi ", "there", ir.ToolCall("c", "f", '{"x":[1,{"y":null}]}')),
        answer(ir.Text("Hi", (ir.Citation("url", "u", "T", "q"),)), stop=ir.Stop("length")),
        answer(ir.ToolCall("a", "f", "{}"), ir.ToolCall("b", "g", "{}"), stop=ir.Stop("tool")),
        answer(stop=ir.Stop("filter")),
    ],
)
def test_the_official_client_reads_the_same_answer_streamed_and_whole(response: ir.Response) -> None:
    data, _ = streamed(*ir.unfold(response))
    whole = DIALECT.response.encode(response, reply())
    plain = msgspec.json.decode(msgspec.json.encode({k: v for k, v in whole.items() if v is not None}))
    assert accumulated(data) == plain


def test_an_official_stream_survives_the_way_through_the_ir() -> None:
    frames: list[ir.Event] = [
        ir.Start("anthropic", "msg_1", "claude", usage=ir.Usage(input=3, output=1)),
        ir.Open(0, ir.Thinking()),
        ir.SealDelta(0, ir.Sealed("anthropic", "sig")),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, "Hi"),
        ir.Close(1),
        ir.Finish(ir.Stop("sequence", sequence="END")),
        ir.Tally(ir.Usage(input=3, output=9)),
        ir.End(),
    ]
    data, _ = streamed(*frames)
    assert accumulated(data)["stop_sequence"] == "END"
    assert accumulated(data)["content"][0] == {"type": "thinking", "thinking": "", "signature": "sig"}
    decoder = DIALECT.stream.decoder(STANDARD)
    again = [event for frame in payloads(data) for event in decoder.feed(msgspec.json.encode(frame))]
    assert ir.fold([*again, *decoder.close()]) == ir.fold(frames)


def test_an_encoder_needs_a_model_s_name() -> None:
    asked = Reply(ir.Request("anthropic", "asked"), reply().report, "id", 0)
    data = DIALECT.stream.encoder(asked).feed(ir.Start(FOREIGN))
    assert payloads(data)[0]["message"]["model"] == "asked"
