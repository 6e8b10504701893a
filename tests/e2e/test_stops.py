"""A stop that cannot wait any longer: every stream is told so in its face's own form, and is recorded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Seen, Streamed
from dragoman.testing.serving import serving
from tests.e2e.conftest import Provide
from tests.e2e.test_streams_that_break_off import BREAKING, FACES, breaking, failure


def slow(dialect: str) -> Any:
    """Half an answer, after which nothing comes for a minute."""

    def answer(seen: Seen) -> Streamed:
        made = breaking(dialect, [*BREAKING[dialect]])
        return Streamed([b"".join(_framed(made)), b""], made.headers, pause=60)

    return answer


def _framed(made: Streamed) -> list[bytes]:
    framed: list[bytes] = []
    for frame in made.frames:
        if isinstance(frame, bytes):
            framed.append(frame)
            continue
        named = f"event: {frame['type']}\n" if made.named else ""
        framed.append(f"{named}data: {json.dumps(frame)}\n\n".encode())
    return framed


@pytest.mark.parametrize(
    ("face", "dialect"),
    [
        *((face, "openai_chat") for face in FACES),
        *((face, face) for face in ("openai_responses", "anthropic", "gemini", "ollama")),
    ],
)
async def test_a_stream_that_a_stop_cuts_ends_in_the_form_of_its_face(
    tmp_path: Path, provide: Provide, face: str, dialect: str
) -> None:
    provider = await provide(slow(dialect))
    account = {"base_url": provider.url, "dialect": dialect, "keys": ["k"]}
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps({"providers": {"up": account}}))
    exchanges: list[Exchange] = []
    gateway = Gateway(load(file, {}), observers=[exchanges.append])
    path, body = FACES[face]
    async with aiohttp.ClientSession() as session:
        async with serving(gateway) as base:
            response = await session.post(base + path, json={**body, "model": "up/m"})
            raw = await response.content.readany()
            while b"Half an" not in raw:
                raw += await response.content.readany()
        raw += await response.read()
    assert "shutting down" in failure(face, raw)
    (exchange,) = exchanges
    assert exchange.end == "gateway/stream/gateway_stopping"
    assert exchange.usage is not None
    assert exchange.mode == ("relay" if face == dialect else exchange.mode)
    async with asyncio.timeout(60):
        while not provider.cut:  # noqa: ASYNC110 - the provider has no event for it
            await asyncio.sleep(0.01)
