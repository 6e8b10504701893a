"""The journal in memory: bounded, and what has no room is counted."""

from __future__ import annotations

from dragoman.accounts.journal import Backlog, MemoryJournal
from dragoman.state.usage import UsageRecord


def record(id_: str) -> UsageRecord:
    return UsageRecord(id=id_, created=1.0, ended=2.0)


def test_closed_records_wait_in_order_until_the_database_has_them() -> None:
    journal = MemoryJournal()
    journal.opened(record("a"))
    for id_ in ("a", "b", "c"):
        journal.closed(record(id_))
    assert [one.id for one in journal.backlog.first(2)] == ["a", "b"]
    journal.stored(["a", "b", "unknown"])
    assert list(journal.backlog.records) == ["c"]
    assert journal.state() == {
        "kind": "memory",
        "healthy": True,
        "last_error": None,
        "in_memory": 1,
        "lost": 0,
    }


def test_what_has_no_room_is_lost_and_told() -> None:
    journal = MemoryJournal(Backlog(most=2))
    for id_ in ("a", "b", "c", "b"):
        journal.closed(record(id_))
    assert list(journal.backlog.records) == ["a", "b"]
    state = journal.state()
    assert (state["healthy"], state["lost"]) == (False, 1)
    assert state["last_error"] == "1 records were lost: there was no room"
    journal.tend()
    journal.close()
