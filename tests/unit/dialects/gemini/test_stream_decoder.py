"""Streams of Gemini, read into events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.gemini.stream_decoder import GeminiDecoder
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.gemini.answering import NAMES, body, candidate, events

SIGNED = {"thoughtSignature": "c2lnbmVk"}
SEAL = ir.Sealed("gemini", "c2lnbmVk")
CALL = {"functionCall": {"name": "look_up", "args": {"word": "loss"}}}
BEGUN = ir.Start("gemini", "r-1", "gemini-x")
END = [ir.Finish(ir.Stop("end")), ir.End()]


def content(*chunks: Any) -> list[ir.Event]:
    """The events between the head of a stream and its tail; each chunk is a part or a list of parts."""
    listed = [chunk if isinstance(chunk, list) else [chunk] for chunk in chunks]
    found = events(*(body(candidate(*parts, stop=None)) for parts in listed), body(candidate(stop="STOP")))
    assert found[0] == BEGUN
    assert isinstance(found[-2], ir.Finish)
    assert found[-1] == ir.End()
    return found[1:-2]


def thought(text: str) -> dict[str, Any]:
    return {"text": text, "thought": True}


def test_unsigned_texts_are_one_block() -> None:
    assert content("Hel", ["lo", " you"], "!") == [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hel"),
        ir.TextDelta(0, "lo"),
        ir.TextDelta(0, " you"),
        ir.TextDelta(0, "!"),
        ir.Close(0),
    ]


def test_members_that_are_null_are_not_stated() -> None:
    nulls = {"inlineData": None, "thought": None, "thought_signature": None}
    called = {"functionCall": {**CALL["functionCall"], "partialArgs": None, "willContinue": None}, **nulls}
    assert content({"text": "Hel", **nulls}, {"text": "lo", **nulls}, called) == [
        *(ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hel"), ir.TextDelta(0, "lo"), ir.Close(0)),
        *(ir.Open(1, ir.ToolCall(None, "look_up", "")), ir.ArgsDelta(1, '{"word":"loss"}'), ir.Close(1)),
    ]


def test_arguments_may_follow_their_call_without_its_name() -> None:
    named, args = {"functionCall": {"name": "look_up", "args": {}}}, {"args": {"word": "loss"}}
    for chunks in ((named, {"functionCall": args}), ([named, {"functionCall": args}],)):
        assert content(*chunks, named, "So.") == [
            *(ir.Open(0, ir.ToolCall(None, "look_up", "")), ir.ArgsDelta(0, '{"word":"loss"}'), ir.Close(0)),
            *(ir.Open(1, ir.ToolCall(None, "look_up", "")), ir.ArgsDelta(1, "{}"), ir.Close(1)),
            *(ir.Open(2, ir.Text("")), ir.TextDelta(2, "So."), ir.Close(2)),
        ]


def test_thoughts_and_texts_are_blocks_of_their_own() -> None:
    assert content(thought("Hm"), thought("m."), "So.", thought("Wait."), "Yes.") == [
        ir.Open(0, ir.Thinking()),
        ir.ThinkDelta(0, "Hm"),
        ir.ThinkDelta(0, "m."),
        ir.Close(0),
        ir.Open(1, ir.Text("")),
        ir.TextDelta(1, "So."),
        ir.Close(1),
        ir.Open(2, ir.Thinking()),
        ir.ThinkDelta(2, "Wait."),
        ir.Close(2),
        ir.Open(3, ir.Text("")),
        ir.TextDelta(3, "Yes."),
        ir.Close(3),
    ]


def test_a_signed_empty_text_is_kept() -> None:
    assert content("Hi.", {"text": "", **SIGNED}) == [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "Hi."),
        ir.Close(0),
        ir.Open(1, ir.Text("", sealed=SEAL)),
        ir.Close(1),
    ]


def test_signed_texts_are_not_joined_with_anything() -> None:
    assert content("a", {"text": "b", **SIGNED}, {"text": "c", **SIGNED}, "d") == [
        ir.Open(0, ir.Text("")),
        ir.TextDelta(0, "a"),
        ir.Close(0),
        ir.Open(1, ir.Text("b", sealed=SEAL)),
        ir.Close(1),
        ir.Open(2, ir.Text("c", sealed=SEAL)),
        ir.Close(2),
        ir.Open(3, ir.Text("")),
        ir.TextDelta(3, "d"),
        ir.Close(3),
    ]


def test_an_unsigned_empty_text_says_nothing() -> None:
    assert content("", CALL, "", thought("")) == content(CALL)
    assert content("a", "", "b") == content("a", "b")


@pytest.mark.parametrize("chunks", [([CALL, CALL],), (CALL, CALL)], ids=["in one chunk", "in two"])
def test_parallel_calls(chunks: Any) -> None:
    call = ir.ToolCall(None, "look_up")
    assert content(*chunks) == [
        ir.Open(0, call),
        ir.ArgsDelta(0, '{"word":"loss"}'),
        ir.Close(0),
        ir.Open(1, call),
        ir.ArgsDelta(1, '{"word":"loss"}'),
        ir.Close(1),
    ]


def test_a_call_closes_the_text_before_it_and_keeps_its_signature() -> None:
    given = {"functionCall": {"id": "c1", "name": "now", "args": {}}, **SIGNED}
    assert content("Well: ", given)[2:] == [
        ir.Close(0),
        ir.Open(1, ir.ToolCall("c1", "now", sealed=SEAL)),
        ir.ArgsDelta(1, "{}"),
        ir.Close(1),
    ]


def test_calls_end_the_answer() -> None:
    found = events(body(candidate("Well: ", CALL, stop=None)), body(candidate("")))
    assert found[-2] == ir.Finish(ir.Stop("tool"))


def test_what_google_ran_itself_is_whole() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}, **SIGNED}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}
    found = content(code, result)
    assert [type(event) for event in found] == [ir.Open, ir.ArgsDelta, ir.Close, ir.Open, ir.Close]
    opened = found[0]
    assert isinstance(opened, ir.Open)
    assert isinstance(opened.block, ir.ToolCall)
    assert (opened.block.by, opened.block.sealed) == ("provider", SEAL)
    assert events(body(candidate(code, result)))[-2] == ir.Finish(ir.Stop("end"))


def test_a_picture() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}, **SIGNED}
    block = ir.Media("image", "image/png", "aGk=", sealed=SEAL)
    assert content("Here: ", image)[3:] == [ir.Open(1, block), ir.Close(1)]


def sound(data: str, mime: str = "audio/L16;rate=24000") -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": data}}


def test_pieces_of_a_sound_are_one_sound() -> None:
    bare = ir.Media("audio", "audio/L16;rate=24000")
    assert content(sound("AAAA"), sound("BBBB")) == [
        ir.Open(0, bare),
        ir.MediaDelta(0, "AAAA"),
        ir.MediaDelta(0, "BBBB"),
        ir.Close(0),
    ]


def test_sounds_that_cannot_be_joined_are_two() -> None:
    padded = content(sound("AAA="), sound("BBBB"))
    other = content(sound("AAAA"), sound("BBBB", "audio/wav"))
    spoken = content(sound("AAAA"), "words", sound("BBBB"))
    for found in (padded, other, spoken):
        opened = [
            event.block for event in found if isinstance(event, ir.Open) and isinstance(event.block, ir.Media)
        ]
        assert len(opened) == 2


def test_an_unknown_part_is_whole() -> None:
    block = ir.Native("gemini", "novelty", {"novelty": {"x": 1}})
    assert content({"novelty": {"x": 1}}) == [ir.Open(0, block), ir.Close(0)]


# --- Arguments in pieces -------------------------------------------------------------------------


def call(**members: Any) -> dict[str, Any]:
    return {"functionCall": members}


def piece(path: str, *, goes_on: bool = True, **value: Any) -> dict[str, Any]:
    return call(partialArgs=[{"jsonPath": path, **value}], **({"willContinue": True} if goes_on else {}))


def test_arguments_in_pieces_end_with_an_empty_call() -> None:
    assert content(
        {**call(name="weather", willContinue=True), **SIGNED},
        piece("$.location", stringValue="Bos", willContinue=True),
        piece("$.location", stringValue="ton", willContinue=True),
        piece("$.location", stringValue=""),
        call(willContinue=True),
        call(),
        call(name="weather", willContinue=True),
        piece("$.location", stringValue="Rome"),
        call(),
    ) == [
        ir.Open(0, ir.ToolCall(None, "weather", sealed=SEAL)),
        ir.ArgsDelta(0, '{"location":"Boston"}'),
        ir.Close(0),
        ir.Open(1, ir.ToolCall(None, "weather")),
        ir.ArgsDelta(1, '{"location":"Rome"}'),
        ir.Close(1),
    ]


def test_arguments_in_pieces_end_with_the_last_piece() -> None:
    found = content(
        call(name="write", willContinue=True),
        piece("$.items[0].price", numberValue=0.5),
        piece("$.items[1].price", numberValue=3, goes_on=False),
        "",
    )
    assert found[1:] == [ir.ArgsDelta(0, '{"items":[{"price":0.5},{"price":3}]}'), ir.Close(0)]


@pytest.mark.parametrize("args", [{}, {"a": 1}])
def test_arguments_beside_the_name_belong_to_a_call_in_pieces(args: dict[str, Any]) -> None:
    found = content(call(name="f", args=args, willContinue=True), piece("$.b", numberValue=2, goes_on=False))
    assert [event for event in found if not isinstance(event, ir.Close)] == [
        ir.Open(0, ir.ToolCall(None, "f")),
        ir.ArgsDelta(0, json.dumps({**args, "b": 2}, separators=(",", ":"))),
    ]


def test_another_call_ends_the_one_in_pieces() -> None:
    found = content(call(name="a", willContinue=True), CALL, call(name="b", willContinue=True), "text")
    assert [event.block for event in found if isinstance(event, ir.Open)] == [
        ir.ToolCall(None, "a"),
        ir.ToolCall(None, "look_up"),
        ir.ToolCall(None, "b"),
        ir.Text(""),
    ]


def test_a_call_in_pieces_counts_as_a_call() -> None:
    found = events(body(candidate(call(name="a", willContinue=True), stop=None)), body(candidate(call())))
    assert found[-2] == ir.Finish(ir.Stop("tool"))


def test_the_end_of_a_call_that_has_ended_says_nothing() -> None:
    assert content(call()) == []


@pytest.mark.parametrize("part", [piece("$.x", stringValue="a"), call(willContinue=True)])
def test_pieces_of_no_call(part: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        content(part)


# --- The answer ----------------------------------------------------------------------------------


def test_usage_is_cumulative() -> None:
    first = {"promptTokenCount": 3, "totalTokenCount": 3, "serviceTier": "flex"}
    later = {"promptTokenCount": 3, "candidatesTokenCount": 9, "totalTokenCount": 12, "serviceTier": "flex"}
    found = events(
        body(candidate("a", stop=None), usageMetadata=first),
        body(
            candidate("b", stop=None),
            usageMetadata={**first, "candidatesTokenCount": 5, "totalTokenCount": 8},
        ),
        body(candidate(""), usageMetadata=later),
    )
    assert found[0] == ir.Start("gemini", "r-1", "gemini-x", None, "flex", ir.Usage(input=3))
    assert [event for event in found if isinstance(event, ir.Tally)] == [
        ir.Tally(ir.Usage(input=3, output=9))
    ]


def test_usage_of_a_chunk_that_only_goes_on_counts_when_it_is_the_last() -> None:
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 9, "totalTokenCount": 12}
    found = events(body(candidate("a")), body(candidate("b", stop=None), usageMetadata=counts))
    assert found[-2] == ir.Tally(ir.Usage(input=3, output=9))


def test_vertex_ai_tells_counts_and_tier_only_at_the_end() -> None:
    last = {"promptTokenCount": 3, "totalTokenCount": 3, "serviceTier": "priority"}
    found = events(
        body(candidate("a", stop=None), usageMetadata={"trafficType": "ON_DEMAND"}),
        body(candidate(""), usageMetadata=last),
    )
    assert found[0] == BEGUN
    assert found[-3:] == [ir.More(tier="priority"), ir.Tally(ir.Usage(input=3)), ir.End()]


def test_every_chunk_may_say_that_it_is_the_last() -> None:
    found = events(body(candidate("a")), body(candidate("b")), body(candidate("c", stop="MAX_TOKENS")))
    assert ir.fold(found).candidates == (ir.Candidate((ir.Text("abc"),), ir.Stop("length")),)
    assert [type(event) for event in found[-2:]] == [ir.Finish, ir.End]


@pytest.mark.parametrize(
    "last",
    [
        {"finishReason": "STOP", "index": 0},
        {"finishReason": "STOP", "content": {}},
        {"finishReason": "STOP", "content": {"role": "model"}},
        {"finishReason": "STOP", "content": None},
    ],
)
def test_the_reason_may_come_alone(last: dict[str, Any]) -> None:
    assert events(body(candidate("a", stop=None)), body(last))[-2:] == END


def test_an_unspecified_reason_is_none() -> None:
    found = events(body(candidate("a", stop="FINISH_REASON_UNSPECIFIED")), body(candidate("b")))
    assert ir.fold(found).candidates == (ir.Candidate((ir.Text("ab"),), ir.Stop("end")),)


def test_several_candidates() -> None:
    found = events(
        body(candidate("a", stop=None), candidate("x", stop=None, index=1)),
        body(candidate("y", index=1)),
        body(candidate("b", stop="MAX_TOKENS")),
    )
    assert ir.fold(found).candidates == (
        ir.Candidate((ir.Text("ab"),), ir.Stop("length"), 0),
        ir.Candidate((ir.Text("xy"),), ir.Stop("end"), 1),
    )


def test_late_leftovers() -> None:
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]
    found = events(
        body(candidate("a", stop=None, safetyRatings=ratings), promptFeedback={"safetyRatings": ratings}),
        body(candidate("", safetyRatings=[], avgLogprobs=-0.5), modelStatus={"modelStage": "STABLE"}),
    )
    start = found[0]
    assert isinstance(start, ir.Start)
    assert start.extra == {"gemini": {"promptFeedback": {"safetyRatings": ratings}}}
    assert ir.More({"gemini": {"modelStatus": {"modelStage": "STABLE"}}}) in found
    assert ir.Finish(ir.Stop("end"), 0, {"gemini": {"safetyRatings": ratings, "avgLogprobs": -0.5}}) in found


def test_a_refused_prompt() -> None:
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "No."}
    chunk = {
        "promptFeedback": feedback,
        **NAMES,
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    assert events(chunk) == [
        ir.Start("gemini", "r-1", "gemini-x", usage=ir.Usage(input=3)),
        ir.Finish(ir.Stop("filter", "SAFETY", None, {"promptFeedback": feedback})),
        ir.Tally(ir.Usage(input=3)),
        ir.End(),
    ]


# --- Faults --------------------------------------------------------------------------------------

OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def fault(found: list[ir.Event]) -> ir.Fault:
    last = found[-1]
    assert isinstance(last, ir.Error)
    return last.fault


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps(OVERLOADED).encode(),
        json.dumps([OVERLOADED]).encode(),
        ErrorFrame(json.dumps(OVERLOADED, indent=2).encode()),
        ErrorFrame(json.dumps([OVERLOADED], indent=2).encode()),
    ],
    ids=["data", "list", "bare", "bare list"],
)
@pytest.mark.parametrize("begun", [True, False])
def test_an_error_in_the_stream(frame: bytes, begun: bool) -> None:
    before = [body(candidate("a", stop=None))] if begun else []
    failed = fault(events(*before, frame, body(candidate("b"))))
    assert (failed.kind, failed.message, failed.status) == ("overloaded", "The model is overloaded.", None)


def test_an_error_that_is_null_is_none() -> None:
    plain = [body(candidate("a", stop=None)), body(candidate("b"))]
    said = [
        event
        for event in events(*({**chunk, "error": None} for chunk in plain))
        if type(event) is not ir.More
    ]
    assert [type(event) for event in said] == [type(event) for event in events(*plain)]


def test_an_error_without_json() -> None:
    failed = fault(events(body(candidate("a", stop=None)), ErrorFrame(b"<html>Bad gateway</html>")))
    assert (failed.kind, failed.message) == ("upstream", "Bad gateway")


def test_usage_is_told_before_the_error() -> None:
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}
    found = events(body(candidate("a", stop=None), usageMetadata=counts), json.dumps(OVERLOADED).encode())
    assert found[-2] == ir.Tally(ir.Usage(input=3, output=1))


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "ended without a response"),
        ([{"usageMetadata": {}}], "ended without a response"),
        ([{"promptFeedback": {}, "modelVersion": "m"}], "ended without a response"),
        (
            [{"usageMetadata": {"promptTokenCount": 3}}, body(candidate("a", stop=None))],
            "ended before the response",
        ),
        ([body(candidate("a", stop=None))], "ended before the response was complete"),
        (
            [body(candidate("a"), candidate("x", stop=None, index=1))],
            "ended before the response was complete",
        ),
    ],
)
def test_a_stream_that_broke_off(chunks: list[dict[str, Any]], message: str) -> None:
    failed = fault(events(*chunks))
    assert (failed.kind, failed.blame) == ("upstream", "upstream")
    assert message in failed.message


def test_a_broken_answer_without_parts_is_a_fault() -> None:
    failed = fault(
        events(body({"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed: x("}))
    )
    assert (failed.kind, failed.message, failed.code) == (
        "upstream",
        "Malformed: x(",
        "malformed_function_call",
    )


def test_reasoning_alone_is_no_answer() -> None:
    found = events(body(candidate(thought("Hm."), stop=None)), body(candidate("", stop="OTHER")))
    assert fault(found).code == "other"
    assert ir.Close(0) in found


@pytest.mark.parametrize(
    "part", [CALL, call(name="a", willContinue=True), sound("AAAA"), {"text": "", **SIGNED}]
)
def test_anything_else_is_an_answer(part: dict[str, Any]) -> None:
    found = events(body(candidate(part, stop="OTHER")))
    assert ir.Finish(ir.Stop("broken", "OTHER")) in found


def test_a_broken_answer_with_parts_is_an_answer() -> None:
    found = events(body(candidate("a", stop="MALFORMED_RESPONSE")))
    assert found[-2] == ir.Finish(ir.Stop("broken", "MALFORMED_RESPONSE"))


def test_nothing_follows_the_end() -> None:
    decoder = GeminiDecoder(STANDARD)
    decoder.feed(json.dumps(body(candidate("a"))).encode())
    assert isinstance(decoder.close()[-1], ir.End)
    assert decoder.close() == []
    assert decoder.feed(json.dumps(body(candidate("", stop="STOP"))).encode()) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b"7",
        b"{}",
        b'{"this": 1}',
        b'{"candidates": 7}',
        b'{"candidates": [7]}',
        b'{"candidates": [{"content": 7}]}',
        b'{"candidates": [{"content": {"parts": [7]}}]}',
        b"[7]",
        b"[" * 200_000,
    ],
)
@pytest.mark.parametrize("begun", [True, False])
def test_what_is_no_chunk(frame: bytes, begun: bool) -> None:
    decoder = GeminiDecoder(STANDARD)
    if begun:
        decoder.feed(json.dumps(body(candidate("a", stop=None))).encode())
    with pytest.raises(WireError):
        decoder.feed(frame)


def test_citations_of_an_unknown_shape_are_kept_as_they_came_last() -> None:
    chunk = body(candidate("a", stop=None, citationMetadata="x"))
    last = body(candidate("b", citationMetadata="y"))
    finish = next(event for event in events(chunk, last) if isinstance(event, ir.Finish))
    assert finish.extra == {"gemini": {"citationMetadata": "y"}}


def test_usage_that_is_no_utf_8_is_none() -> None:
    decoder = GeminiDecoder(STANDARD)
    chunk = b'{"candidates":[{"content":{"parts":[{"text":"%b"}],"role":"model"}%b}]%b}'
    usage = b',"usageMetadata":{"promptTokenCount":8,"a":"%b"}'
    for text, odd in ((b"a", b""), (b"b", b""), (b"c", b"\xff")):
        decoder.feed(chunk % (text, b"", usage % odd))
    events = [*decoder.feed(chunk % (b"d", b',"finishReason":"STOP"', b"")), *decoder.close()]
    assert [type(event) for event in events][-2:] == [ir.Finish, ir.End]
    assert not any(isinstance(event, ir.Tally) for event in events)
