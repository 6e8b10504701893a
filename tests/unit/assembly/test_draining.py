"""How long a port stays open, and how long answers may run on."""

from __future__ import annotations

from dragoman.assembly.draining import DRAIN_DELAY, Draining


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def test_the_drain_time_starts_when_the_port_closes() -> None:
    clock = Clock()
    draining = Draining(clock)
    assert (draining.begun, draining.left(30)) == (False, 30)
    draining.begin(10)
    clock.at += 10
    assert (draining.begun, draining.left(30)) == (True, 30)
    draining.begin(60)  # the first stop counts
    clock.at += 12
    assert draining.left(30) == 18
    clock.at += 60
    assert draining.left(30) == 0


def test_a_port_stays_open_for_whoever_looks() -> None:
    clock = Clock()
    draining = Draining(clock)
    assert draining.delay(None) == 0
    draining.probed()
    clock.at += 59
    assert (draining.delay(None), draining.delay(0), draining.delay(7)) == (DRAIN_DELAY, 0, 7)
    clock.at += 1
    assert draining.delay(None) == 0
