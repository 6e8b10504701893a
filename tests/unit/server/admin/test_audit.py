"""Each change has an entry: in the log, in the ring, and with all workers."""

from __future__ import annotations

import logging

import pytest

from dragoman.seams.clock import Seams
from dragoman.server.admin import audit
from dragoman.server.admin.audit import Audit, Author
from tests.unit.server.admin.conftest import Wired

ANN = Author("ann", "127.0.0.1", "req_1")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


async def test_an_entry_says_who_did_what_to_what(caplog: pytest.LogCaptureFixture) -> None:
    made = Audit(Wired([]), Seams(now=Clock()), 1)
    with caplog.at_level(logging.WARNING, "dragoman.audit"):
        made.note(ANN, "disable", "providers/up", before={"enabled": True}, after={"enabled": False})
    (entry,) = await made.entries()
    assert (entry.time, entry.who, entry.action, entry.target) == (
        "2023-11-14T22:13:21.000Z",
        "ann",
        "disable",
        "providers/up",
    )
    (line,) = caplog.records
    assert line.getMessage() == 'ann: disable providers/up: {"enabled":true} → {"enabled":false}'
    assert (line.event, line.fields["after"], line.fields["request_id"]) == (  # type: ignore[attr-defined]
        "audit",
        {"enabled": False},
        "req_1",
    )


async def test_all_workers_know_each_entry_once_and_the_latest_comes_first() -> None:
    group: list[Wired] = []
    clock = Clock()
    one, two = (Audit(Wired(group), Seams(now=clock), number) for number in (1, 2))
    for number, each in enumerate((one, two, one)):
        each.note(ANN, "revive", f"providers/{number}", before=None, after=None)
    later = Audit(Wired(group), Seams(now=clock), 3)
    for each in (one, two, later):
        assert [entry.target[-1] for entry in await each.entries()] == ["2", "1", "0"]
    assert [entry.worker for entry in await later.entries()] == [1, 2, 1]


async def test_entries_of_the_same_moment_stay_in_their_order() -> None:
    made = Audit(Wired([]), Seams(now=lambda: 1.0), 1)
    for number in range(3):
        made.note(ANN, "revive", str(number), before=None, after=None)
    assert [entry.target for entry in await made.entries()] == ["2", "1", "0"]


async def test_the_oldest_entries_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "KEPT", 2)
    made = Audit(Wired([]), Seams(now=Clock()), 1)
    for number in range(3):
        made.note(ANN, "revive", str(number), before=None, after=None)
    assert [entry.target for entry in await made.entries()] == ["2", "1"]
