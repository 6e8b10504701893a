"""Who hears of finished exchanges: all of them, also if one of them fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dragoman import ir
from dragoman.assembly.observers import Observers
from dragoman.config.load import load
from dragoman.config.settings import Config
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.seams.clock import SYSTEM
from tests.unit.server.test_app import Visit

FULL = ir.Fault("overloaded", "Too many wait.", code="queue_full")
OTHER = ir.Fault("upstream", "It failed.")


def config(**sections: Any) -> Config:
    return load(sections, {}).config


def finished(fault: ir.Fault) -> Exchange:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0, asked="m")
    exchange.fault = fault
    exchange.close(1)
    return exchange


async def test_an_observer_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def bad(exchange: Exchange) -> None:
        raise ValueError("an observer's own mistake")

    seen: list[Exchange] = []
    gateway = Gateway(observers=[bad, seen.append])
    with caplog.at_level(logging.ERROR, "dragoman"):
        await (visit := Visit(gateway.asgi(), path="/health")).task
    assert (visit.status, len(seen)) == (200, 1)
    assert "an observer's own mistake" in caplog.text
    await gateway.close()


def test_every_consumer_hears_of_an_exchange() -> None:
    seen: list[Exchange] = []
    observers = Observers(config(metrics={"enabled": True}), SYSTEM, [seen.append])
    for fault in (FULL, OTHER):
        observers.note(finished(fault))
    assert [one.fault for one in seen] == [one.fault for one in observers.finished.all()] == [FULL, OTHER]
    assert observers.bounds.counts == {"queue_full": 1}


def test_a_reload_changes_how_many_exchanges_are_kept() -> None:
    observers = Observers(config(trace={"keep": 2}), SYSTEM, [])
    for _ in range(3):
        observers.note(finished(OTHER))
    assert len([*observers.finished.all()]) == 2
    observers.use(config(trace={"keep": 1}))
    assert len([*observers.finished.all()]) == 1
