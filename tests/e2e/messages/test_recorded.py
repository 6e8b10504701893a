"""Every request that Anthropic once took, asked through the gateway of strict providers of other protocols.

What cannot be said is refused with a code that is expected: nothing fails at a provider, nothing in the
gateway, and what only Anthropic understands is named.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.exchange import Exchange
from dragoman.testing import corpus
from tests.e2e import calls
from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.messages.conftest import ANSWERS
from tests.e2e.messages.ordered import frames
from tests.e2e.messages.ordered import held as ordered
from tests.e2e.strict import held
from tests.e2e.stubs import Said

MODELS = {**calls.MODELS, "openai_responses": "up/gpt-4o"}
FACE = DIALECTS["anthropic"]
ALONE = ("context_management", "container", "mcp_servers", "cache_control", "inference_geo", "speed")
"""Members that no other protocol has."""
CODES = {"unsupported_value", "unsupported_modality", "untranslatable"}


@pytest.mark.wire
@pytest.mark.parametrize("dialect", [name for name in MODELS if name != "anthropic"])
async def test_what_anthropic_took_the_others_take(
    recorded: Path, serve: Serve, provide: Provide, dialect: str
) -> None:
    provider = await provide(held(dialect, ANSWERS[dialect](Said("Hello there!", thought="Hm."))))
    exchanges: list[Exchange] = []
    base = await serve(json.dumps(up(provider.url, dialect)), observers=[exchanges.append])
    came: Counter[str] = Counter()
    async with aiohttp.ClientSession() as session:
        for recording in corpus.read(recorded, "anthropic.messages"):
            asked = recording.request
            good = recording.response is not None and recording.response.status == 200
            if asked is None or not good or not isinstance(asked.body, dict) or _odd(asked.body):
                continue
            body = {**asked.body, "model": MODELS[dialect]}
            try:
                FACE.request.check(WireRequest("chat", body))
            except WireError:
                continue
            async with session.post(f"{base}/v1/messages?beta=true", json=body) as answer:
                raw = await answer.read()
            assert answer.headers["request-id"]
            if answer.status != 200:
                error = json.loads(raw)["error"]
                assert answer.status == 400, (recording.id, error)
                fault = exchanges[-1].fault
                assert fault is not None
                assert fault.code in CODES, (recording.id, error)
                assert len(provider.seen) == came["taken"], (recording.id, error)
                came["refused"] += 1
                continue
            came["taken"] += 1
            if body.get("stream"):
                ordered(frames(raw))
            named = {loss.path for loss in exchanges[-1].losses} | {one.path for one in exchanges[-1].changes}
            for member in ALONE:
                assert body.get(member) is None or f"$.{member}" in named, (recording.id, member)
    assert came["taken"] > 250
    assert came["refused"] < came["taken"] / 10


def _odd(body: dict[str, Any]) -> bool:
    """Whether a request is beside the point: it names media by address, or answers what was never called."""
    called: set[str] = set()
    results: set[str] = set()
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            called.add(block.get("id", ""))
            results.add(block.get("tool_use_id", ""))
    return _distant(body) or not results <= {*called, ""}


def _distant(value: Any) -> bool:
    """Whether a body names media by an address, which the gateway would have to fetch."""
    if isinstance(value, dict):
        return (value.get("type") == "url" and "url" in value) or any(map(_distant, value.values()))
    return isinstance(value, list) and any(map(_distant, value))
