"""Streams from the wire: the events of every kind of chunk that vendors send."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.openai_chat.speaking import DONE, ROLE, START, chunk, events, folded

STOP = chunk({}, "stop")
TEXT = chunk({"content": "Hi."})


def call(index: int | None = 0, **members: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {"tool_calls": [{**place, **members}]}


def begun(index: int | None, id: str | None, name: str | None, arguments: str | None = "") -> dict[str, Any]:
    return call(index, id=id, type="function", function={"name": name, "arguments": arguments})


def more(index: int | None, arguments: str) -> dict[str, Any]:
    return call(index, function={"arguments": arguments})


def test_a_text_is_a_block_that_ends_with_the_stream() -> None:
    assert events(chunk(ROLE), TEXT, chunk({"content": " You?"}), STOP, DONE) == [
        START,
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hi."),
        ir.TextDelta(0, " You?"),
        ir.Close(0),
        ir.Finish(ir.Stop("end")),
        ir.End(),
    ]


def test_prose_of_another_kind_ends_the_one_before() -> None:
    told = events(chunk({"reasoning_content": "hm"}), TEXT, chunk({"refusal": "No."}), STOP, DONE)
    assert [type(event).__name__ for event in told] == [
        *("Start", "Open", "ThinkDelta", "Close", "Open", "TextDelta", "Close"),
        *("Open", "RefusalDelta", "Close", "Finish", "End"),
    ]


@pytest.mark.parametrize("member", ["reasoning", "reasoning_content"])
def test_thinking_keeps_the_member_that_it_came_in(member: str) -> None:
    answer = folded(chunk({member: "h"}), chunk({member: "m", "content": "Hi."}), STOP)
    assert answer.candidates[0].blocks == (ir.Thinking("hm", form=member), ir.Text("Hi."))


def test_parallel_calls_may_interleave() -> None:
    answer = folded(
        chunk(begun(0, "c1", "look")),
        chunk(more(0, '{"a"')),
        chunk(begun(1, "c2", "hear", "{")),
        chunk(more(0, ":1}")),
        chunk(more(1, "}")),
        chunk({}, "tool_calls"),
        DONE,
    )
    assert answer.candidates[0].blocks == (
        ir.ToolCall("c1", "look", '{"a":1}'),
        ir.ToolCall("c2", "hear", "{}"),
    )
    assert answer.candidates[0].stop == ir.Stop("tool")


def test_a_call_may_follow_the_first_finish() -> None:
    """Together finishes after each call."""
    answer = folded(
        chunk(begun(0, "c1", "look", "{}"), "tool_calls"),
        chunk(begun(1, "c2", "hear", "{}"), "tool_calls"),
        DONE,
    )
    assert [block.id for block in answer.candidates[0].blocks if isinstance(block, ir.ToolCall)] == [
        "c1",
        "c2",
    ]


def test_calls_that_all_have_the_position_0_are_told_apart_by_their_ids() -> None:
    answer = folded(
        chunk(begun(0, "c1", "look", "{")), chunk(more(0, "}")), chunk(begun(0, "c2", "hear", "[]")), STOP
    )
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "look", "{}"), ir.ToolCall("c2", "hear", "[]"))
    assert answer.candidates[0].stop == ir.Stop("tool", raw="stop")


def test_calls_without_positions_go_by_id_or_to_the_last_one() -> None:
    answer = folded(
        chunk(begun(None, "c1", "look", "{")),
        chunk(more(None, "}")),
        chunk(begun(None, "c2", "hear", "[]")),
        STOP,
    )
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "look", "{}"), ir.ToolCall("c2", "hear", "[]"))


def test_a_call_waits_for_its_name() -> None:
    answer = folded(
        chunk(begun(0, "c1", None, "{")), chunk(call(0, function={"name": "look", "arguments": "}"})), STOP
    )
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "look", "{}"),)
    unnamed = folded(chunk(begun(0, "c1", None, "{}")), STOP)
    assert unnamed.candidates[0].blocks == (ir.ToolCall("c1", "", "{}"),)


def test_null_members_of_fragments_say_nothing() -> None:
    """Writer repeats every member of a call, most of them null."""
    empty = {"id": None, "type": None}
    answer = folded(
        chunk(begun(0, "c1", "look", None)),
        chunk(call(0, **empty, function={"name": None, "arguments": "{}"})),
        STOP,
    )
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "look", "{}"),)


def test_arguments_as_an_object_become_text() -> None:
    answer = folded(chunk(call(0, id="c1", function={"name": "look", "arguments": {"a": 1}})), STOP)
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "look", '{"a":1}'),)


def test_a_custom_call_is_told_by_its_first_fragment() -> None:
    answer = folded(
        chunk(call(0, id="c1", type="custom", custom={"name": "sql", "input": "SEL"})),
        chunk(call(0, custom={"input": "ECT"})),
        chunk({}, "tool_calls"),
    )
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "sql", "SELECT", "custom"),)


def test_the_call_of_before_tools() -> None:
    answer = folded(
        chunk({"function_call": {"name": "look", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, "function_call"),
        DONE,
    )
    assert answer.candidates[0].blocks == (ir.ToolCall(None, "look", "{}", kind="legacy"),)
    assert answer.candidates[0].stop == ir.Stop("tool", raw="function_call")


def test_a_signature_beside_a_call_is_its_seal() -> None:
    sealed = {"extra_content": {"google": {"thought_signature": "s"}}}
    first = {**begun(0, "c1", "look", "{}")["tool_calls"][0], **sealed}
    answer = folded(chunk({"tool_calls": [first]}), STOP)
    assert answer.candidates[0].blocks == (ir.ToolCall("c1", "look", "{}", sealed=ir.Sealed("gemini", "s")),)
    late = folded(chunk(begun(0, "c1", "look", "{}")), chunk(call(0, **sealed)), STOP)
    assert late.candidates == answer.candidates


# --- OpenRouter's reasoning --------------------------------------------------------------------


def detail(**members: Any) -> dict[str, Any]:
    return {"reasoning_details": [{"format": "f", "index": 0, **members}]}


def test_details_of_one_kind_and_place_are_one_block_whose_text_reasoning_repeats() -> None:
    answer = folded(
        chunk({"reasoning": None, **detail(type="reasoning.text", text="", signature="")}),
        chunk({"reasoning": "h", **detail(type="reasoning.text", text="h")}),
        chunk({"reasoning": "m", **detail(type="reasoning.text", text="m")}),
        chunk({"reasoning": None, **detail(type="reasoning.text", signature="s")}),
        TEXT,
        STOP,
    )
    thought = ir.Thinking(
        "hm",
        sealed=ir.Sealed("openai_chat", "s"),
        form="details",
        extra={"openai_chat": {"format": "f", "index": 0}},
    )
    assert answer.candidates[0].blocks == (thought, ir.Text("Hi."))


def test_summaries_and_encrypted_details_are_blocks_of_their_own() -> None:
    answer = folded(
        chunk({"reasoning": "So", **detail(type="reasoning.summary", summary="So")}),
        chunk({"reasoning": ".", **detail(type="reasoning.summary", summary=".")}),
        chunk(detail(type="reasoning.encrypted", data="x", id="r")),
        chunk(detail(type="reasoning.odd")),
        STOP,
    )
    extra = {"openai_chat": {"format": "f", "index": 0}}
    assert answer.candidates[0].blocks == (
        ir.Thinking(summary=("So.",), form="details", extra=extra),
        ir.Thinking(
            sealed=ir.Sealed("openai_chat", "x"),
            redacted=True,
            form="details",
            extra={"openai_chat": {"format": "f", "index": 0, "id": "r"}},
        ),
        ir.Native("openai_chat", "reasoning.odd", {"format": "f", "index": 0, "type": "reasoning.odd"}),
    )


def test_reasoning_that_does_not_repeat_the_details_is_kept() -> None:
    answer = folded(chunk({"reasoning": "other", **detail(type="reasoning.text", text="hm")}), STOP)
    texts = [block.text for block in answer.candidates[0].blocks if isinstance(block, ir.Thinking)]
    assert texts == ["hm", "other"]


# --- Media, citations, log probabilities -------------------------------------------------------


def test_audio_comes_in_pieces() -> None:
    answer = folded(
        chunk({"audio": {"id": "a1"}}),
        chunk({"audio": {"transcript": "Hi."}}),
        chunk({"audio": {"data": "AA"}}),
        chunk({"audio": {"data": "BB", "expires_at": 9}}),
        STOP,
    )
    assert answer.candidates[0].blocks == (
        ir.Media("audio", data="AABB", id="a1", transcript="Hi.", expires=9),
    )


def test_pictures_come_whole() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    answer = folded(TEXT, chunk({"images": [image]}), STOP)
    assert answer.candidates[0].blocks[1] == ir.Media("image", "image/png", "AA", form="images")


def test_annotations_cite_the_text_that_they_point_into() -> None:
    note = {
        "type": "url_citation",
        "url_citation": {"url": "u", "title": "t", "start_index": 4, "end_index": 5},
    }
    answer = folded(TEXT, chunk({"reasoning": "hm"}), chunk({"content": "You?", "annotations": [note]}), STOP)
    first, _, second = answer.candidates[0].blocks
    assert isinstance(first, ir.Text)
    assert isinstance(second, ir.Text)
    assert first.citations == ()
    assert second.citations == (ir.Citation("url", "u", "t", start=1, end=2),)


def test_annotations_before_any_text_wait_for_it() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u"}}
    answer = folded(chunk({"annotations": [note]}), TEXT, STOP)
    assert answer.candidates[0].blocks == (ir.Text("Hi.", (ir.Citation("url", "u"),)),)
    alone = folded(chunk({"annotations": [note]}), STOP)
    assert alone.candidates[0].blocks == (ir.Text("", (ir.Citation("url", "u"),)),)


def test_sources_of_the_whole_answer_are_cited_at_its_end() -> None:
    answer = folded(chunk({"content": "Hi."}, citations=["https://a"]), STOP)
    text = answer.candidates[0].blocks[0]
    assert isinstance(text, ir.Text)
    assert text.citations == (ir.Citation("url", "https://a", form="citations"),)


def test_log_probabilities_lie_beside_their_text() -> None:
    token = {"token": "Hi", "logprob": -0.1, "bytes": None, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [token]}, "finish_reason": None}
    refused = {
        "index": 0,
        "delta": {"refusal": "No"},
        "logprobs": {"refusal": [token]},
        "finish_reason": None,
    }
    answer = folded(chunk(choices=[choice]), chunk(choices=[refused]), STOP)
    probable = (ir.Logprob("Hi", -0.1, None, ()),)
    assert answer.candidates[0].blocks == (ir.Text("Hi", logprobs=probable), ir.Refusal("No", probable))


@pytest.mark.parametrize("content", [[{"type": "text", "text": "Hi."}], {"type": "text", "text": "Hi."}])
def test_content_in_parts_is_text_where_it_is_text(content: Any) -> None:
    assert folded(chunk({"content": content}), STOP).candidates[0].blocks == (ir.Text("Hi."),)


def test_further_members_of_a_text_part_are_leftovers() -> None:
    (candidate,) = folded(chunk({"content": [{"type": "text", "text": "Hi.", "tone": 1}]}), STOP).candidates
    assert candidate.blocks == (ir.Text("Hi."),)
    assert candidate.extra == {"openai_chat": {"message..odd.content.tone": 1}}


def test_a_part_that_is_no_text_is_kept_whole() -> None:
    part = {"type": "reference", "reference_ids": [1]}
    assert folded(chunk({"content": [part]}), STOP).candidates[0].blocks == (
        ir.Native("openai_chat", "reference", part),
    )


# --- The answer around the candidates ----------------------------------------------------------


def test_azures_first_chunk_is_no_answer_yet() -> None:
    filtered = msgspec.json.encode(
        {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [1]}
    )
    told = events(filtered, TEXT, STOP, DONE)
    assert told[0] == ir.Start(
        "openai_chat", "chatcmpl-1", "m-1", 1, extra={"openai_chat": {"prompt_filter_results": [1]}}
    )


def test_usage_replaces_what_was_told_before_and_is_told_once() -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    told = events(
        chunk({"content": "a"}, usage=counts),
        chunk({"content": "b"}, usage=counts),
        STOP,
        chunk(choices=[], usage={**counts, "completion_tokens": 2, "total_tokens": 5}),
        DONE,
    )
    tallies = [event.usage for event in told if isinstance(event, ir.Tally)]
    assert tallies == [ir.Usage(3, output=1), ir.Usage(3, output=2)]


def test_groqs_usage_beside_the_chunk_counts() -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    answer = folded(TEXT, chunk({}, "stop", x_groq={"id": "r", "usage": counts}), DONE)
    assert answer.usage == ir.Usage(3, output=1)
    assert answer.extra == {"openai_chat": {"x_groq": {"id": "r", "usage": counts}}}


def test_late_facts_are_told_when_they_change() -> None:
    told = events(
        chunk({"content": "a"}, provider="x", service_tier=None),
        chunk({"content": "b"}, provider="x", service_tier="flex"),
        chunk({"content": "c"}, provider="y", service_tier="flex"),
        STOP,
        DONE,
    )
    assert told[0] == ir.Start(
        "openai_chat", "chatcmpl-1", "m-1", 1, extra={"openai_chat": {"provider": "x"}}
    )
    assert [event for event in told if isinstance(event, ir.More)] == [
        ir.More(tier="flex"),
        ir.More({"openai_chat": {"provider": "y"}}),
    ]


def test_leftovers_of_a_candidate_are_told_with_its_finish() -> None:
    choice = {"index": 0, "delta": {"content": "a", "token_id": 5}, "filter": {}, "seed": None}
    last = {
        "index": 0,
        "delta": {"token_id": 0},
        "finish_reason": "stop",
        "filter": {"hate": False},
        "seed": 7,
    }
    empty = {"index": 0, "delta": {}, "filter": {}}
    answer = folded(chunk(choices=[choice]), chunk(choices=[last]), chunk(choices=[empty]))
    assert answer.candidates[0].extra == {
        "openai_chat": {"filter": {"hate": False}, "seed": 7, "message.token_id": 0}
    }


def test_padding_and_repeated_messages_are_not_kept() -> None:
    """`message` beside `delta` is Perplexity's and Writer's: everything so far, once more."""
    choice = {"index": 0, "delta": {"content": "b"}, "message": {"role": "assistant", "content": "ab"}}
    answer = folded(chunk({"content": "a"}, obfuscation="xyz"), chunk(choices=[choice]), STOP)
    assert answer.candidates[0].blocks == (ir.Text("ab"),)
    assert answer.extra is None
    assert answer.candidates[0].extra is None


def test_zero_forms_say_nothing_but_are_kept() -> None:
    zero = {"refusal": "", "audio": {"id": "", "data": ""}, "function_call": {"name": "", "arguments": ""}}
    answer = folded(chunk({"content": "Hi.", **zero}), STOP)
    assert answer.candidates[0].blocks == (ir.Text("Hi."),)
    assert answer.candidates[0].extra == {"openai_chat": {f"message.{key}": zero[key] for key in zero}}


def test_candidates_are_told_apart() -> None:
    def piece(index: int, text: str, finish: str | None = None) -> bytes:
        return chunk(choices=[{"index": index, "delta": {"content": text}, "finish_reason": finish}])

    answer = folded(piece(1, "b"), piece(0, "a"), piece(1, "B", "length"), piece(0, "A", "stop"), DONE)
    assert [(c.index, c.blocks, c.stop) for c in answer.candidates] == [
        (0, (ir.Text("aA"),), ir.Stop("end")),
        (1, (ir.Text("bB"),), ir.Stop("length")),
    ]


def test_a_matched_stop_sequence_is_told() -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}
    assert folded(TEXT, chunk(choices=[choice])).candidates[0].stop == ir.Stop("sequence", "stop", "END")
    choice["stop_reason"] = 128001
    assert folded(TEXT, chunk(choices=[choice])).candidates[0].extra == {
        "openai_chat": {"stop_reason": 128001}
    }


# --- The end -----------------------------------------------------------------------------------


def test_a_stream_without_done_is_complete_when_every_candidate_has_finished() -> None:
    """Hugging Face, Perplexity, Writer and llama.cpp forget it."""
    assert isinstance(events(TEXT, STOP)[-1], ir.End)


def test_done_without_a_finish_reason_is_an_end_all_the_same() -> None:
    """Snowflake."""
    assert folded(TEXT, DONE).candidates[0].stop == ir.Stop("end", raw="")
    assert folded(chunk(begun(0, "c", "f", "{}")), DONE).candidates[0].stop == ir.Stop("tool", raw="")


@pytest.mark.parametrize(
    "frames",
    [(), (chunk(ROLE),), (TEXT,), (chunk(begun(0, "c", "f", "{")),), (DONE,), (chunk(choices=[], usage={}),)],
)
def test_a_stream_that_breaks_off_is_an_error(frames: tuple[bytes, ...]) -> None:
    last = events(*frames)[-1]
    assert isinstance(last, ir.Error)
    assert (last.fault.kind, last.fault.code, last.fault.blame) == ("upstream", "stream_broken", "upstream")


def test_one_unfinished_candidate_is_a_broken_stream() -> None:
    other = chunk(choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": None}])
    assert isinstance(events(TEXT, other, STOP)[-1], ir.Error)


def test_an_empty_answer_begins_and_ends() -> None:
    assert [type(event).__name__ for event in events(chunk(ROLE), STOP, DONE)] == ["Start", "Finish", "End"]
    assert [type(event).__name__ for event in events(chunk(choices=[]), DONE)] == ["Start", "End"]


def test_nothing_counts_after_the_end() -> None:
    assert events(TEXT, STOP, DONE, TEXT, DONE) == events(TEXT, STOP, DONE)
    assert events(TEXT, STOP, b" [DONE]\n") == events(TEXT, STOP, DONE)


# --- Errors in the stream ----------------------------------------------------------------------

WRONG: list[tuple[bytes, ir.Kind, str]] = [
    (
        b'{"error":{"message":"Busy.","type":"server_error","code":"server_is_overloaded"}}',
        "overloaded",
        "Busy.",
    ),
    (b'{"error":"Out of memory"}', "upstream", "Out of memory"),
    (b'{"error":{"message":"Slow down.","code":429},"choices":[]}', "rate_limit", "Slow down."),
    (b'{"error":{"message":"No.","code":"tool_use_failed","status_code":400}}', "invalid_request", "No."),
    (b'{"error":{"message":"Full."},"status_code":503}', "overloaded", "Full."),
    (
        b'{"object":"error","message":"maximum context length is 5","code":400}',
        "context_length",
        "maximum context length is 5",
    ),
    (b'{"detail":"Not today."}', "upstream", "Not today."),
    (b'{"code":500,"msg":"404 NOT_FOUND","success":false}', "upstream", "404 NOT_FOUND"),
    (
        b'{"choices":[{"delta":{},"finish_reason":"error","error":{"code":502,"message":"Bad provider."}}]}',
        "upstream",
        "Bad provider.",
    ),
    (ErrorFrame(b'{"message":"Overloaded."}'), "upstream", "Overloaded."),
    (ErrorFrame(b"upstream connect error"), "upstream", "upstream connect error"),
]


@pytest.mark.parametrize(("frame", "kind", "message"), WRONG)
@pytest.mark.parametrize("before", [(), (TEXT,), (TEXT, STOP)])
def test_an_error_ends_the_stream_in_every_vendors_form(
    frame: bytes, kind: ir.Kind, message: str, before: tuple[bytes, ...]
) -> None:
    told = events(*before, frame, TEXT, DONE)
    last = told[-1]
    assert isinstance(last, ir.Error)
    assert (last.fault.kind, last.fault.message) == (kind, message)
    assert not any(isinstance(event, ir.Finish | ir.End) for event in told)


@pytest.mark.parametrize(
    "frame",
    [
        b"{",
        b"5",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"choices":[5]}',
        b'{"choices":{"a":1}}',
        b'{"choices":[{"delta":5}]}',
    ],
)
def test_what_is_no_chunk_is_told(frame: bytes) -> None:
    decoder = DIALECT.stream.decoder(STANDARD)
    decoder.feed(TEXT)
    with pytest.raises(WireError):
        decoder.feed(frame)


@pytest.mark.parametrize("end", [b"[DONE]", b"[DONE] ", None])
def test_an_end_that_is_no_word_is_no_reason(end: bytes | None) -> None:
    decoder = DIALECT.stream.decoder(STANDARD)
    decoder.feed(b'{"id":"1","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":["stop"]}]}')
    events = decoder.feed(end) if end is not None else decoder.close()
    assert type(events[-1]) is (ir.End if end is not None else ir.Error)
    kept = [(event.stop, event.extra) for event in events if isinstance(event, ir.Finish)]
    assert kept == ([(None, {"openai_chat": {"message.finish_reason": ["stop"]}})] if end is not None else [])


def test_a_chunk_of_usage_alone_is_no_error() -> None:
    assert isinstance(events(TEXT, STOP, b'{"usage":{"prompt_tokens":1},"message":"x"}', DONE)[-1], ir.End)


def test_an_empty_piece_of_a_repeated_chunk_says_nothing() -> None:
    pieces = [chunk({"content": text}) for text in ("a", "", "b")]
    told = events(*pieces, STOP)
    assert [event.text for event in told if isinstance(event, ir.TextDelta)] == ["a", "b"]


def test_repeated_pieces_count_for_what_is_cited_later() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u", "start_index": 3, "end_index": 4}}
    pieces = [chunk({"content": text}) for text in ("a", "b", "c")]
    answer = folded(*pieces, chunk({"reasoning": "hm"}), chunk({"content": "d", "annotations": [note]}), STOP)
    cited = answer.candidates[0].blocks[2]
    assert isinstance(cited, ir.Text)
    assert cited.citations == (ir.Citation("url", "u", start=0, end=1),)


def test_a_citation_without_offsets_belongs_to_the_first_text() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "u"}}
    answer = folded(TEXT, chunk({"reasoning": "hm"}), chunk({"content": "b", "annotations": [note]}), STOP)
    first = answer.candidates[0].blocks[0]
    assert isinstance(first, ir.Text)
    assert first.citations == (ir.Citation("url", "u"),)


def test_a_refusal_comes_in_pieces() -> None:
    answer = folded(chunk({"refusal": "I "}), chunk({"refusal": "won't."}), STOP)
    assert answer.candidates[0].blocks == (ir.Refusal("I won't."),)


def test_a_call_ends_the_prose_before_it() -> None:
    told = events(TEXT, chunk(begun(0, "c1", "look", "{}")), STOP)
    assert told[3:5] == [ir.Close(0), ir.Open(1, ir.ToolCall("c1", "look"))]


def test_a_call_may_wait_long_for_its_name() -> None:
    pieces = (
        chunk(begun(0, "c1", None, "{")),
        chunk(more(0, "}")),
        chunk(call(0, function={"name": "look"})),
    )
    assert folded(*pieces, STOP).candidates[0].blocks == (ir.ToolCall("c1", "look", "{}"),)


def test_repeated_pieces_of_calls_and_thinking_go_on() -> None:
    pieces = [chunk(more(0, text)) for text in ("[", "1", "]")]
    thoughts = [chunk({"reasoning": text}) for text in "hmm"]
    answer = folded(*thoughts, chunk(begun(0, "c1", "look")), *pieces, STOP)
    assert answer.candidates[0].blocks == (
        ir.Thinking("hmm", form="reasoning"),
        ir.ToolCall("c1", "look", "[1]"),
    )


def test_an_empty_finish_reason_does_not_replace_an_earlier_one() -> None:
    told = events(chunk(ROLE), TEXT, chunk({}, "length"), chunk({}, ""), DONE)
    assert ir.Finish(ir.Stop("length")) in told
