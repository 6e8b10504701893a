"""A configuration is completed by its database, at the start and at each reload."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.assembly.added import with_added
from dragoman.config.added import Added
from dragoman.config.load import Loaded, load
from dragoman.errors import ConfigError
from dragoman.seams.clock import SYSTEM
from dragoman.state.added import AddedEntry
from dragoman.stores.address import PostgresUrl, database
from tests.postgres import PostgresServer


@pytest.fixture
def found() -> Loaded:
    return load({"models": {"own": "simulate/echo"}}, {})


async def keep(file: Path, version: int, name: str) -> None:
    from dragoman.stores.limits import DEFAULT_LIMITS
    from dragoman.stores.sql.store import SqlStore

    store = await SqlStore.open(file, DEFAULT_LIMITS, SYSTEM)
    assert store.added is not None
    assert await store.added.change(AddedEntry("models", name, b'"simulate/echo"', version, "ops", 1.0))
    await store.close()


async def test_entries_of_the_database_are_read_again_with_each_reload(found: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    assert with_added(found, None).added is None
    first = with_added(found, file)
    assert first.added is not None
    assert (first.added.version, file.exists()) == (0, False)
    await keep(file, 1, "fast")
    assert first.again is not None
    second = first.again()
    assert set(second.config.models) == {"own", "fast"}
    await keep(file, 2, "slow")
    assert second.again is not None
    third = second.again()
    assert third.added is not None
    assert (set(third.config.models), third.added.version) == ({"own", "fast", "slow"}, 2)


def test_a_start_goes_on_without_a_database_that_cannot_be_read_and_a_reload_does_not(
    found: Loaded, tmp_path: Path
) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"This is no database at all." * 100)
    started = with_added(found, file, starting=True)
    assert started.added is not None
    assert (started.added.version, [one.path for one in started.warnings]) == (-1, ["stores.sql"])
    assert started.again is not None
    with pytest.raises(ConfigError, match="cannot be read"):
        started.again()


async def test_a_server_with_an_older_schema_keeps_the_gateway_from_starting(
    found: Loaded, postgres: PostgresServer
) -> None:
    with postgres.database("0004") as url:
        place = database(url)
        assert isinstance(place, PostgresUrl)
        with pytest.raises(ConfigError, match=r"schema 0004, .* run `dragoman db upgrade`") as raised:
            with_added(found, place, starting=True)
        assert raised.value.problems[0].file == str(place)
    with postgres.database(None) as url:
        place = database(url)
        assert isinstance(place, PostgresUrl)
        assert with_added(found, place, starting=True).added == Added(place, 0)
