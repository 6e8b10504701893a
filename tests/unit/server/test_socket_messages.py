"""What clients say on a socket becomes request bodies, or a fault that names the member."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.server.socket_messages import SOCKET_FORMATS, SocketRequest, read_chat, read_response


def create(**members: Any) -> str:
    return json.dumps({"type": "response.create", "model": "m", **members})


def request(message: str) -> SocketRequest:
    read = read_response(message, 128)
    assert read is not None
    return read


def test_a_create_is_the_body_of_a_streamed_request() -> None:
    read = request('{"type":"response.create","model":"m","input": [ 1.50,"é" ],"generate":false}')
    assert read.body.decode() == '{"model":"m","input":[ 1.50,"é" ],"generate":false,"stream":true}'
    assert (read.prefix, read.fault) == (b"", None)


@pytest.mark.parametrize(
    "members",
    [
        {"stream": False},
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        {"background": False, "stream_id": None},
        {"background": None},
    ],
)
def test_members_of_the_transport_are_left_out(members: dict[str, Any]) -> None:
    assert json.loads(request(create(**members)).body) == {"model": "m", "stream": True}


def test_a_lane_begins_every_message_of_its_answer() -> None:
    read = request(create(stream_id='a"b'))
    assert read.prefix == b'"stream_id":"a\\"b",'
    assert "stream_id" not in json.loads(read.body)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (json.dumps({"model": "m"}), "type"),
        (json.dumps({"type": "response.steer", "input": "x"}), "type"),
        (json.dumps({"type": 7}), "type"),
        (json.dumps({"type": ["response.create"]}), "type"),
        (create(stream_id=7), "stream_id"),
        (create(stream_id="x" * 300), "stream_id"),
        (create(background=True), "background"),
        ("{", None),
        ("[]", None),
        ("", None),
        (create(input=json.loads("[" * 200 + "]" * 200)), None),
    ],
)
def test_what_is_no_request_is_named(message: str, param: str | None) -> None:
    fault = request(message).fault
    assert fault is not None
    assert (fault.kind, fault.param, fault.blame) == ("invalid_request", param, "client")


def test_a_refusal_keeps_its_prefix() -> None:
    read = request(json.dumps({"type": "response.steer", "stream_id": "a"}))
    assert read.fault is not None
    assert read.prefix == b'"stream_id":"a",'


def test_a_notice_asks_for_nothing() -> None:
    assert read_response('{"type":"response.processed","response_id":"resp_1"}', 128) is None


def test_chat_is_said_as_it_is() -> None:
    assert read_chat('{"model":"é"', 128) == SocketRequest('{"model":"é"'.encode())
    assert SOCKET_FORMATS["/chat/completions"].read is read_chat
