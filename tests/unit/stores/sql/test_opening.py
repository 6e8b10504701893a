"""What is opened at a place."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.state.store import StoreFailed
from dragoman.stores.address import Location
from dragoman.stores.sql.migrate import standing_of
from dragoman.stores.sql.opening import opened, unchanged
from dragoman.stores.standing import HEAD


async def test_a_database_is_opened_with_the_schema_of_this_version(place: Location) -> None:
    for use in ("state", "exchanges"):
        database = await opened(place, use)
        assert (await database.read(standing_of)).revision == HEAD
        assert database.kind == ("sqlite" if isinstance(place, Path) else "postgresql")
        assert database.upgrades_itself is isinstance(place, Path)
        assert (database.version or "")[0].isdigit()
        await database.close()


async def test_a_folder_that_cannot_be_made_is_a_failure_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="the database: "):
        await opened(tmp_path / "file" / "state.db")


async def test_unchanged_runs_no_migration(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    database = unchanged(tmp_path / "state.db")
    assert (await database.read(standing_of)).revision is None
    await database.close()
