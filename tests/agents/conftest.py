"""Agents that `dragoman setup` has set up, before a gateway and a strict provider of another protocol."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Script, Seen
from dragoman.testing.serving import serving
from tests.agents.installed import AGENTS
from tests.e2e.sent import Sent
from tests.e2e.strict import held
from tests.e2e.stubs import DIALECTS, Said

SECONDS = 120
KEY = "dgm_key-of-the-agent"
SEALS = {"anthropic": "RXJjQkNrZ0lDeEFC+/8=", "gemini": "CrEBAVuKwJx+/w=="}
MODELS = {
    "anthropic": "up/claude-sonnet-4-5",
    "gemini": "up/gemini-2.5-flash",
    "openai_chat": "up/gpt-5",
    "mistral": "up/mistral-large-latest",
}
KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "NO_PROXY", "no_proxy", "DRAGOMAN_TRANSPORT")


class Ran(msgspec.Struct, frozen=True):
    """How an agent's run went. turns: the provider's view of each turn in which tools were offered."""

    code: int
    said: str
    folder: Path
    provider: FakeProvider
    turns: list[Seen]
    exchanges: list[Exchange]


Run = Callable[[str, str], Awaitable[Ran]]


def offers_tools(seen: Seen) -> bool:
    """Whether this is a turn of the work itself: titles and the like are asked for without tools."""
    return bool(seen.body.get("tools"))


def works(dialect: str, calls: list[tuple[str, dict[str, Any]]], turns: list[Seen], otherwise: str) -> Script:
    """A provider whose model thinks, calls both tools at once, thinks about the results, and is done.

    otherwise: what it says where it is offered no tools.
    """

    def answer(seen: Seen) -> Answer:
        if not offers_tools(seen):
            said = Said(otherwise)
        else:
            turns.append(seen)
            said = Said("All done.", thought="It is done.", seal=SEALS.get(dialect, ""))
            if not Sent(dialect, seen).results:
                prefix = {"anthropic": "toolu_", "openai_chat": "call_"}.get(dialect, "")
                made = tuple(
                    (f"{prefix}{n}" if prefix else "", name, json.dumps(arguments))
                    for n, (name, arguments) in enumerate(calls)
                )
                said = Said("", made, thought="I write both.", seal=SEALS.get(dialect, ""))
        script = DIALECTS[dialect](said)
        assert callable(script)
        return script(seen)

    return held(dialect, answer)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def run(stack: AsyncExitStack, tmp_path: Path) -> Run:
    """Set an agent up with `dragoman setup`, and let it do the task before a provider of this dialect."""

    async def ran(name: str, dialect: str) -> Ran:
        agent = AGENTS[name]
        command = agent.command()
        if command is None:
            pytest.skip(f"{name} is not installed: `make agents` does it")
        home, folder = tmp_path / "home", tmp_path / "work"
        home.mkdir()
        folder.mkdir()
        turns: list[Seen] = []
        provider = await stack.enter_async_context(
            FakeProvider(works(dialect, agent.calls(folder), turns, agent.otherwise))
        )
        row = {"dialect": dialect, "base_url": provider.url, "keys": ["up-key"]}
        file = tmp_path / "dragoman.yaml"
        config = {
            "providers": {"up": row},
            "aliases": {agent.model: {"route": MODELS[dialect], "defaults": {"reasoning_effort": "high"}}},
            "retries": {"attempts": 1},
            "auth": {"keys": [KEY]},
        }
        file.write_text(json.dumps(config))
        exchanges: list[Exchange] = []
        base = await stack.enter_async_context(serving(Gateway(load(file, {}), observers=[exchanges.append])))
        kept = {variable: os.environ[variable] for variable in KEPT if variable in os.environ}
        environment = {**kept, "HOME": str(home), "TERM": "dumb", "DRAGOMAN_HOME": str(tmp_path / "dragoman")}
        setup = [sys.executable, "-m", "dragoman", "setup", name, "--url", base, "--model", agent.model]
        setup += ["--key", KEY, "--write", "--check", "--json"]
        code, out = await _process(setup, environment, folder)
        assert code == 0, out
        report = json.loads(out)
        assert report["answer"]
        exchanges.clear()
        provider.seen.clear()
        environment |= {**report["environment"], **agent.environment}
        code, said = await _process(command, environment, folder)
        return Ran(code, said, folder, provider, turns, exchanges)

    return ran


async def _process(command: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str]:
    """Run to the end; what it wrote. It is ended when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=folder,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        out, _ = await process.communicate()
        pytest.fail(f"{command[0]} did not end within {SECONDS} s and said: {out.decode()[-2000:]}")
    assert process.returncode is not None
    return process.returncode, out.decode()
