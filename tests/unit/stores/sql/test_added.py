"""What operators have added is kept by changes with numbers, and read also straight from the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM
from dragoman.state.added import AddedEntry, AddedKind, Additions
from dragoman.stores import added_file
from dragoman.stores.address import Location
from dragoman.stores.limits import DEFAULT_LIMITS
from dragoman.stores.sql import added
from dragoman.stores.sql.store import SqlStore


@pytest.fixture
async def kept(place: Location) -> AsyncIterator[Additions]:
    store = await SqlStore.open(place, DEFAULT_LIMITS, SYSTEM)
    assert store.added is not None
    yield store.added
    await store.close()


def entry(
    version: int, name: str = "fast", kind: AddedKind = "models", text: bytes = b'"up/m"'
) -> AddedEntry:
    return AddedEntry(kind, name, text, version, "ops", 1.5)


async def test_an_entry_is_added_changed_and_removed(kept: Additions, place: Location) -> None:
    first = await kept.read()
    assert (first.version, list(first.entries)) == (0, [])
    assert await kept.change(entry(1))
    assert await kept.change(entry(2, "fast", "aliases"))
    assert await kept.change(entry(3, text=b'"up/other"'))
    found = await kept.read()
    assert list(found.entries) == [entry(2, "fast", "aliases"), entry(3, text=b'"up/other"')]
    assert await kept.change(entry(4), removed=True)
    found = await kept.read()
    assert (found.version, [one.place for one in found.entries]) == (4, [("aliases", "fast")])
    again = added_file.read(place)
    assert (again.version, list(again.entries)) == (4, list(found.entries))
    assert added_file.version(place) == 4


async def test_of_two_writers_with_one_version_the_second_is_told(kept: Additions, place: Location) -> None:
    other = await SqlStore.open(place, DEFAULT_LIMITS, SYSTEM)
    assert other.added is not None
    done = await asyncio.gather(kept.change(entry(1, "a")), other.added.change(entry(1, "b")))
    assert sorted(done) == [False, True]
    assert len((await kept.read()).entries) == 1
    assert not await kept.change(entry(3))
    await other.close()


async def test_old_changes_are_forgotten_but_not_what_holds(
    kept: Additions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(added, "HISTORY", 3)
    await kept.change(entry(1, "stays"))
    for version in range(2, 9):
        await kept.change(entry(version, "turns"), removed=version % 2 == 0)
    found = await kept.read()
    assert (found.version, [one.name for one in found.entries]) == (8, ["stays"])
    store = kept._database  # type: ignore[attr-defined]
    left = await store.read(lambda connection: connection.exec_driver_sql("SELECT version FROM added").all())
    assert [row[0] for row in left] == [1, 6, 7, 8]
