"""Which events the log tells, as transcripts."""

from __future__ import annotations

from dragoman.routing.event import Event
from dragoman.routing.repeats import Repeats

OUTAGE = Event("outage", "up", "up/m: failed", "up/m")
RECOVERY = Event("recovery", "up", "up/m: answers again", "up/m")


def test_a_deployment_that_flaps_is_told_once_a_minute_with_the_number() -> None:
    words = Repeats()
    told = [words.of(event, now) for now in range(0, 61, 10) for event in (OUTAGE, RECOVERY)]
    assert told[:2] == ["up/m: failed", "up/m: answers again"]
    assert told[2:12] == [None] * 10
    assert told[12:] == [
        "up/m: failed (and 5 more times in the last 60 s)",
        "up/m: answers again (and 5 more times in the last 60 s)",
    ]
    assert words.of(OUTAGE, 120.0) == "up/m: failed"


def test_others_are_told_at_once() -> None:
    words = Repeats()
    for event in (
        OUTAGE,
        Event("outage", "up", "up/n: failed", "up/n"),
        Event("outage", "up", "up: does not answer a check"),
        Event("key_refused", "up", "up/m: …1111", "up/m", "1111"),
        Event("key_refused", "up", "up/m: …2222", "up/m", "2222"),
    ):
        assert words.of(event, 1.0) == event.message


def test_what_is_remembered_is_bounded() -> None:
    words = Repeats()
    for number in range(3_000):
        assert words.of(Event("outage", "up", "", f"up/{number}"), 1.0) is not None
    assert len(words._lines) <= 1_024
