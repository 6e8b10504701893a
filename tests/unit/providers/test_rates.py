"""Bills: exact, whole, and unknown where a price is."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dragoman.ir.units import per
from dragoman.providers.rates import (
    NANO,
    BillLine,
    Period,
    Rates,
    completed,
    free,
    levels_of,
    nano,
)


def rates(more: dict[int, dict[str, int]] | None = None, /, **usd: str) -> Rates:
    """Rates of one period; USD as text by unit."""
    prices = {unit: nano(text) for unit, text in usd.items()}
    return Rates([Period(levels_of({-1: prices, **(more or {})}))], "the page")


def test_each_line_is_told() -> None:
    bill = rates(input="1.25", output="10").bill({"input": 1_000, "output": 10}, at=0)
    assert bill.lines == (
        BillLine("input", 1_000, 1_250_000_000, 1_250_000),
        BillLine("output", 10, 10_000_000_000, 100_000),
    )
    assert (bill.cost, bill.priced, bill.price) == (1_350_000, 1_350_000, "the page")


@given(
    some.integers(0, 10**12),
    some.integers(0, 10**14),
    some.sampled_from(["input", "images", "input_audio_ms"]),
)
def test_a_line_is_the_exact_product_rounded_half_to_even(amount: int, price: int, unit: str) -> None:
    (line,) = Rates([Period(levels_of({-1: {unit: price}}))], "").bill({unit: amount}, at=0).lines
    exact = (Decimal(amount) * Decimal(price)).scaleb(0) / per(unit)
    whole, rest = divmod(amount * price, per(unit))
    assert line.cost in {whole, whole + 1}
    if 2 * rest == per(unit):
        assert line.cost % 2 == 0
    elif amount * price < 10**26:  # Decimal has 28 digits
        assert line.cost == int(exact.to_integral_value(ROUND_HALF_EVEN))


@given(
    some.dictionaries(
        some.sampled_from(["input", "cache_read", "output", "requests", "images/hd", "web_search_requests"]),
        some.integers(0, 10**9),
    ),
    some.sampled_from([None, "default", "batch", "flex"]),
    some.booleans(),
)
def test_the_cost_is_that_of_the_bill(units: dict[str, int], tier: str | None, strict: bool) -> None:
    usual = levels_of({-1: {"input": 1_250_000_003, "output": 10}, 1_000: {"input": 2_500_000_007}})
    counted = levels_of({-1: {"input": 3, "requests": 5_000, "images": 7_777}})
    whole = levels_of({-1: {"input": 3_000_000, "output": 7_000_000}, 1_000: {"input": 6_000_000}})
    for rated in (
        Rates([Period(whole, {"batch": whole[:1]}, strict=strict)], "the page"),
        Rates([Period(usual, {"batch": counted}, strict=strict)], "the page"),
        Rates([Period(usual[:1], strict=strict)], "the page"),
        Rates([Period(counted, strict=strict)], "the page"),
        Rates([Period(usual[:1], strict=strict, least={"input": 100})], "the page"),
        Rates([Period(whole, strict=strict, most={"input": 100, "output": 0})], "the page"),
    ):
        bill = rated.bill(units, at=0, tier=tier)
        assert rated.cost(units, 0, tier) == (bill.cost, bill.priced, bill.price)


def test_half_a_nano_usd_is_rounded_to_even() -> None:
    half = Rates([Period(levels_of({-1: {"input": 500_000}}))], "")
    assert [half.bill({"input": n}, at=0).cost for n in (1, 2, 3, 5)] == [0, 1, 2, 2]


def test_what_has_no_price_makes_the_cost_unknown() -> None:
    bill = rates(input="1", output="2").bill({"input": 1_000_000, "output_audio": 5}, at=0)
    assert (bill.cost, bill.priced) == (None, NANO)
    assert bill.lines[-1] == BillLine("output_audio", 5, None, None)
    searched = rates(input="1").bill({"input": 1_000_000, "web_search_requests": 1}, at=0)
    assert (searched.cost, searched.priced) == (None, NANO)
    assert rates(input="0").bill({"input": 7}, at=0).cost == 0
    assert rates(output="1").bill({}, at=0).cost == 0


@pytest.mark.parametrize(
    ("prices", "units", "cost"),
    [
        ({"input": "1"}, {"input": 1_000_000, "characters": 5}, 1),  # billed by tokens
        ({"characters": "1"}, {"input": 9, "characters": 1_000_000}, 1),  # billed by characters
        ({"input": "1"}, {"characters": 5}, None),  # the tokens are not stated
        ({"requests": "1000"}, {"input": 9}, None),  # a fee for the request is not the price of the work
        ({"requests": "1000", "input": "1"}, {"input": 1_000_000}, 2),
        ({"images": "1000"}, {"images/low/1x1": 3}, 3),
    ],
)
def test_the_same_work_is_billed_by_one_measure(
    prices: dict[str, str], units: dict[str, int], cost: int | None
) -> None:
    assert rates(**prices).bill(units, at=0).cost == (None if cost is None else cost * NANO)


def test_pictures_have_the_price_of_their_quality_and_size() -> None:
    prices = {"images": 1_000, "images/hd": 2_000, "images/2x2": 3_000, "images/hd/2x2": 4_000}
    found = Rates([Period(levels_of({-1: prices}))], "")
    units = ("images/hd/2x2", "images/hd/9x9", "images/low/2x2", "images/low")
    assert [found.bill({unit: 1}, at=0).cost for unit in units] == [4, 2, 3, 1]


def test_long_prompts_count_all_input_tokens() -> None:
    found = rates({100: {"input": nano("3"), "output": nano("5")}}, input="1", output="2", cache_read="0.5")
    usual = found.bill({"input": 60, "cache_read": 40, "output": 100}, at=0)
    assert usual.cost == 60_000 + 20_000 + 200_000
    longer = found.bill({"input": 60, "cache_read": 41, "output": 100}, at=0)
    assert longer.cost == 180_000 + 20_500 + 500_000  # what the level does not state is as below


def test_dates_and_hours() -> None:
    def period(usd: str, since: float | None = None, hours: tuple[int, int] | None = None) -> Period:
        return Period(levels_of({-1: {"input": nano(usd)}}), {}, since, hours)

    found = Rates([period("1"), period("2", since=1_000_000), period("3", hours=(1380, 60))], "")
    assert found.bill({"input": 1_000_000}, at=86_400 * 11 + 7_200).cost == NANO
    assert found.bill({"input": 1_000_000}, at=86_400 * 20 + 7_200).cost == 2 * NANO
    for minute, usd in ((1379, 2), (1380, 3), (0, 3), (59, 3), (60, 2)):  # over midnight
        assert found.bill({"input": 1_000_000}, at=86_400 * 20 + minute * 60).cost == usd * NANO
    later = Rates([period("7", since=5e9)], "")
    assert later.bill({"input": 1_000_000}, at=0).cost == 7 * NANO  # the first one, if none holds


def test_tiers() -> None:
    usual, batch = levels_of({-1: {"input": nano("2")}}), levels_of({-1: {"input": nano("1")}})
    strict = Rates([Period(usual, {"batch": batch}, strict=True)], "page")
    assert strict.bill({"input": 1_000_000}, at=0, tier="batch").cost == NANO
    assert strict.bill({"input": 1_000_000}, at=0, tier="standard").cost == 2 * NANO
    unknown = strict.bill({"input": 1_000_000}, at=0, tier="priority")
    assert (unknown.cost, unknown.priced) == (None, 2 * NANO)
    own = Rates([Period(usual, {"batch": batch})], "mine")
    assert own.bill({"input": 1_000_000}, at=0, tier="priority").cost == 2 * NANO


def test_the_smallest_amount_that_is_billed() -> None:
    audio = levels_of({-1: {"input_audio_ms": 3_600_000}})
    found = Rates([Period(audio, least={"input_audio_ms": 10_000})], "")
    assert [found.bill({"input_audio_ms": n}, at=0).cost for n in (1, 10_000, 10_001)] == [
        10_000,
        10_000,
        10_001,
    ]
    assert found.bill({}, at=0).cost == 0


def test_the_largest_amount_that_is_billed() -> None:
    prices = levels_of({-1: {"input": 1_000_000, "web_search_requests": 35_000}})
    found = Rates([Period(prices, most={"web_search_requests": 1})], "")
    for searches, cost in ((0, 5), (1, 40), (7, 40)):
        units = {"input": 5, "web_search_requests": searches}
        assert found.bill(units, at=0).cost == found.cost(units, 0)[0] == cost


def test_the_bound_is_never_below_the_bill() -> None:
    dear = levels_of({-1: {"input": nano("4"), "output": nano("20")}})
    usual = levels_of({-1: {"input": nano("2"), "output": nano("10"), "cache_write_1h": nano("3")}})
    found = Rates([Period(usual, {"priority": dear})], "")
    assert found.at_most(1_000, 100) == 4_000_000 + 2_000_000
    assert found.at_most(1_000, 100, tier="flex") == 3_000_000 + 1_000_000
    assert (
        found.at_most(1_000, 100, tier="flex", kinds=frozenset({"input", "output"})) == 2_000_000 + 1_000_000
    )
    assert rates({10: {"input": nano("9")}}, input="1").at_most(11, 0) == 99_000
    assert rates(input="0.0000001").at_most(1, 0) == 1  # rounded up
    assert rates(images="1").at_most(5, 5) == 0


@given(
    some.fixed_dictionaries(
        {
            unit: some.integers(0, 100_000)
            for unit in (
                "input",
                "cache_read",
                "cache_write_5m",
                "cache_write_1h",
                "tool_input",
                "output",
                "reasoning",
            )
        }
    ),
    some.sampled_from([None, "batch", "priority"]),
)
def test_the_bound_holds_for_every_use_of_its_tokens(units: dict[str, int], tier: str | None) -> None:
    stated = {
        "input": nano("3"),
        "cache_read": nano("0.3"),
        "cache_write": nano("3.75"),
        "output": nano("15"),
    }
    usual = levels_of(
        {-1: {**stated, "cache_write_1h": nano("6")}, 50_000: {"input": nano("6"), "output": nano("22.5")}}
    )
    found = Rates(
        [Period(usual, {"batch": levels_of({-1: {"input": nano("1.5"), "output": nano("7.5")}})})], ""
    )
    said = units["output"] + units["reasoning"]
    bound = found.at_most(sum(units.values()) - said, said, at=0)
    bill = found.bill(units, at=0, tier=tier)
    assert bill.priced <= bound + len(units)  # each line of the bill is rounded by itself


def test_what_has_no_price_of_its_own() -> None:
    found = completed({"input": 10, "output": 20})
    assert {unit for unit, price in found.items() if price == 20} == {"output", "reasoning"}
    assert {unit for unit, price in found.items() if price == 10} == {
        *("input", "tool_input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h"),
        *("input_image", "input_video", "cache_read_image", "cache_read_video"),
    }
    assert "cache_write_1h" not in completed({"input": 10, "cache_write": 12})
    assert completed({"input": 1, "input_audio": 9, "cache_read": 0})["cache_read_audio"] == 9


def test_what_is_free_says_why() -> None:
    bill = free("it runs here").bill({"input": 5, "output": 7, "images/hd": 1}, at=0)
    assert (bill.cost, bill.price) == (0, "it runs here")


def test_the_usual_price_for_comparisons() -> None:
    assert rates(input="1.25", output="10").usual(0) == (1.25, 10.0)
    assert rates(input="0.02").usual(0) == (0.02, 0.0)
    assert rates(images="40").usual(0) is None
