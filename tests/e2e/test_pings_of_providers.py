"""A provider's ping in a stream: passed on where the client's protocol has one, else nothing is sent for it.

Readers written by hand take a comment for an event. A silence that lasts is filled by our own heartbeat.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import FakeProvider, Streamed
from tests.e2e.conftest import Serve
from tests.e2e.test_streams_that_break_off import BREAKING, FACES

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
COMMENT = b": still here\n\n"
_STOP = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}


def _named(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


WHOLE = [_named(event) for event in (*BREAKING["anthropic"], _STOP, {"type": "message_stop"})]
PINGING = [piece for frame in WHOLE for piece in (frame, PING, COMMENT)][:-2]


async def asked(base: str, face: str) -> bytes:
    path, body = FACES[face]
    async with (
        aiohttp.ClientSession() as session,
        session.post(base + path, json={**body, "model": "up/m"}) as response,
    ):
        assert response.status == 200, await response.text()
        return await response.read()


@pytest.mark.parametrize("heartbeat", ["15s", "100ms"])
@pytest.mark.parametrize("face", FACES)
async def test_a_ping_is_passed_on_where_it_means_something(
    serve: Serve, tmp_path: Path, face: str, heartbeat: str
) -> None:
    pause = 0.3 if heartbeat == "100ms" else 0.0
    frames = PINGING if not pause else [*PINGING[:6], *PINGING[-4:]]
    async with FakeProvider(Streamed(frames, pause=pause)) as provider:
        account = {"base_url": provider.url, "dialect": "anthropic", "keys": ["k"]}
        configuration = {"providers": {"up": account}, "server": {"heartbeat": heartbeat}}
        raw = await asked(await serve(json.dumps(configuration)), face)
    comments = [line for line in raw.splitlines() if line.startswith(b":")]
    if face == "anthropic":
        assert raw.count(PING.strip()) >= PINGING.count(PING) if not pause else b"event: ping" in raw
    elif not pause:
        assert not comments
        assert b"ping" not in raw
    elif face in {"openai_chat", "openai_responses", "openai_completions"}:
        assert set(comments) == {b": ping"}


async def test_a_comment_in_a_stream_of_sound_is_the_providers_own(serve: Serve) -> None:
    delta = b'data: {"type": "speech.audio.delta", "audio": "AAAA"}\n\n'
    done = b'data: {"type": "speech.audio.done"}\n\n'
    async with FakeProvider(Streamed([COMMENT, delta, COMMENT, delta, COMMENT, done])) as provider:
        base = await serve(f"providers: {{up: {{base_url: '{provider.url}', keys: [k]}}}}\n")
        body = {"model": "up/tts-1", "input": "Hi", "voice": "alloy", "stream_format": "sse"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(base + "/v1/audio/speech", json=body) as response,
        ):
            assert await response.read() == delta + delta + done
