"""`dragoman import litellm`: clients keep their keys."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from dragoman.gateway import Gateway
from dragoman.server.app import App
from tests.unit.cli.conftest import Run
from tests.unit.turns.asking import Talk

pytest.importorskip("sqlalchemy")
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
    arguments = ["import", "litellm", "--database", str(folder / "dump.json")]
    arguments += ["--config", str(folder / "dragoman.yaml")]
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "1 keys are taken over, 0 were here already; 0 tenants, 1 teams, 0 users" in first.err
    again = run(*arguments, "--json")
    counts = {"keys": 0, "known": 1, "tenants": 0, "teams": 1, "users": 0, "notes": []}
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
