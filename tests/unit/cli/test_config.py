"""`dragoman config`: what is in force and from where, without secrets; and the schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.config.schema import json_schema
from tests.unit.cli.conftest import Run


def test_settings_in_force_have_a_source_and_no_secrets(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "team.yaml").write_text("providers:\n  anthropic: {keys: [sk-do-not-show-me-9f3a]}\n")
    monkeypatch.setenv("DRAGOMAN_PORT", "3000")
    code, out, err = run("config", "show", "-c", "team.yaml")
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, err, rows[0]) == (0, "", ["path", "value", "source"])
    assert ["server.port", "3000", "DRAGOMAN_PORT"] in rows
    assert ["providers.anthropic.keys[0]", "…9f3a", "team.yaml:2"] in rows
    assert "do-not-show" not in out


def test_the_schema_is_that_of_the_settings(run: Run) -> None:
    code, out, _ = run("config", "schema")
    assert (code, json.loads(out)) == (0, json_schema())
