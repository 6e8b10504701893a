"""Requests of the program itself: answered without a connection, decoded, in any protocol."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.errors import CallFailed
from dragoman.gateway import Gateway
from dragoman.server import inprocess
from tests.unit.turns.asking import Asker

CHAT = {"model": "own/m", "messages": [{"role": "user", "content": "a"}]}


@pytest.fixture
def gateway(house: Asker) -> Gateway:
    return house.gateway


async def test_an_answer_comes_decoded(gateway: Gateway) -> None:
    answer = await gateway.ask(CHAT)
    assert answer["choices"][0]["message"]["content"] == "one"
    answer = await gateway.ask({**CHAT, "max_tokens": 9}, "/v1/messages")
    assert answer["content"] == [{"type": "text", "text": "two"}]


async def test_a_stream_comes_as_events_and_may_be_left_early(gateway: Gateway, house: Asker) -> None:
    said = [event async for event in gateway.stream(CHAT)]
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in said if one["choices"]) == "one"
    stream = gateway.stream(CHAT)
    await anext(stream)
    house.upstream.left.clear()
    await stream.aclose()
    await house.upstream.left.wait()


@pytest.mark.parametrize("taken", range(1, 6))
async def test_a_stream_may_be_left_after_each_piece(gateway: Gateway, taken: int) -> None:
    """Also after its handler has ended, while the last pieces still wait for their reader."""

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for number in range(5):
            body = b"data: %d\n\n" % number
            await send({"type": "http.response.body", "body": body, "more_body": number < 4})

    app: Any = answering
    app.gateway = gateway
    async with asyncio.timeout(5):
        stream = inprocess.stream(app, "/v1/chat/completions", {}, {})
        assert [await anext(stream) for _ in range(taken)] == list(range(taken))
        for _ in range(9):  # meanwhile the handler sends as much as it can
            await asyncio.sleep(0)
        await stream.aclose()


async def test_an_error_is_raised_in_the_words_of_its_protocol(gateway: Gateway) -> None:
    with pytest.raises(CallFailed, match="The model 'none' does not exist") as failed:
        await gateway.ask({**CHAT, "model": "none"})
    assert (failed.value.status, failed.value.error["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("headers", [{"anthropic-beta": "a\nx-more: b"}, {"x\n": "a"}, {"x": "a\x01"}])
async def test_headers_that_no_server_would_take_are_refused(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    with pytest.raises(CallFailed, match="characters that no HTTP header can have") as failed:
        await gateway.ask(CHAT, headers=headers)
    assert failed.value.status == 400
    with pytest.raises(CallFailed):
        await anext(gateway.stream(CHAT, headers=headers))


@pytest.mark.parametrize("path", ["/a\ud800", "/a?b=\udfff", "/a\x00", "/a\r\nx: y"])
async def test_paths_that_no_request_can_have_are_refused(gateway: Gateway, path: str) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(CallFailed, match="characters that no HTTP request can have") as failed:
            await gateway.ask(CHAT, path)
        assert failed.value.status == 400
        with pytest.raises(CallFailed):
            await anext(gateway.stream(CHAT, path))


async def test_the_path_is_decoded_as_a_server_does(gateway: Gateway) -> None:
    answer = await gateway.ask(CHAT, "/v1/chat%2Fcompletions")
    assert answer["choices"][0]["message"]["content"] == "one"


async def _broken_in_the_head(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("before any answer")


async def _broken_in_the_body(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/wav")]})
    await send({"type": "http.response.body", "body": b"RIFF", "more_body": True})


@pytest.mark.parametrize("broken", [_broken_in_the_head, _broken_in_the_body])
async def test_an_answer_that_is_not_complete_is_an_error(gateway: Gateway, broken: Any) -> None:
    broken.gateway = gateway
    async with asyncio.timeout(5):
        with pytest.raises(CallFailed) as failed:
            await inprocess.ask(broken, "/v1/audio/speech", {}, {})
    assert failed.value.status == 503
    assert (failed.value.error is None) == (broken is _broken_in_the_head)
