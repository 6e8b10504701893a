"""Realtime sessions that only transcribe, through a running gateway."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.state.usage_archive import UsageSearch
from dragoman.testing.serving import serving
from tests.e2e.conftest import Serve
from tests.e2e.realtime import Provider, providing, tell
from tests.e2e.test_realtime import at, closed, config, ended, heard, refused, until


@pytest.fixture
async def openai(stack: AsyncExitStack) -> Provider:
    return await stack.enter_async_context(providing(Provider()))


def transcribing(model: str) -> dict[str, Any]:
    """The settings of a session that only transcribes."""
    return {"type": "transcription", "audio": {"input": {"transcription": {"model": model}}}}


def at_openai(provider: Provider, **more: Any) -> str:
    """A configuration whose provider is OpenAI itself, and whose model `ears` transcribes."""
    provider.unnamed = True
    row = {"base_url": f"{provider.url}/v1", "keys": list(provider.keys)}
    models = {"ears": {"deployments": ["openai/gpt-realtime-whisper"]}}
    return json.dumps({"providers": {"openai": row}, "models": models, **more})


async def test_the_official_client_transcribes_with_the_model_of_its_settings(
    serve: Serve, openai: Provider
) -> None:
    exchanges: list[Exchange] = []
    base = await serve(at_openai(openai), observers=[exchanges.append])
    async with (
        AsyncOpenAI(base_url=f"{base}/v1", api_key="any", websocket_base_url=at(base, "/v1")) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as session,
    ):
        await session.session.update(session=cast(Any, transcribing("ears")))
        assert (await session.recv()).type == "session.created"
        updated = cast(Any, await session.recv())
        assert updated.session.audio.input.transcription.model == "ears"
        await session.input_audio_buffer.commit()
        completed = await session.recv()
        assert completed.type == "conversation.item.input_audio_transcription.completed"
    exchange = await closed(exchanges)
    assert openai.query == {"intent": ["transcription"]}
    assert openai.said[0]["session"] == transcribing("gpt-realtime-whisper")
    assert (exchange.asked, exchange.end, exchange.status) == ("ears", "done", 101)
    assert exchange.cost == 850_000  # nano-USD: 3 seconds at USD 0.017 a minute


async def test_a_session_that_transcribes_gets_the_model_of_its_url(serve: Serve, openai: Provider) -> None:
    base = await serve(at_openai(openai))
    async with connect(at(base, "/v1/realtime?intent=transcription&model=ears")) as session:
        assert (await heard(session))["type"] == "session.created"
        updated = await until(session, "session.updated")
        assert updated["session"] == transcribing("ears")
        other = {"audio": {"input": {"transcription": {"language": "de"}}}}
        await session.send(json.dumps({"type": "session.update", "session": other}))
        await until(session, "session.updated")
        await session.send(json.dumps({"type": "session.update", "session": transcribing("openai/other")}))
        error = (await until(session, "error"))["error"]
    assert openai.query == {"intent": ["transcription"]}
    assert openai.said[1]["session"]["audio"]["input"]["transcription"] == {
        "language": "de",
        "model": "gpt-realtime-whisper",
    }
    assert (error["code"], error["param"]) == (
        "model_not_changeable",
        "session.audio.input.transcription.model",
    )
    assert len(openai.said) == 2


async def test_a_session_that_transcribes_must_name_a_model_that_is_granted(
    serve: Serve, openai: Provider
) -> None:
    keys = [{"name": "ann", "key": "sk-ann-123456", "models": ["ears"]}]
    base = await serve(at_openai(openai, auth={"keys": keys}))
    url, key = at(base, "/v1/realtime?intent=transcription"), {"Authorization": "Bearer sk-ann-123456"}
    place = "session.audio.input.transcription.model"
    for settings, code, param, closing in (
        (transcribing("openai/dearer"), "model_not_granted", "model", 1008),
        ({"type": "transcription"}, "missing_required_parameter", place, 1007),
        ({**transcribing("ears"), "type": "realtime"}, "invalid_value", "session.type", 1007),
        ({**transcribing("ears"), "model": "dearer"}, "invalid_value", "session.model", 1007),
    ):
        async with connect(url, additional_headers=key) as session:
            await session.send(json.dumps({"type": "session.update", "session": settings}))
            error = await heard(session)
            told = error["error"]["code"], error["error"]["param"]
            assert (error["type"], told) == ("error", (code, param))
            assert (await ended(session))[0] == closing
    assert openai.handshakes == []


async def test_a_client_that_has_said_nothing_yet_counts_for_concurrency(
    serve: Serve, openai: Provider
) -> None:
    keys = [{"name": "ann", "key": "sk-ann-123456", "limits": {"concurrency": 1}}]
    base = await serve(at_openai(openai, auth={"keys": keys}))
    url, key = at(base, "/v1/realtime?intent=transcription"), {"Authorization": "Bearer sk-ann-123456"}
    async with connect(url, additional_headers=key) as session:
        status, error = await refused(url, **key)
        assert (status, error["code"]) == (429, "rate_limit_exceeded")
        await session.send(json.dumps({"type": "session.update", "session": transcribing("ears")}))
        assert (await heard(session))["type"] == "session.created"
        assert (await refused(url, **key))[0] == 429
    async with asyncio.timeout(60):
        while True:
            try:
                async with connect(url, additional_headers=key):
                    break
            except InvalidStatus:
                await asyncio.sleep(0.01)


async def test_other_servers_get_the_intent_and_the_model(serve: Serve, openai: Provider) -> None:
    base = await serve(config(openai, models={"ears": {"deployments": ["up/whisper"]}}))
    async with connect(at(base, "/v1/realtime?intent=transcription")) as session:
        await session.send(json.dumps({"type": "session.update", "session": transcribing("ears")}))
        assert (await heard(session))["type"] == "session.created"
        await until(session, "session.updated")
    assert openai.query == {"intent": ["transcription"], "model": ["whisper"]}
    assert openai.said[0]["session"] == transcribing("whisper")


async def test_a_dated_version_of_azure_is_told_the_model_in_its_own_form(
    serve: Serve, openai: Provider
) -> None:
    openai.unnamed = True
    row = {"base_url": openai.url, "keys": ["up-key"], "api_version": "2025-04-01-preview"}
    models = {"ears": {"deployments": ["azure/my-ears"]}}
    base = await serve(json.dumps({"providers": {"azure": row}, "models": models}))
    query = "api-version=2025-04-01-preview&intent=transcription&deployment=ears"
    async with connect(at(base, f"/openai/realtime?{query}")) as session:
        assert (await heard(session))["type"] == "transcription_session.created"
        updated = await heard(session)
    assert updated["type"] == "transcription_session.updated"
    assert updated["session"] == {"input_audio_transcription": {"model": "ears"}}
    assert openai.query == {"api-version": ["2025-04-01-preview"], "intent": ["transcription"]}
    named = {"input_audio_transcription": {"model": "my-ears"}}
    assert openai.said == [{"type": "transcription_session.update", "session": named}]


async def test_a_session_that_transcribes_is_charged_to_its_model(serve: Serve, openai: Provider) -> None:
    async def answer(connection: Any, event: Any) -> None:
        if event["type"] == "session.update":
            await tell(
                connection, {"type": "session.updated", "session": transcribing("gpt-of-the-provider")}
            )
        else:
            usage = {"type": "tokens", "input_tokens": 30, "output_tokens": 2, "total_tokens": 32}
            kind = "conversation.item.input_audio_transcription.completed"
            await tell(connection, {"type": kind, "transcript": "Hello", "usage": usage})

    openai.answers = answer
    exchanges: list[Exchange] = []
    limits = {"budget": {"money": "$5/day", "unknown_price": "refuse"}}
    prices = {"up/whisper": {"input": 2, "output": 10}}
    more = {"models": {"ears": {"deployments": ["up/whisper"]}}, "prices": prices, "limits": limits}
    base = await serve(config(openai, **more), observers=[exchanges.append])
    async with connect(at(base, "/v1/realtime?intent=transcription")) as session:
        await session.send(json.dumps({"type": "session.update", "session": transcribing("ears")}))
        updated = await until(session, "session.updated")
        assert updated["session"] == transcribing("ears")
        await session.send('{"type": "input_audio_buffer.commit"}')
        await until(session, "conversation.item.input_audio_transcription.completed")
    exchange = await closed(exchanges)
    assert (exchange.end, exchange.cost) == ("done", 30 * 2_000 + 2 * 10_000)


SECOND = "A" * (24_000 * 2 * 4 // 3)
"""A second of sound: 24,000 samples of 16 bits, in base64."""


async def without_usage(connection: Any, event: Any) -> None:
    """Transcripts as xAI and many servers have them."""
    kind = event["type"]
    if kind == "session.update":
        await tell(connection, {"type": "session.updated", "session": event["session"]})
    elif kind == "input_audio_buffer.commit":
        completed = "conversation.item.input_audio_transcription.completed"
        await tell(connection, {"type": completed, "item_id": "item_1", "transcript": "Hello you"})


async def say(session: ClientConnection, seconds: int, sound: str = SECOND) -> None:
    for _ in range(seconds):
        await session.send(json.dumps({"type": "input_audio_buffer.append", "audio": sound}))


async def test_sound_is_charged_if_the_provider_states_no_usage(
    openai: Provider, stack: AsyncExitStack, tmp_path: Path
) -> None:
    openai.answers = without_usage
    exchanges: list[Exchange] = []
    prices = {"up/whisper": {"input_minutes": 0.006}}
    settings = {**json.loads(config(openai, prices=prices)), "stores": {"sql": "sqlite"}}
    gateway = Gateway(load(settings, {"DRAGOMAN_HOME": str(tmp_path)}), observers=[exchanges.append])
    base = await stack.enter_async_context(serving(gateway))
    async with connect(at(base, "/v1/realtime?intent=transcription&model=up/whisper")) as session:
        await heard(session)
        telephone = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
        await say(session, 4)
        await session.send('{"type": "input_audio_buffer.commit"}')
        await until(session, "conversation.item.input_audio_transcription.completed")
        await session.send(json.dumps({"type": "session.update", "session": telephone}))
        await until(session, "session.updated")
        await say(session, 1)
    exchange = await closed(exchanges)
    assembly = gateway.running
    assert assembly.journaling is not None
    await assembly.journaling.drain()
    assert assembly.store.usage is not None
    records = [*reversed(await assembly.store.usage.records(UsageSearch(), 1000))]
    told = {one.id.removeprefix(exchange.id): (one.units, one.cost, one.estimated) for one in records}
    assert told == {
        "": ({}, 0, False),
        ".2": ({"input_audio_ms": 4000, "output": 3}, 400_000, True),
        ".3": ({"input_audio_ms": 6000, "output": 19}, 600_000, True),  # it has no transcript
    }
    assert exchange.cost == 1_000_000


async def test_sound_is_charged_to_the_model_that_transcribes_in_a_conversation(
    serve: Serve, openai: Provider
) -> None:
    openai.answers = without_usage
    exchanges: list[Exchange] = []
    base = await serve(
        config(openai, prices={"up/ears": {"input_minutes": 0.006}}), observers=[exchanges.append]
    )
    async with connect(at(base, "/v1/realtime?model=up/voice")) as session:
        await heard(session)
        await say(session, 5)  # nobody transcribes it
        await session.send(json.dumps({"type": "session.update", "session": transcribing("ears")}))
        await say(session, 3)
        await until(session, "session.updated")
        await session.send('{"type": "input_audio_buffer.commit"}')
        await until(session, "conversation.item.input_audio_transcription.completed")
    assert (await closed(exchanges)).cost == 300_000


async def test_a_limit_ends_a_session_before_more_sound_is_sent(serve: Serve, openai: Provider) -> None:
    openai.answers = without_usage
    exchanges: list[Exchange] = []
    limits = {"budget": {"money": "0.002 USD/day"}}
    more = {"prices": {"up/whisper": {"input_minutes": 0.006}}, "limits": limits}
    base = await serve(config(openai, **more), observers=[exchanges.append])
    async with connect(at(base, "/v1/realtime?intent=transcription&model=up/whisper")) as session:
        await heard(session)
        await say(session, 60)
        error = (await until(session, "error"))["error"]
        assert error["code"] == "insufficient_quota"
        assert (await ended(session))[0] == 1008
    exchange = await closed(exchanges)
    sent = sum(event["type"] == "input_audio_buffer.append" for event in openai.said)
    assert 10 <= sent < 20
    assert (exchange.refused_by, exchange.cost) == ("budget", sent * 100_000)


async def test_a_key_that_is_revoked_ends_a_session_that_transcribes(
    openai: Provider, stack: AsyncExitStack
) -> None:
    async def answer(connection: Any, event: Any) -> None:
        kind = "conversation.item.input_audio_transcription.completed"
        await tell(connection, {"type": kind, "transcript": "Hello you"})  # without usage

    openai.answers = answer
    exchanges: list[Exchange] = []
    settings = json.loads(config(openai, auth={"keys": [{"name": "a", "key": "sk-aaaaaaaa"}]}))
    gateway = Gateway(load(settings, {}), observers=[exchanges.append])
    base = await stack.enter_async_context(serving(gateway))
    headers, query = {"Authorization": "Bearer sk-aaaaaaaa"}, "intent=transcription&model=up/x"
    async with connect(at(base, f"/v1/realtime?{query}"), additional_headers=headers) as session:
        await heard(session)
        gateway.client_keys._callers.clear()
        await session.send('{"type": "input_audio_buffer.commit"}')
        assert (await heard(session))["transcript"] == "Hello you"
        assert (await heard(session))["error"]["code"] == "invalid_api_key"
        assert (await ended(session))[0] == 1008
    exchange = await closed(exchanges)
    assert exchange.usage is not None
    assert (exchange.usage.output, exchange.usage.estimated) == (3, True)
