"""Claude at a cloud: the cloud's failures are read in its own form, those of Claude in Anthropic's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.errors import fault_of
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS
from dragoman.upstreams.hosted import HostedDecoder, refusal_of
from dragoman.wire.sse import ErrorFrame

CLAUDE, AWS, GOOGLE = DIALECTS["anthropic"], DIALECTS["bedrock"], DIALECTS["gemini"]
EXCEPTION = {"x-amzn-errortype": "ModelErrorException:http://internal.amazon.com/coral/"}
START = {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {}}}


@pytest.mark.parametrize(
    ("host", "status", "headers", "body", "kind"),
    [
        (AWS, 424, EXCEPTION, {"message": "Oh.", "originalStatusCode": 429}, "rate_limit"),
        (AWS, 400, {}, {"message": "The provided model identifier is invalid."}, "model_not_found"),
        (AWS, 403, {}, {"message": "The security token is expired"}, "authentication"),
        (GOOGLE, 400, {}, {"error": {"code": 400, "status": "FAILED_PRECONDITION", "message": "Oh."}}, None),
        (AWS, 400, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "Oh."}}, None),
    ],
)
def test_a_refusal(host: Any, status: int, headers: dict[str, str], body: Any, kind: str | None) -> None:
    raw = json.dumps(body).encode()
    fault = refusal_of(CLAUDE, host, status, headers, raw)
    own = "error" in body and "type" in body["error"]
    assert fault == (CLAUDE if own else host).errors.decode(status, headers, raw)
    assert kind in {None, fault.kind}


def test_an_exception_ends_a_stream_as_the_cloud_says() -> None:
    decoder = HostedDecoder(CLAUDE.stream.decoder(STANDARD), fault_of)
    assert isinstance(decoder.feed(json.dumps(START).encode())[0], ir.Start)
    (error,) = decoder.feed(ErrorFrame(b'{"type":"throttlingException","message":"Slow down"}'))
    assert isinstance(error, ir.Error)
    assert (error.fault.kind, error.fault.message) == ("rate_limit", "Slow down")
    assert decoder.feed(b'{"type":"ping"}') == decoder.close() == []


def test_all_else_is_the_protocols() -> None:
    decoder, plain = HostedDecoder(CLAUDE.stream.decoder(STANDARD), fault_of), CLAUDE.stream.decoder(STANDARD)
    for frame in (START, {"type": "error", "error": {"type": "overloaded_error", "message": "Oh."}}):
        assert decoder.feed(json.dumps(frame).encode()) == plain.feed(json.dumps(frame).encode())
    assert decoder.close() == plain.close()
