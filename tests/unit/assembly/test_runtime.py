"""What new requests are served with, as the configuration says."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.assembly.runtime import runtime_of
from dragoman.engine.runtime import uncounted
from dragoman.engine.sealing import Kept
from dragoman.gateway import Gateway

UP: dict[str, Any] = {
    "base_url": "http://127.0.0.1:9/v1",
    "keys": ["a-key-of-ours"],
    "passthrough": ["files"],
}


@pytest.mark.parametrize("told", [False, True])
async def test_only_what_is_wanted_is_told(told: bool) -> None:
    alerts = [{"url": "http://127.0.0.1:9/alerts", "secret": "a-secret-of-ours"}] if told else []
    gateway = Gateway({"providers": {"up": UP}, "metrics": {"enabled": told}, "alerts": alerts})
    await gateway.start()
    try:
        kept = Kept()
        made = runtime_of(gateway, gateway.running, kept)
        assert (made.told is not None, made.sent is not uncounted) == (told, told)
        assert made.kept is kept
        assert made.table is gateway.running.names.table
        assert made.backends.keys() == gateway.running.upstreams.keys()
        assert made.passing == {"up"}
    finally:
        await gateway.close()
