"""What a provider says of a failure stands in the access log, unless it may repeat the request."""

from __future__ import annotations

import io
import json
from typing import Any

import aiohttp
import pytest

from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide

KEY = "key-of-the-account"


async def tried(base_url: str) -> dict[str, Any]:
    """The attempt of one request, as a line of the log has it."""
    exchanges: list[Exchange] = []
    settings = {
        "providers": {"one": {"base_url": base_url, "keys": [KEY]}},
        "models": {"robust": {"deployments": ["one/gpt"]}},
        "retries": {"attempts": 1},
    }
    body = {"model": "robust", "messages": [{"role": "user", "content": "Hello!"}]}
    async with (
        serving(Gateway(settings, observers=[exchanges.append])) as base,
        aiohttp.ClientSession() as session,
        session.post(base + "/v1/chat/completions", json=body) as response,
    ):
        await response.read()
    stream = io.BytesIO()
    log = AccessLog(Lines(stream, people=False))
    log(exchanges[0])
    (attempt,) = json.loads(stream.getvalue())["tried"]
    return dict(attempt)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 503])
async def test_the_message_of_a_failure_is_told_without_the_key(provide: Provide, status: int) -> None:
    provider = await provide(stubs.refusal("openai_chat", status, "odd", f"The account of {KEY} is closed."))
    attempt = await tried(provider.url)
    assert attempt["status"] == status
    assert "is closed" in attempt["message"]
    assert KEY not in attempt["message"]


async def test_the_message_about_a_request_is_not_told(provide: Provide) -> None:
    provider = await provide(stubs.refusal("openai_chat", 400, "odd", "Do not say Hello!"))
    attempt = await tried(provider.url)
    assert attempt["error"] == "odd"
    assert "message" not in attempt
