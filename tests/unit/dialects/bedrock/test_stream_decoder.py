"""Streams: blocks without a start, results in pieces, failures; whatever the order, the events are legal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.bedrock.stream_decoder import BedrockDecoder
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.testing.case import check_grammar, events_of
from dragoman.wire.sse import ErrorFrame

START = {"messageStart": {"role": "assistant", "p": "abc"}}
STOP = {"messageStop": {"stopReason": "end_turn", "p": "a"}}
USAGE = {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "p": "a"}}


def delta(index: int, value: dict[str, Any]) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": value, "p": "abcd"}}


def begin(index: int, value: dict[str, Any]) -> dict[str, Any]:
    return {"contentBlockStart": {"contentBlockIndex": index, "start": value}}


def end(index: int) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": index}}


def events(*values: dict[str, Any] | bytes) -> list[ir.Event]:
    frames = [value if isinstance(value, bytes) else msgspec.json.encode(value) for value in values]
    found = events_of(BedrockDecoder(STANDARD), frames)
    check_grammar(found)
    return found


def blocks(*values: dict[str, Any]) -> tuple[ir.Block, ...]:
    return ir.fold(events(START, *values, STOP, USAGE)).candidates[0].blocks


def test_text_and_what_follows_it() -> None:
    told = events(START, delta(0, {"text": "Hi"}), end(0), STOP, USAGE)
    assert told == [
        ir.Start("bedrock"),
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hi"),
        ir.Close(0),
        ir.Finish(ir.Stop("end")),
        ir.Tally(ir.Usage(1, output=2)),
        ir.End(),
    ]


def test_words_of_another_kind_open_a_block_of_their_own() -> None:
    thought = delta(0, {"reasoningContent": {"text": "Hm."}})
    assert blocks(delta(0, {"text": "Well."}), thought, thought, delta(0, {"text": "Yes."}), end(0)) == (
        ir.Text("Well."),
        ir.Thinking("Hm.Hm."),
        ir.Text("Yes."),
    )
    empty = delta(0, {"text": ""}), delta(0, {"reasoningContent": {"signature": "c2ln"}})
    assert blocks(thought, *empty, end(0)) == (ir.Thinking("Hm.", sealed=ir.Sealed("bedrock", "c2ln")),)


def test_reasoning_with_a_signature_in_pieces() -> None:
    told = blocks(
        delta(0, {"reasoningContent": {"text": "Let "}}),
        delta(0, {"reasoningContent": {"text": "me"}}),
        delta(0, {"reasoningContent": {"signature": "c2"}}),
        delta(0, {"reasoningContent": {"signature": "ln"}}),
        end(0),
        delta(1, {"reasoningContent": {"redactedContent": "YWI="}}),
        delta(1, {"reasoningContent": {"redactedContent": "Yw=="}}),
    )
    assert told == (
        ir.Thinking("Let me", sealed=ir.Sealed("bedrock", "c2ln")),
        ir.Thinking(sealed=ir.Sealed("bedrock", "YWJj"), redacted=True),
    )


def test_redacted_reasoning_in_pieces_is_told_as_a_whole() -> None:
    """Other protocols have it in the start of a block, where nothing can be added."""
    pieces = [delta(0, {"reasoningContent": {"redactedContent": piece}}) for piece in ("YWI=", "Yw==")]
    told = events(START, *pieces, end(0), STOP, USAGE)
    assert told[1:4] == [
        ir.Open(0, ir.Thinking(redacted=True)),
        ir.SealDelta(0, ir.Sealed("bedrock", "YWJj")),
        ir.Close(0),
    ]


def test_redacted_reasoning_with_characters_of_no_base64_is_not_joined() -> None:
    """Dropped characters would make another seal of it."""
    pieces = [delta(0, {"reasoningContent": {"redactedContent": piece}}) for piece in ("YW*I=", "Yw==")]
    with pytest.raises(WireError):
        events(START, *pieces, end(0), STOP, USAGE)


def test_calls_whose_indexes_have_gaps_and_that_are_open_together() -> None:
    told = blocks(
        begin(1, {"toolUse": {"toolUseId": "a", "name": "f"}}),
        begin(5, {"toolUse": {"toolUseId": "b", "name": "g", "type": "server_tool_use"}}),
        delta(1, {"toolUse": {"input": '{"x"'}}),
        delta(5, {"toolUse": {"input": "{}"}}),
        delta(1, {"toolUse": {"input": ":1}"}}),
    )
    assert told == (
        ir.ToolCall("a", "f", '{"x":1}'),
        ir.ToolCall("b", "g", "{}", "builtin", "provider"),
    )


def test_a_result_of_the_providers_tool_in_pieces() -> None:
    start = {"toolResult": {"toolUseId": "a", "type": "nova_grounding_result", "status": "success"}}
    told = blocks(
        begin(0, start),
        delta(0, {"toolResult": [{"text": "x"}]}),
        delta(0, {"toolResult": [{"json": 1}]}),
        end(0),
    )
    content = (ir.Text("x"), ir.Json(1))
    assert told == (ir.ToolResult("a", content, error=False, kind="nova_grounding_result", by="provider"),)


def test_an_image_and_an_unknown_block_in_pieces() -> None:
    told = blocks(
        begin(0, {"image": {"format": "png"}}),
        delta(0, {"image": {"source": {"bytes": "AA=="}}}),
        end(0),
        begin(1, {"new": {"a": 1}}),
        delta(1, {"new": {"b": 2}}),
    )
    assert told == (
        ir.Media("image", "image/png", "AA=="),
        ir.Native("bedrock", "new", {"new": {"a": 1, "b": 2}}),
    )


def test_citations_and_leftovers() -> None:
    citation = {"location": {"web": {"url": "https://a.example"}}}
    usage = {"metadata": {**USAGE["metadata"], "trace": {"t": 1}, "serviceTier": {"type": "flex"}}}
    stop = {"messageStop": {"stopReason": "max_tokens", "additionalModelResponseFields": {"/x": 1}}}
    told = ir.fold(events(START, delta(0, {"text": "a"}), delta(0, {"citation": citation}), stop, usage))
    text = told.candidates[0].blocks[0]
    assert isinstance(text, ir.Text)
    assert text.citations[0].url == "https://a.example"
    assert told.tier == "flex"
    assert told.extra == {"bedrock": {"trace": {"t": 1}, "additionalModelResponseFields": {"/x": 1}}}


def test_an_unknown_event_is_passed_and_an_empty_start_opens_nothing() -> None:
    told = events(START, {"new": {"a": 1}}, begin(0, {}), delta(0, {"text": "a"}), STOP, USAGE)
    assert told[1] == ir.Raw("bedrock", {"new": {"a": 1}})
    assert told[2] == ir.Open(0, ir.Text(""))


def failure(*values: Any) -> ir.Fault:
    last = events(*values)[-1]
    assert isinstance(last, ir.Error)
    return last.fault


def test_failures_end_the_stream() -> None:
    frame = ErrorFrame(b'{"type":"throttlingException","message":"Slow down"}')
    fault = failure(START, frame, delta(0, {"text": "a"}))
    assert (fault.kind, fault.message) == ("rate_limit", "Slow down")
    assert failure(START, {"validationException": {"message": "Odd"}}).kind == "invalid_request"
    assert failure(START, delta(0, {"text": "a"})).code == "stream_broken"
    assert "without a response" in failure().message


def test_a_stream_without_metadata_is_complete() -> None:
    assert events(START, delta(0, {"text": "a"}), STOP)[-1] == ir.End()


@pytest.mark.parametrize(
    "frame",
    [
        b"[]",
        b"{",
        b'{"a":{},"b":{}}',
        b'{"contentBlockDelta":1}',
        b'{"contentBlockDelta":{"contentBlockIndex":-1,"delta":{}}}',
        b'{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":1}}}',
        b'{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{}}}}',
        b'{"contentBlockStart":{"contentBlockIndex":0,"start":{"toolUse":{"name":"f"}}}}',
    ],
)
def test_malformed_events(frame: bytes) -> None:
    with pytest.raises(WireError):
        BedrockDecoder(STANDARD).feed(frame)


@pytest.mark.parametrize(
    "late", [begin(1, {"toolUse": {"toolUseId": "1", "name": "f"}}), delta(1, {"text": "a"})]
)
def test_a_block_after_the_end_is_refused(late: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="after messageStop"):
        events(START, delta(0, {"text": "a"}), end(0), STOP, late)


def test_a_thought_that_is_no_text_is_refused() -> None:
    with pytest.raises(WireError, match="unknown format"):
        events(START, delta(0, {"reasoningContent": {"text": ["a"]}}))


def test_a_delta_of_an_unknown_kind_in_a_text_is_kept_for_clients_of_bedrock() -> None:
    strange = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"novelty": {"a": 1}}}}
    told = events(START, delta(0, {"text": "Hi"}), delta(0, {"novelty": {"a": 1}}), end(0), STOP, USAGE)
    assert told[3:5] == [ir.Raw("bedrock", strange, 0), ir.Close(0)]


@pytest.mark.parametrize(
    "odd", [{"citation": {"title": "t"}}, {"text": "x"}, {"reasoningContent": {"signature": "s"}}]
)
def test_a_delta_that_an_open_call_cannot_hold_is_kept_for_clients_of_bedrock(odd: dict[str, Any]) -> None:
    call = {"toolUse": {"toolUseId": "c", "name": "f"}}
    told = events(
        *(START, begin(0, call), delta(0, odd), delta(0, {"text": ""})),
        *(delta(0, {"toolUse": {"input": "{}"}}), end(0), STOP, USAGE),
    )
    strange = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": odd}}
    assert told[2:5] == [ir.Raw("bedrock", strange, 0), ir.ArgsDelta(0, "{}"), ir.Close(0)]


def test_a_signature_beside_a_text_and_words_beside_an_image_have_their_own_blocks() -> None:
    image = {"source": {"bytes": "AA=="}, "format": "png"}
    assert blocks(
        delta(0, {"text": "Hi"}),
        delta(0, {"reasoningContent": {"signature": "s"}}),
        end(0),
        begin(1, {"image": {"format": "png"}}),
        delta(1, {"image": {"source": image["source"]}}),
        delta(1, {"text": "Yes."}),
        end(1),
    ) == (
        ir.Text("Hi"),
        ir.Thinking("", sealed=ir.Sealed("bedrock", "s")),
        ir.Media("image", mime="image/png", data="AA=="),
        ir.Text("Yes."),
    )


def test_a_result_inside_a_text_is_kept_for_clients_of_bedrock() -> None:
    odd = {"toolResult": [{"text": "5"}]}
    told = events(START, delta(0, {"text": "Hi"}), delta(0, odd), end(0), STOP, USAGE)
    strange = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": odd}}
    assert told[3] == ir.Raw("bedrock", strange, 0)


def test_arguments_of_no_call_are_refused() -> None:
    with pytest.raises(WireError, match="has not started"):
        events(START, delta(0, {"toolUse": {"input": "{"}}), delta(0, {"toolUse": {"input": "}"}}))
