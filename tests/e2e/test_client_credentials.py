"""Row 5.30: a client's own credential reaches its provider and nothing else: no other origin, file or log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from dragoman.errors import ConfigError
from dragoman.testing.provider import FakeProvider, Whole
from tests.e2e import stubs
from tests.e2e.calls import CHAT, HELLO, Answered, Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import Said

KEY, UP, TOKEN = "gateway-canary-key-1", "sk-up-canary-012345", "sk-ant-oat01-CANARY-0123456789abcdef"
ASK = {"model": "claude/claude-sonnet-4-5", "max_tokens": 9, "messages": HELLO}
AGENT = {
    "authorization": f"Bearer {TOKEN}",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "oauth-2025-04-20,claude-code-20250219",
    "user-agent": "claude-cli/2.0.1 (external, cli)",
    "x-app": "cli",
}
"""What a coding agent with a subscription sends."""


def config_of(claude: FakeProvider, other: FakeProvider, **more: Any) -> dict[str, Any]:
    """A provider that gets clients' credentials, and one with a key of the gateway."""
    return {
        "providers": {
            "claude": {"dialect": "anthropic", "base_url": claude.url, "credential": "client"},
            "other": {"dialect": "anthropic", "base_url": other.url, "keys": [UP]},
        },
        "auth": {"keys": [{"key": KEY, "scopes": ["inference", "read"]}]},
        "retries": {"attempts": 1},
        "trace": {"bodies": True},
        **more,
    }


async def post(site: Site, path: str, body: Any, **headers: str) -> Answered:
    async with site.session.post(site.base + path, json=body, headers=headers) as response:
        return Answered(response.status, response.headers, await response.read())


def said(provider: FakeProvider) -> str:
    """Everything that a provider has been told."""
    return "\n".join(f"{one.target} {one.headers} {one.raw!r}" for one in provider.seen)


async def test_the_provider_gets_it_and_the_gateways_key_stays_here(visit: Visit, provide: Provide) -> None:
    claude, other = await provide(stubs.anthropic(Said())), await provide(stubs.anthropic(Said()))
    site = await visit(config_of(claude, other))
    told = await post(site, "/v1/messages", ASK, **AGENT, **{"x-dragoman-key": KEY})
    assert told.status == 200
    headers = claude.last.headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    for name in ("anthropic-beta", "anthropic-version", "user-agent", "x-app"):
        assert headers[name] == AGENT[name]
    assert KEY not in said(claude)
    told = await post(site, f"/key/{KEY}/v1/messages", ASK, **AGENT)  # for agents that cannot add a header
    assert (told.status, KEY in said(claude)) == (200, False)
    told = await post(site, "/v1/messages", ASK, **{"x-api-key": TOKEN, "x-dragoman-key": KEY})
    assert (told.status, claude.last.headers["x-api-key"]) == (200, TOKEN)
    assert "authorization" not in claude.last.headers


async def test_without_the_gateways_key_there_is_401(visit: Visit, provide: Provide) -> None:
    claude, other = await provide(stubs.anthropic(Said())), await provide(stubs.anthropic(Said()))
    site = await visit(config_of(claude, other))
    assert (await post(site, "/v1/messages", ASK, **AGENT)).status == 401
    assert (await post(site, "/v1/messages", ASK, **AGENT, **{"x-dragoman-key": "wrong"})).status == 401
    assert claude.seen == []


async def test_a_gateway_without_keys_forwards_it_as_it_comes(visit: Visit, provide: Provide) -> None:
    claude, other = await provide(stubs.anthropic(Said())), await provide(stubs.anthropic(Said()))
    config = config_of(claude, other)
    del config["auth"]
    site = await visit(config)
    assert (await post(site, "/v1/messages", ASK, **AGENT)).status == 200
    assert claude.last.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"x-api-key": KEY},
        {"x-dragoman-key": KEY},
        {"x-dragoman-key": KEY, "authorization": f"Bearer {KEY}"},
        {"x-dragoman-key": KEY, "authorization": "Bearer dgm_somethingThatWasOnceAKeyOfThisGateway"},
        {"x-dragoman-key": KEY, "x-goog-api-key": TOKEN},
    ],
)
async def test_no_key_of_the_gateway_is_forwarded(
    visit: Visit, provide: Provide, headers: dict[str, str]
) -> None:
    claude, other = await provide(stubs.anthropic(Said())), await provide(stubs.anthropic(Said()))
    site = await visit(config_of(claude, other))
    told = await post(site, "/v1/messages", ASK, **headers)
    assert (told.status, told.body["error"]["type"]) == (401, "authentication_error")
    assert "x-dragoman-key" in told.body["error"]["message"]
    assert (claude.seen, other.seen) == ([], [])


async def test_clients_of_another_protocol_have_none(visit: Visit, provide: Provide) -> None:
    """A token that came in OpenAI's protocol was never meant for a provider that speaks Anthropic's."""
    claude, other = await provide(stubs.anthropic(Said())), await provide(stubs.anthropic(Said()))
    site = await visit(config_of(claude, other))
    body = {"model": "claude/claude-sonnet-4-5", "messages": HELLO}
    told = await post(site, CHAT, body, authorization=f"Bearer {TOKEN}", **{"x-dragoman-key": KEY})
    assert (told.status, told.error["code"]) == (401, "client_credential_missing")
    assert claude.seen == []


async def test_no_other_provider_gets_it(visit: Visit, provide: Provide) -> None:
    """Not with another model, not as a fallback, not after a redirect, not for the list of models."""
    elsewhere = await provide(stubs.anthropic(Said()))
    refusing = Whole({"type": "error", "error": {"type": "api_error", "message": "down"}}, 500)
    claude = await provide(refusing, Whole({}, 307, {"location": f"{elsewhere.url}/v1/messages"}), refusing)
    other = await provide(stubs.anthropic(Said()))
    config = config_of(claude, other)
    config["models"] = {"m": {"deployments": ["claude/claude-sonnet-4-5", "other/claude-sonnet-4-5"]}}
    site = await visit(config)
    mine = {**AGENT, "x-dragoman-key": KEY}
    for model in ("other/claude-sonnet-4-5", "m", "m"):
        assert (await post(site, "/v1/messages", {**ASK, "model": model}, **mine)).status == 200
    assert (await site.get("/v1/models", **mine)).status == 200
    assert len(claude.seen) == 2
    assert TOKEN in said(claude)
    assert len(other.seen) == 3
    assert all(one.headers["x-api-key"] == UP for one in other.seen)
    assert TOKEN not in said(other)
    assert elsewhere.seen == []
    assert UP not in said(claude)


async def test_a_refusal_is_the_clients_and_concerns_nobody_else(
    visit: Visit, provide: Provide, caplog: pytest.LogCaptureFixture
) -> None:
    """Agents sign in again after a 401; the gateway neither rests the key nor warns its operator."""
    error = {"type": "error", "error": {"type": "authentication_error", "message": f"expired: {TOKEN}"}}
    claude = await provide(Whole(error, 401), Whole(error, 401), stubs.anthropic(Said()))
    other = await provide(stubs.anthropic(Said()))
    site = await visit(config_of(claude, other))
    mine = {**AGENT, "x-dragoman-key": KEY}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            told = await post(site, "/v1/messages", ASK, **mine)
            assert (told.status, told.body["error"]["type"]) == (401, "authentication_error")
            assert TOKEN not in told.raw.decode()
    assert "refused" not in caplog.text
    assert (await post(site, "/v1/messages", ASK, **mine)).status == 200


async def test_listed_paths_and_files_have_it_too(visit: Visit, provide: Provide) -> None:
    claude = await provide(Whole({"id": "file_1", "ok": True}))
    config = config_of(claude, claude)
    config["providers"]["claude"] |= {"paths": ["GET /api/oauth/usage"], "passthrough": ["files"]}
    site = await visit(config)
    mine = {**AGENT, "x-dragoman-key": KEY}
    assert (await site.get("/providers/claude/api/oauth/usage", **mine)).status == 200
    assert claude.last.headers["authorization"] == f"Bearer {TOKEN}"
    assert (await post(site, "/anthropic/v1/files", {}, **mine)).status == 200
    assert claude.last.headers["authorization"] == f"Bearer {TOKEN}"
    assert KEY not in said(claude)
    missing = await site.get("/providers/claude/api/oauth/usage", **{"x-dragoman-key": KEY})
    assert (missing.status, len(claude.seen)) == (401, 2)


def kept_in(folder: Path) -> dict[Path, bytes]:
    """All files below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_nothing_keeps_it(
    visit: Visit, provide: Provide, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """After answers, streams, failures, sessions and stored traces, no file, log or trace has the token."""
    echo = {"type": "error", "error": {"type": "invalid_request_error", "message": f"bad: {TOKEN}"}}
    claude = await provide(stubs.anthropic(Said()), stubs.anthropic(Said()), Whole(echo, 400))
    other = await provide(stubs.anthropic(Said()))
    stored: dict[str, Any] = {"stores": {"sql": f"sqlite:///{tmp_path}/store.db"}}
    stored["trace"] = {"store": f"sqlite:///{tmp_path}/exchanges.db", "bodies": True}
    config = config_of(claude, other, **stored)
    exchanges: list[Any] = []
    with caplog.at_level(logging.DEBUG):
        site = await visit(config, observers=[exchanges.append])
        mine = {**AGENT, "x-dragoman-key": KEY, "x-session-id": "s1"}
        for stream in (False, True, False):
            await post(site, "/v1/messages", {**ASK, "stream": stream}, **mine)
        traces = [
            await site.get(f"/admin/exchanges/{one.id}", authorization=f"Bearer {KEY}")
            for one in tuple(exchanges)
        ]
    assert len(claude.seen) == 3
    secret = TOKEN.encode()
    kept = kept_in(tmp_path)
    assert any(path.name == "store.db" for path in kept)
    assert [path for path, data in kept.items() if secret in data] == []
    assert TOKEN not in caplog.text
    assert [one.status for one in traces] == [200] * 3
    assert not any(secret in one.raw for one in traces)
    assert TOKEN not in repr([list(one.attempts) for one in exchanges])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"check": "30s"}, "a check has no client"),
        ({"dialect": "bedrock", "region": "eu-central-1"}, "signed"),
    ],
)
async def test_what_cannot_be_forwarded(visit: Visit, more: dict[str, Any], words: str) -> None:
    row = {"dialect": "anthropic", "base_url": "http://127.0.0.1:9", "credential": "client", **more}
    with pytest.raises(ConfigError, match=words):
        await visit({"providers": {"claude": row}})


async def test_two_providers_that_could_be_meant(visit: Visit) -> None:
    row = {"dialect": "anthropic", "base_url": "http://127.0.0.1:9", "credential": "client"}
    with pytest.raises(ConfigError, match=r"providers\.two\.credential: .*one or for two"):
        await visit({"providers": {"one": row, "two": row}})
