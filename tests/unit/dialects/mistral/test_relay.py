"""Relay: the named edits, and what is seen on the way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.mistral import DIALECT
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.mistral.speaking import DONE, answer, chunk, reply
from tests.unit.dialects.replies import showing

USAGE = {"prompt_tokens": 9, "completion_tokens": 16, "total_tokens": 30, "num_cached_tokens": 4}
ERROR = b'{"object":"error","message":"Full.","type":"rate_limited","param":null,"code":"1300"}'


def test_usage_need_not_be_asked_for() -> None:
    assert DIALECT.relay.ask_usage({"stream": True}) == {}


def test_an_answer_passes_under_another_name() -> None:
    body = msgspec.json.encode(answer({"content": "x"}, usage=USAGE))
    passed, usage = DIALECT.relay.response(body, showing(None))
    assert passed == body
    assert usage == ir.Usage(5, 4, output=16, form="num", extra={"mistral": {"total_tokens": 30}})
    renamed, _ = DIALECT.relay.response(body, showing("shown"))
    assert msgspec.json.decode(renamed) == {**msgspec.json.decode(body), "model": "shown"}


def test_an_error_with_a_good_status() -> None:
    with pytest.raises(RequestFailed) as caught:
        DIALECT.relay.response(ERROR, showing(None))
    assert caught.value.fault.kind == "rate_limit"
    with pytest.raises(WireError):
        DIALECT.relay.response(b"{}", showing(None))


def frames(*deltas: dict[str, Any]) -> list[bytes]:
    padded = [chunk(delta, p="abcdefgh"[: 1 + index % 8]) for index, delta in enumerate(deltas)]
    return [*padded, chunk({"content": ""}, "stop", usage=USAGE, p="abc"), DONE]


def test_a_stream_passes_as_it_is() -> None:
    relay = DIALECT.relay.stream(reply())
    stream = frames({"role": "assistant", "content": ""}, *({"content": word} for word in "abcdé"))
    sent = [relay.feed(frame) for frame in stream]
    assert sent == [b"data: " + frame + b"\n\n" for frame in stream]
    assert relay.close() == b""
    assert (relay.content, relay.done) == (True, True)
    assert relay.usage is not None
    assert relay.usage.cache_read == 4


def test_a_stream_under_another_name() -> None:
    relay = DIALECT.relay.stream(reply("shown"))
    stream = frames(*({"content": word} for word in ["a", "b", '"model":"m-1"', "c"]))
    sent = [msgspec.json.decode(relay.feed(frame)[6:]) for frame in stream[:-1]]
    assert sent == [{**msgspec.json.decode(frame), "model": "shown"} for frame in stream[:-1]]


def test_an_error_in_a_stream() -> None:
    relay = DIALECT.relay.stream(reply())
    relay.feed(chunk({"content": "x"}))
    with pytest.raises(RequestFailed) as caught:
        relay.feed(ERROR)
    assert caught.value.fault.kind == "rate_limit"
