"""Streams become messages, errors say their status, and a client that has gone ends the work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

from dragoman.exchange import Exchange
from dragoman.server.link import Link
from dragoman.server.socket_client import SocketClient, say_by

KIND = b'"type":"error",'


class Sent:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.gone = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if self.gone:
            raise ConnectionResetError
        assert message["type"] == "websocket.send"
        self.texts.append(message["text"])


def client(sent: Sent, prefix: bytes = b"", link: Link | None = None) -> SocketClient:
    exchange = Exchange("ex_1", "req_1", "openai_responses", "WS", "/v1/responses", began=0.0, created=0.0)
    return SocketClient(say_by(sent), link or Link(0.0), exchange, KIND, prefix)


async def test_each_line_is_a_message() -> None:
    sent = Sent()
    one = client(sent)
    one.expect_stream()
    await one.begin(200, ())
    await one.write(b'{"a":1}\n{"b":"\xc3\xa9"}\n')
    await one.write(b"")
    await one.end(b'{"c":3}\n')
    await one.end()
    assert sent.texts == ['{"a":1}', '{"b":"é"}', '{"c":3}']
    assert one.begun


async def test_a_lane_is_in_every_message() -> None:
    sent = Sent()
    one = client(sent, b'"stream_id":"a",')
    await one.write(b'{"a":1}\n')
    await one.answer(404, (), b'{"error":{"code":"x"}}')
    assert sent.texts[0] == '{"stream_id":"a","a":1}'
    assert json.loads(sent.texts[1]) == {
        "stream_id": "a",
        "type": "error",
        "status": 404,
        "headers": {},
        "error": {"code": "x"},
    }


async def test_an_error_says_what_its_status_line_and_headers_would() -> None:
    sent = Sent()
    one = client(sent)
    await one.answer(429, [(b"retry-after", b"7")], b'{"error":{"code":"slow"}}')
    assert sent.texts == [
        '{"type":"error","status":429,"headers":{"retry-after":"7"},"error":{"code":"slow"}}'
    ]
    assert not one.begun


async def test_a_good_answer_is_one_message_as_it_is() -> None:
    sent = Sent()
    await client(sent).answer(200, [(b"x", b"y")], b'{"a":\n1}')
    assert sent.texts == ['{"a":\n1}']


async def test_bytes_that_are_no_text_end_no_stream() -> None:
    sent = Sent()
    await client(sent).write(b'{"a":"\xff"}\n')
    assert sent.texts == ['{"a":"\ufffd"}']


async def test_a_client_that_has_gone_ends_who_works_for_it() -> None:
    sent, link = Sent(), Link(0.0)
    one = client(sent, link=link)

    async def work() -> None:
        link.task, link.running = asyncio.current_task(), True
        await one.write(b"{}\n")
        await asyncio.sleep(60)

    sent.gone = True
    task = asyncio.ensure_future(work())
    await asyncio.wait([task])
    assert task.cancelled()
    assert link.lost
