"""The packaged table: models are found in it, it says what its source says, and it is cheap to ask."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from dragoman.providers import prices
from dragoman.providers.catalog import CATALOG
from dragoman.providers.prices import VENDORS, PriceTable, midnight, rates_of
from dragoman.providers.rates import NANO

TABLE = PriceTable()


def small(*rows: dict[str, Any], **more: Any) -> PriceTable:
    about = {"source": "a page", "licence": "", "date": "2026-11-23"}
    lines = [about, {"vendor": "v", "rows": list(rows), **more}]
    return PriceTable("\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode())


def row(name: str, *match: Any, usd: str = "1", **more: Any) -> dict[str, Any]:
    return {"id": name, "match": list(match), "prices": [{"units": {"input": usd}}], **more}


@pytest.mark.parametrize(
    ("vendor", "model", "found"),
    [
        ("openai", "gpt-5", "openai/gpt-5"),
        ("openai", "GPT-5", "openai/gpt-5"),
        ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai", "gpt-4o-20240806", "openai/gpt-4o"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("gemini", "models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("xai", "grok-4-0709", "x-ai/grok-4-0709"),
        ("voyage", "voyage-3.5", "voyageai/voyage-3.5"),
        ("openrouter", "openai/gpt-5", "openrouter/openai/gpt-5"),
    ],
)
def test_models_are_found_by_their_names(vendor: str, model: str, found: str) -> None:
    rates = TABLE.find(vendor, model)
    assert rates is not None
    assert rates.source.startswith(f"{found} of genai-prices ")
    assert "guess" not in rates.source


@pytest.mark.parametrize(
    ("vendor", "model", "guess"),
    [
        ("openai", "gpt-4.1-nano-2099-01-01", "a guess: the price of gpt-4.1-nano"),
        ("azure", "gpt-4o", "a guess: the price of openai"),
    ],
)
def test_a_guess_is_told(vendor: str, model: str, guess: str) -> None:
    rates = TABLE.find(vendor, model)
    assert rates is not None
    assert rates.source.endswith(guess)


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        ("openai", "gpt-99"),
        ("nobody", "gpt-5"),
        ("openrouter", "nobody/nothing"),
        ("vllm", "gpt-5"),
        ("ollama", "x"),
    ],
)
def test_what_is_not_in_the_table_is_unknown(vendor: str, model: str) -> None:
    assert TABLE.find(vendor, model) is None


def test_names_match_in_every_way() -> None:
    table = small(
        row("exact", "=a"),
        row("begin", "^b"),
        row("end", "$c"),
        row("middle", "*d"),
        row("regex", "~^e\\d$"),
        row("all", ["^f", "$g"]),
        row("last", "^"),
    )
    found = {
        name: rates.source.split()[0]
        for name in ("a", "b1", "1c", "1d1", "e5", "fg", "fh")
        if (rates := table.find("v", name))
    }
    assert found == {
        "a": "v/exact",
        "b1": "v/begin",
        "1c": "v/end",
        "1d1": "v/middle",
        "e5": "v/regex",
        "fg": "v/all",
        "fh": "v/last",
    }


@pytest.mark.parametrize(
    ("vendor", "model", "told"),
    [
        ("openrouter", "openai/gpt-5", True),
        ("xai", "grok-4-0709", True),
        ("azure", "grok-4-0709", False),  # its bills are Azure's
        ("openai", "gpt-5", False),
    ],
)
def test_whose_answers_state_what_they_cost(vendor: str, model: str, told: bool) -> None:
    rates = TABLE.find(vendor, model)
    assert rates is not None
    assert rates.told is told


def test_a_row_of_our_own_names_its_page() -> None:
    rates = small(row("m", "=m", page="https://example.com/prices", read="2026-10")).find("v", "m")
    assert rates is not None
    assert rates.source == "v/m of https://example.com/prices, 2026-10"


def test_vendors_are_known_by_their_addresses() -> None:
    assert TABLE.vendor_at("https://mine.openai.azure.com/openai/v1") == "azure"
    assert TABLE.vendor_at("https://bedrock-runtime.eu-west-1.amazonaws.com") == "aws"
    assert TABLE.vendor_at("http://10.0.0.1:8000/v1") is None


def test_vendors_of_the_catalogue_are_in_the_table_or_unknown() -> None:
    names = {VENDORS.get(name, name) for name in CATALOG}
    assert set(VENDORS.values()) <= set(TABLE.vendors())
    assert names - set(TABLE.vendors()) == {
        # on machines of the operator, where nobody but him knows the price
        *("ollama", "vllm", "llamacpp", "lmstudio", "sglang", "tgi", "docker", "gpustack"),
        # their prices depend on the region, or are in no source that we may use
        *(
            "dashscope",
            "dashscope-intl",
            "dashscope-us",
            "ollama-cloud",
            "siliconflow",
            "siliconflow-intl",
            "huggingface",
            "writer",
            "crusoe",
            "zhipu",
            "deepgram",
            "deepinfra",
            "featherless",
            "github",
            "hyperbolic",
            "jina",
            "nebius",
            "nvidia",
            "sambanova",
            "scaleway",
            "snowflake",
            "vercel",
            "volcengine",
        ),
    }, "a vendor needs prices in scripts/prices.toml, or its name in this list"


def test_the_table_is_small_and_dated() -> None:
    assert Path(prices.__file__).with_name("prices.jsonl").stat().st_size < 1_000_000
    assert midnight("2026-11-23") <= midnight(TABLE.source.date) <= datetime.now(UTC).timestamp()
    assert TABLE.source.source.startswith("genai-prices ")


def test_every_price_is_plausible() -> None:
    for vendor in TABLE.vendors():
        for one in TABLE.rows(vendor):
            for period in rates_of(one, vendor).periods:
                for levels in (period.usual, *period.tiers.values()):
                    for level in levels:
                        assert all(0 <= price <= 10_000 * NANO for price in level.prices.values()), one.id


def test_bills_are_those_of_the_source() -> None:
    """Every model of genai-prices, at four times: the same sum as the library calculates."""
    data = pytest.importorskip("genai_prices.data", reason="the table of prices is not installed")
    types = pytest.importorskip("genai_prices.types", reason="the table of prices is not installed")
    hours = (datetime(2026, 11, 23, 2, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC))
    days = (datetime(2026, 1, 2, 12, tzinfo=UTC), datetime(2027, 6, 1, 7, tzinfo=UTC))
    uses = [
        {"input": 1_000, "output": 100},
        {"input": 250_000, "cache_read": 300_000, "output": 5_000, "reasoning": 70},
    ]
    compared, wrong = 0, []
    for vendor in data.providers:
        ours = {one.id: one for one in TABLE.rows(vendor.id) if one.page is None}
        for model in vendor.models if ours else ():
            rates = TABLE.find(vendor.id, model.id)
            found = vendor.find_model(model.id)
            if rates is None or found is None or found.id not in ours or "genai-prices" not in rates.source:
                continue
            for at, units in product((*hours, *days), uses):
                prices = found.get_prices(at)
                bill = rates.bill(units, at=at.timestamp())
                if bill.cost is None or prices.input_mtok is None or prices.requests_kcount is not None:
                    continue
                usage = types.Usage(
                    input_tokens=units["input"] + units.get("cache_read", 0),
                    cache_read_tokens=units.get("cache_read", 0),
                    output_tokens=units["output"] + units.get("reasoning", 0),
                    output_reasoning_tokens=units.get("reasoning", 0),
                )
                exact = prices.calc_price(usage)["total_price"]
                compared += 1
                if abs(Decimal(bill.cost) / NANO - exact) > Decimal(len(units)) / NANO:
                    wrong.append(f"{vendor.id}/{model.id} at {at}: {bill.cost / NANO} and {exact}: {prices}")
    assert not wrong, "\n".join([str(len(wrong)), *wrong[:20]])
    assert compared > 10_000
