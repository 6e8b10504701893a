"""Receivers of alerts from the settings, and alerts of events."""

from __future__ import annotations

from dragoman.alerts.alert import Alert, read
from dragoman.assembly.alerting import alert_of, targets_of
from dragoman.config.load import load
from dragoman.routing.event import Event


def test_receivers_have_their_settings() -> None:
    alerts = [
        {"url": "http://127.0.0.1:9/a", "secret": "sixteen-characters"},
        {"url": "http://127.0.0.1:9/b", "secret": "sixteen-characters", "events": ["outage"], "every": "1m"},
    ]
    first, second = targets_of(load({"alerts": alerts}, {}).config)
    assert (first.name, first.every) == ("alerts[0]", 600.0)
    assert {"key_refused", "usage_waiting", "limit_reached"} <= first.events
    assert (second.name, second.url.reveal(), second.events, second.every) == (
        "alerts[1]",
        "http://127.0.0.1:9/b",
        frozenset({"outage"}),
        60.0,
    )


def test_an_event_becomes_an_alert() -> None:
    whole = Event("outage", "up", "up: does not answer a check")
    assert read(alert_of(whole, 1.0)).subject == ("outage", "up")
    event = Event("key_refused", "up", "up/m: the key …1111", "up/m", "1111")
    assert read(alert_of(event, 1000.0)) == Alert(
        "key_refused", 1000.0, "up", "up/m", "up/m: the key …1111", "1111"
    )
