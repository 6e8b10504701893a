"""Relay: named edits, every other byte as it came."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.gemini import DIALECT as GEMINI
from dragoman.dialects.gemini.relay import GeminiRelay, GeminiStreamRelay
from dragoman.dialects.request import WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, decode_object
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.gemini.answering import body, candidate, reply
from tests.unit.dialects.replies import showing

RELAY = GeminiRelay()
NAME = b'"modelVersion": "gemini-x"'
CHUNK = (
    b'{"candidates": [{"content": {"parts": [{"text": "a"}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 3,"totalTokenCount": 3},' + NAME + b',"responseId": "r-1"}'
)
LAST = (
    b'{"candidates": [{"finishReason": "STOP"}],"usageMetadata": '
    b'{"promptTokenCount": 3,"candidatesTokenCount": 9,"totalTokenCount": 12},' + NAME + b"}"
)
COUNTED = ir.Usage(input=3, output=9)


# --- Requests and whole answers ------------------------------------------------------------------


def test_a_request_keeps_every_byte_but_the_edits() -> None:
    given = b'{"contents": [{"x" :1.50, "a":[ ]}], "gone": 1, "big": 123456789012345678901234567890}'
    edits = {"model": "renamed", "gone": msgspec.UNSET, "labels": {"y": "z"}}
    assert RELAY.request(decode_head(given), edits) == (
        b'{"contents":[{"x" :1.50, "a":[ ]}],"big":123456789012345678901234567890,"labels":{"y":"z"}}'
    )


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b'{"generationConfig":{"maxOutputTokens":1, "maxOutputTokens":9}}', {"maxOutputTokens": 9}),
        (b'{"generationConfig":{"maxOutputTokens":1, "max_output_tokens":9}}', {"max_output_tokens": 9}),
        (b'{"generationConfig":{"max_output_tokens":1, "maxOutputTokens":9}}', {"maxOutputTokens": 9}),
        (b'{"generationConfig":{"n":1},"generation_config":{"n":2,"n":3}}', {"n": 3}),
        (b'{"generation_config":{"n":1},"generationConfig":{"n":2}}', {"n": 2}),
        (b'{"generationConfig":null}', None),
        (b'{"generationConfig":[1]}', [1]),
    ],
)
def test_what_bounds_an_answer_is_sent_once_and_as_it_was_checked(given: bytes, sent: Any) -> None:
    pairs = json.loads(RELAY.request(decode_head(given), {}), object_pairs_hook=list)
    (value,) = [value for _, value in pairs]
    assert value == (list(sent.items()) if isinstance(sent, dict) else sent)
    if isinstance(sent, dict):
        bound = GEMINI.request.decode(WireRequest("chat", {"contents": [], **decode_object(given)}))
        assert bound.max_output in {None, *sent.values()}


def test_the_bytes_of_a_configuration_s_members_stay() -> None:
    given = b'{"generationConfig":{"temperature":1.50,"responseSchema":{"a" :1,"a":2}}}'
    assert RELAY.request(decode_head(given), {}) == given


def test_usage_need_not_be_asked_for() -> None:
    assert RELAY.ask_usage({}) == {}


def test_a_whole_answer() -> None:
    assert RELAY.response(LAST, showing(None)) == (LAST, COUNTED)
    renamed, usage = RELAY.response(LAST, showing("alias"))
    assert usage == COUNTED
    assert json.loads(renamed) == {**json.loads(LAST), "modelVersion": "alias"}
    nameless = b'{"candidates": [ ]}'
    assert RELAY.response(nameless, showing("alias")) == (nameless, None)


def test_a_refused_prompt_passes() -> None:
    given = b'{"promptFeedback": {"blockReason": "SAFETY"}}'
    assert RELAY.response(given, showing(None)) == (given, None)


def test_an_error_with_a_good_status() -> None:
    with pytest.raises(RequestFailed) as failed:
        RELAY.response(
            b'{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}', showing(None)
        )
    assert failed.value.fault.kind == "overloaded"


@pytest.mark.parametrize(
    "given", [b"{}", b"[]", b"x", b'{"candidates": [], "usageMetadata": [1]}', b'{"usageMetadata": {}}']
)
def test_what_is_no_answer(given: bytes) -> None:
    with pytest.raises(WireError):
        RELAY.response(given, showing(None))


def test_members_that_are_null_say_nothing() -> None:
    given = body(candidate("Hi"), error=None, usageMetadata=None, promptFeedback=None)
    frame = json.dumps(given).encode()
    assert RELAY.response(frame, showing(None)) == (frame, None)
    stream = relay()
    stream.feed(LAST)
    assert stream.feed(frame) == sse(frame)
    assert stream.feed(b'{"candidates":null,"error":null}')
    assert (stream.close(), stream.done, stream.usage) == (b"", True, COUNTED)


# --- Streams -------------------------------------------------------------------------------------


def relay(model: str | None = None, **more: Any) -> GeminiStreamRelay:
    return RELAY.stream(reply(model, **more))


def sse(frame: bytes) -> bytes:
    return b"data: %b\r\n\r\n" % frame


def test_chunks_pass_as_they_are() -> None:
    stream = relay()
    assert stream.feed(CHUNK) == sse(CHUNK)
    assert stream.content
    assert stream.usage == ir.Usage(input=3)
    assert stream.feed(LAST) == sse(LAST)
    assert (stream.usage, stream.done) == (COUNTED, False)
    assert stream.close() == b""
    assert stream.done


def test_chunks_under_another_name() -> None:
    renamed = CHUNK.replace(b'"gemini-x"', b'"an \\"alias\\""')
    stream = relay('an "alias"')
    assert [stream.feed(CHUNK), stream.feed(CHUNK)] == [sse(renamed), sse(renamed)]
    moved = CHUNK.replace(b'"r-1"', b'"another-length"')
    assert stream.feed(moved) == sse(renamed.replace(b'"r-1"', b'"another-length"'))


@pytest.mark.parametrize(
    "parts",
    [
        [{"text": 'She said "modelVersion": "gemini-x" twice.'}],
        [{"functionCall": {"name": "f", "args": {"modelVersion": "gemini-x"}}}],
    ],
)
def test_only_the_chunks_own_name_is_changed(parts: list[Any]) -> None:
    given = body(candidate(*parts), createTime="x" * 300)
    sent = relay("alias").feed(json.dumps(given).encode())
    assert json.loads(sent[6:]) == {**given, "modelVersion": "alias"}


def test_the_name_may_come_first() -> None:
    given = b'{"modelVersion":"gemini-x","candidates":[{"content":{"parts":[{"text":"gemini-x"}]}}]}'
    sent = relay("alias").feed(given)
    assert json.loads(sent[6:]) == {**json.loads(given), "modelVersion": "alias"}


def test_another_name_may_come_last() -> None:
    given = b'{"candidates":[],"modelVersion":"gemini-x","next":{"modelVersion":"gemini-y"}}'
    stream = relay("alias")
    for _ in range(2):
        assert json.loads(stream.feed(given)[6:]) == {**json.loads(given), "modelVersion": "alias"}


def test_a_chunk_without_a_name_gets_none() -> None:
    nameless = b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}'
    assert relay("alias").feed(nameless) == sse(nameless)


def test_a_chunk_of_several_lines() -> None:
    pretty = json.dumps(body(candidate("a")), indent=1).encode()
    assert relay().feed(pretty) == b"data: " + pretty.replace(b"\n", b"\r\ndata: ") + b"\r\n\r\n"


def test_an_array() -> None:
    stream = relay("alias", framing="json_array")
    pretty = json.dumps(body(candidate("a", stop=None)), indent=1).encode()
    sent = stream.feed(pretty) + stream.feed(LAST) + stream.close()
    assert [chunk["modelVersion"] for chunk in json.loads(sent)] == ["alias", "alias"]


@pytest.mark.parametrize(
    ("chunk", "content"),
    [
        (candidate("a", stop=None), True),
        ({"content": {"role": "model"}}, False),
        ({"finishReason": "STOP"}, False),
    ],
)
def test_content(chunk: dict[str, Any], content: bool) -> None:
    stream = relay()
    stream.feed(json.dumps(body(chunk)).encode())
    assert stream.content is content


def test_every_candidate_must_end() -> None:
    stream = relay()
    stream.feed(json.dumps(body(candidate("a"), candidate("x", stop=None, index=1))).encode())
    with pytest.raises(RequestFailed, match="before the response was complete"):
        stream.close()
    stream.feed(json.dumps(body(candidate("", index=1))).encode())
    stream.close()
    assert stream.done


@pytest.mark.parametrize(
    ("parts", "done"),
    [
        ([], False),
        ([{"text": "Hm.", "thought": True}], False),
        (['He said "thought".'], True),
        ([{"functionCall": {"name": "f"}}], True),
    ],
)
def test_what_the_model_broke_passes_but_is_no_end(parts: list[Any], done: bool) -> None:
    stream = relay()
    begun = {"content": {"parts": [{"text": p} if isinstance(p, str) else p for p in parts]}} if parts else {}
    given = [body(begun), body({"finishReason": "MALFORMED_FUNCTION_CALL"})]
    assert b"".join(stream.feed(json.dumps(chunk).encode()) for chunk in given).count(b"data: ") == 2
    assert (stream.close(), stream.done) == (b"", done)


def test_a_refused_prompt_is_an_end() -> None:
    stream = relay()
    stream.feed(b'{"promptFeedback": {"blockReason": "SAFETY"}}')
    assert stream.close() == b""
    assert (stream.done, stream.content) == (True, False)


def test_an_unspecified_reason_is_no_end() -> None:
    stream = relay()
    stream.feed(json.dumps(body(candidate("a", stop="FINISH_REASON_UNSPECIFIED"))).encode())
    with pytest.raises(RequestFailed, match="before the response was complete"):
        stream.close()


def test_an_empty_stream() -> None:
    with pytest.raises(RequestFailed, match="without a response"):
        relay().close()


ERROR = b'{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}'


@pytest.mark.parametrize(
    "frame", [ERROR, b"[%b]" % ERROR, ErrorFrame(ERROR), ErrorFrame(b"[%b]" % ERROR)], ids=str
)
def test_an_error_in_the_stream(frame: bytes) -> None:
    stream = relay()
    stream.feed(CHUNK)
    with pytest.raises(RequestFailed) as failed:
        stream.feed(frame)
    assert (failed.value.fault.kind, failed.value.fault.message) == ("overloaded", "Busy.")


def test_an_error_without_json() -> None:
    with pytest.raises(RequestFailed, match="gone"):
        relay().feed(ErrorFrame(b"gone"))


@pytest.mark.parametrize(
    "frame",
    [
        b"x",
        b"7",
        b'{"candidates": 7}',
        b'{"candidates": [{"index": "a"}]}',
        b'{"candidates": [{"finishReason": []}]}',
        b"[1]",
    ],
)
def test_what_is_no_chunk(frame: bytes) -> None:
    with pytest.raises(WireError):
        relay().feed(frame)


def test_no_counts_are_no_usage() -> None:
    stream = relay()
    assert stream.usage is None
    stream.feed(b'{"candidates": [], "usageMetadata": {}}')
    assert stream.usage is None


def test_a_usage_that_is_none_is_not_told() -> None:
    stream = relay()
    stream.feed(CHUNK.replace(b'{"promptTokenCount": 3,"totalTokenCount": 3}', b'["?"]'))
    assert stream.usage is None


def test_usage_that_is_no_utf_8_is_none() -> None:
    made = relay()
    made.feed(b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"a":"\xff"}}')
    assert made.usage is None
