"""Where a request went and why it failed there, as an operator and a client are told."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Mapping, Sequence
from types import MappingProxyType
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
from tests.e2e.stubs import Said

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello!"}]
AGENT = "probe/1.0"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def lines(exchanges: Sequence[Exchange], *, people: bool) -> list[str]:
    stream = io.BytesIO()
    log = AccessLog(Lines(stream, people=people))
    for exchange in exchanges:
        log(exchange)
    return stream.getvalue().decode().splitlines()


async def ask(
    settings: dict[str, Any], headers: Mapping[str, str] = NO_HEADERS, *, stream: bool = False
) -> tuple[aiohttp.ClientResponse, Any, Exchange]:
    exchanges: list[Exchange] = []
    gateway = Gateway(settings, observers=[exchanges.append])
    headers = {"user-agent": AGENT, "x-dragoman-report": "1", **headers}
    asked = {"model": "robust", "messages": MESSAGES, "stream": stream}
    async with (
        serving(gateway) as base,
        aiohttp.ClientSession(headers=headers) as session,
        session.post(base + CHAT, json=asked) as response,
    ):
        body = await response.read() if stream else await response.json()
    (exchange,) = exchanges
    return response, body, exchange


def two(first: str, second: str) -> dict[str, Any]:
    providers = {
        "one": {"base_url": first, "keys": ["key-of-the-first"]},
        "two": {"base_url": second, "keys": ["key-of-the-second"], "dialect": "anthropic"},
    }
    return {
        "providers": providers,
        "models": {"robust": {"deployments": ["one/gpt", "two/claude"]}},
        "retries": {"attempts": 1},
    }


async def test_a_request_that_failed_over_says_where_it_went(provide: Provide) -> None:
    message = "All servers are busy with key-of-the-first."
    first = await provide(stubs.refusal("openai_chat", 503, "busy", message))
    second = await provide(stubs.anthropic(Said()))
    response, _, exchange = await ask(two(first.url, second.url))
    assert response.status == 200
    report = json.loads(response.headers["x-dragoman-report"])
    assert report["attempts"] == [
        {"deployment": "one/gpt", "mode": "relay", "status": 503, "error": "busy"},
        {
            "deployment": "two/claude",
            "mode": "translate",
            "status": 200,
            "error": None,
            "reasons": ["protocol"],
        },
    ]
    (line,) = lines([exchange], people=True)
    assert " robust → one/gpt 503 → two/claude 200 translate " in line
    assert line.endswith(f"[anyone 127.0.0.1 {AGENT} {exchange.request_id}]")
    record = json.loads(lines([exchange], people=False)[0])
    tried = record["tried"]
    assert [(one["deployment"], one["key"], one["status"]) for one in tried] == [
        ("one/gpt", "irst", 503),
        ("two/claude", "cond", 200),
    ]
    assert tried[0]["error"] == "busy"
    assert tried[0]["message"].startswith("All servers are busy")
    assert "key-of-the-first" not in json.dumps(record)
    assert (record["address"], record["user_agent"]) == ("127.0.0.1", AGENT)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
async def test_a_good_answer_reports_its_own_status(provide: Provide, dialect: str, *, stream: bool) -> None:
    """The report goes out before the attempt has ended."""
    provider = await provide(stubs.DIALECTS[dialect](Said()))
    settings = {
        "providers": {"one": {"base_url": provider.url, "keys": [], "dialect": dialect}},
        "aliases": {"robust": {"route": "one/some-model"}},
    }
    response, _, exchange = await ask(settings, stream=stream)
    (attempt,) = json.loads(response.headers["x-dragoman-report"])["attempts"]
    assert attempt["mode"] == ("relay" if dialect == "openai_chat" else "translate")
    assert (attempt["status"], exchange.attempts[0].status) == (200, 200)


async def test_an_answer_without_http_reports_no_status() -> None:
    response, _, exchange = await ask({"aliases": {"robust": {"route": "simulate/echo"}}})
    (attempt,) = json.loads(response.headers["x-dragoman-report"])["attempts"]
    assert (attempt["status"], exchange.attempts[0].status) == (None, None)


@pytest.mark.parametrize(("status", "code"), [(401, "upstream_credential_refused"), (503, "busy")])
async def test_an_error_of_a_provider_says_which(provide: Provide, status: int, code: str) -> None:
    first = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."))
    second = await provide(stubs.refusal("anthropic", status, "busy", "No."))
    response, body, exchange = await ask(two(first.url, second.url))
    assert response.headers["x-dragoman-deployment"] == "two/claude"
    assert response.headers["x-dragoman-attempts"] == "2"
    assert [one["status"] for one in json.loads(response.headers["x-dragoman-report"])["attempts"]] == [
        503,
        status,
    ]
    if status == 401:
        assert "'two'" in body["error"]["message"]
    (line,) = lines([exchange], people=True)
    assert f"→ one/gpt 503 → two/claude {status}" in line
    assert exchange.end is not None
    assert exchange.end.split("/")[1] == "first_byte"


async def test_who_a_proxy_asks_for_is_noted(provide: Provide) -> None:
    provider = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."))
    _, _, exchange = await ask(two(provider.url, provider.url), {"x-forwarded-for": "203.0.113.9"})
    assert json.loads(lines([exchange], people=False)[0])["forwarded_for"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("method", "path", "end"),
    [
        ("GET", "/nope", "client/url/unknown_url"),
        ("PUT", CHAT, "client/url/method_not_allowed"),
        ("POST", CHAT, "client/decode/invalid_request"),
        ("POST", "/v1/chat/completions?" + "a&" * 300, "client/head/too_many_query_fields"),
    ],
)
async def test_the_phase_says_what_was_being_done(method: str, path: str, end: str) -> None:
    exchanges: list[Exchange] = []
    async with (
        serving(Gateway({}, observers=[exchanges.append])) as base,
        aiohttp.ClientSession() as session,
        session.request(method, base + path, data=b"{") as got,
    ):
        await got.read()
    assert exchanges[0].end == end


async def test_no_connection_ends_in_the_phase_of_connecting() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings = {
        "providers": {"one": {"base_url": f"http://127.0.0.1:{port}", "keys": []}},
        "aliases": {"robust": {"route": "one/gpt"}},
        "retries": {"attempts": 1},
    }
    _, _, exchange = await ask(settings)
    assert exchange.end == "upstream/connect/connect_failed"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"model": "simulate/echo", "messages": MESSAGES, "temperature": "hot"}),
        ("/v1/responses", {"model": "simulate/echo", "input": "Hi", "temperature": "hot"}),
        ("/v1/messages", {"model": "simulate/echo", "messages": MESSAGES, "max_tokens": -1}),
        ("/v1beta/models/simulate/echo:generateContent", {"contents": 1}),
        ("/api/chat", {"model": "simulate/echo", "messages": 1}),
    ],
)
async def test_a_request_that_is_not_in_order_is_told_with_its_model(path: str, body: dict[str, Any]) -> None:
    exchanges: list[Exchange] = []
    async with (
        serving(Gateway({}, observers=[exchanges.append])) as base,
        aiohttp.ClientSession() as session,
        session.post(base + path, json=body) as got,
    ):
        assert got.status == 400
        await got.read()
    assert exchanges[0].asked == "simulate/echo"
