"""What an operator has to know of providers."""

from __future__ import annotations

from dragoman.routing.event import Event


def test_an_event_may_be_about_a_whole_provider() -> None:
    event = Event("outage", "up", "up: does not answer a check")
    assert (event.deployment, event.key) == (None, None)
