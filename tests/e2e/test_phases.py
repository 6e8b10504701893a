"""The phase in which a request ended, on paths that answer before the engine does or without it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

HI = [{"role": "user", "content": "Hi"}]


async def end(method: str, path: str, **sent: Any) -> Exchange:
    exchanges: list[Exchange] = []
    async with (
        serving(Gateway({}, observers=[exchanges.append])) as base,
        aiohttp.ClientSession() as session,
        session.request(method, base + path, **sent) as response,
    ):
        await response.read()
    (exchange,) = exchanges
    return exchange


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", {"messages": HI}),
        ("/api/chat", {"messages": []}),
        ("/api/generate", {"prompt": "Hi"}),
        ("/api/embed", {"input": "Hi"}),
        ("/v1/chat/completions", {"messages": HI}),
        ("/v1/responses", {"input": "Hi"}),
        ("/v1/messages", {"max_tokens": 5, "messages": HI}),
    ],
)
async def test_an_unknown_model_ends_while_a_deployment_is_chosen(path: str, body: dict[str, Any]) -> None:
    exchange = await end("POST", path, json={"model": "nobody", **body})
    assert exchange.end == "client/route/model_not_found"
    assert exchange.asked == "nobody"


@pytest.mark.parametrize(
    "path",
    [
        "/api/chat",
        "/api/show",
        "/v1/conversations",
        "/v1/responses/input_tokens",
        "/v1/rerank",
        "/v1/messages",
    ],
)
async def test_a_body_that_is_wrong_ends_while_it_is_checked(path: str) -> None:
    exchange = await end("POST", path, data=b"{", headers={"content-type": "application/json"})
    assert exchange.end is not None
    assert exchange.end.startswith("client/decode/")


async def test_a_form_that_lacks_a_field_ends_while_it_is_checked() -> None:
    form = aiohttp.FormData({"model": "simulate/lorem"}, default_to_multipart=True)
    exchange = await end("POST", "/v1/audio/transcriptions", data=form)
    assert exchange.end == "client/decode/missing_required_parameter"
