"""Which store a setting opens, where its file is, and that nothing is opened before it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.errors import ConfigError
from dragoman.stores import open as opening
from dragoman.stores.memory import MemoryStore
from dragoman.stores.open import located, open_store, writable


@pytest.mark.parametrize("where", [None, "memory"])
async def test_without_a_database_the_store_is_in_memory(where: str | None, tmp_path: Path) -> None:
    assert isinstance(open_store(where, tmp_path), MemoryStore)


def test_a_database_is_in_our_folder_or_where_its_url_says(tmp_path: Path) -> None:
    assert located("sqlite", tmp_path) == tmp_path / "state.db"
    assert located("sqlite:////var/lib/a.db", tmp_path) == Path("/var/lib/a.db")
    assert located("sqlite:///~/a.db", tmp_path) == Path.home() / "a.db"


async def test_a_database_is_made_by_its_first_use(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert await store.sessions.count() == 0
    assert (tmp_path / "home" / "state.db").is_file()
    await store.close()


def test_a_wrong_value_and_a_missing_extra_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"stores\.sql: must be memory, sqlite or a sqlite URL"):
        located("mysql", tmp_path)
    monkeypatch.setattr(opening, "installed", lambda: False)
    with pytest.raises(ConfigError, match=r"stores\.sql: needs the extra `sql` \(install it with"):
        located("sqlite", tmp_path)


def test_a_folder_that_is_not_there_yet_is_as_writable_as_its_parent(tmp_path: Path) -> None:
    assert writable(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    assert not writable(tmp_path / "file" / "a")
