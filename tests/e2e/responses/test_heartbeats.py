"""Long silences are filled, so that neither clients nor proxies give up (rows 3.21 and 5.8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from dragoman.testing.provider import Streamed
from tests.e2e.conftest import Provide, up
from tests.e2e.responses.conftest import Gate
from tests.e2e.responses.speaking import DIALECTS, MODELS, Models
from tests.e2e.responses.tap import events
from tests.e2e.sent import Sent
from tests.e2e.stubs import Said

Served = Callable[..., Awaitable[Gate]]
PING = b": ping\n\n"


def late(dialect: str) -> Any:
    """A provider that is silent before its first word, and between all of them."""

    def answer(seen: Any) -> Any:
        script = DIALECTS[dialect](Said("Late words."))
        assert callable(script)
        made = script(seen)
        assert isinstance(made, Streamed)
        return msgspec.structs.replace(made, delay=0.7, pause=0.25)

    return answer


async def read(gate: Gate, method: str, path: str, body: Any = None) -> tuple[bytes, list[bytes]]:
    """A stream as it came: whole, and cut where it was read."""
    parts: list[bytes] = []
    async with gate.session.request(method, f"{gate.base}/v1{path}", json=body) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        parts.extend([part async for part in answer.content.iter_any()])
    return b"".join(parts), parts


@pytest.mark.parametrize("dialect", ["anthropic", "openai_responses"])
async def test_a_silent_provider(served: Served, provide: Provide, dialect: str) -> None:
    """Comments before the first event and within the stream; nothing is cut off."""
    provider = await provide(late(dialect))
    config = {**up(provider.url, dialect), "server": {"heartbeat": "0.2s"}}
    gate = await served(config, Models(MODELS[dialect]), provider, dialect)
    body = {"model": MODELS[dialect], "input": "x", "stream": True}
    raw, parts = await read(gate, "POST", "/responses", body)
    assert parts[0].startswith(PING)
    assert raw.index(b"event: ") >= 2 * len(PING)
    assert PING in raw[raw.index(b"event: ") :]
    told = events(raw)
    assert told[-1]["type"] == "response.completed"
    assert told[-1]["response"]["output"][0]["content"][0]["text"] == "Late words."
    assert Sent(dialect, provider.last).turns == [("user", ["x"])]
    assert provider.cut == []


async def test_an_answer_in_the_background(served: Served, provide: Provide) -> None:
    provider = await provide(late("anthropic"))
    config = {**up(provider.url, "anthropic"), "server": {"heartbeat": "0.2s"}}
    gate = await served(config, Models(MODELS["anthropic"]), provider, "anthropic")
    body = {"model": MODELS["anthropic"], "input": "x", "stream": True, "background": True}
    raw, _ = await read(gate, "POST", "/responses", body)
    assert PING in raw[raw.index(b"response.queued") :]
    id_ = events(raw)[0]["response"]["id"]
    assert events(raw)[-1]["type"] == "response.completed"
    again, _ = await read(gate, "GET", f"/responses/{id_}?stream=true")
    assert events(again) == events(raw)


async def test_silence_where_heartbeats_are_switched_off(served: Served, provide: Provide) -> None:
    provider = await provide(late("openai_chat"))
    config = {**up(provider.url, "openai_chat"), "server": {"heartbeat": "0s"}}
    gate = await served(config, Models(MODELS["openai_chat"]), provider, "openai_chat")
    body = {"model": MODELS["openai_chat"], "input": "x", "stream": True}
    raw, _ = await read(gate, "POST", "/responses", body)
    assert PING not in raw
    assert events(raw)[-1]["type"] == "response.completed"
