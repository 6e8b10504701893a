"""Health probes that succeed leave no line in the access log; those that fail do."""

from __future__ import annotations

import io
import json
from typing import Any

import aiohttp

from dragoman.gateway import Gateway
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog
from dragoman.testing.serving import serving

PROBES = [
    *("/health", "/health/live", "/health/liveness", "/health/liveliness", "/ping"),
    *("/health/ready", "/health/readiness", "/metrics"),
]
SAYS_DRAINING = ["/health", "/health/ready", "/health/readiness"]


async def test_only_probes_that_fail_are_logged() -> None:
    stream = io.BytesIO()
    log = AccessLog(Lines(stream, people=False))
    gateway = Gateway(
        {
            "server": {"base_path": "/ai"},
            "auth": {"keys": ["a-key-of-a-client"]},
            "metrics": {"public": True},
        },
        observers=[log],
    )
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        for path in PROBES:
            assert await status(session, f"{base}/ai{path}") == 200
        assert await status(session, f"{base}/ai/v1/models") == 401
        assert await status(session, f"{base}/ai/health/nothing") == 401
        gateway.draining.begin()
        for path in SAYS_DRAINING:
            assert await status(session, f"{base}/ai{path}") == 503
    lines: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    logged = [(line["path"], line["status"]) for line in lines]
    assert logged[0] == ("/v1/models", 401)
    assert logged[1][1] == 401
    assert logged[2:] == [(path, 503) for path in SAYS_DRAINING]


async def status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        await response.read()
        return response.status
