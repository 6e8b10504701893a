from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.price_jumps import jumps, jumps_of
from dragoman.config.prices import LaterPrice, LongPrompts, PriceEntry, UnitPrices
from dragoman.config.scalars import Amount, Day
from dragoman.providers.rates import NANO, Period, Rates, levels_of

NOW = 1_795_392_000.0
LATER = "2027-06-01"
USUAL = levels_of({-1: {"input": NANO, "output": 10 * NANO}, 1_000: {"input": 3 * NANO}})
BEFORE = Rates(
    [
        Period(levels_of({-1: {"input": 500 * NANO}}), since=0.0),
        Period(USUAL, {"batch": levels_of({-1: {"input": NANO // 20}})}, since=NOW - 5),
        Period(levels_of({-1: {"input": 90 * NANO}}), since=float(Day.parse(LATER))),
    ],
    "a page",
)


def test_jumps() -> None:
    found = list(
        jumps({"input": 100, "output": 99, "images": 5, "pages": 0}, {"input": 10, "output": 10, "pages": 5})
    )
    assert found == [("input", 100, 10)]
    assert list(jumps({"input": NANO}, {"input": 10 * NANO})) == [("input", NANO, 10 * NANO)]


def later(usd: float) -> LaterPrice:
    return LaterPrice(since=Day.parse(LATER), input=Amount(usd))


def past(usd: float) -> LaterPrice:
    return LaterPrice(since=Day.parse("2001-01-01"), input=Amount(usd))


SAME = {"later": (later(90),)}
"""From that day on, the price that holds then."""


@pytest.mark.parametrize(
    ("more", "places"),
    [
        ({"later": (later(90),)}, []),
        ({}, ["input"]),  # from that day on
        ({"input": Amount(10), "later": (later(90),)}, ["input"]),
        ({"input": Amount(9.99), "output": Amount(1)}, ["output"]),
        ({"later": (later(9),)}, ["later[0].input"]),
        ({"later": (later(10),)}, []),  # the price of that day is compared
        ({"since": Day.parse(LATER), "input": Amount(9)}, ["input"]),
        ({"input": Amount(900), "later": (past(9), later(90))}, []),  # it holds no more
        ({"long_prompts": (LongPrompts(above=1_000, input=Amount(29)),), **SAME}, []),
        ({"long_prompts": (LongPrompts(above=999, input=Amount(29)),), **SAME}, ["long_prompts[0].input"]),
        ({"tiers": {"batch": UnitPrices(input=Amount(0.49))}, **SAME}, []),
        ({"tiers": {"batch": UnitPrices(input=Amount(0.5))}, **SAME}, ["tiers.batch.input"]),
        ({"tiers": {"a b": UnitPrices(input=Amount(10))}, **SAME}, ['tiers."a b".input']),
        ({"units": {"input_minutes": Amount(5)}, **SAME}, []),
    ],
)
def test_each_part_of_an_entry_is_compared_with_what_holds_then(
    more: dict[str, Any], places: list[str]
) -> None:
    entry = PriceEntry(**{"input": Amount(1), **more})
    assert [jump.place for jump in jumps_of(entry, BEFORE, NOW)] == places


def test_a_unit_is_told_by_the_name_of_its_setting() -> None:
    sound = Rates([Period(levels_of({-1: {"input_audio_ms": NANO}}))], "a page")
    (jump,) = jumps_of(PriceEntry(units={"input_minutes": Amount(5)}), sound, NOW)
    assert jump == ("input_minutes", "input_audio_ms", 300 * NANO, NANO)
