"""Streams, read: every kind of item, and every way in which a stream ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.openai_responses.items import decode_item
from dragoman.errors import WireError
from dragoman.testing.case import check_grammar
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.openai_responses.answering import (
    CREATED,
    USAGE,
    body,
    call,
    events,
    message,
    sent,
    text,
)


def item(kind: str, number: int, value: dict[str, Any]) -> dict[str, Any]:
    """An item is announced or has ended."""
    return sent(f"output_item.{kind}", output_index=number, item=value)


def delta(kind: str, words: Any, number: int = 0, **more: Any) -> dict[str, Any]:
    """More of an item."""
    return sent(f"{kind}.delta", output_index=number, item_id="i", delta=words, **more)


def ended(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The terminal event of a completed answer."""
    return sent("completed", response=body(*output, **more))


PART = sent("content_part.added", output_index=0, content_index=0, item_id="i", part=text(""))
BEGUN = (CREATED, item("added", 0, message(status="in_progress")), PART)


def told(*values: dict[str, Any] | bytes) -> ir.Response:
    """The answer that a stream adds up to, whose grammar holds."""
    found = events(*values)
    check_grammar(found)
    return ir.fold(found)


def block(item: dict[str, Any]) -> ir.Block:
    """The one block of an item."""
    return decode_item(item)[1][0]


def test_a_message() -> None:
    done = message("Hello")
    found = events(
        *BEGUN,
        delta("output_text", "Hel", content_index=0, logprobs=[]),
        delta("output_text", "lo", content_index=0, logprobs=[]),
        item("done", 0, done),
        ended(done),
    )
    check_grammar(found)
    assert [e.text for e in found if isinstance(e, ir.TextDelta)] == ["Hel", "lo"]
    response = ir.fold(found)
    assert response.candidates[0].blocks == (
        ir.Text("Hello", item=ir.Item("msg_1", "completed"), logprobs=None),
    )
    assert response.candidates[0].stop == ir.Stop("end")
    assert response.usage is not None
    assert response.usage.total == USAGE["total_tokens"]


def test_the_end_of_an_item_is_the_truth() -> None:
    response = told(
        *BEGUN, delta("output_text", "Hel", content_index=0), item("done", 0, message("Hello")), ended()
    )
    assert [block.text for block in response.candidates[0].blocks if isinstance(block, ir.Text)] == ["Hello"]


def test_what_no_delta_told_is_told_before_the_end() -> None:
    source = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    found = events(*BEGUN, item("done", 0, message(text("Hi", annotations=[source]))), ended())
    names = [type(event).__name__ for event in found]
    assert names[1:5] == ["Open", "TextDelta", "Cite", "Close"]


def test_a_source_is_told_once() -> None:
    source = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
    added = sent(
        "output_text.annotation.added", output_index=0, content_index=0, annotation_index=0, annotation=source
    )
    found = events(
        *BEGUN,
        delta("output_text", "Hi", content_index=0),
        added,
        item("done", 0, message(text("Hi", annotations=[source]))),
        ended(),
    )
    assert sum(isinstance(event, ir.Cite) for event in found) == 1


def test_weights_of_words_stay_as_exact_as_the_deltas_told_them() -> None:
    exact = [{"token": "Hi", "logprob": -0.0123456789, "bytes": [72, 105], "top_logprobs": []}]
    rounded = [{"token": "Hi", "logprob": -0.012346, "bytes": [72, 105], "top_logprobs": []}]
    response = told(
        *BEGUN,
        delta("output_text", "Hi", content_index=0, logprobs=exact),
        item("done", 0, message(text("Hi", logprobs=rounded))),
        ended(),
    )
    block = response.candidates[0].blocks[0]
    assert isinstance(block, ir.Text)
    assert block.logprobs is not None
    assert block.logprobs[0].logprob == -0.0123456789


@pytest.mark.parametrize(
    ("deltas", "final"),
    [
        (
            (delta("function_call_arguments", '{"x":'), delta("function_call_arguments", "1}")),
            call('{"x":1}'),
        ),
        ((), call('{"x":1}')),
        (
            (delta("custom_tool_call_input", "ls"),),
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sh", "input": "ls"},
        ),
    ],
)
def test_calls(deltas: tuple[dict[str, Any], ...], final: dict[str, Any]) -> None:
    empty = {**final, "arguments" if "arguments" in final else "input": ""}
    found = events(CREATED, item("added", 0, empty), *deltas, item("done", 0, final), ended(final))
    check_grammar(found)
    block = ir.fold(found).candidates[0].blocks[0]
    assert isinstance(block, ir.ToolCall)
    assert "".join(e.text for e in found if isinstance(e, ir.ArgsDelta)) == block.arguments != ""
    assert ir.fold(found).candidates[0].stop == ir.Stop("tool")


@pytest.mark.parametrize("kind", ["reasoning_text", "reasoning"])
def test_reasoning(kind: str) -> None:
    final = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
        "encrypted_content": "late",
    }
    response = told(
        CREATED,
        item("added", 0, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "early"}),
        delta(kind, "long", content_index=0),
        delta("reasoning_summary_text", "short", summary_index=0),
        item("done", 0, final),
        ended(final),
    )
    sealed = ir.Sealed("openai_responses", "late")
    assert response.candidates[0].blocks == (ir.Thinking("long", ("short",), sealed, item=ir.Item("rs_1")),)


def test_refusals() -> None:
    part = sent(
        "content_part.added", output_index=0, content_index=0, part={"type": "refusal", "refusal": ""}
    )
    done = message({"type": "refusal", "refusal": "No."})
    response = told(
        CREATED,
        item("added", 0, message()),
        part,
        delta("refusal", "No.", content_index=0),
        item("done", 0, done),
        ended(done),
    )
    assert response.candidates[0].blocks == (ir.Refusal("No.", item=ir.Item("msg_1", "completed")),)


def test_items_of_this_protocol_alone_come_whole_and_their_progress_passes() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    progress = sent("web_search_call.searching", output_index=0, item_id="ws_1")
    found = events(CREATED, item("added", 0, search), progress, item("done", 0, search), ended(search))
    check_grammar(found)
    assert sum(isinstance(event, ir.Raw) for event in found) == 2
    assert isinstance(ir.fold(found).candidates[0].blocks[0], ir.Native)


def test_items_that_only_the_end_tells() -> None:
    assert told(CREATED, ended(message("Hi"))).candidates[0].blocks == (
        ir.Text("Hi", item=ir.Item("msg_1", "completed")),
    )


def test_words_of_a_part_that_was_not_announced() -> None:
    response = told(CREATED, delta("output_text", "Hi", content_index=0), ended())
    assert [block.text for block in response.candidates[0].blocks if isinstance(block, ir.Text)] == ["Hi"]


def test_an_incomplete_answer() -> None:
    value = body(message("Hi"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert told(CREATED, sent("incomplete", response=value)).candidates[0].stop == ir.Stop("length")


FAILED = sent(
    "failed", response=body(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"})
)


@pytest.mark.parametrize(
    "values",
    [
        (CREATED, FAILED),
        (FAILED,),
        (CREATED, sent("error", code="rate_limit_exceeded", message="slow", param=None), FAILED),
        (sent("error", error={"code": "rate_limit_exceeded", "message": "slow"}),),
        ({"error": {"code": "rate_limit_exceeded", "message": "slow"}},),
        (CREATED, ErrorFrame(b'{"error":{"code":"rate_limit_exceeded","message":"slow"}}')),
    ],
)
def test_failures(values: tuple[dict[str, Any] | bytes, ...]) -> None:
    found = events(*values)
    check_grammar(found)
    assert sum(isinstance(event, ir.Error) for event in found) == 1
    fault = ir.fold(found).error
    assert fault is not None
    assert (fault.kind, fault.message) == ("rate_limit", "slow")


def test_a_stream_that_breaks_off() -> None:
    fault = ir.fold(events(*BEGUN)).error
    assert fault is not None
    assert (fault.kind, fault.blame) == ("upstream", "upstream")


def test_nothing_after_the_end() -> None:
    assert events(CREATED, ended(), b"[DONE]", CREATED) == events(CREATED, ended())


@pytest.mark.parametrize(
    "values",
    [
        ({"output_index": 0, "item": call()},),
        (b"no json",),
        (b"[]",),
        (CREATED, delta("function_call_arguments", "{")),
        (CREATED, item("added", 0, call("")), delta("output_text", "Hi", content_index=0)),
        (CREATED, sent("output_item.done", output_index=0)),
    ],
)
def test_what_is_no_stream_is_refused(values: tuple[dict[str, Any] | bytes, ...]) -> None:
    with pytest.raises(WireError):
        events(*values)


def test_most_frames_take_the_short_way_to_the_same_event() -> None:
    short = msgspec.json.encode(
        {"type": "response.output_text.delta", "content_index": 0, "delta": "Hi", "output_index": 0}
    )
    long = b" " + short
    assert events(*BEGUN, short) == events(*BEGUN, long)


# Streams of servers that are less exact ----------------------------------------------------------------

SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


@pytest.mark.parametrize(
    ("announced", "deltas", "whole"),
    [
        (message(status="in_progress"), (), message("Hello")),
        (call(""), (), call('{"a":1}')),
        (call(""), (delta("function_call_arguments", '{"a"'),), call('{"a":1}')),
        (SEARCH, (), SEARCH),
    ],
)
def test_an_item_that_ends_with_its_answer_alone(
    announced: dict[str, Any], deltas: tuple[dict[str, Any], ...], whole: dict[str, Any]
) -> None:
    answer = told(CREATED, item("added", 0, announced), *deltas, ended(whole))
    assert answer.candidates[0].blocks == (block(whole),)


@pytest.mark.parametrize("whole", [(), ({**call("{}"), "id": "fc_2"},), (SEARCH,), ("odd",)])
def test_an_item_that_never_ends_is_what_was_told_of_it(whole: tuple[Any, ...]) -> None:
    told_so_far = (CREATED, item("added", 0, call("")), delta("function_call_arguments", "{}"))
    (found,) = told(*told_so_far, ended(*whole)).candidates[0].blocks
    assert isinstance(found, ir.ToolCall)
    assert (found.id, found.arguments) == (call()["call_id"], "{}")


@pytest.mark.parametrize("nothing", [{"arguments": None}, {}])
def test_a_call_that_begins_without_arguments(nothing: dict[str, Any]) -> None:
    begun = {key: value for key, value in call().items() if key != "arguments"} | nothing
    words = delta("function_call_arguments", '{"a":1}')
    whole = call('{"a":1}')
    answer = told(CREATED, item("added", 0, begun), words, item("done", 0, whole), ended(whole))
    assert answer.candidates[0].blocks == (block(whole),)


def test_no_words_are_no_fault() -> None:
    done = message("Hello")
    nothing = delta("output_text", None, content_index=0)
    answer = told(
        *BEGUN, nothing, delta("output_text", "Hello", content_index=0), item("done", 0, done), ended(done)
    )
    assert answer.candidates[0].blocks == (block(done),)
    with pytest.raises(WireError):
        events(*BEGUN, delta("output_text", 1, content_index=0))


def test_arguments_that_the_deltas_told_in_part() -> None:
    whole = call('{"a":1}')
    begun = (CREATED, item("added", 0, call("")), delta("function_call_arguments", '{"a"'))
    found = events(*begun, item("done", 0, whole), ended(whole))
    words = [event.text for event in found if isinstance(event, ir.ArgsDelta)]
    assert words == ['{"a"', ":1}"]


def test_odd_values_of_an_announced_message_come_with_its_end() -> None:
    odd = {**message("Hi"), "id": {"odd": 1}, "phase": 5}
    found = events(CREATED, item("added", 0, {**odd, "content": []}), PART, delta("output_text", "Hi"))
    assert all(ir.is_sound(event.block) for event in found if isinstance(event, ir.Open))
    (text_,) = (
        told(*BEGUN[:1], item("added", 0, odd), PART, item("done", 0, odd), ended(odd)).candidates[0].blocks
    )
    assert isinstance(text_, ir.Text)
    assert text_.item is not None
    assert text_.item.extra == {"openai_responses": {"id": {"odd": 1}, "phase": 5}}


def test_a_citation_of_a_file_without_a_name_is_kept() -> None:
    odd = {"type": "file_citation", "file_id": "f", "filename": 7}
    added = sent("output_text.annotation.added", output_index=0, content_index=0, item_id="i", annotation=odd)
    found = events(*BEGUN, delta("output_text", "Hi"), added)
    (cite,) = [event for event in found if isinstance(event, ir.Cite)]
    assert cite.citation == ir.Citation("file_citation", extra={"openai_responses": odd})
