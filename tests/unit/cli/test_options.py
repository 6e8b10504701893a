"""A wrong configuration, as every command but `check` tells it: in at most three lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

COMMANDS = [("serve",), ("config", "show"), ("models", "list")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_one_problem_and_its_way_out(run: Run, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "one.yaml").write_text("server: {prt: 3000}")
    assert run(*command, "-c", "one.yaml") == (
        3, "", "error: one.yaml:1: server.prt: unknown setting\n hint: did you mean port?\n",
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_of_several_the_first_and_how_to_see_all(run: Run, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "my team.yaml").write_text("server: {prt: 3000}\nmodles: {}\n")
    code, out, err = run(*command, "--config", "my team.yaml")
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        "error: my team.yaml:1: server.prt: unknown setting (did you mean port?)",
        " hint: to list all 2 problems: dragoman check 'my team.yaml'",
    ]


def test_programs_get_all_of_them(run: Run, folder: Path) -> None:
    (folder / "dragoman.yaml").write_text("server: {prt: 3000}\nmodles: {}\n")
    problems = json.loads(run("config", "show", "--json").err)["error"]["problems"]
    assert [problem["path"] for problem in problems] == ["server.prt", "modles"]


def test_warnings_are_told_beside_the_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PRT\x1b", "1")
    code, out, err = run("config", "show")
    assert (code, out.splitlines()[0]) == (0, "path\tvalue\tsource")
    assert err.startswith("▲ DRAGOMAN_PRT: unknown environment variable: it is ignored")
