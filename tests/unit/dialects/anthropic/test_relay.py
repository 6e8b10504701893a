"""Relay: named edits, every other byte as it came."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.anthropic.saying import reply
from tests.unit.dialects.replies import showing

RELAY = DIALECT.relay
START = (
    b'{"type":"message_start","message":{"id":"msg_1","model":"claude","content":[],'
    b'"stop_reason":null,"usage":{"input_tokens":3, "output_tokens":1}}}'
)
DELTA = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}   '
LAST = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}'
STOP = b'{"type":"message_stop"}'


def sse(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


# --- Requests and whole answers -----------------------------------------------------------------


def test_a_request_keeps_every_byte_but_the_edits() -> None:
    body = b'{"model": "a", "x": {"b" :1.50, "a":[ ]}, "gone": 1, "big": 123456789012345678901234567890}'
    edits = {"model": "b", "gone": msgspec.UNSET, "new": {"y": True}}
    assert RELAY.request(decode_head(body), edits) == (
        b'{"model":"b","x":{"b" :1.50, "a":[ ]},"big":123456789012345678901234567890,"new":{"y":true}}'
    )


def test_an_answer_passes_untouched_when_nothing_is_renamed() -> None:
    body = b'{ "content": [ ], "model": "claude", "usage": {"input_tokens":3,"output_tokens":2} }'
    out, usage = RELAY.response(body, showing(None))
    assert out is body
    assert usage == ir.Usage(input=3, output=2)


def test_an_answer_is_renamed() -> None:
    body = b'{"model":"claude","content":[{"x" : 1}],"usage":null}'
    assert RELAY.response(body, showing("shown")) == (
        b'{"model":"shown","content":[{"x" : 1}],"usage":null}',
        None,
    )
    assert RELAY.response(b'{"content":[]}', showing("shown")) == (b'{"content":[]}', None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"error","error":{"type":"overloaded_error","message":"key sk-ant-api03-AAAA1111"}}',
        b'{"error":{"type":"overloaded_error","message":"key sk-ant-api03-AAAA1111"}}',
    ],
)
def test_an_error_inside_a_success_is_raised_without_credentials(body: bytes) -> None:
    with pytest.raises(RequestFailed) as caught:
        RELAY.response(body, showing(None))
    assert (caught.value.fault.kind, caught.value.fault.message) == ("overloaded", "key [redacted]")


def test_an_error_without_a_member_error_keeps_its_message() -> None:
    with pytest.raises(RequestFailed, match="404 NOT_FOUND"):
        RELAY.response(b'{"code":500,"msg":"404 NOT_FOUND","success":false}', showing(None))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b'{"content":[],"usage":{"input_tokens":1e999}}',
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        RELAY.response(body, showing(None))


# --- Streams ------------------------------------------------------------------------------------


def test_an_answer_without_a_model() -> None:
    body = b'{"content":[],"usage":{"input_tokens":1,"output_tokens":2}}'
    assert RELAY.response(body, showing(None)) == (body, ir.Usage(input=1, output=2))


def test_usage_need_not_be_asked_for() -> None:
    assert RELAY.ask_usage({"stream": True}) == {}


def test_frames_pass_with_their_event_names() -> None:
    relay = RELAY.stream(reply())
    frames = {
        "message_start": START,
        "content_block_start": b'{"type":"content_block_start","content_block":{"type":"text","text":""}}',
        "ping": b'{"type": "ping"}',
        "content_block_delta": DELTA,
        "content_block_stop": b'{"type":"content_block_stop","index":0}',
        "new_event": b'{"type":"new_event","error":null}',
        "message_delta": LAST,
        "message_stop": STOP,
    }
    for name, frame in frames.items():
        assert relay.feed(frame) == sse(name, frame)
    assert relay.close() == b""
    assert (relay.usage, relay.content, relay.done) == (ir.Usage(input=3, output=9), True, True)


def test_content_and_end_are_seen_when_they_come() -> None:
    relay = RELAY.stream(reply())
    seen = []
    for frame in (START, DELTA, LAST, STOP):
        relay.feed(frame)
        seen.append((relay.content, relay.done, relay.usage))
    assert seen == [
        (False, False, ir.Usage(input=3, output=1)),
        (True, False, ir.Usage(input=3, output=1)),
        (True, False, ir.Usage(input=3, output=9)),
        (True, True, ir.Usage(input=3, output=9)),
    ]


@pytest.mark.parametrize(
    ("block", "speaks"),
    [
        (b'{"type":"text","text":""}', False),
        (b'{"type":"thinking","thinking":"","signature":""}', False),
        (b'{"type":"text","text":"Hi"}', True),
        (b'{"type":"thinking","thinking":"","signature":"abc"}', True),
        (b'{"type":"redacted_thinking","data":"abc"}', True),
        (b'{"type":"tool_use","id":"t","name":"f","input":{}}', True),
        (b'{"type":"of_tomorrow"}', True),
        (b"null", True),
    ],
)
def test_a_block_that_begins_empty_is_no_content(block: bytes, speaks: bool) -> None:
    relay = RELAY.stream(reply())
    relay.feed(START)
    relay.feed(b'{"type":"content_block_start","index":0,"content_block":%b}' % block)
    assert relay.content is speaks


def test_an_answer_inside_its_start_is_content() -> None:
    relay = RELAY.stream(reply())
    relay.feed(START.replace(b'"content":[]', b'"content":[{"type":"text","text":"Hi"}]'))
    assert relay.content


def test_the_model_is_renamed_and_nothing_else() -> None:
    relay = RELAY.stream(reply(model="shown"))
    assert relay.feed(START) == sse("message_start", START.replace(b'"claude"', b'"shown"'))
    assert relay.feed(DELTA) == sse("content_block_delta", DELTA)
    nameless = START.replace(b'"model":"claude",', b"")
    assert RELAY.stream(reply(model="shown")).feed(nameless) == sse("message_start", nameless)


@pytest.mark.parametrize(
    "text",
    [
        b'{\\"type\\":\\"error\\"}',
        b'\\"type\\":\\"message_stop\\"',
        b'\\"model\\":\\"claude\\"',
        b"event: error",
    ],
)
@pytest.mark.parametrize("frame", [DELTA, DELTA.replace(b'{"type"', b'{ "type"', 1)])
def test_words_inside_the_text_are_only_words(text: bytes, frame: bytes) -> None:
    relay = RELAY.stream(reply(model="shown"))
    said = frame.replace(b"Hi", text)
    assert relay.feed(said) == sse("content_block_delta", said)
    assert not relay.done


def test_a_run_of_deltas_passes_at_once() -> None:
    relay = RELAY.stream(reply())
    event = sse("content_block_delta", DELTA)
    assert relay.run(event * 2 + sse("message_delta", LAST)) == (event * 2, len(event) * 2)  # type: ignore[attr-defined]
    assert relay.content
    relay = RELAY.stream(reply())
    for other in (b"data: %b\n\n" % DELTA, event[:-1], event.replace(b"\n", b"\r\n"), b": \n\n" + event):
        assert relay.run(other) == (b"", 0)  # type: ignore[attr-defined]
    assert not relay.content


def test_data_of_several_lines_stays_one_event() -> None:
    relay = RELAY.stream(reply())
    pretty = b'{"type":"content_block_delta",\n"index":0,\n"delta":{"type":"text_delta","text":"Hi"}}'
    assert relay.feed(pretty) == (
        b'event: content_block_delta\ndata: {"type":"content_block_delta",\n'
        b'data: "index":0,\ndata: "delta":{"type":"text_delta","text":"Hi"}}\n\n'
    )


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
        (b'{"error":{"message":"x"}}', "upstream"),
        (ErrorFrame(b"x"), "upstream"),
    ],
)
def test_errors_are_raised_not_passed(frame: bytes, kind: str) -> None:
    relay = RELAY.stream(reply())
    relay.feed(START)
    with pytest.raises(RequestFailed) as caught:
        relay.feed(frame)
    assert (caught.value.fault.kind, caught.value.fault.message) == (kind, "x")


def test_a_second_answer_is_an_error() -> None:
    relay = RELAY.stream(reply())
    relay.feed(START)
    relay.feed(b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}')
    assert relay.feed(START) == b""
    with pytest.raises(RequestFailed, match="second response"):
        relay.feed(START.replace(b"msg_1", b"msg_2"))


def test_a_start_that_is_repeated_before_anything_is_said_is_left_out() -> None:
    relay = RELAY.stream(reply())
    assert relay.feed(START) == sse("message_start", START)
    again = START.replace(b"msg_1", b"msg_2").replace(b'"input_tokens":3', b'"input_tokens":4')
    assert relay.feed(again) == b""
    assert relay.usage == ir.Usage(input=4, output=1)


def test_counts_never_fall_to_zero() -> None:
    relay = RELAY.stream(reply())
    relay.feed(START)
    relay.feed(LAST.replace(b'{"output_tokens":9}', b'{"input_tokens":0,"output_tokens":9}'))
    assert relay.usage == ir.Usage(input=3, output=9)


def test_after_the_end_frames_pass_uncounted() -> None:
    relay = RELAY.stream(reply())
    for frame in (START, LAST, STOP):
        relay.feed(frame)
    again = START.replace(b"msg_1", b"msg_2")
    assert relay.feed(again) == sse("message_start", again)
    assert relay.usage == ir.Usage(input=3, output=9)


@pytest.mark.parametrize(
    "frame", [b"nonsense", b"[]", b"{}", b'{"type":5}', b'{"type":"message_start","message":5}']
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        RELAY.stream(reply()).feed(frame)


def test_done_of_compatible_servers_is_not_passed() -> None:
    assert RELAY.stream(reply()).feed(b"[DONE]") == b""


@pytest.mark.parametrize(
    "frames", [(START, LAST), (START.replace(b'"stop_reason":null', b'"stop_reason":"tool_use"'),)]
)
def test_a_forgotten_end_is_made_up_for_after_a_stop_reason(frames: tuple[bytes, ...]) -> None:
    relay: Any = RELAY.stream(reply())
    for frame in frames:
        relay.feed(frame)
    assert (relay.close(), relay.done) == (sse("message_stop", STOP), True)
    assert relay.close() == b""


@pytest.mark.parametrize(
    ("frames", "said"), [((START, DELTA), "before the response was complete"), ((), "without a response")]
)
def test_an_end_without_a_stop_reason_is_a_failure(frames: tuple[bytes, ...], said: str) -> None:
    relay: Any = RELAY.stream(reply())
    for frame in frames:
        relay.feed(frame)
    with pytest.raises(RequestFailed, match=said):
        relay.close()
    assert not relay.done


def test_a_block_whose_type_is_no_text_counts_as_content() -> None:
    relay = DIALECT.relay.stream(reply())
    odd = b'{"type":"content_block_start","index":0,"content_block":{"type":["x"]}}'
    assert relay.feed(odd).endswith(odd + b"\n\n")
    assert relay.content


def test_nulls_pass_as_absent_members() -> None:
    relay = RELAY.stream(showing(None))
    start = START.replace(b'"content":[]', b'"content":null')
    last = b'{"type":"message_delta","delta":null,"usage":{"output_tokens":9}}'
    assert relay.feed(start) == sse("message_start", start)
    assert relay.feed(last) == sse("message_delta", last)
    assert not relay.content
