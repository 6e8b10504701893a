"""A request gets a runtime with its client's credential, for the one provider that is to get it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.config.load import load
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.engine.runtime import Runtime
from dragoman.gateway import Gateway
from dragoman.upstreams.wire import WireUpstream

KEY = "key-of-the-gateway"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    file = tmp_path / "dragoman.yaml"
    row = "base_url: 'http://127.0.0.1:9'"
    file.write_text(
        f"providers: {{c: {{dialect: anthropic, {row}, credential: client, headers: {{x-a: value-of-ours}}}},"
        f" g: {{dialect: gemini, {row}, credential: client}},"
        f" k: {{dialect: anthropic, {row}, keys: [sk-1]}}}}\n"
        f"auth: {{keys: [{KEY}]}}\n"
    )
    made = Gateway(load(file, {}))
    await made.start()
    yield made
    await made.close()


def lent(gateway: Gateway, face: str, **headers: str) -> Runtime:
    runtime = gateway.engine.runtime
    assert runtime.lent is not None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return runtime.lent(runtime, Inbound(DIALECTS[face], b"", named))


def headers_of(runtime: Runtime, name: str) -> dict[str, str]:
    upstream = runtime.backends[name]
    assert isinstance(upstream, WireUpstream)
    (account,) = upstream.accounts
    return dict(account.headers)


async def test_only_one_provider_has_it_and_only_in_this_runtime(gateway: Gateway) -> None:
    usual = gateway.engine.runtime
    mine = lent(gateway, "anthropic", authorization="Bearer token-1", x_app="cli", user_agent="a", cookie="b")
    sent = headers_of(mine, "c")
    assert sent["authorization"] == "Bearer token-1"
    assert (sent["x-app"], sent["user-agent"], sent["x-a"]) == ("cli", "a", "value-of-ours")
    assert "cookie" not in sent
    for runtime, name in ((usual, "c"), (usual, "g"), (usual, "k"), (mine, "g"), (mine, "k")):
        assert "token-1" not in str(headers_of(runtime, name))
    assert (set(mine.own), set(mine.unreadable)) == ({"c"}, {"g"})
    (key,) = mine.health.pools["c"].keys
    assert (key.id, key.tail, key.lent, key.disabled) == ("client", None, True, False)
    assert [one.disabled for one in mine.health.pools["g"].keys] == [True]
    (account,) = mine.backends["c"].accounts
    assert {"token-1", "Bearer token-1"} <= set(account.secrets)
    assert (account.own, account.lent, account.tail) == (True, True, None)


async def test_keys_of_the_gateway_stay(gateway: Gateway) -> None:
    signed = [base64.b64encode(text.encode()).decode() for text in (f"user:{KEY}", "dgm_old:", f"{KEY}:x")]
    values = [f"{scheme} {key}" for scheme in ("Token", "Basic", "bearer ") for key in (KEY, "dgm_old")]
    values += [f"Bearer\t{KEY}", "Bearer\tdgm_old", "dgm_old", "", *(f"Basic {one}" for one in signed)]
    for value in (f"Bearer {KEY}", *values):
        mine = lent(gateway, "anthropic", authorization=value)
        assert mine.unreadable["c"].code == "client_credential_missing"
        assert (mine.own, mine.unreadable["c"].kind) == (frozenset(), "authentication")
    both = lent(
        gateway, "anthropic", authorization=f"Bearer {KEY}", x_api_key="mine", user_agent=f"tool {KEY}"
    )
    assert headers_of(both, "c")["x-api-key"] == "mine"
    assert KEY not in str(headers_of(both, "c"))


async def test_the_protocol_decides(gateway: Gateway) -> None:
    mine = lent(gateway, "gemini", x_goog_api_key="mine", x_api_key="other")
    assert (set(mine.own), set(mine.unreadable)) == ({"g"}, {"c"})
    assert headers_of(mine, "g")["x-goog-api-key"] == "mine"
    assert "x-api-key" not in headers_of(mine, "g")
    assert set(lent(gateway, "openai_chat", authorization="Bearer t").unreadable) == {"c", "g"}


async def test_a_gateway_without_such_providers_pays_nothing(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("providers: {k: {dialect: anthropic, base_url: 'http://127.0.0.1:9', keys: [sk-1]}}")
    gateway = Gateway(load(file, {}))
    await gateway.start()
    assert gateway.engine.runtime.lent is None
    await gateway.close()
