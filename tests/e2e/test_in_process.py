"""Requests of the program that the gateway lives in: `Gateway.ask` and `Gateway.stream`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dragoman import CallFailed, Gateway, load
from dragoman.exchange import Exchange
from dragoman.testing.provider import FakeProvider, Streamed
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, MODELS
from tests.e2e.conftest import Provide, up
from tests.e2e.stubs import Said
from tests.e2e.test_server import until

TEXT = "A longer answer, in pieces."
CONTENTS = [{"role": "user", "parts": [{"text": "Hello!"}]}]
WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": (CHAT, {"messages": HELLO}),
    "openai_responses": ("/v1/responses", {"input": "Hello!"}),
    "anthropic": ("/v1/messages", {"messages": HELLO, "max_tokens": 99}),
    "gemini": ("/v1beta/models/{model}:generateContent", {"contents": CONTENTS}),
    "ollama": ("/api/chat", {"messages": HELLO, "stream": False}),
}


@asynccontextmanager
async def gateway(provider: FakeProvider, **more: Any) -> AsyncIterator[tuple[Gateway, list[Exchange]]]:
    """A gateway before this provider, and what became of each request."""
    exchanges: list[Exchange] = []
    made = Gateway(load({**up(provider.url), **more}, {}), observers=[exchanges.append])
    try:
        yield made, exchanges
    finally:
        await made.close()


def request(face: str, model: str = MODELS["openai_chat"]) -> tuple[dict[str, Any], str]:
    path, body = WHOLE[face]
    return (body if face == "gemini" else {"model": model, **body}), path.format(model=model)


@pytest.mark.parametrize("face", WHOLE)
async def test_whole_answers_come_in_every_protocol(provide: Provide, face: str) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    async with gateway(provider) as (ours, exchanges):
        answer = await ours.ask(*request(face))
    assert TEXT in str(answer)
    assert [(one.face, one.end) for one in exchanges] == [(face, "done")]


@pytest.mark.parametrize("face", WHOLE)
async def test_streams_are_cut_into_events(provide: Provide, face: str) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    async with gateway(provider) as (ours, exchanges):
        body, path = request(face)
        body = {name: value for name, value in body.items() if name != "stream"}
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
        answered = [event async for event in ours.stream(body, path)]
    assert len(answered) > 2
    assert all(isinstance(event, dict) for event in answered)
    assert exchanges[0].streamed
    assert exchanges[0].end == "done"


async def test_events_come_before_the_answer_is_complete(provide: Provide) -> None:
    frames = stubs.frames("openai_chat", TEXT)
    provider = await provide(Streamed(frames, pause=0.2))
    async with gateway(provider) as (ours, _):
        began = time.monotonic()
        arrived = [time.monotonic() - began async for _event in ours.stream(request("openai_chat")[0])]
    assert arrived[0] < arrived[-1] / 2


async def test_leaving_a_stream_ends_the_call(provide: Provide) -> None:
    provider = await provide(Streamed(stubs.frames("openai_chat", TEXT), pause=0.3))
    async with gateway(provider) as (ours, exchanges):
        events = ours.stream(request("openai_chat")[0])
        await anext(events)
        await events.aclose()
        assert [one.end for one in exchanges] == ["client/stream"]
        async with asyncio.timeout(60):
            while not provider.cut:  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)


async def test_a_cancelled_question_ends_the_call(provide: Provide) -> None:
    provider = await provide(Streamed(stubs.frames("openai_chat", TEXT), delay=30))
    async with gateway(provider) as (ours, exchanges):
        asking = asyncio.ensure_future(ours.ask(request("openai_chat")[0]))
        await until(lambda: provider.open)
        asking.cancel()
        await asyncio.wait([asking])
        assert [one.end for one in exchanges] == ["client/first_byte"]


async def test_errors_are_raised_in_the_words_of_the_protocol(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    async with gateway(provider) as (ours, _):
        with pytest.raises(CallFailed, match="'nosuch' does not exist") as refused:
            await ours.ask(*request("anthropic", "nosuch"))
        assert refused.value.status == 404
        assert refused.value.error["error"]["type"] == "not_found_error"
        with pytest.raises(CallFailed, match="model 'nosuch' not found"):
            await anext(ours.stream(*request("ollama", "nosuch")))
    with pytest.raises(CallFailed, match="The gateway is closed"):
        await ours.ask(*request("openai_chat"))


@pytest.mark.parametrize("face", ["openai_chat", "openai_responses", "anthropic"])
async def test_an_error_inside_a_stream_is_raised(provide: Provide, face: str) -> None:
    broken = {"error": {"message": "The model fell over.", "type": "server_error"}}
    provider = await provide(Streamed([*stubs.frames("openai_chat", TEXT)[:3], broken]))
    async with gateway(provider) as (ours, _):
        with pytest.raises(CallFailed, match="fell over") as failed:
            async for _event in ours.stream(*request(face)):
                pass
    assert failed.value.status == 200


async def test_a_gateway_with_keys_asks_its_own_program_too(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    keys = [{"name": "batch", "key": "a-key-of-sixteen-and-more"}]
    async with gateway(provider, auth={"keys": keys}) as (ours, exchanges):
        body, path = request("openai_chat")
        with pytest.raises(CallFailed) as refused:
            await ours.ask(body, path)
        assert refused.value.status == 401
        await ours.ask(body, path, headers={"Authorization": "Bearer a-key-of-sixteen-and-more"})
    assert exchanges[-1].client == "batch"


async def test_speech_comes_as_bytes() -> None:
    ours = Gateway(load({"providers": {"simulate": {"enabled": True}}}, {}))
    body = {"model": "simulate/lorem", "input": "Good morning", "voice": "alloy", "response_format": "wav"}
    assert (await ours.ask(body, "/v1/audio/speech")).startswith(b"RIFF")
    await ours.close()
