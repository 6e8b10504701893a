"""Which store a setting opens, where its file is, and that nothing is opened before it is used."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.errors import ConfigError
from dragoman.stores import open as opening
from dragoman.stores.memory import MemoryStore
from dragoman.stores.open import (
    kind_of,
    located,
    located_exchanges,
    open_exchanges,
    open_store,
    unstated,
    writable,
)

if TYPE_CHECKING:
    from tests.postgres import PostgresServer  # which needs the extra

SQL = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="needs the extra `sql`")


@pytest.mark.parametrize("where", [None, "memory"])
async def test_without_a_database_the_store_is_in_memory(where: str | None, tmp_path: Path) -> None:
    assert isinstance(open_store(where, tmp_path), MemoryStore)


@SQL
def test_a_database_is_in_our_folder_or_where_its_url_says(tmp_path: Path) -> None:
    assert located("sqlite", tmp_path) == tmp_path / "state.db"
    assert located("sqlite:////var/lib/a.db", tmp_path) == Path("/var/lib/a.db")
    assert located("sqlite:///~/a.db", tmp_path) == Path.home() / "a.db"


@SQL
async def test_a_database_is_made_by_its_first_use(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert await store.sessions.count() == 0
    assert (tmp_path / "home" / "state.db").is_file()
    await store.close()


@SQL
def test_a_wrong_value_and_a_missing_extra_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"stores\.sql: must be memory, sqlite, a sqlite URL or"):
        located("mysql", tmp_path)
    with pytest.raises(ConfigError, match=r"trace\.store: there is no home folder for the `~`"):
        located_exchanges("sqlite:///~nobody-has-this-name/a.db", tmp_path)
    with pytest.raises(ConfigError, match=r"stores\.sql: has the unknown parameter nonsense") as raised:
        located("postgresql://u:secret@h/db?nonsense=1", tmp_path)
    assert "secret" not in str(raised.value)
    with monkeypatch.context() as without:
        without.setattr(opening, "find_spec", lambda name: None if name == "psycopg" else object())
        assert located("sqlite", tmp_path) is not None
        with pytest.raises(ConfigError, match=r"stores\.sql: needs the extra `postgres` \(install it with"):
            located("postgresql://h/db", tmp_path)
    monkeypatch.setattr(opening, "installed", lambda: False)
    with pytest.raises(ConfigError, match=r"stores\.sql: needs the extra `sql` \(install it with"):
        located("sqlite", tmp_path)


def test_a_folder_that_is_not_there_yet_is_as_writable_as_its_parent(tmp_path: Path) -> None:
    assert writable(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    assert not writable(tmp_path / "file" / "a")


def test_without_a_setting_a_file_that_exists_is_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have client keys, so that a gateway that forgets it would be open."""
    for has_extra, may_write, fresh in [
        (True, True, "sqlite"),
        (True, False, "memory"),
        (False, True, "memory"),
    ]:
        monkeypatch.setattr(opening, "installed", lambda has_extra=has_extra: has_extra)
        monkeypatch.setattr(opening, "writable", lambda _, may_write=may_write: may_write)
        (tmp_path / "state.db").unlink(missing_ok=True)
        assert unstated(tmp_path) == fresh
        (tmp_path / "state.db").touch()
        assert unstated(tmp_path) == "sqlite"
    assert unstated(tmp_path / "state.db" / "in-a-file") == "memory"


@SQL
async def test_a_server_is_reached_by_the_first_use_alone(tmp_path: Path, postgres: PostgresServer) -> None:
    with postgres.database(None) as url:
        place = located(url, tmp_path)
        assert place is not None
        assert (str(place), kind_of(place)) == (url.partition("?")[0], "postgresql")
        store = open_store(url, tmp_path / "home")
        exchanges = open_exchanges(url, tmp_path / "home", 1_000_000, 1000.0)
        assert exchanges is not None
        assert (store.kind, exchanges.kind, store.version) == ("postgresql", "postgresql", None)
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert postgres.run(tables, url.partition("?")[0].rpartition("/")[2]) == [(0,)]
        assert await store.sessions.count() == 0
        assert await exchanges.find("none") is None
        assert (store.version or "")[0].isdigit()
        assert not (tmp_path / "home").exists()
        await exchanges.close()
        await store.close()
