"""`dragoman check`: every problem with its line, or what the configuration offers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

GOOD = """\
providers:
  mine: {base_url: "http://10.0.0.5:8000", keys: []}
models:
  coder: {use: mine/qwen3-coder}
aliases:
  fast: coder
"""
HALF = """\
server: {prt: 3000}
auth:
  keys:
  - {key: "${TEAM_KEY}", scopes: []}
providers:
  mine: {base_url: "${PLACE}"}
  openai: {keys: ["x${FIRST}", "x${SECOND}"]}
models:
  m: {use: "${MODEL}"}
aliases: {a: nowhere/x}
stores: {sql: redis}
"""
BAD = """\
server: {prt: 3000}
models:
  coder: {use: nowhere/x}
aliases: {fast: {rout: coder}}
"""


def test_a_good_file_is_told_between_tabs(run: Run, folder: Path) -> None:
    (folder / "team.yaml").write_text(GOOD)
    code, out, err = run("check", "team.yaml")
    assert (code, err) == (0, "● team.yaml is valid\n")
    assert out.splitlines() == [
        "kind\tname\tstands for\thow",
        "provider\tmine\thttp://10.0.0.5:8000/v1\t",
        "model\tcoder\tmine/qwen3-coder\t",
        "alias\tfast\tcoder\t",
    ]


def test_the_file_of_the_folder_is_found(run: Run, folder: Path) -> None:
    (folder / "dragoman.yaml").write_text(GOOD)
    code, out, err = run("check", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "file": "dragoman.yaml",
        "providers": ["mine"],
        "models": ["coder"],
        "aliases": ["fast"],
        "described": [
            {"kind": "provider", "name": "mine", "stands_for": "http://10.0.0.5:8000/v1", "how": ""},
            {"kind": "model", "name": "coder", "stands_for": "mine/qwen3-coder", "how": ""},
            {"kind": "alias", "name": "fast", "stands_for": "coder", "how": ""},
        ],
        "warnings": [],
    }


def test_a_file_may_be_named_as_for_the_other_commands(run: Run, folder: Path) -> None:
    file = folder / "team.yaml"
    file.write_text("models: {coder: {use: simulate/echo}}\n")
    for option in ("--config", "-c"):
        code, out, _ = run("check", option, str(file))
        assert (code, "model\tcoder\tsimulate/echo" in out) == (0, True)
    code, _, err = run("check", str(file), "--config", str(file))
    assert (code, "keep one of them" in err) == (2, True)


def test_without_a_file_the_environment_is_checked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("DRAGOMAN_PRT", "1")
    code, out, err = run("check")
    assert (code, out.splitlines()[1]) == (0, "provider\topenai\thttps://api.openai.com/v1\t")
    assert err.splitlines() == [
        "▲ DRAGOMAN_PRT: unknown environment variable: it is ignored (did you mean DRAGOMAN_PORT?)",
        "● the environment (no configuration file) is valid",
    ]


def test_every_problem_is_told_at_once_with_its_line(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text(BAD)
    code, out, err = run("check", "bad.yaml")
    assert (code, out) == (3, "")
    *problems, last, hint = err.splitlines()
    assert problems[0] == " ✕ bad.yaml:1: server.prt: unknown setting (did you mean port?)"
    assert [line.split(":")[1] for line in problems] == ["1", "3", "4", "4"]
    assert last == "error: the configuration has 4 problems"
    assert hint == " hint: dragoman config schema lists every setting"


def test_problems_for_programs_have_their_parts(run: Run, folder: Path) -> None:
    (folder / "bad.yaml").write_text(BAD)
    code, out, err = run("check", "bad.yaml", "--json")
    error = json.loads(err)["error"]
    assert (code, out, error["code"], len(error["problems"])) == (3, "", "configuration", 4)
    assert error["problems"][0] == {
        "path": "server.prt",
        "message": "unknown setting",
        "file": "bad.yaml",
        "line": 1,
        "hint": "did you mean port?",
    }


def test_a_secret_file_and_a_variable_need_no_list_of_settings(run: Run, folder: Path) -> None:
    keys = "auth: {keys: [{name: a, key: '${NOT_SET}'}, {name: b, key: {file: /nowhere/team}}]}"
    (folder / "keys.yaml").write_text(keys)
    code, out, err = run("check", "keys.yaml")
    assert (code, out) == (3, "")
    _, file, last = err.splitlines()
    assert file.startswith(" ✕ keys.yaml:1: auth.keys[1].key: /nowhere/team cannot be read: No such file")
    assert last == "error: the configuration has 2 problems"


def test_a_file_that_is_not_there_needs_no_list_of_settings(run: Run) -> None:
    code, out, err = run("check", "none.yaml")
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        " ✕ none.yaml: cannot be read: No such file or directory",
        "error: the configuration has 1 problem",
    ]


def test_a_store_that_serve_would_not_open_is_a_problem(run: Run, folder: Path) -> None:
    (folder / "store.yaml").write_text("stores:\n  sql: redis\n")
    code, out, err = run("check", "store.yaml")
    assert (code, out) == (3, "")
    assert err.splitlines()[0].startswith(
        " ✕ store.yaml:2: stores.sql: must be memory, sqlite, a sqlite URL or a postgresql URL"
    )


LITELLM = """\
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/SOME_KEY, rpm: 5}
general_settings: {master_key: a-key-of-some-length}
litellm_settings: {cache: true}
"""


def test_litellms_file_is_told_setting_by_setting(run: Run, folder: Path) -> None:
    (folder / "litellm.yaml").write_text(LITELLM)
    code, out, err = run("check", "litellm.yaml")
    assert (code, out) == (3, "")
    assert "model_list[0]: here: models.gpt with openai/gpt-4o, and providers.openai" in err
    assert "model_list[0].litellm_params.rpm: here: limits of the deployment; if one is reached" in err
    assert "hint: dragoman check litellm.yaml --convert > dragoman.yaml" in err
    assert "a-key-of-some-length" not in err
    code, out, err = run("check", "litellm.yaml", "--json")
    assert (code, out) == (3, "")
    assert {note["path"] for note in json.loads(err)["error"]["notes"]} >= {"general_settings.master_key"}


def test_litellms_file_is_converted(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "litellm.yaml").write_text(LITELLM)
    code, out, err = run("check", "litellm.yaml", "--convert")
    assert code == 0
    assert [line for line in err.splitlines() if "cache" not in line] == []  # what has no counterpart
    assert "litellm_settings.cache" in err
    (folder / "dragoman.yaml").write_text(out)
    monkeypatch.setenv("SOME_KEY", "a-key-of-the-provider")
    assert run("check", "dragoman.yaml").code == 0
    code, out, _ = run("check", "litellm.yaml", "--convert", "--json")
    assert json.loads(out)["settings"]["models"] == {
        "gpt": {"deployments": [{"use": "openai/gpt-4o", "limits": {"requests": "5/min"}}]}
    }


def test_only_litellms_file_is_converted(run: Run, folder: Path) -> None:
    (folder / "team.yaml").write_text(GOOD)
    code, out, err = run("check", "team.yaml", "--convert")
    assert (code, out) == (2, "")
    assert "takes LiteLLM's config.yaml" in err


def test_what_a_variable_that_is_not_set_stands_for_hides_nothing_beside_it(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bad.yaml").write_text(HALF)
    monkeypatch.setenv("DRAGOMAN_PRT", "1")
    code, out, err = run("check", "bad.yaml")
    assert (code, out) == (3, "")
    odd, *problems, last, _ = err.splitlines()
    assert odd.startswith("▲ DRAGOMAN_PRT: unknown environment variable")
    assert [line.removeprefix(" ✕ bad.yaml:").partition(" (")[0] for line in problems] == [
        "1: server.prt: unknown setting",
        "4: auth.keys[0].key: the environment variable TEAM_KEY is not set",
        "4: auth.keys[0].scopes: an empty list allows no request",
        "6: providers.mine.base_url: the environment variable PLACE is not set",
        "7: providers.openai.keys[0]: the environment variable FIRST is not set",
        "7: providers.openai.keys[1]: the environment variable SECOND is not set",
        "9: models.m.use: the environment variable MODEL is not set",
        "10: aliases.a.route: there is no model or alias `nowhere/x`",
        "11: stores.sql: must be memory, sqlite, a sqlite URL or a postgresql URL",
    ]
    assert last == "error: the configuration has 9 problems"
    told = json.loads(run("check", "bad.yaml", "--json").err)["error"]
    assert (len(told["problems"]), len(told["warnings"])) == (9, 1)


def test_a_key_may_use_what_operators_have_added(run: Run, folder: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    from tests.unit.assembly.test_added import keep  # it needs the extra

    keys = "auth: {keys: [{name: t, key: a-key-of-sixteen-characters, models: [fast]}]}\n"
    (folder / "dragoman.yaml").write_text("providers: {simulate: {enabled: true}}\n" + keys)
    assert "there is no model or alias `fast`" in run("check").err
    asyncio.run(keep(folder / "home" / "state.db", 1, "fast"))
    ended = run("check")
    assert (ended.code, "is valid" in ended.err) == (0, True), ended.err
