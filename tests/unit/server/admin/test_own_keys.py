"""Tenants' own keys: kept encrypted, never shown, in no log, trace or database."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.server.admin.office import OPS, SETTINGS, Office, started

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
pytest.importorskip("cryptography", reason="needs the extra `encryption`")
CANARY = "sk-the-canary-that-must-not-sing-0123456789"
MASTER = "m" * 32
PLACE = "/admin/tenants/acme/provider-keys/openai"


def settings(**auth: object) -> dict[str, object]:
    account = {"base_url": "http://127.0.0.1:9", "keys": []}
    aws = {"catalog": "bedrock", "base_url": "http://127.0.0.1:9", "region": "eu-west-1", "keys": []}
    providers = {**SETTINGS["providers"], "openai": account, "aws": aws}
    trace = {"bodies": True, "store": "sqlite"}
    return {**SETTINGS, "providers": providers, "trace": trace, "auth": {**SETTINGS["auth"], **auth}}


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    made = started(tmp_path, settings(encryption_key=MASTER))
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def test_a_key_is_kept_and_never_shown(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await office.chat(OPS)
    made = await office.ask("PUT", PLACE, {"key": CANARY})
    assert (made.status, made.body["key"]) == (200, "…6789"), made.body
    listed = (await office.ask("GET", "/admin/provider-keys")).body["data"]
    assert [(one["tenant"], one["provider"], one["key"]) for one in listed] == [("acme", "openai", "…6789")]
    told = [made.data]
    paths = ["/admin/audit", "/admin/exchanges", "/admin/config", "/admin/tenants/acme"]
    exchanges = (await office.ask("GET", "/admin/exchanges")).body["data"]
    paths += [f"/admin/exchanges/{one['id']}" for one in exchanges]
    told += [(await office.ask("GET", path)).data for path in paths]
    assert exchanges
    assert all(CANARY.encode() not in one for one in told)
    assert CANARY not in caplog.text
    await office.gateway.close()
    contents = _contents(tmp_path)
    assert "state.db" in contents
    assert all(CANARY.encode() not in content for content in contents.values())


async def test_the_audit_tells_which_key_was_replaced(office: Office) -> None:
    for key in (CANARY, "sk-the-next-one-4321"):
        assert (await office.ask("PUT", PLACE, {"key": key})).status == 200
    assert (await office.ask("DELETE", PLACE)).status == 200
    entries = (await office.ask("GET", "/admin/audit")).body["data"]
    assert [(one["action"], one["before"], one["after"]) for one in entries] == [
        ("delete", "…4321", None),
        ("keep", "…6789", "…4321"),
        ("keep", None, "…6789"),
    ]


async def test_a_part_of_an_access_key_is_refused(office: Office) -> None:
    answer = await office.ask("PUT", PLACE.replace("openai", "aws"), {"key": "AKIAIOSFODNN7EXAMPLE:short"})
    assert answer.status == 400
    assert "is not written `ID:SECRET`" in answer.body["error"]["message"]


def _contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by name."""
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_a_new_client_key_is_in_no_trace(office: Office) -> None:
    key = (await office.ask("POST", "/admin/keys", {"name": "ann"})).body["key"]
    for one in (await office.ask("GET", "/admin/exchanges")).body["data"]:
        assert key.encode() not in (await office.ask("GET", f"/admin/exchanges/{one['id']}")).data


async def test_another_master_key_decrypts_only_what_it_replaces(office: Office, tmp_path: Path) -> None:
    await office.ask("PUT", PLACE, {"key": CANARY})
    await office.gateway.close()
    other = started(tmp_path, settings(encryption_key="n" * 32))
    failed = (await other.ask("POST", "/admin/provider-keys/reencrypt")).body
    assert (failed["changed"], len(failed["failed"])) == (0, 1)
    await other.gateway.close()
    both = started(tmp_path, settings(encryption_key="n" * 32, old_encryption_keys=[MASTER]))
    done = (await both.ask("POST", "/admin/provider-keys/reencrypt")).body
    assert (done["changed"], done["failed"]) == (1, [])
    (row,) = (await both.ask("GET", "/admin/provider-keys")).body["data"]
    assert row["master"] == done["master"]
    await both.gateway.close()


async def test_a_tenant_that_goes_takes_its_keys_along(office: Office) -> None:
    """So the next tenant of its name does not spend with them."""
    place = "/admin/tenants/beta"
    for _ in range(2):
        assert (await office.ask("PUT", place, {})).status == 200
        assert (await office.ask("GET", "/admin/provider-keys")).body["data"] == []
        assert (await office.ask("PUT", f"{place}/provider-keys/openai", {"key": CANARY})).status == 200
        assert office.gateway.following is not None
        assert len(office.gateway.following.own_keys) == 1
        assert (await office.ask("DELETE", place)).status == 200
        assert office.gateway.following.own_keys == []


async def test_a_tenant_gets_nothing_that_another_of_its_name_has_left(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file declared a tenant, which then brought a key. Later the name is given to somebody else."""
    assert (await office.ask("PUT", PLACE, {"key": CANARY})).status == 200
    assert (await office.ask("PUT", "/admin/tenants/acme", {})).status == 409
    assert len((await office.ask("GET", "/admin/provider-keys")).body["data"]) == 1
    await office.gateway.close()
    without = {**settings(encryption_key=MASTER), "tenants": {}}
    office = started(tmp_path, without)
    await office.gateway.start()
    assert (await office.ask("PUT", "/admin/tenants/acme", {})).status == 200
    assert (await office.ask("GET", "/admin/provider-keys")).body["data"] == []
    assert (await office.ask("PUT", PLACE, {"key": CANARY})).status == 200
    assert (await office.ask("PUT", "/admin/tenants/acme", {"tags": ["x"]})).status == 200
    assert len((await office.ask("GET", "/admin/provider-keys")).body["data"]) == 1
    await office.gateway.close()


async def test_mistakes(office: Office, tmp_path: Path) -> None:
    assert (await office.ask("PUT", "/admin/tenants/nobody/provider-keys/openai", {"key": "x"})).status == 400
    unknown = await office.ask("PUT", "/admin/tenants/acme/provider-keys/none", {"key": "x"})
    assert (unknown.status, unknown.body["error"]["param"]) == (400, "provider")
    assert (await office.ask("PUT", PLACE, {})).status == 400
    assert (await office.ask("DELETE", PLACE)).status == 404
    await office.ask("PUT", PLACE, {"key": CANARY})
    assert (await office.ask("DELETE", PLACE)).body["deleted"] is True
    await office.gateway.close()
    without = started(tmp_path, settings())
    refused = await without.ask("PUT", PLACE, {"key": "x"})
    assert (refused.status, refused.body["error"]["code"]) == (501, "no_master_key")
    await without.gateway.close()
