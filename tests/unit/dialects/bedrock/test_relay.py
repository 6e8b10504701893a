"""The relay: bodies and frames pass as they are."""

from __future__ import annotations

import json

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.relay import BedrockRelay
from dragoman.errors import RequestFailed, WireError
from dragoman.testing.case import split
from dragoman.wire.json import decode_head
from dragoman.wire.sse import ErrorFrame
from tests.unit.dialects.bedrock.speaking import reply

BODY = b'{"output":{"message":{"content":[]}},"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}'


def test_bodies() -> None:
    assert BedrockRelay().response(BODY, reply()) == (BODY, ir.Usage(1, output=2))
    assert BedrockRelay().request(decode_head(b'{"model":"a","x":1}'), {"model": "b"}) == b'{"x":1}'
    with pytest.raises(RequestFailed, match="Odd"):
        BedrockRelay().response(b'{"message":"Odd"}', reply())
    for odd in (b"[]", b"{}", b"{"):
        with pytest.raises(WireError):
            BedrockRelay().response(odd, reply())


def test_frames() -> None:
    relay = BedrockRelay().stream(reply())
    told = [
        b'{"messageStart":{"role":"assistant"}}',
        b'{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"a"}}}',
        b'{"messageStop":{"stopReason":"end_turn"}}',
        b'{"metadata":{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}}',
    ]
    assert [relay.content, relay.done] == [False, False]
    assert split(*map(relay.feed, told), framing="eventstream") == told
    assert [relay.content, relay.done, relay.usage] == [True, True, ir.Usage(1, output=2)]
    assert relay.close() == b""


def test_failures() -> None:
    with pytest.raises(RequestFailed, match="Slow"):
        BedrockRelay().stream(reply()).feed(ErrorFrame(b'{"type":"throttlingException","message":"Slow"}'))
    with pytest.raises(RequestFailed, match="ended before"):
        BedrockRelay().stream(reply()).close()
    with pytest.raises(WireError):
        BedrockRelay().stream(reply()).feed(b"[]")


def test_an_estimate_is_filled_in() -> None:
    told = json.loads(BedrockRelay().fill(b'{"output":{}}', ir.Usage(1, output=2, estimated=True)))
    assert told["usage"] == {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "estimated": True}
