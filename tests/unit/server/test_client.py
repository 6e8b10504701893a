"""The client's side of an exchange: heads that can be sent, and heartbeats that never pile up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.server.channel import AsgiChannel
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.link import Message

BEAT = 0.02
PING = b": ping\n\n"


class Reader:
    """A server whose client reads only while `reads` is set."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.waiting = 0
        self.most = 0
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await self.reads.wait()
        finally:
            self.waiting -= 1
        self.sent.append(message)

    @property
    def kinds(self) -> list[str]:
        """What was sent, in order: start, ping, end, or the bytes of a write."""
        return [_kind(message) for message in self.sent]

    @property
    def head(self) -> Mapping[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def _kind(message: Message) -> str:
    if message["type"] == "http.response.start":
        return "start"
    if message["body"] == PING:
        return "ping"
    return str(message["body"], "ascii") if message.get("more_body") else "end"


def client_of(reader: Reader, *, heartbeat: float | None = BEAT) -> HttpClient:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=time.perf_counter(), created=0)
    client = HttpClient(AsgiChannel(reader.send), exchange, time.perf_counter)
    client.streaming = Streaming(b"text/event-stream", PING, heartbeat)
    return client


def tasks() -> int:
    return sum(task.get_name() == "heartbeat" for task in asyncio.all_tasks())


async def test_silence_is_filled_with_pings() -> None:
    reader = Reader()
    client = client_of(reader)
    client.expect_stream()
    await asyncio.sleep(4.5 * BEAT)
    await client.begin(200, ())
    await client.write(b"x")
    await client.end()
    await asyncio.sleep(2 * BEAT)
    assert reader.kinds[:3] == ["start", "ping", "ping"]
    assert reader.kinds[-2:] == ["x", "end"]
    assert reader.kinds.count("start") == 1


async def test_a_blocked_write_is_sent_no_pings() -> None:
    reader = Reader()
    client = client_of(reader)
    client.expect_stream()
    await client.begin(200, ())
    reader.reads.clear()
    writing = asyncio.ensure_future(client.write(b"x"))
    await asyncio.sleep(5 * BEAT)
    assert (reader.most, tasks()) == (1, 0)
    reader.reads.set()
    await writing
    client.close()
    assert reader.kinds == ["start", "x"]


async def test_one_ping_waits_at_a_time() -> None:
    reader = Reader()
    client = client_of(reader)
    client.expect_stream()
    await client.begin(200, ())
    reader.reads.clear()
    await asyncio.sleep(6 * BEAT)
    assert (reader.most, tasks()) == (1, 1)
    client.close()
    reader.reads.set()
    await asyncio.sleep(BEAT)
    assert (reader.kinds, tasks()) == (["start"], 0)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_waiting_ping_gives_way_to_the_answer(whole: bool) -> None:
    reader = Reader()
    reader.reads.clear()
    client = client_of(reader)
    client.expect_stream()
    await asyncio.sleep(3 * BEAT)
    assert tasks() == 1
    assert not client.begun
    answering = asyncio.ensure_future(client.answer(500, (), b"") if whole else client.begin(200, ()))
    await asyncio.sleep(3 * BEAT)
    assert not client.begun
    reader.reads.set()
    await answering
    client.close()
    await asyncio.sleep(2 * BEAT)
    assert reader.kinds.count("start") == 1
    assert reader.sent[0]["status"] == (500 if whole else 200)


async def test_nothing_follows_the_end() -> None:
    reader = Reader()
    client = client_of(reader)
    client.expect_stream()
    await client.begin(200, ())
    reader.reads.clear()
    await asyncio.sleep(3 * BEAT)
    ending = asyncio.ensure_future(client.end(b""))
    await asyncio.sleep(3 * BEAT)
    reader.reads.set()
    await ending
    await asyncio.sleep(3 * BEAT)
    assert reader.kinds == ["start", "end"]


async def test_a_head_that_the_server_refuses_has_not_begun() -> None:
    class Refused(Exception):
        pass

    async def refuse(message: Message) -> None:
        raise Refused

    reader = Reader()
    client = client_of(reader)
    client.channel = AsgiChannel(refuse)
    for attempt in (client.answer(200, (), b""), client.begin(200, ())):
        with pytest.raises(Refused):
            await attempt
        assert not client.begun


async def test_values_that_no_server_sends_are_written_in_another_way() -> None:
    reader = Reader()
    client = client_of(reader)
    await client.answer(200, [(b"x-model", "日\r\nset-cookie: a".encode())], b"")
    assert reader.head[b"x-model"] == b"%E6%97%A5%0D%0Aset-cookie: a"


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("stated", [(), ((b"x-request-id", b"req_1"),)])
async def test_the_request_id_is_said_once(status: int, stated: tuple[Any, ...]) -> None:
    reader = Reader()
    headers = stated if status == 400 else ()
    await client_of(reader).answer(status, headers, b"")
    names = [name for name, _ in reader.sent[0]["headers"]]
    assert names.count(b"x-request-id") == 1


async def test_our_own_time_is_not_stated_before_it_is_known() -> None:
    reader = Reader()
    client = client_of(reader)
    client.expect_stream()
    await asyncio.sleep(2 * BEAT)
    client.close()
    assert reader.kinds[0] == "start"
    assert b"x-dragoman-overhead-ms" not in reader.head
    assert reader.head[b"x-request-id"] == b"req_1"

    told = Reader()
    await client_of(told).begin(200, ())
    assert float(told.head[b"x-dragoman-overhead-ms"]) >= 0


async def test_streams_without_heartbeat_are_silent() -> None:
    reader = Reader()
    client = client_of(reader, heartbeat=None)
    client.expect_stream()
    await asyncio.sleep(2 * BEAT)
    await client.end()
    assert reader.kinds == ["end"]
