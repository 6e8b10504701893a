"""Records whose values the database refuses are set aside; every other failure lets all records wait."""

from __future__ import annotations

import json

import pytest

from dragoman.assembly.journaling import REJECTED
from tests.unit.assembly.test_journaling import Place, place, record

__all__ = ["place"]


async def test_records_with_which_the_database_fails_are_set_aside_and_hold_up_no_others(
    place: Place,
) -> None:
    keeper = place.process()
    place.database.odd = {"odd", "worse"}
    for id_ in ("odd", "a", "b", "worse", "c"):
        keeper.journal.closed(record(id_))
    for _ in range(5):
        await keeper.drain()
    assert sorted(place.database.rows) == ["a", "b", "c"]
    assert keeper.rejected == 2
    lines = (place.folder / REJECTED).read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["odd", "worse"]
    keeper.journal.closed(record("d"))
    assert await keeper.drain()
    assert keeper.state()["last_error"] is None


@pytest.mark.parametrize("fault", ["away", "full"])
async def test_nothing_is_set_aside_because_the_database_is_away_or_full(place: Place, fault: str) -> None:
    keeper = place.process()
    keeper.journal.closed(record("good"))
    await keeper.drain()
    setattr(place.database, fault, True)
    for number in range(10):
        keeper.journal.closed(record(str(number)))
    for _ in range(10):
        assert not await keeper.drain()
    assert keeper.rejected == 0
    setattr(place.database, fault, False)
    assert await keeper.drain()
    assert len(place.database.rows) == 11


async def test_an_odd_first_record_waits_only_until_others_come(place: Place) -> None:
    keeper = place.process()
    place.database.odd = {"odd"}
    keeper.journal.closed(record("odd"))
    for _ in range(5):
        assert not await keeper.drain()
    keeper.journal.closed(record("a"))
    for _ in range(2):
        await keeper.drain()
    assert list(place.database.rows) == ["a"]
    assert keeper.rejected == 1
