"""One gateway for the whole matrix, before a strict fake provider of every dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Whole
from dragoman.testing.serving import serving
from tests.matrix.faces import FACES
from tests.matrix.upstreams import UPSTREAMS


class Bench:
    """What runs. clients: by face. providers: by dialect. exchanges: of the cell that is looked at."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.providers: dict[str, FakeProvider] = {}
        self.exchanges: list[Exchange] = []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """Everything that the cells ask, started once."""
    made = Bench()
    async with AsyncExitStack() as opened:
        # One thread, because every process that runs tests has an embedded model of its own.
        answering = {"simulate": {"enabled": True}, "local": {"threads": 1}}
        config: dict[str, Any] = {"retries": {"attempts": 1}, "providers": answering}
        for upstream in UPSTREAMS:
            if upstream.dialect is not None:
                provider = await opened.enter_async_context(FakeProvider(Whole({}, 500)))
                made.providers[upstream.dialect] = provider
                config["providers"] |= upstream.providers(provider.url)
        file = tmp_path_factory.mktemp("matrix") / "dragoman.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        gateway = Gateway(load(file, {}), observers=[made.exchanges.append])
        base = await opened.enter_async_context(serving(gateway))
        for face in FACES:
            made.clients[face.name] = await opened.enter_async_context(face.opened(base))
        yield made
