"""Relay: named edits, every other byte as it came."""

from __future__ import annotations

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.ollama.relay import OllamaRelay
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.replies import showing

RELAY = OllamaRelay()
WORDS = b'{"model":"m","message":{"role":"assistant","content":"a \\"done\\":true"},"done":false}'
LAST = b'{"model":"m","message":{"content":""},"done":true,"prompt_eval_count":3,"eval_count":5}'
COUNTED = ir.Usage(3, output=5)


def test_a_request_keeps_every_byte_but_the_edits() -> None:
    given = b'{"model":"a","messages": [{"x" :1.50}], "gone": 1}'
    edits = {"model": "b", "gone": msgspec.UNSET}
    assert RELAY.request(decode_head(given), edits) == b'{"model":"b","messages":[{"x" :1.50}]}'
    assert RELAY.ask_usage({"stream": True}) == {}


@pytest.mark.parametrize(("name", "shown"), [(None, b'"m"'), ("shown", b'"shown"')])
def test_a_whole_answer(name: str | None, shown: bytes) -> None:
    body, usage = RELAY.response(LAST, showing(name))
    assert (body, usage) == (LAST.replace(b'"m"', shown), COUNTED)


def test_what_is_no_answer() -> None:
    with pytest.raises(RequestFailed):
        RELAY.response(b'{"error":"no"}', showing(None))
    for body in (b"{}", b"[]", b"{", b"1"):
        with pytest.raises(WireError):
            RELAY.response(body, showing("x"))


@pytest.mark.parametrize("name", [None, 'sh"own'])
def test_a_stream(name: str | None) -> None:
    relay = RELAY.stream(showing(name))
    shown = b'"m"' if name is None else b'"sh\\"own"'
    assert (relay.content, relay.done, relay.usage) == (False, False, None)
    for _ in range(3):
        assert relay.feed(WORDS) == WORDS.replace(b'"m"', shown, 1) + b"\n"
        assert (relay.content, relay.done) == (True, False)
    assert relay.feed(LAST) == LAST.replace(b'"m"', shown, 1) + b"\n"
    assert (relay.done, relay.usage, relay.close()) == (True, COUNTED, b"")


def test_a_call_may_have_an_argument_done() -> None:
    relay = RELAY.stream(showing(None))
    relay.feed(WORDS)
    relay.feed(LAST.replace(b'"content":""', b'"tool_calls":[{"function":{"arguments":{"done":false}}}]'))
    assert (relay.done, relay.usage) == (True, COUNTED)


@pytest.mark.parametrize(
    "frame",
    [
        b'{ "model" : "m", "message":{"content":"a"}, "done" : false}',
        b'{"message":{"content":"a"},"model":"m","done":false}',
    ],
)
def test_a_name_that_stands_elsewhere(frame: bytes) -> None:
    relay = RELAY.stream(showing("shown"))
    assert bytes(decode_head(relay.feed(frame))["model"]) == b'"shown"'
    assert relay.content


def test_lines_without_a_name_and_without_words_pass() -> None:
    relay = RELAY.stream(showing("shown"))
    frame = b'{"message":{"role":"assistant","content":""},"done":false}'
    assert relay.feed(frame) == frame + b"\n"
    assert relay.content is False


def test_errors_in_a_stream() -> None:
    relay = RELAY.stream(showing(None))
    relay.feed(WORDS)
    for frame in (b'{"error":"it broke"}', ErrorFrame(b"it broke")):
        with pytest.raises(RequestFailed) as caught:
            relay.feed(frame)
        assert caught.value.fault.message == "it broke"
    for frame in (b"{", b"[]", b"1", b'{"message":"a"}'):
        with pytest.raises(WireError):
            relay.feed(frame)


def test_a_stream_that_is_not_done_broke_off() -> None:
    relay = RELAY.stream(showing(None))
    relay.feed(WORDS)
    with pytest.raises(RequestFailed) as caught:
        relay.close()
    assert caught.value.fault.code == "stream_broken"
