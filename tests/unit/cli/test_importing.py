"""`dragoman import litellm`: clients keep their keys."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.state.directory import OwnKey
from dragoman.stores.open import open_store
from tests.unit.cli.conftest import Run
from tests.unit.turns.asking import Talk

THEIRS = "sk-the-key-of-a-client"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    (tmp_path / "dragoman.yaml").write_text(
        "providers: {simulate: {enabled: true}}\nstores: {sql: sqlite}\nmodels: {fast: simulate/echo}\n"
    )
    token = hashlib.sha256(THEIRS.encode()).hexdigest()
    rows = [{"token": token, "key_alias": "ci", "models": ["fast"], "team_id": "t", "rpm_limit": 60}]
    tables = {"LiteLLM_VerificationToken": rows, "LiteLLM_TeamTable": [{"team_id": "t", "team_alias": "lab"}]}
    (tmp_path / "dump.json").write_text(json.dumps(tables))
    return tmp_path


def test_clients_keep_their_keys(run: Run, folder: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    arguments = ["import", "litellm", "--database", str(folder / "dump.json")]
    arguments += ["--config", str(folder / "dragoman.yaml")]
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "1 keys are taken over, 0 were here already; 0 tenants, 1 teams, 0 users" in first.err
    again = run(*arguments, "--json")
    counts = {"keys": 0, "known": 1, "tenants": 0, "teams": 0, "users": 0, "notes": []}
    assert json.loads(again.out) == {"keys": counts}

    async def used() -> tuple[int, int, int]:
        gateway = Gateway(folder / "dragoman.yaml")
        app = App(gateway)
        found = []
        for key, model in ((THEIRS, "fast"), (THEIRS, "simulate/echo"), ("sk-another", "fast")):
            body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            headers = {"authorization": f"Bearer {key}"}
            found.append((await Talk(app, "POST", "/v1/chat/completions", body, headers).answer()).status)
        await gateway.close()
        return found[0], found[1], found[2]

    assert asyncio.run(used()) == (200, 403, 401)


def test_what_the_gateway_has_counts(run: Run, folder: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    """Groups of its configuration are granted by their names. A tenant that is made gets no key of a provider
    that an earlier tenant of its name has left.
    """
    text = (folder / "dragoman.yaml").read_text()
    (folder / "dragoman.yaml").write_text(f"{text}groups: {{beta: [fast]}}\nteams: {{lab: {{}}}}\n")
    token = hashlib.sha256(THEIRS.encode()).hexdigest()
    tables = {
        "LiteLLM_VerificationToken": [{"token": token, "models": ["beta"], "team_id": "t"}],
        "LiteLLM_TeamTable": [{"team_id": "t", "team_alias": "lab"}],
        "LiteLLM_OrganizationTable": [{"organization_id": "o", "organization_alias": "acme"}],
    }
    (folder / "dump.json").write_text(json.dumps(tables))

    async def own_keys(*kept: OwnKey) -> list[str]:
        store = open_store("sqlite", folder)
        assert store.directory is not None
        for one in kept:
            await store.directory.keep_own(one)
        found = [one.tenant for one in await store.directory.own_keys()]
        await store.close()
        return found

    left = [OwnKey(name, "simulate", b"", "", "…", "me", 1.0) for name in ("acme", "other")]
    assert asyncio.run(own_keys(*left)) == ["acme", "other"]
    ended = run(
        *("import", "litellm", "--database", str(folder / "dump.json")),
        *("--config", str(folder / "dragoman.yaml"), "--json"),
    )
    told = json.loads(ended.out)["keys"]
    assert (told["keys"], told["tenants"], told["teams"]) == (1, 1, 0)
    assert told["notes"] == ["teams that are here already stay as they are, and get their keys: lab"]
    assert asyncio.run(own_keys()) == ["other"]

    async def used() -> list[int]:
        gateway = Gateway(folder / "dragoman.yaml")
        headers = {"authorization": f"Bearer {THEIRS}"}
        found = []
        for model in ("fast", "simulate/echo"):
            body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            talk = Talk(App(gateway), "POST", "/v1/chat/completions", body, headers)
            found.append((await talk.answer()).status)
        await gateway.close()
        return found

    assert asyncio.run(used()) == [200, 403]


def test_a_configuration_is_printed_as_ours(run: Run, folder: Path) -> None:
    file = folder / "litellm.yaml"
    file.write_text(
        "model_list:\n- model_name: a\n  litellm_params: {model: openai/gpt-5, api_key: os.environ/K}\n"
    )
    ended = run("import", "litellm", str(file))
    assert ended.code == 0
    assert "openai/gpt-5" in ended.out


def test_nothing_to_import_is_misuse(run: Run, folder: Path) -> None:
    assert run("import", "litellm").code == 2
    wrong = run("import", "litellm", str(folder / "dragoman.yaml"))
    assert "is not LiteLLM's configuration" in wrong.err


def test_without_a_database_there_is_no_place_for_keys(run: Run, folder: Path) -> None:
    (folder / "dragoman.yaml").write_text("stores: {sql: memory}\n")
    ended = run(
        *("import", "litellm", "--database", str(folder / "dump.json")),
        *("--config", str(folder / "dragoman.yaml")),
    )
    assert (ended.code, "no database" in ended.err) == (3, True)
