"""`dragoman db` shows how databases stand, and upgrades them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from sqlalchemy import create_engine

from dragoman.seams import extras
from dragoman.stores.sql.migrate import upgrade
from dragoman.stores.standing import HEAD
from tests.postgres import PostgresServer
from tests.unit.cli.conftest import Run

BEFORE = f"{int(HEAD) - 1:04}"
PENDING = f"  {HEAD}  "


def test_without_a_database_there_is_nothing_to_do(run: Run, folder: Path) -> None:
    ended = run("db", "status")
    assert (ended.code, "there is no database yet" in ended.err) == (0, True)
    assert run("db", "upgrade", "--yes").code == 0
    assert not (folder / "home" / "state.db").exists()


@pytest.mark.parametrize("command", ["status", "upgrade"])
def test_a_missing_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: False)
    monkeypatch.setitem(sys.modules, "dragoman.stores.sql.migrate", None)  # its import fails
    code, out, err = run("db", command)
    assert (code, out) == (3, "")
    assert err.splitlines() == [
        "error: stores.sql: needs the extra `sql`",
        f" hint: install it with {extras.command('sql')}, or use memory",
    ]


def test_a_server_with_an_older_schema_is_shown_and_upgraded(
    run: Run, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    with postgres.database(BEFORE) as url:
        monkeypatch.setenv("DRAGOMAN_SQL", url)
        ended = run("db", "status", "--json")
        (told,) = json.loads(ended.out)
        assert ended.code == 1
        version, latency = told.pop("version"), told.pop("latency_ms")
        assert 0 < latency < 5000
        assert version[0].isdigit()
        (pending,) = told.pop("pending")
        assert pending["revision"] == HEAD
        assert told == {
            "setting": "stores.sql",
            "database": url.partition("?")[0],
            "kind": "postgresql",
            "schema": BEFORE,
            "needed": HEAD,
            "state": "to be upgraded",
            "usable": False,
        }
        refused = run("db", "upgrade")
        assert (refused.code, PENDING in refused.err, "add --yes" in refused.err) == (2, True, True)
        assert json.loads(run("db", "status", "--json").out)[0]["schema"] == BEFORE
        done = run("db", "upgrade", "--yes")
        assert (done.code, f"the schema is {HEAD}, up to date" in done.err) == (0, True)
        again = run("db", "upgrade")
        assert (again.code, PENDING in again.err) == (0, False)
        assert run("db", "status").code == 0


def test_an_empty_database_is_created_on_request(
    run: Run, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    with postgres.database(None) as url:
        monkeypatch.setenv("DRAGOMAN_SQL", url)
        ended = run("db", "status")
        assert (ended.code, "empty: the first start creates its tables" in ended.out) == (0, True)
        assert run("db", "upgrade", "-y").code == 0
        assert "up to date" in run("db", "status").out


def test_one_that_is_too_new_is_told_and_stays(
    run: Run, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    with postgres.database() as url:
        monkeypatch.setenv("DRAGOMAN_SQL", url)
        name = url.partition("?")[0].rpartition("/")[2]
        postgres.run("UPDATE alembic_version SET version_num = '9999'", name)
        ended = run("db", "status")
        assert (ended.code, "newer than this version, which can use it" in ended.out) == (0, True)
        postgres.run("UPDATE schema_marks SET value = '9999'", name)
        ended = run("db", "status")
        assert (ended.code, "too new for this version" in ended.out) == (1, True)
        ended = run("db", "upgrade", "--yes")
        assert (ended.code, "that know the schema 9999" in ended.err) == (3, True)


def test_files_are_upgraded_too_each_once(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The file of the state is copied before; that of the exchanges, which do not last, is not."""
    home = folder / "home"
    home.mkdir()
    for name in ("state.db", "exchanges.db"):
        engine = create_engine(f"sqlite:///{home / name}")
        with engine.begin() as connection:
            upgrade(connection, BEFORE)
        engine.dispose()
    (folder / "dragoman.yaml").write_text("trace: {store: sqlite}")
    told = json.loads(run("db", "status", "--json").out)
    assert [(one["setting"], one["usable"], one["state"]) for one in told] == [
        (setting, True, "the next start upgrades it") for setting in ("stores.sql", "trace.store")
    ]
    assert run("db", "upgrade", "--yes").code == 0
    told = json.loads(run("db", "status", "--json").out)
    assert [one["state"] for one in told] == ["up to date"] * 2
    assert [one.name for one in home.glob("*.before-*")] == [f"state.db.before-{HEAD}"]


def test_a_database_that_does_not_answer_is_a_failure_without_its_password(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_SQL", "postgresql://me:s3cret@127.0.0.1:1/db")
    ended = run("db", "status")
    assert (ended.code, "stores.sql: the database: " in ended.err, "s3cret" in ended.err) == (4, True, False)


def test_no_is_an_answer(run: Run, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer) -> None:
    with postgres.database(BEFORE) as url:
        monkeypatch.setenv("DRAGOMAN_SQL", url)
        monkeypatch.setattr("click.confirm", lambda *_, **__: False)
        monkeypatch.setattr("dragoman.cli.confirming.sys", _Stdin())
        assert run("db", "upgrade").code == 1
        assert json.loads(run("db", "status", "--json").out)[0]["schema"] == BEFORE


class _Stdin:
    """A `sys` whose stdin is a terminal."""

    class stdin:  # noqa: N801 - the name in `sys`
        @staticmethod
        def isatty() -> bool:
            return True
