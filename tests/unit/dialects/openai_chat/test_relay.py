"""Relay: named edits, and not a byte more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.relay import StreamRelay
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.openai_chat.speaking import DONE, ROLE, chunk, reply
from tests.unit.dialects.replies import showing

RELAY = DIALECT.relay
USED = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
TEXT = chunk({"content": "Hi."})
STOP = chunk({}, "stop")


def data(frame: bytes) -> bytes:
    return b"data: " + frame + b"\n\n"


# --- Requests and whole answers ----------------------------------------------------------------


def test_a_request_changes_where_it_is_told_to_and_nowhere_else() -> None:
    body = b'{"model":"mine", "messages": [ {"content":"\\u00e9 1.0e2"} ],"n":1.50,"gone":1}'
    sent = RELAY.request(decode_head(body), {"model": "theirs", "gone": msgspec.UNSET, "new": {"a": [1]}})
    assert sent == (b'{"model":"theirs","messages":[ {"content":"\\u00e9 1.0e2"} ],"n":1.50,"new":{"a":[1]}}')


@pytest.mark.parametrize(
    ("members", "edits"),
    [
        ({"stream": True}, {"stream_options": {"include_usage": True}}),
        (
            {"stream": True, "stream_options": {"include_usage": False, "odd": 1}},
            {"stream_options": {"include_usage": True, "odd": 1}},
        ),
        ({"stream": True, "stream_options": {"include_usage": True}}, {}),
        ({"stream": False}, {}),
        ({}, {}),
    ],
)
def test_a_stream_is_asked_for_its_usage(members: dict[str, Any], edits: dict[str, Any]) -> None:
    assert RELAY.ask_usage({"model": "m", **members}) == edits


def test_a_whole_answer_passes_as_it_is_and_tells_its_usage() -> None:
    body = (
        b'{"model": "m", "choices":[ ], "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
    )
    assert RELAY.response(body, showing(None)) == (body, ir.Usage(3, output=1))
    renamed, usage = RELAY.response(body, showing("mine"))
    assert renamed == body.replace(b' "m"', b'"mine"').replace(b", ", b",").replace(b'"model": ', b'"model":')
    assert usage == ir.Usage(3, output=1)
    assert RELAY.response(b'{"choices":[]}', showing("mine")) == (b'{"choices":[]}', None)
    assert RELAY.response(b'{"choices":[],"usage":null,"error":null}', showing(None))[1] is None


def test_an_error_inside_a_200_is_raised() -> None:
    with pytest.raises(RequestFailed) as caught:
        RELAY.response(b'{"error":{"message":"No.","code":429}}', showing(None))
    assert caught.value.fault.kind == "rate_limit"


@pytest.mark.parametrize("body", [b"{}", b'{"choices":{}}', b'{"choices":[5]}'])
def test_what_is_no_answer_is_told(body: bytes) -> None:
    with pytest.raises(WireError):
        RELAY.response(body, showing(None))


# --- Streams -----------------------------------------------------------------------------------


def relayed(*frames: bytes, **how: Any) -> tuple[bytes, StreamRelay]:
    relay = RELAY.stream(reply(**how))
    return b"".join(map(relay.feed, frames)) + relay.close(), relay


def test_frames_pass_as_they_are() -> None:
    frames = (chunk(ROLE), TEXT, chunk({"content": " You?"}), chunk({"content": "é"}), STOP, DONE)
    stream, relay = relayed(*frames)
    assert stream == b"".join(map(data, frames))
    assert relay.done
    assert relay.content
    assert relay.usage is None


def test_odd_white_space_passes() -> None:
    spaced = b'{"choices": [ {"delta": {"content": "a"}} ] }'
    assert relayed(spaced, STOP, DONE)[0].startswith(data(spaced))
    broken = b'{"choices":[{"delta":\n{"content":"a"}}]}'
    assert relayed(broken, STOP, DONE)[0].startswith(
        b'data: {"choices":[{"delta":\ndata: {"content":"a"}}]}\n\n'
    )


def test_content_is_seen_when_there_is_some() -> None:
    relay = RELAY.stream(reply())
    for quiet in (chunk(ROLE), chunk(choices=[]), chunk({}), chunk({"content": None, "tool_calls": None})):
        relay.feed(quiet)
        assert not relay.content
    for said in ({"content": "a"}, {"reasoning": "a"}, {"tool_calls": [{"index": 0}]}, {"refusal": "a"}):
        relay = RELAY.stream(reply())
        relay.feed(chunk(said))
        assert relay.content


def test_usage_that_was_not_asked_for_is_kept_back() -> None:
    used = chunk(choices=[], usage=USED)
    stream, relay = relayed(TEXT, STOP, used, DONE)
    assert stream == data(TEXT) + data(STOP) + data(DONE)
    assert relay.usage == ir.Usage(3, output=1)
    assert relayed(TEXT, STOP, used, DONE, usage=True)[0] == data(TEXT) + data(STOP) + data(used) + data(DONE)


def test_nothing_follows_the_end_mark() -> None:
    more = chunk({"content": " You?"})
    stream, relay = relayed(TEXT, more, STOP, TEXT, more, DONE)
    learnt = RELAY.stream(reply())
    sent = b"".join(map(learnt.feed, (TEXT, more, DONE)))
    assert sent == data(TEXT) + data(more) + data(DONE)
    assert learnt.feed(more) == b""
    assert learnt.run(data(more)) == (b"", 0)  # type: ignore[attr-defined]
    assert (stream.count(data(more)), relay.done) == (2, True)


def test_usage_in_a_chunk_with_content_reaches_who_asked() -> None:
    """DeepSeek and others tell it with the finish reason, asked or not."""
    last = chunk({}, "stop", usage=USED)
    assert relayed(TEXT, last, DONE, usage=True)[0] == data(TEXT) + data(last) + data(DONE)
    stream, relay = relayed(TEXT, last, DONE)
    assert stream == data(TEXT) + data(chunk({}, "stop")) + data(DONE)
    assert relay.usage == ir.Usage(3, output=1)


def test_usage_is_found_late_and_in_any_spelling() -> None:
    frames = [TEXT, chunk({"content": "b"}), chunk({"content": "c"}, usage=USED), STOP]
    assert relayed(*frames)[1].usage == ir.Usage(3, output=1)
    spaced = chunk({"content": "c"}, usage=USED).replace(b'"usage":', b'"usage" : ')
    assert relayed(TEXT, chunk({"content": "b"}), spaced, STOP)[1].usage == ir.Usage(3, output=1)
    beside = chunk({}, "stop", usage=None, x_groq={"usage": USED})
    assert relayed(TEXT, beside)[1].usage == ir.Usage(3, output=1)


@pytest.mark.parametrize(
    "text",
    [
        '"usage":{"prompt_tokens":9}',
        '"error":{"message":"x"}',
        '"finish_reason":"stop"',
        "[DONE]",
        '"model":"m-1"',
    ],
)
def test_an_answer_that_writes_about_the_protocol_passes_untouched(text: str) -> None:
    frames = [TEXT, chunk({"content": "b"}), chunk({"content": text}), chunk({"content": "c"})]
    relay = RELAY.stream(reply(model="mine"))
    stream = b"".join(map(relay.feed, frames))
    assert relay.usage is None
    assert not relay.done
    contents = [
        msgspec.json.decode(line[6:])["choices"][0]["delta"]["content"]
        for line in stream.split(b"\n\n")
        if line
    ]
    assert contents == ["Hi.", "b", text, "c"]
    assert stream.count(b'"model":"mine"') == 4


def test_the_model_is_shown_under_the_clients_name() -> None:
    frames = [chunk(ROLE), TEXT, *(chunk({"content": str(n)}) for n in range(5)), STOP, DONE]
    stream, _ = relayed(*frames, model="mine")
    assert stream == b"".join(data(frame.replace(b'"m-1"', b'"mine"')) for frame in frames)


def test_a_name_after_the_text_is_replaced_too() -> None:
    def late(text: str, padding: str) -> bytes:
        choices = [{"delta": {"content": text}, "index": 0}]
        return msgspec.json.encode(
            {"choices": choices, "model": "m-1", "obfuscation": padding, "object": "o"}
        )

    frames = [late("a", "x"), late("b", "yy"), late("c", ""), late("d", "z9")]
    relay = RELAY.stream(reply(model="mine"))
    assert b"".join(map(relay.feed, frames)) == b"".join(data(f.replace(b'"m-1"', b'"mine"')) for f in frames)


def test_a_chunk_without_a_model_stays_without() -> None:
    bare = b'{"choices":[{"delta":{"content":"a"}}]}'
    assert relayed(bare, STOP, DONE, model="mine")[0].startswith(data(bare))


@pytest.mark.parametrize("frame", [b'{"error":{"message":"Late."}}', ErrorFrame(b"Late.")])
def test_an_error_in_the_stream_is_raised(frame: bytes) -> None:
    relay = RELAY.stream(reply())
    for before in (TEXT, chunk({"content": "b"}), chunk({"content": "c"})):
        relay.feed(before)
    with pytest.raises(RequestFailed) as caught:
        relay.feed(frame)
    assert caught.value.fault.message == "Late."


@pytest.mark.parametrize(
    "frame", [b"{", b"5", b'{"choices":[5]}', b"\xff{", b'{"choices":[{"delta":{"tool_calls":[5]}}]}']
)
def test_what_is_no_chunk_is_told(frame: bytes) -> None:
    with pytest.raises(WireError):
        RELAY.stream(reply()).feed(frame)


def test_a_stream_that_its_vendor_leaves_open_is_ended() -> None:
    stream, relay = relayed(TEXT, STOP)
    assert stream == data(TEXT) + data(STOP) + data(DONE)
    assert relay.done


def test_a_stream_that_breaks_off_is_a_failure() -> None:
    relay = RELAY.stream(reply())
    relay.feed(TEXT)
    with pytest.raises(RequestFailed) as caught:
        relay.close()
    assert caught.value.fault.code == "stream_broken"
    assert not relay.done


def test_nothing_passes_after_the_end() -> None:
    assert relayed(TEXT, STOP, DONE, b'{"late":1}', DONE)[0] == data(TEXT) + data(STOP) + data(DONE)


def test_lines_instead_of_events_where_the_client_is_on_a_socket() -> None:
    """A frame is a line of its own, blank for line end, and no `[DONE]` follows: the next answer may."""
    relay = RELAY.stream(msgspec.structs.replace(showing("mine"), framing="ndjson"))
    sent = [relay.feed(frame) for frame in (chunk(ROLE), TEXT, chunk({"content": "Ho."}), STOP, DONE)]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in sent[:-1])
    assert [msgspec.json.decode(line)["model"] for line in sent[:-1]] == ["mine"] * 4
    assert sent[-1] == b""
    assert relay.done
    assert RELAY.stream(msgspec.structs.replace(showing(None), framing="ndjson")).feed(
        b'{"choices":[{"delta":\r\n{"content":"a"}}]}'
    ) == (b'{"choices":[{"delta":  {"content":"a"}}]}\n')


def test_lines_end_without_a_word_too() -> None:
    relay = RELAY.stream(msgspec.structs.replace(showing(None), framing="ndjson"))
    relay.feed(STOP)
    assert relay.close() == b""
    assert relay.done


def test_an_error_that_looks_like_a_chunk_is_one() -> None:
    stream = RELAY.stream(reply())
    for text in ("Hi.", "You.", "There."):
        stream.feed(chunk({"content": text}))
    with pytest.raises(RequestFailed):
        stream.feed(ErrorFrame(chunk({"content": "Again."})))
