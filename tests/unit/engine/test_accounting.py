"""The values that an exchange is accounted with."""

from __future__ import annotations

from dragoman.engine.accounting import Expected


def test_what_is_expected_adds_up() -> None:
    assert Expected(1, 2, 3).plus(Expected(10, 20, 30)) == Expected(11, 22, 33)


def test_an_unknown_price_stays_unknown() -> None:
    assert Expected(1, 2, None).plus(Expected(10, 20, 30)) == Expected(11, 22, None)
    assert Expected(1, 2, 3).plus(Expected(10, 20)) == Expected(11, 22, None)
