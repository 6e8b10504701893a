"""A gateway before strict providers of other dialects, and the programs that ask it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e.embeddings import providers as vectors
from tests.frameworks.installed import FRAMEWORKS
from tests.frameworks.model import answers

SECONDS = 400
KEY = "dgm_key-of-the-framework"
MODELS = {
    "anthropic": "claude/claude-sonnet-4-5",
    "gemini": "google/gemini-2.5-flash",
    "openai_chat": "compatible/gpt-4o",
    "ollama": "here/qwen3",
    "mistral": "french/mistral-large-latest",
    "openai_responses": "responding/gpt-5",
}
"""The model to ask for, by the dialect of its provider."""
SIMULATED = "simulate/echo"
NAMED = {
    "gpt-4.1": MODELS["anthropic"],
    "gpt-4.1-mini": MODELS["gemini"],
    "gpt-4o": MODELS["openai_chat"],
    "gpt-4o-mini": SIMULATED,
    "gpt-4.1-nano": MODELS["ollama"],
    "gpt-4": MODELS["mistral"],
    "gpt-4-turbo": MODELS["openai_responses"],
    "claude-sonnet-4-5-20250929": MODELS["anthropic"],
    "claude-haiku-4-5-20251001": MODELS["gemini"],
    "claude-opus-4-1-20250805": MODELS["openai_chat"],
    "claude-opus-4-5-20251101": SIMULATED,
    "claude-sonnet-4-5": MODELS["ollama"],
    "claude-haiku-4-5": MODELS["mistral"],
    "claude-opus-4-1": MODELS["openai_responses"],
    "text-embedding-3-small": "google-vectors/gemini-embedding-001",
    "text-embedding-3-large": SIMULATED,
}
"""Aliases for clients that take the names of their own vendor alone, or write tokens of its vocabulary."""
VECTORS = ("google-vectors/gemini-embedding-001", SIMULATED)
VOCABULARY = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
"""Where `tiktoken` has the vocabulary from, unless it lies in its cache."""
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "NO_PROXY", "no_proxy")


class Reported(msgspec.Struct, frozen=True):
    """What a program found: kind → model → feature → what came. providers: by dialect."""

    found: dict[str, dict[str, dict[str, Any]]]
    providers: dict[str, FakeProvider]
    exchanges: list[Exchange]


Ask = Callable[[str], Awaitable[Reported]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def ask(stack: AsyncExitStack, tmp_path: Path, pytestconfig: pytest.Config) -> Ask:
    """Run the program of a framework against a gateway of its own."""
    if "frameworks" not in pytestconfig.getoption("markexpr"):
        pytest.skip("takes minutes: `make frameworks` runs it")

    async def asked(name: str) -> Reported:
        framework = FRAMEWORKS[name]
        command = framework.command()
        if command is None:
            pytest.skip(f"{name} is not installed: `make frameworks` does it")
        providers: dict[str, FakeProvider] = {}
        rows: dict[str, Any] = {"simulate": {"enabled": True}}
        for dialect, model in MODELS.items():
            provider = await stack.enter_async_context(FakeProvider(answers(dialect)))
            providers[dialect] = provider
            rows[model.partition("/")[0]] = {
                "dialect": dialect, "base_url": provider.url, "keys": ["up-key"],
            }  # fmt: skip
        made = await stack.enter_async_context(FakeProvider(vectors.gemini))
        rows["google-vectors"] = {"dialect": "gemini", "base_url": made.url, "keys": ["up-key"]}
        file = tmp_path / "dragoman.yaml"
        config = {"providers": rows, "aliases": NAMED, "retries": {"attempts": 1}, "auth": {"keys": [KEY]}}
        file.write_text(json.dumps(config))
        exchanges: list[Exchange] = []
        base = await stack.enter_async_context(serving(Gateway(load(file, {}), observers=[exchanges.append])))
        kept = {variable: os.environ[variable] for variable in KEPT if variable in os.environ}
        told = {
            "url": base,
            "key": KEY,
            "models": [*MODELS.values(), SIMULATED],
            "vectors": VECTORS,
            "kinds": framework.kinds,
        }
        environment = {**kept, "HOME": str(tmp_path), "PYTHONUTF8": "1"}
        environment["TIKTOKEN_CACHE_DIR"] = str(_vocabulary(tmp_path / "tiktoken"))
        out = await _output([*command, json.dumps(told)], environment, tmp_path)
        return Reported(json.loads(out), providers, exchanges)

    return asked


def _vocabulary(folder: Path) -> Path:
    """A cache of `tiktoken` that has the vocabulary, whose file comes with the extra `tokens`."""
    folder.mkdir()
    package = find_spec("bpe_openai")
    for place in (package and package.submodule_search_locations) or ():
        packed = Path(place, "data", "cl100k_base.tiktoken.gz").read_bytes()
        (folder / sha1(VOCABULARY.encode()).hexdigest()).write_bytes(gzip.decompress(packed))
    return folder


async def _output(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """Run to the end; what it wrote on stdout. It is ended when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=folder,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        _, err = await process.communicate()
        pytest.fail(f"{command[1]} did not end within {SECONDS} s and said: {err.decode()[-2000:]}")
    assert process.returncode == 0, err.decode()[-4000:]
    return out.decode()
