"""Row 5.40: a tenant's own provider keys are used for this tenant alone, and nothing ever shows them."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e import stubs
from tests.e2e.command import serving
from tests.e2e.stubs import Said
from tests.e2e.test_reload import Site
from tests.unit.turns.asking import Talk

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
pytest.importorskip("cryptography", reason="needs the extra `encryption`")
OPS, OURS = "the-key-of-the-operators", "sk-ours-1234567890-aaaa"
ACME, BETA = "sk-canary-of-acme-7Hq0-bbbb", "sk-canary-of-beta-9Xw3-cccc"
NEVER = 60.0
CHAT = {"model": "up/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


class Strict:
    """A provider that accepts only known keys, and notes which it got. A refusal repeats the key, as some
    providers do. answers: what a key gets instead of a good answer.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.accepted = {OURS, ACME, BETA}
        self.instead: dict[str, Whole] = {}
        self.heads: Mapping[str, str] = {}
        """The headers of the latest request."""

    def __call__(self, seen: Seen) -> Answer:
        key = seen.headers["authorization"].removeprefix("Bearer ")
        self.keys.append(key)
        self.heads = seen.headers
        if key not in self.accepted:
            text = f"Incorrect API key provided: {key}"
            return Whole({"error": {"message": text, "code": "invalid_api_key"}}, 401)
        if key in self.instead:
            return self.instead[key]
        if seen.path.startswith("/v1/files"):
            return Whole({"object": "list", "data": []})
        script = stubs.DIALECTS["openai_chat"](Said())
        return script(seen) if callable(script) else script

    def take(self) -> list[str]:
        """The keys that came since this was called last."""
        keys, self.keys = self.keys, []
        return keys


class Server(NamedTuple):
    """One server, in this process."""

    gateway: Gateway
    app: App

    async def ask(self, method: str, path: str, body: Any = None, key: str = OPS) -> Any:
        return await Talk(self.app, method, path, body, {"authorization": f"Bearer {key}"}).answer()

    async def chat(self, key: str, **members: Any) -> Any:
        return await self.ask("POST", "/v1/chat/completions", {**CHAT, **members}, key)

    async def bring(self, tenant: str, secret: str) -> None:
        answer = await self.ask("PUT", f"/admin/tenants/{tenant}/provider-keys/up", {"key": secret})
        assert answer.status == 200, answer.body

    async def last(self) -> Any:
        """The newest chat or pass-through, as its trace."""
        rows = (await self.ask("GET", "/admin/exchanges")).body["data"]
        found = next(row for row in rows if not row["path"].startswith("/admin"))
        return (await self.ask("GET", f"/admin/exchanges/{found['id']}")).body


class House(NamedTuple):
    """Two servers with one database, before one provider. keys: of clients, by the tenant."""

    first: Server
    second: Server
    provider: Strict
    keys: Mapping[str, str]
    folder: Path


def settings(url: str, **more: Any) -> dict[str, Any]:
    up: dict[str, Any] = {"dialect": "openai_chat", "base_url": url, "keys": [OURS], "passthrough": ["files"]}
    up["headers"] = {"openai-organization": "org-of-the-operators", "x-team": "edge"}
    return {
        "providers": {"up": up},
        "stores": {"sql": "sqlite"},
        "tenants": {"acme": {"limits": {"money": "1 USD/month"}}, "beta": {}, "none": {}},
        "prices": {"up/gpt-4o": {"input": 1000, "output": 1000}},
        "trace": {"bodies": True, "store": "sqlite"},
        "retries": {"attempts": 1},
        "auth": {
            "keys": [{"name": "ops", "key": OPS, "scopes": ["inference", "admin"]}],
            "encryption_key": "m" * 32,
        },
        **more,
    }


async def server(folder: Path, stated: dict[str, Any]) -> Server:
    file = folder / "dragoman.yaml"
    await asyncio.to_thread(file.write_text, json.dumps(stated))
    gateway = Gateway(file)
    await gateway.start()
    return Server(gateway, App(gateway))


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    strict = Strict()
    async with FakeProvider(strict) as provider:
        stated = settings(provider.url)
        first, second = await server(tmp_path, stated), await server(tmp_path, stated)
        keys = {}
        for tenant in ("acme", "beta", "none"):
            made = await first.ask("POST", "/admin/keys", {"name": f"of-{tenant}", "tenant": tenant})
            assert made.status == 200, made.body
            keys[tenant] = made.body["key"]
        await used(second, keys["none"], strict, OURS)
        strict.take()
        yield House(first, second, strict, keys, tmp_path)
        await first.gateway.close()
        await second.gateway.close()


async def used(on: Server, key: str, strict: Strict, secret: str) -> None:
    """Wait until requests with a client's key are sent with this key of the provider."""
    async with asyncio.timeout(NEVER):
        while True:
            strict.take()
            await on.chat(key)
            if strict.take() == [secret]:
                return
            await asyncio.sleep(0.02)


async def test_each_tenant_uses_its_own_key_alone(house: House) -> None:
    first, second, strict, keys, _ = house
    await first.bring("acme", ACME)
    await first.bring("beta", BETA)
    for tenant, secret in (("acme", ACME), ("beta", BETA), ("none", OURS)):
        answers = [await first.chat(keys[tenant]), await first.chat(keys[tenant], stream=True)]
        assert [one.status for one in answers] == [200, 200], answers[0].data
        assert strict.take() == [secret, secret]
        shown = (await first.last())["attempts"][0]["key"]
        assert shown == secret[-4:]
        await used(second, keys[tenant], strict, secret)


async def test_a_changed_or_removed_key_acts_on_the_other_server(house: House) -> None:
    first, second, strict, keys, _ = house
    await first.bring("beta", ACME)
    await used(second, keys["beta"], strict, ACME)
    await second.bring("beta", BETA)
    await second.chat(keys["beta"])
    assert strict.take() == [BETA]
    await used(first, keys["beta"], strict, BETA)
    await first.ask("DELETE", "/admin/tenants/beta/provider-keys/up")
    await first.chat(keys["none"])
    assert strict.take() == [OURS]
    await used(second, keys["beta"], strict, OURS)


async def test_a_refused_key_is_never_replaced_by_another(house: House) -> None:
    first, _, strict, keys, _ = house
    wrong = "sk-revoked-canary-dddd"
    await first.bring("acme", wrong)
    for _ in range(3):
        answer = await first.chat(keys["acme"])
        assert (answer.status, answer.error["code"]) == (502, "own_key_refused")
        assert wrong.encode() not in answer.data
    assert strict.take() == [wrong] * 3
    assert (await first.chat(keys["none"])).status == 200
    assert (await first.last())["attempts"][0]["key"] == "aaaa"


async def test_a_rest_belongs_to_the_tenants_key(house: House) -> None:
    first, _, strict, keys, _ = house
    await first.bring("acme", ACME)
    await first.bring("beta", BETA)
    strict.instead[ACME] = Whole({"error": {"message": "slow down"}}, 429, {"retry-after": "600"})
    assert (await first.chat(keys["acme"])).status == 429
    assert (await first.chat(keys["acme"])).status == 429
    assert strict.take() == [ACME]  # the second was not sent: the key rests
    assert [(await first.chat(keys[one])).status for one in ("beta", "none")] == [200, 200]
    assert strict.take() == [BETA, OURS]
    own = first.gateway.providers_health.own["up"]
    assert sorted(key.tail or "" for key in own.values() if key.resting(0.0)) == ["bbbb"]


async def test_it_costs_the_operator_nothing(house: House) -> None:
    """At 1000 USD for a million tokens, the answer that is expected costs more than the budget of 1 USD."""
    first, _, strict, keys, _ = house
    refused = await first.chat(keys["acme"])
    assert refused.status == 429
    assert strict.take() == []
    await first.bring("acme", ACME)
    answer = await first.chat(keys["acme"])
    assert (answer.status, answer.headers["x-dragoman-cost"]) == (200, "0")
    attempt = (await first.last())["attempts"][0]
    assert (attempt["cost_usd"], attempt["price"]) == (0, "the tenant's own key")


async def test_files_are_in_the_tenants_account(house: House) -> None:
    first, _, strict, keys, _ = house
    await first.bring("acme", ACME)
    for tenant in ("acme", "none"):
        assert (await first.ask("GET", "/v1/files", key=keys[tenant])).status == 200
    assert strict.take() == [ACME, OURS]
    strict.accepted.remove(ACME)
    answer = await first.ask("GET", "/v1/files", key=keys["acme"])
    assert answer.error["code"] == "own_key_refused"
    assert ACME.encode() not in answer.data


async def test_without_the_master_key_no_other_key_is_used(house: House) -> None:
    first, _, strict, keys, folder = house
    await first.bring("acme", ACME)
    stated = json.loads((folder / "dragoman.yaml").read_text())
    stated["auth"]["encryption_key"] = "n" * 32
    other = await server(folder, stated)
    strict.take()
    answer = await other.chat(keys["acme"])
    assert (answer.status, answer.error["code"]) == (503, "own_key_unreadable")
    files = await other.ask("GET", "/v1/files", key=keys["acme"])
    assert files.error["code"] == "own_key_unreadable"
    assert strict.take() == []
    assert (await other.chat(keys["none"])).status == 200
    await other.gateway.close()


async def test_the_operators_account_is_not_named_beside_a_tenants_key(house: House) -> None:
    first, _, strict, keys, _ = house
    await first.bring("acme", ACME)
    named = []
    for tenant in ("acme", "none"):
        await first.chat(keys[tenant])
        named.append([strict.heads.get(name) for name in ("openai-organization", "x-team")])
    assert named == [[None, "edge"], ["org-of-the-operators", "edge"]]


async def test_nothing_tells_a_key(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Answers, errors, traces, logs, counts, the administration and all files, with a provider that repeats
    refused keys.
    """
    first, second, strict, keys, folder = house
    caplog.set_level(logging.DEBUG)
    await first.bring("acme", ACME)
    await first.bring("beta", BETA)
    told: list[bytes] = []
    for one in (first, second):
        await used(one, keys["beta"], strict, BETA)
        for tenant in ("acme", "beta"):
            told.append((await one.chat(keys[tenant])).data)
            told.append((await one.chat(keys[tenant], stream=True)).data)
    strict.accepted -= {ACME, BETA}
    for tenant in ("acme", "beta"):
        told.append((await first.chat(keys[tenant])).data)
        told.append((await first.ask("GET", "/v1/files", key=keys[tenant])).data)
    rows = (await first.ask("GET", "/admin/exchanges")).body["data"]
    assert len(rows) > 4
    pages = ["exchanges", "audit", "config", "provider-keys", "providers", "providers/up", "tenants/acme"]
    pages += ["tenants/beta", "usage", "limits", *(f"exchanges/{row['id']}" for row in rows)]
    told += [(await first.ask("GET", f"/admin/{page}")).data for page in pages]
    told += [(await first.ask("GET", page)).data for page in ("/metrics", "/health", "/v1/models")]
    await first.gateway.close()
    await second.gateway.close()
    found = [file for file in folder.rglob("*") if file.is_file()]
    assert {"state.db"} <= {file.name for file in found}
    told += [file.read_bytes() for file in found]
    told.append(caplog.text.encode())
    for secret in (ACME, BETA):
        assert all(secret.encode() not in one for one in told)
    assert strict.keys.count(OURS) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no several workers")
async def test_two_workers_use_it_and_know_that_it_rests(environment: dict[str, str], tmp_path: Path) -> None:
    strict = Strict()
    async with FakeProvider(strict) as provider, aiohttp.ClientSession() as session:
        file = tmp_path / "dragoman.yaml"
        file.write_text(json.dumps(settings(provider.url)))
        server = await asyncio.to_thread(lambda: serving(environment, tmp_path, "--workers", "2"))
        with server as process:
            site = Site(process, file, session)
            _, made = await site.call("POST", "/admin/keys", OPS, {"name": "b", "tenant": "beta"})
            place = "/admin/tenants/beta/provider-keys/up"
            assert (await site.call("PUT", place, OPS, {"key": ACME}))[0] == 200
            await same(site, made["key"], strict, [ACME])
            strict.instead[ACME] = Whole({"error": {"message": "slow down"}}, 429, {"retry-after": "600"})
            await site.ask(made["key"], "up/gpt-4o")
            await same(site, made["key"], strict, [])  # no worker asks with it any more
            assert (await site.call("PUT", place, OPS, {"key": BETA}))[0] == 200
            await same(site, made["key"], strict, [BETA])


async def same(site: Site, key: str, strict: Strict, secrets: list[str]) -> None:
    """Wait until twenty requests one after another, each on its own connection, are sent with these keys."""
    async with asyncio.timeout(NEVER):
        alike = 0
        while alike < 20:
            strict.take()
            await site.ask(key, "up/gpt-4o")
            alike = alike + 1 if strict.take() == secrets else 0
