"""Tenants' requests get runtimes with their own keys; what is known of a key lasts as long as the key."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.caller import Caller
from dragoman.accounts.own_keys import Cipher
from dragoman.config.load import load
from dragoman.errors import RequestFailed
from dragoman.gateway import Gateway
from dragoman.routing.outcome import UNREADABLE
from dragoman.seams.secret import Secret
from dragoman.state.directory import OwnKey
from dragoman.upstreams.wire import WireUpstream

pytest.importorskip("cryptography", reason="needs the extra `encryption`")
MASTER = "m" * 32
CIPHER = Cipher(Secret(MASTER), (), lambda: bytes(16))


def row(tenant: str, secret: str, provider: str = "up") -> OwnKey:
    key = OwnKey(tenant, provider, b"", "", f"…{secret[-4:]}", "me", 1.0)
    return CIPHER.encrypt(key, Secret(secret))


def caller(tenant: str | None) -> Caller:
    return Caller("c", tenant=tenant)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    file = tmp_path / "dragoman.yaml"
    up = "{dialect: openai_chat, base_url: 'http://127.0.0.1:9', keys: [sk-ours-aaaa, sk-ours-bbbb],"
    up += " passthrough: [files]}"
    file.write_text(f"providers: {{up: {up}}}\nauth: {{encryption_key: {MASTER}}}\n")
    made = Gateway(load(file, {}))
    await made.start()
    yield made
    await made.close()


async def test_a_part_of_an_access_key_is_used_by_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "dragoman.yaml"
    up = "{catalog: bedrock, base_url: 'http://127.0.0.1:9', region: eu-west-1, keys: [bearer-aaaa]}"
    file.write_text(f"providers: {{up: {up}}}\nauth: {{encryption_key: {MASTER}}}\n")
    made = Gateway(load(file, {}))
    await made.start()
    give = made.own_keys.know([row("acme", "AKIAIOSFODNN7EXAMPLE:short")])
    assert give is not None
    assert give(made.engine.runtime, caller("acme")).unreadable == {"up": UNREADABLE}
    assert "is not written `ID:SECRET`" in caplog.text
    assert "short" not in caplog.text
    await made.close()


def accounts(runtime: Any) -> list[str | None]:
    upstream = runtime.backends["up"]
    assert isinstance(upstream, WireUpstream)
    return [one.tail for one in upstream.accounts]


async def test_only_the_tenants_runtime_has_its_key(gateway: Gateway) -> None:
    usual, own = gateway.engine.runtime, gateway.own_keys
    give = own.know([row("acme", "sk-acme-cccc"), row("acme", "sk-gone-dddd", "gone")])
    assert give is not None
    mine = give(usual, caller("acme"))
    assert accounts(mine) == ["cccc"]
    assert mine.own == {"up"}  # there is no provider `gone`
    assert mine is give(usual, caller("acme"))
    assert all(give(usual, one) is usual for one in (None, caller(None), caller("beta")))
    assert accounts(usual) == ["aaaa", "bbbb"]
    assert len(usual.health.pools["up"].keys) == 2
    assert [key.tail for key in mine.health.pools["up"].keys] == ["cccc"]
    assert own.know([]) is None


async def test_what_is_remembered_of_a_key_lasts_as_long_as_the_key(gateway: Gateway) -> None:
    own, health = gateway.own_keys, gateway.providers_health
    own.know([row("acme", "sk-same-cccc"), row("beta", "sk-same-cccc")])
    first, second = health.own["up"].values()
    assert first.id != second.id  # though the keys are equal
    again = msgspec.structs.replace(row("acme", "sk-same-cccc"), at=2.0)  # as after a re-encryption
    own.know([again])
    assert list(health.own["up"].values()) == [first]
    own.use(gateway.loaded)
    assert list(health.own["up"].values()) == [first]
    own.know([row("acme", "sk-other-dddd")])
    assert [key.tail for key in health.own["up"].values()] == ["dddd"]


async def test_a_passage_has_the_tenants_key_or_none(gateway: Gateway) -> None:
    own, usual = gateway.own_keys, gateway.running.passages["up"]
    own.know([row("acme", "sk-acme-cccc")])
    assert own.passage(caller("beta"), usual) is None
    mine = own.passage(caller("acme"), usual)
    assert mine is not None
    assert (mine.account.tail, usual.account.tail) == ("cccc", "aaaa")
    gateway.providers_health.enable("up", enabled=False)
    with pytest.raises(RequestFailed, match="disabled"):
        own.passage(caller("acme"), usual)


async def test_a_key_that_cannot_be_decrypted_is_told_and_not_replaced(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    own, usual = gateway.own_keys, gateway.engine.runtime
    altered = msgspec.structs.replace(row("acme", "sk-acme-cccc"), tenant="beta")
    with caplog.at_level(logging.ERROR):
        give = own.know([altered])
    assert "the key of beta for up was altered" in caplog.text
    assert give is not None
    mine = give(usual, caller("beta"))
    assert mine.unreadable == {"up": UNREADABLE}
    assert "authorization" not in mine.backends["up"].accounts[0].headers
    assert not mine.health.order(gateway.engine.table.resolve("up/m"), 0.0).ready
    with pytest.raises(RequestFailed, match="decrypted"):
        own.passage(caller("beta"), gateway.running.passages["up"])
