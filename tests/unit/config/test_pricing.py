"""What deployments cost: their own price, that of `prices`, the packaged table, in this order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.config.prices import PriceEntry
from dragoman.config.pricing import Priced, Pricing, is_unit, prices_in
from dragoman.config.scalars import Amount
from dragoman.providers.prices import PriceTable
from tests.unit.config.conftest import Load

PROVIDERS = """
providers:
  openai: {keys: k}
  second: {catalog: openai, keys: k}
  azure: {base_url: 'https://mine.openai.azure.com/openai/v1', keys: k}
  mine: {base_url: 'http://10.0.0.1:8000', keys: []}
"""
AT = 1_795_392_000.0
"""2026-11-23, 00:00 UTC."""
TABLE = [
    {"source": "a page", "licence": "", "date": "2026-11-23"},
    {
        "vendor": "openai",
        "address": "https://api\\.openai\\.com",
        "rows": [{"id": "gpt", "match": ["^gpt"], "prices": [{"units": {"input": "1", "output": "2"}}]}],
    },
    {"vendor": "azure", "address": "https://.*azure\\.com", "also": ["openai"], "rows": []},
]


class Opened:
    """The packaged table, and how often it was opened."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> PriceTable:
        self.times += 1
        return PriceTable("\n".join(json.dumps(line, separators=(",", ":")) for line in TABLE).encode())


def pricing(load: Load, more: str, opened: Any = None) -> Pricing:
    found = load(PROVIDERS + more)
    return Pricing(found.config, found.providers, opened or Opened())


def usual(pricing: Pricing, deployment: str, at: float = AT) -> tuple[float, float] | None:
    rates = pricing.rates(deployment)
    return None if rates is None else rates.usual(at)


@pytest.mark.parametrize(
    ("entries", "deployment", "price"),
    [
        ("", "openai/gpt-5", (1, 2)),
        ("", "second/gpt-5", (1, 2)),
        ("", "azure/gpt-5", (1, 2)),
        ("", "mine/gpt-5", None),
        ("", "nobody/gpt-5", None),
        ("", "openai/other", None),
        ("", "local/smollm2", (0, 0)),
        ("", "simulate/echo", (0, 0)),
        ("mine/gpt-5: {input: 7, output: 8}", "mine/gpt-5", (7, 8)),
        ("openai/gpt-5: {input: 7, output: 8}", "second/gpt-5", (7, 8)),
        ("second/gpt-5: {input: 7, output: 8}", "openai/gpt-5", (1, 2)),
        ("mine/*: {input: 7, output: 8}", "mine/a/b", (7, 8)),
        ("'*': {input: 7, output: 8}, mine/g*: {input: 9, output: 9}", "mine/gpt-5", (9, 9)),
        ("'*': {input: 7, output: 8}, mine/g*: {input: 9, output: 9}", "mine/x", (7, 8)),
        ("mine/gpt*: {input: 9, output: 9}, mine/gpt-5: {input: 3, output: 3}", "mine/gpt-5", (3, 3)),
        ("openai/gpt-5: {input: 3, output: 3, since: 2027-01-01, confirm: true}", "openai/gpt-5", (1, 2)),
    ],
)
def test_which_price_counts(loaded: Load, entries: str, deployment: str, price: Any) -> None:
    assert usual(pricing(loaded, f"prices: {{{entries}}}"), deployment) == price


def test_the_price_of_the_deployment_counts_first(loaded: Load) -> None:
    found = pricing(
        loaded,
        "models: {m: {deployments: [{use: mine/x, price: {input: 5, output: 6}}]}}\n"
        "prices: {mine/x: {input: 7, output: 8}}\n",
    )
    assert usual(found, "mine/x") == (5, 6)


def test_a_deployment_with_a_name_of_its_own_has_the_price_of_its_model(loaded: Load) -> None:
    row = "{catalog: azure, base_url: 'https://o.openai.azure.com', keys: k, base_models: {chat: gpt-5}}"
    found = pricing(loaded, f"  own: {row}\n")
    assert (usual(found, "own/chat"), usual(found, "own/other")) == ((1, 2), None)


def test_prices_of_later_days(loaded: Load) -> None:
    found = pricing(
        loaded,
        "prices:\n  openai/gpt-5:\n    input: 1.5\n    output: 3\n    since: 2026-12-01\n"
        "    later: [{since: 2027-02-01, input: 2, output: 4, confirm: 1}]\n".replace(", confirm: 1", ""),
    )
    days = {"2026-11-30": 1_795_996_800, "2026-12-01": 1_796_083_200, "2027-02-01": 1_801_440_000}
    assert [usual(found, "openai/gpt-5", at) for at in days.values()] == [(1, 2), (1.5, 3), (2, 4)]
    rates = found.rates("openai/gpt-5")
    assert rates is not None
    assert rates.source == "prices: openai/gpt-5; until then openai/gpt of a page, 2026-11-23"


def test_before_its_first_day_a_price_is_that_of_the_table_or_unknown(loaded: Load) -> None:
    dated = "{input: 3, output: 3, since: 2027-01-01, confirm: true}"
    found = pricing(loaded, f"prices: {{mine/x: {dated}, openai/gpt-5: {dated}}}")
    first = 1_798_761_600  # 2027-01-01
    assert [usual(found, "mine/x", at) for at in (first - 1, first)] == [None, (3, 3)]
    mine, theirs = found.rates("mine/x"), found.rates("openai/gpt-5")
    assert mine is not None
    assert theirs is not None
    assert mine.source == "prices: mine/x; until then unknown"
    assert mine.bill({"input": 5}, at=AT).cost is None
    # The table does not know this tier; what the operator has stated holds in every one.
    bills = [theirs.bill({"input": 5}, at=at, tier="odd") for at in (first - 1, first)]
    assert [bill.cost for bill in bills] == [None, 15_000]


def test_tiers_and_long_prompts(loaded: Load) -> None:
    found = pricing(
        loaded,
        "prices:\n  mine/x:\n    input: 1\n    output: 10\n    tiers: {batch: {input: 0.5}}\n"
        "    long_prompts: [{above: 1000, input: 2}]\n",
    ).rates("mine/x")
    assert found is not None
    assert found.bill({"input": 1_000, "output": 100}, at=AT).cost == 2_000_000
    assert found.bill({"input": 2_000, "output": 100}, at=AT).cost == 5_000_000
    assert found.bill({"input": 1_000, "output": 100}, at=AT, tier="batch").cost == 1_500_000
    assert found.bill({"input": 1_000, "output": 100}, at=AT, tier="odd").cost == 2_000_000


def test_amounts_of_settings() -> None:
    entry = PriceEntry(
        input=Amount(0.1),
        units={
            name: Amount(0.006) for name in ("input_minutes", "images", "images/hd", "characters", "pages")
        },
    )
    # nano-USD: for a million tokens and characters, for an hour of sound, for a thousand of others
    assert prices_in(entry) == {
        "input": 100_000_000,
        "input_audio_ms": 360_000_000,
        "images": 6_000_000_000,
        "images/hd": 6_000_000_000,
        "characters": 6_000_000,
        "pages": 6_000_000,
    }


def test_the_table_is_opened_only_if_it_is_needed(loaded: Load) -> None:
    opened = Opened()
    found = pricing(loaded, "prices: {mine/x: {input: 1, output: 1}}", opened)
    assert (usual(found, "mine/x"), usual(found, "local/x"), usual(found, "nobody/x")) == (
        (1, 1),
        (0, 0),
        None,
    )
    assert opened.times == 0
    assert (usual(found, "openai/gpt-5"), usual(found, "openai/gpt-6")) == ((1, 2), (1, 2))
    assert opened.times == 1
    found.forget()
    assert usual(found, "openai/gpt-5") == (1, 2)
    assert opened.times == 2


def test_a_container_of_what_has_a_price(loaded: Load) -> None:
    known = Priced(pricing(loaded, "prices: {mine/drawn: {images: 0.04}}"))
    assert "local" in known
    assert "openai/gpt-5" in known
    assert "mine/drawn" not in known  # it cannot be compared with prices of tokens
    assert "mine/x" not in known
    assert 5 not in known


def test_names_of_units() -> None:
    for name in (
        "input",
        "cache_write_1h",
        "images/hd/1024x1792",
        "x_search_requests",
        "input_minutes",
        "images",
    ):
        assert is_unit(name)
    for name in ("input_audio_ms", "images/", "images/HD!", "tokens", "requests2", ""):
        assert not is_unit(name)
