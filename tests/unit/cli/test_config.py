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
    assert (code, len(err.splitlines()), rows[0]) == (0, 1, ["path", "value", "source"])
    assert ["server.port", "3000", "DRAGOMAN_PORT"] in rows
    assert ["providers.anthropic.keys[0]", "…9f3a", "team.yaml:2"] in rows
    assert "do-not-show" not in out


TEAM = """\
server: {port: 3000}
providers:
  groq: {}
  openai: {keys: [sk-0123456789abcdef], timeouts: {first_byte: 20s}}
  mine: {base_url: "http://10.0.0.5:8000"}
models:
  robust: {use: openai/gpt-4o, timeouts: {idle: 7s}}
auth:
  keys: [dgm_0123456789abcdef]
"""


def test_what_is_stated_is_shown_and_nothing_else(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "team.yaml").write_text(TEAM)
    monkeypatch.setenv("DRAGOMAN_HEARTBEAT", "3s")
    code, out, err = run("config", "show", "-c", "team.yaml")
    assert (code, out.splitlines()[1:]) == (
        0,
        [
            "server.port\t3000\tteam.yaml:1",
            "server.heartbeat\t3s\tDRAGOMAN_HEARTBEAT",
            "auth.keys[0].key\t…cdef\tteam.yaml:9",
            "providers.openai.keys[0]\t…cdef\tteam.yaml:4",
            "providers.openai.timeouts.first_byte\t20s\tteam.yaml:4",
            "providers.mine.base_url\thttp://10.0.0.5:8000\tteam.yaml:5",
            "providers.groq\t{}\tteam.yaml:3",
            "models.robust.use\topenai/gpt-4o\tteam.yaml:7",
            "models.robust.timeouts.idle\t7s\tteam.yaml:7",
            "discover\tfalse\tDRAGOMAN_DISCOVER",
        ],
    )
    assert err.splitlines()[-1] == "everything else has its default; dragoman config show --all lists it"
    assert run("config", "show", "-c", "team.yaml", "--changed").out == out
    assert run("config", "show", "--all", "--changed").code == 2
    told = json.loads(run("config", "show", "-c", "team.yaml", "--json").out)
    assert told[0] == {"path": "server.port", "value": "3000", "source": "team.yaml:1"}


def test_where_nothing_is_stated_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRAGOMAN_DISCOVER")
    code, out, err = run("config", "show")
    assert (code, out) == (0, "")
    assert err.startswith("nothing is stated: everything has its default; ")


def test_the_schema_is_that_of_the_settings(run: Run) -> None:
    code, out, _ = run("config", "schema")
    assert (code, json.loads(out)) == (0, json_schema())


def test_a_file_that_is_found_is_trusted_once(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dragoman.yaml").write_text('providers: {openai: {base_url: "https://proxy.example"}}')
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    for command in (("check",), ("config", "show"), ("models", "list"), ("serve", "--port", "0")):
        refused = run(*command)
        assert refused.code == 3
        assert "would send OPENAI_API_KEY to https://proxy.example" in refused.err
        assert "dragoman config trust" in refused.err
    assert run("check", "dragoman.yaml").code == 0
    told = run("config", "trust")
    assert (told.code, told.out, told.err) == (
        0,
        "",
        "● OPENAI_API_KEY may be sent to https://proxy.example\n",
    )
    assert run("check").code == 0
    again = run("config", "trust", "--json")
    assert json.loads(again.out)["trusted"] == [
        {"secret": "OPENAI_API_KEY", "target": "https://proxy.example"}
    ]


def test_trust_where_none_is_needed(run: Run, folder: Path) -> None:
    assert run("config", "trust").code == 2
    (folder / "dragoman.yaml").write_text("strict: true")
    assert run("config", "trust").err == "● dragoman.yaml sends no keys to other servers: nothing to trust\n"


def test_a_fresh_key_is_long_and_new_each_time(run: Run) -> None:
    keys = {run("config", "key").out.strip() for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) == 68 and key.startswith("dgm_") for key in keys)
