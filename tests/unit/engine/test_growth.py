"""When a stream is looked at, and what is reserved for it then."""

from __future__ import annotations

from math import inf
from typing import Any, cast

import pytest

from dragoman.engine.accounting import Expected
from dragoman.engine.growth import Growth
from dragoman.engine.meter import Meter


class Metering:
    """A meter that allows everything."""

    def __init__(self, expected: Expected | None, *, open_ended: bool = True) -> None:
        self.expected = expected
        self.open_ended = open_ended
        self.steps: list[int] = []

    async def extend(self, further: Expected, deployment: str) -> None:
        assert deployment == "one/gpt"
        assert self.expected is not None
        self.steps.append(further.output)
        self.expected = self.expected.plus(further)


def growth(metering: Metering | None, said: int = 0) -> Growth:
    return Growth(cast("Meter | None", metering), "one/gpt", lambda: said, first=2.0)


@pytest.mark.parametrize("metering", [None, Metering(None)], ids=["no", "none"])
def test_a_stream_without_limits_is_never_looked_at(metering: Any) -> None:
    assert growth(metering).at == inf


async def test_a_short_stream_is_looked_at_again_later() -> None:
    metering = Metering(Expected(1, 1000))
    found = growth(metering, said=400)
    assert found.at == 1600.0
    await found.look(2000)
    assert metering.steps == []
    assert found.at == pytest.approx(4000.0)


async def test_a_stream_that_is_nearly_as_long_as_expected_reserves_half_as_much_more() -> None:
    metering = Metering(Expected(1, 2000))
    found = growth(metering, said=1600)
    await found.look(10_000)
    assert metering.steps == [1000]
    assert found.at == pytest.approx(15_000.0)


async def test_a_stream_that_is_longer_than_expected_reserves_what_is_missing() -> None:
    metering = Metering(Expected(1, 100))
    await growth(metering, said=5000).look(10_000)
    assert metering.steps == [4900, 2500]
    assert metering.expected == Expected(1, 7500)


async def test_a_stream_with_a_bound_is_looked_at_late_and_may_seem_twice_as_long() -> None:
    metering = Metering(Expected(1, 100), open_ended=False)
    found = growth(metering, said=711)
    assert found.at == 2.0 * 612 * 8
    await found.look(10_000)
    assert metering.steps == []
    assert found.at == pytest.approx(11_000.0)


async def test_a_bound_that_the_provider_does_not_keep_is_trusted_no_longer() -> None:
    metering = Metering(Expected(1, 100), open_ended=False)
    found = growth(metering, said=712)
    await found.look(10_000)
    assert metering.steps == [612, 512]
    assert found.at == pytest.approx(10_000 * 0.8 * 1224 / 712)


async def test_an_exchange_that_is_over_is_not_looked_at_any_more() -> None:
    class Over(Metering):
        async def extend(self, further: Expected, deployment: str) -> None:
            self.steps.append(further.output)

    metering = Over(Expected(1, 100))
    found = growth(metering, said=90)
    await found.look(200)
    assert found.at == inf
