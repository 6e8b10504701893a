"""Anthropic's protocol over plain HTTP: paths, probes, envelopes, ids and heartbeats, byte by byte."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.exchange import Exchange
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.messages.ordered import frames, heard
from tests.e2e.strict import held
from tests.e2e.stubs import Said, openai_chat

VERSION = {"anthropic-version": "2023-06-01"}
HELLO: dict[str, Any] = {
    "model": "up/gpt-4o",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hello!"}],
}
ECHO = {**HELLO, "model": "simulate/echo"}


@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/messages?beta=true", "/anthropic/v1/messages", "/v1/messages/"]
)
async def test_the_paths_of_messages(visit: Visit, path: str) -> None:
    site = await visit({})
    async with site.session.post(site.base + path, json=ECHO, headers=VERSION) as answer:
        body = await answer.json()
    assert (answer.status, body["type"]) == (200, "message")
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("key", [{"x-api-key": "client-key"}, {"authorization": "Bearer client-key"}])
async def test_a_key_in_either_header(visit: Visit, key: dict[str, str]) -> None:
    site = await visit({"auth": {"keys": ["client-key"]}})
    async with site.session.post(site.base + "/v1/messages", json=ECHO, headers=key) as answer:
        assert answer.status == 200
    async with site.session.post(site.base + "/v1/messages", json=ECHO) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_agents_find_a_server_without_a_key(visit: Visit, method: str) -> None:
    site = await visit({"auth": {"keys": ["client-key"]}})
    async with site.session.request(method, site.base + "/") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("GET", "/v1/messages/count_tokens", 405, "invalid_request_error"),
        ("GET", "/v1/nothing", 404, "not_found_error"),
        ("DELETE", "/v1/models", 405, "invalid_request_error"),
        ("GET", "/v1/models/nobody%2Fnothing", 404, "not_found_error"),
        ("GET", "/anthropic/v1/models/nobody/nothing", 404, "not_found_error"),
    ],
)
async def test_failures_wear_its_envelope(
    visit: Visit, method: str, path: str, status: int, kind: str
) -> None:
    site = await visit({})
    async with site.session.request(method, site.base + path, headers=VERSION) as answer:
        body = await answer.json()
    assert answer.status == status
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"] == answer.headers["request-id"]
    assert ("allow" in answer.headers) == (status == 405)


async def test_without_the_version_shared_paths_are_openais(visit: Visit) -> None:
    site = await visit({"aliases": {"m": "simulate/echo"}})
    assert (await site.get("/v1/models")).body["object"] == "list"
    listed = (await site.get("/anthropic/v1/models")).body
    assert listed == (await site.get("/v1/models", **VERSION)).body
    assert listed["first_id"] == listed["data"][0]["id"]
    assert listed["data"][0]["type"] == "model"
    assert (await site.get("/v1/nothing")).error["code"] == "unknown_url"


async def test_a_body_that_is_no_question(visit: Visit) -> None:
    site = await visit({})
    for body in (b"{", b"[]", b'{"model": "simulate/echo"}', b'{"model": "simulate/echo", "messages": 7}'):
        for path in ("/v1/messages", "/v1/messages/count_tokens"):
            headers = {"content-type": "application/json"}
            async with site.session.post(site.base + path, data=body, headers=headers) as answer:
                told = await answer.json()
            assert (answer.status, told["error"]["type"]) == (400, "invalid_request_error")


async def test_pings_come_before_the_first_word_and_between_words(visit: Visit, provide: Provide) -> None:
    provider = await provide(held("openai_chat", openai_chat(Said("Hello there!", pause=0.25))))
    exchanges: list[Exchange] = []
    config = {**up(provider.url), "server": {"heartbeat": "100ms"}}
    site = await visit(config, observers=[exchanges.append])
    async with site.session.post(site.base + "/v1/messages", json={**HELLO, "stream": True}) as answer:
        raw = await answer.read()
    events = frames(raw)
    assert events[0] == {"type": "ping"}
    assert {"type": "ping"} in events[2:]
    assert heard(events).texts == ("Hello there!",)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert exchanges[-1].fault is None


async def test_a_failure_after_a_ping_is_an_event(visit: Visit) -> None:
    site = await visit({"server": {"heartbeat": "100ms"}, "retries": {"attempts": 1}})
    asked = {**HELLO, "model": "simulate/wait:0.4+die:0", "stream": True}
    async with site.session.post(site.base + "/v1/messages", json=asked) as answer:
        events = frames(await answer.read())
    assert answer.status == 200
    assert events[0] == {"type": "ping"}
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["type"] in {"api_error", "overloaded_error"}
