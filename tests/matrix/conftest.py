"""One gateway for the whole matrix, before a strict fake provider of every dialect."""

from __future__ import annotations

import asyncio
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
from tests.matrix.faces.face import PATIENCE
from tests.matrix.node import Program, opened
from tests.matrix.upstreams import UPSTREAMS


class Bench:
    """What runs. base: the origin of the gateway. clients: by face. providers: by dialect.

    exchanges: of the cell that is looked at.
    """

    def __init__(self) -> None:
        self.gateway: Gateway
        self.base = ""
        self.clients: dict[str, Any] = {}
        self.providers: dict[str, FakeProvider] = {}
        self.exchanges: list[Exchange] = []

    async def settled(self) -> None:
        """Wait until every exchange is at its end, which a client may see a moment before the gateway."""
        if running := set(self.gateway.requests):
            _, late = await asyncio.wait(running, timeout=PATIENCE)
            assert not late


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """Everything that the cells ask, started once."""
    made = Bench()
    async with AsyncExitStack() as stack:
        # One thread, because every process that runs tests has an embedded model of its own.
        answering = {"simulate": {"enabled": True}, "local": {"threads": 1}}
        # The name of a column is listed, which those of a provider that takes any are not.
        names = {f"over/{upstream.name}": upstream.model for upstream in UPSTREAMS}
        config: dict[str, Any] = {"retries": {"attempts": 1}, "providers": answering, "aliases": names}
        for upstream in UPSTREAMS:
            if upstream.dialect is not None:
                provider = await stack.enter_async_context(FakeProvider(Whole({}, 500)))
                made.providers[upstream.dialect] = provider
                config["providers"] |= upstream.providers(provider.url)
        file = tmp_path_factory.mktemp("matrix") / "dragoman.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        made.gateway = Gateway(load(file, {}), observers=[made.exchanges.append])
        made.base = await stack.enter_async_context(serving(made.gateway))
        for face in FACES:
            made.clients[face.name] = await stack.enter_async_context(face.opened(made.base))
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def program(bench: Bench) -> AsyncIterator[Program]:
    """The official clients on Node, before the same gateway."""
    async with opened(bench.base) as running:
        yield running
