"""Builds the targets of alerts from the settings, and alerts from events that an operator has to know."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.alerts.alert import Alert
from dragoman.alerts.sender import Target
from dragoman.config.settings import Config
from dragoman.routing.event import Event


def targets_of(config: Config) -> list[Target]:
    """Return where a configuration wants alerts to be sent, in the order of its section `alerts`."""
    return [
        Target(f"alerts[{index}]", one.url, one.secret, frozenset(one.events), float(one.every))
        for index, one in enumerate(config.alerts)
    ]


def alert_of(event: Event, now: float) -> dict[str, Any]:
    """Return the alert for an event as JSON values: the fields of `Alert`, by name (the form that
    `Alerts.note` takes). now: Unix seconds.
    """
    alert = Alert(event.kind, now, event.provider, event.deployment, event.message, event.key)
    told: dict[str, Any] = msgspec.to_builtins(alert)
    return told
