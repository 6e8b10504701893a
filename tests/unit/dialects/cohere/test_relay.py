"""The relay between a client and an upstream of Cohere's protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere.relay import CohereRelay
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.cohere.speaking import reply

TEXT = b'{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}'


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_whole_answer_keeps_its_bytes() -> None:
    body = encoded({"id": "c", "message": {}, "usage": {"tokens": {"input_tokens": 5}}})
    assert CohereRelay().response(body, reply()) == (body, ir.Usage(5))
    filled = json.loads(CohereRelay().fill(b'{"id":"c"}', ir.Usage(5, output=2, estimated=True)))
    assert filled["usage"] == {"tokens": {"input_tokens": 5, "output_tokens": 2}, "estimated": True}


@pytest.mark.parametrize(
    ("body", "error"), [(b"{", WireError), (b"{}", WireError), (b'{"message":"no"}', RequestFailed)]
)
def test_what_is_no_answer(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        CohereRelay().response(body, reply())


def test_a_stream() -> None:
    relay = CohereRelay().stream(reply())
    relay.estimate = lambda: ir.Usage(5, output=2, estimated=True)
    assert relay.feed(encoded({"type": "message-start"})).startswith(b"event: message-start\ndata: ")
    assert not bool(relay.content)
    assert relay.feed(TEXT) == b"event: content-delta\ndata: " + TEXT + b"\n\n"
    assert bool(relay.content)
    assert relay.feed(TEXT) == b"event: content-delta\ndata: " + TEXT + b"\n\n"
    last = relay.feed(encoded({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}))
    assert b'"estimated":true' in last
    assert relay.done
    assert relay.usage == ir.Usage(5, output=2, estimated=True)
    assert relay.feed(b"[DONE]") == b"data: [DONE]\n\n"
    assert relay.feed(TEXT) == b""
    assert relay.close() == b""


def test_what_was_used_until_a_failure_counts() -> None:
    usage = {"tokens": {"input_tokens": 5, "output_tokens": 2}}
    with pytest.raises(RequestFailed) as failed:
        CohereRelay().response(encoded({"message": {}, "finish_reason": "ERROR", "usage": usage}), reply())
    assert failed.value.usage == ir.Usage(5, output=2)
    relay = CohereRelay().stream(reply())
    with pytest.raises(RequestFailed):
        relay.feed(encoded({"type": "message-end", "delta": {"finish_reason": "TIMEOUT", "usage": usage}}))
    assert relay.usage == ir.Usage(5, output=2)


@pytest.mark.parametrize(
    "last",
    [
        {"type": "message-end", "delta": {"error": "no"}},
        {"type": "message-end", "delta": {"finish_reason": "ERROR"}},
        {"message": "no"},
    ],
)
def test_failures_of_a_stream(last: dict[str, Any]) -> None:
    relay = CohereRelay().stream(reply())
    with pytest.raises(RequestFailed):
        relay.feed(encoded(last))
    with pytest.raises(RequestFailed):
        relay.close()


def test_a_type_that_is_no_text_is_refused_also_after_content() -> None:
    relay = CohereRelay().stream(reply())
    relay.feed(TEXT)
    with pytest.raises(WireError, match="cannot be parsed"):
        relay.feed(b'{"type":["content-end"]}')
