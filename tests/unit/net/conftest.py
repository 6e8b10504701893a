"""Both HTTP clients for the tests of what is above them, and a certificate authority for TLS."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trustme

from dragoman.net.transport import Transport


@pytest.fixture(params=["own", "aiohttp"])
def each_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the HTTP client that every new `Transport` has while the test runs."""
    name: str = request.param
    made = cast("Any", Transport.__init__)
    monkeypatch.setattr(made, "__kwdefaults__", {**made.__kwdefaults__, "client": name})
    return name


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """An authority whose certificates nobody else trusts."""
    return trustme.CA()
