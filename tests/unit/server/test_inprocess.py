"""Requests of the program itself: answered without a connection, decoded, in any protocol."""

from __future__ import annotations

import pytest

from dragoman.errors import CallFailed
from dragoman.gateway import Gateway
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
