"""Which databases a configuration names, and how `dragoman check --live` shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.cli.databases import Found, Place, look, places
from dragoman.config.load import load
from dragoman.stores.standing import HEAD, Standing
from tests.postgres import PostgresServer
from tests.unit.cli.conftest import Run


def named(folder: Path, **stated: str) -> list[tuple[str, str]]:
    environ = {"DRAGOMAN_HOME": str(folder), **stated}
    return [(one.setting, str(one.where)) for one in places(load(None, environ, cwd=folder))]


def test_each_database_counts_once_and_files_that_are_not_there_do_not(tmp_path: Path) -> None:
    assert named(tmp_path) == named(tmp_path, DRAGOMAN_SQL="memory", DRAGOMAN_TRACE_STORE="sqlite") == []
    (tmp_path / "state.db").touch()
    assert named(tmp_path) == [("stores.sql", str(tmp_path / "state.db"))]
    url = "postgresql://u:p@h/db"
    both = named(tmp_path, DRAGOMAN_SQL=url, DRAGOMAN_TRACE_STORE=url)
    assert both == [("stores.sql", "postgresql://u@h/db")]
    other = named(tmp_path, DRAGOMAN_SQL=url, DRAGOMAN_TRACE_STORE="postgresql://h/other")
    assert other == [*both, ("trace.store", "postgresql://h/other")]


@pytest.mark.parametrize(
    ("standing", "problem", "itself", "state"),
    [
        (Standing(None), None, False, "empty: the first start creates its tables"),
        (Standing("0000"), None, True, "the next start upgrades it"),
        (Standing("0000"), "too old", False, "to be upgraded"),
        (Standing(HEAD), None, False, "up to date"),
        (Standing("9999"), None, True, "newer than this version, which can use it"),
        (Standing("9999", "9999"), "too new", True, "too new for this version"),
    ],
)
def test_how_one_stands(standing: Standing, problem: str | None, *, itself: bool, state: str) -> None:
    place = Place("stores.sql", Path("state.db"), "state")
    found = Found(place, "sqlite", "3", 0.1, standing, [], problem, itself)
    assert (found.state, found.as_json()["usable"]) == (state, problem is None)


def test_live_checks_ask_the_database(
    run: Run, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    with postgres.database() as url:
        monkeypatch.setenv("DRAGOMAN_SQL", url)
        ended = run("check", "--live")
        assert (ended.code, "● stores.sql: postgresql " in ended.err, "up to date" in ended.err) == (
            0,
            True,
            True,
        )
        (told,) = json.loads(run("check", "--live", "--json").out)["databases"]
        assert (told["kind"], told["usable"], told["schema"]) == ("postgresql", True, HEAD)
        assert "databases" not in json.loads(run("check", "--json").out)
    with postgres.database("0003") as url:
        monkeypatch.setenv("DRAGOMAN_SQL", url)
        ended = run("check", "--live")
        assert (ended.code, "✕ stores.sql: postgresql " in ended.err, "to be upgraded" in ended.err) == (
            1,
            True,
            True,
        )


def test_one_that_answers_says_how_long_it_took(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    found = look(Place("stores.sql", tmp_path / "state.db", "state"))
    assert (found.kind, found.standing.revision, found.pending[0].revision) == ("sqlite", None, "0001")
    assert 0 <= found.latency < 5000
