"""Exchanges of InvokeModel with Claude become Anthropic's own; those of other families are none."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from dragoman.testing.corpus import Exchange, Request, Response
from dragoman.testing.hosted import unwrapped
from dragoman.wire.eventstream import event

ASKED: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "anthropic_beta": ["a-1", "b-2"],
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "Hi"}],
}


def exchange(api: str, body: Any, response: Response | None = None) -> Exchange:
    return Exchange("id", api, model="anthropic.claude-x", request=Request(body=body), response=response)


def test_a_request_gets_what_the_path_and_the_header_say_elsewhere() -> None:
    plain = unwrapped(exchange("bedrock.invoke", ASKED, Response(200, body={"type": "message"})))
    assert plain is not None
    assert plain.request is not None
    assert plain.request.body == {
        "model": "anthropic.claude-x",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert plain.request.headers == {"anthropic-version": "2023-06-01", "anthropic-beta": "a-1,b-2"}
    assert plain.response == Response(200, body={"type": "message"})


def test_a_stream_is_unwrapped() -> None:
    told = [{"type": "message_start"}, {"type": "message_stop"}]
    stream = b"".join(
        event("chunk", json.dumps({"bytes": base64.b64encode(json.dumps(one).encode()).decode()}).encode())
        for one in told
    )
    answer = Response(200, binary_b64=base64.b64encode(stream).decode(), eventstream=())
    plain = unwrapped(exchange("bedrock.invokeStream", ASKED, answer))
    assert plain is not None
    assert plain.request is not None
    assert plain.request.body["stream"] is True
    assert plain.response == Response(200, events=tuple(told))


@pytest.mark.parametrize("body", [None, {"inputText": "Hi"}, {"prompt": "Hi", "max_tokens_to_sample": 5}])
def test_another_family_is_not_read(body: Any) -> None:
    assert unwrapped(exchange("bedrock.invoke", body)) is None
    other = exchange("anthropic.messages", body)
    assert unwrapped(other) is other
