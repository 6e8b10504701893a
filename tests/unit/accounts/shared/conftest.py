from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.valkey_server import ValkeyServer


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """A server that the tests of a module share: they use different prefixes."""
    server = ValkeyServer()
    yield server
    server.close()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server that a test may kill."""
    server = ValkeyServer()
    yield server
    server.close()
