from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.valkey_server import REDIS, ValkeyServer

PROGRAMS = ["valkey"] if REDIS is None else ["valkey", "redis"]
"""Valkey comes with the package of the extra; Redis is tried where the system has it."""


def _server(request: pytest.FixtureRequest) -> ValkeyServer:
    return ValkeyServer(program=None if request.param == "valkey" else [str(REDIS)])


@pytest.fixture(scope="module", params=PROGRAMS)
def valkey(request: pytest.FixtureRequest) -> Iterator[ValkeyServer]:
    """A server that the tests of a module share: they use different prefixes."""
    server = _server(request)
    yield server
    server.close()


@pytest.fixture(params=PROGRAMS)
def own_valkey(request: pytest.FixtureRequest) -> Iterator[ValkeyServer]:
    """A server that a test may kill."""
    server = _server(request)
    yield server
    server.close()
