"""When the database has what has ended, as far as each process can know."""

from __future__ import annotations

from dragoman.seams.clock import SYSTEM
from tests.unit.assembly.test_journaling import Place, place, record

__all__ = ["place"]


async def test_a_process_learns_that_the_database_has_what_has_ended(place: Place) -> None:
    """The keeper drains for all; the others look at what it says."""
    keeper, other = place.process(), place.process(keeps=False)
    other.journal.closed(record("a"))
    assert not await other.stored_until(SYSTEM.now())
    moment = SYSTEM.now()
    assert await keeper.stored_until(moment)
    assert list(place.database.rows) == ["a"]
    assert await other.stored_until(moment)
    place.database.away = True
    keeper.journal.closed(record("b"))
    assert not await keeper.stored_until(SYSTEM.now())
    assert not {"drained", "looked"} & other.state().keys()
