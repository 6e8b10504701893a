"""Makes the packaged table of prices (`src/dragoman/providers/prices.jsonl`) from the data of genai-prices,
and from rows of our own (`scripts/prices.toml`), which win.

    python scripts/prices.py --write   # write the table
    python scripts/prices.py           # fail if the table is not the one that these sources give

The table's form is described in `dragoman.providers.prices`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from genai_prices import types
from genai_prices.data import providers

HERE: Final = Path(__file__).parent
TABLE: Final = HERE.parent / "src" / "dragoman" / "providers" / "prices.jsonl"
OWN: Final = HERE / "prices.toml"

UNITS: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "cache_image_read_mtok": "cache_read_image",
    "input_video_mtok": "input_video",
    "output_video_mtok": "output_video",
    "cache_video_read_mtok": "cache_read_video",
    "output_reasoning_mtok": "reasoning",
    "input_mchars": "characters",
    "audio_hours": "input_audio_ms",
    "input_audio_hours": "input_audio_ms",
    "output_audio_hours": "output_audio_ms",
    "input_document_kpages": "pages",
    "rerank_searches_kcount": "search_units",
    "web_searches_kcount": "web_search_requests",
    "storage_searches_kcount": "file_search_requests",
    "code_executions_kcount": "code_execution_requests",
    "requests_kcount": "requests",
}
"""Their names of prices, and ours of the units. Both state tokens and characters per million, sound per hour
and everything else per thousand.
"""
LEFT_OUT: Final = frozenset(
    {"output_citation_mtok", "input_text_messages_kcount", "input_annotated_document_kpages"}
)
"""Prices of units that no usage of ours has."""
TIERS: Final = frozenset({"processing", "service_tier", "speed"})
"""What selects a price in their data and is a service tier here. Other selections (`route`) are left out."""
BY_PROMPT: Final = "35"
"""What Google asks for a thousand prompts that its search has answered."""
WITHOUT_ADDRESS: Final = ("huggingface_", "openai-decisions", "cursor", "github-copilot")
"""Vendors that are left out: their prices depend on more than the address, or they have no API for models."""


def rows_of(vendor: types.Provider, day: date) -> Iterator[dict[str, Any]]:
    """The rows of a vendor, in the order in which they are tried."""
    for model in vendor.models:
        entries = list(_entries(vendor, model, day))
        if entries:
            row: dict[str, Any] = {"id": model.id, "match": _matches(model.match), "prices": entries}
            if vendor.id == "groq" and "whisper" in model.id:
                # "Minimum billed length: 10 seconds": https://console.groq.com/docs/speech-to-text (2026-11)
                row["least"] = {"input_audio_ms": 10_000}
            if vendor.id == "google" and _is_grounded_by_prompt(entries):
                # With models before Gemini 3 a prompt is billed once, however many queries it leads to.
                # https://ai.google.dev/gemini-api/docs/google-search#pricing (2026-11)
                row["most"] = {"web_search_requests": 1}
            yield row


def _entries(vendor: types.Provider, model: types.ModelInfo, day: date) -> Iterator[dict[str, Any]]:
    listed = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    for one in listed:
        units = _units(vendor, model, one.prices)
        if not units:
            if not _free(model):
                continue  # no price is stated, which is not the same as free
            units = {"input": "0", "output": "0"}
        entry: dict[str, Any] = {"units": units}
        if isinstance(one.constraint, types.StartDateConstraint):
            entry["since"] = one.constraint.start_date.isoformat()
        elif isinstance(one.constraint, types.TimeOfDateConstraint):
            start, end = one.constraint.start_time, one.constraint.end_time
            entry["hours"] = [start.hour * 60 + start.minute, end.hour * 60 + end.minute]
        since = date.fromisoformat(entry["since"]) if "since" in entry else day
        tiers = _tiers(vendor, model, max(since, day))
        if tiers:
            entry["tiers"] = tiers
        yield entry


def _is_grounded_by_prompt(entries: list[dict[str, Any]]) -> bool:
    """Whether the price of a search is that of a prompt, which is higher than that of a query."""
    return any(entry["units"].get("web_search_requests") == BY_PROMPT for entry in entries)


def _free(model: types.ModelInfo) -> bool:
    return model.id.endswith(":free") or "Free of charge" in (model.price_comments or "")


def _tiers(vendor: types.Provider, model: types.ModelInfo, day: date) -> dict[str, Any]:
    """The prices of each service tier on a day, if they differ from the usual ones; an empty tier costs as
    usual. If several hold, the first one does.
    """
    found: dict[str, Any] = {}
    for variant in model.price_variants or ():
        ((key, value), *more) = variant.when.items()
        starts = variant.constraint
        if key not in TIERS or more or value == "default" or isinstance(starts, types.TimeOfDateConstraint):
            continue
        if starts is None or starts.start_date <= day:
            found.setdefault(value, _units(vendor, model, variant.prices, tier=True))
    return found


def _units(
    vendor: types.Provider, model: types.ModelInfo, prices: types.ModelPrice, *, tier: bool = False
) -> dict[str, Any]:
    stated = {key: value for key, value in vars(prices).items() if value is not None and key not in LEFT_OUT}
    unknown = stated.keys() - UNITS.keys()
    assert not unknown, f"{vendor.id}/{model.id}: prices of unknown units {sorted(unknown)}"
    units = {UNITS[key]: _price(value) for key, value in stated.items()}
    if vendor.id == "openrouter" and "gemini" in model.id and _lowest(units, "cache_write") < _lowest(units):
        # "Cache write cost = Input token price + (Cache storage price × (5 minutes / 60 minutes))": of newer
        # models the data has the storage alone, which is less than the input costs.
        # https://openrouter.ai/docs/features/prompt-caching#google-gemini (2026-11)
        units["cache_write"] = _plus(units["input"], _lowest(units, "cache_write"))
    return {**_implied(vendor.id, model.id, units, tier=tier), **units}


def _implied(vendor: str, model: str, units: dict[str, Any], *, tier: bool) -> dict[str, Any]:
    """Prices that the vendors' pages state for all their models, or in a note, and that the data lacks."""
    more: dict[str, Any] = {}
    name = model.lower()
    if "claude" in name and "input" in units and "cache_write" in units:
        # "1-hour cache write tokens are 2 times the base input tokens price"
        # https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing (2026-11-23)
        more["cache_write_1h"] = _times(units["input"], 2)
    if vendor == "anthropic" and not tier:
        # Web fetch and tool search cost nothing but their tokens.
        # https://platform.claude.com/docs/en/about-claude/pricing#specific-tool-pricing (2026-11-23)
        more |= {"web_fetch_requests": "0", "tool_search_requests": "0"}
    if vendor == "x-ai" and "input" in units and not tier:
        # "Web Search" and "X Search": $5 per 1,000 calls. https://docs.x.ai/docs/models (2026-11); bills that
        # xAI states in recorded answers agree.
        more |= {"web_search_requests": "5", "x_search_requests": "5"}
    if vendor == "google" and "input" in units:
        # Where the page has no line for sound, its line of input says "text / image / video / audio".
        # https://ai.google.dev/gemini-api/docs/pricing (2026-11-23)
        more["input_audio"] = units["input"]
    if "output" in units and "tts" in name:
        more["output_audio"] = units["output"]  # the only output of these models is sound
    if "output" in units and "gpt-image" in name:
        more["output_image"] = units["output"]  # the one output price of the page is that of image tokens
    return more


def _times(price: Any, factor: int) -> Any:
    if isinstance(price, str):
        return _text(Decimal(price) * factor)
    return [_times(one, factor) if isinstance(one, str) else one for one in price]


def _lowest(units: dict[str, Any], unit: str = "input") -> Decimal:
    """The price of a unit for short prompts; infinite if it has none."""
    price = units.get(unit, "Infinity")
    return Decimal(price if isinstance(price, str) else price[0])


def _plus(price: Any, more: Decimal) -> Any:
    """The sum of a price and of one that is the same for prompts of any length."""
    if isinstance(price, str):
        return _text(Decimal(price) + more)
    return [one if isinstance(one, int) else _text(Decimal(one) + more) for one in price]


def _price(value: Decimal | types.TieredPrices) -> Any:
    """A price as text, or [price, above so many tokens of the prompt, price, …]."""
    if isinstance(value, Decimal):
        return _text(value)
    steps: list[Any] = [_text(value.base)]
    for tier in value.tiers:
        steps += [tier.start, _text(tier.price)]
    return steps


def _text(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _matches(clause: Any) -> list[Any]:
    """The names of a model: texts of which one must match; a list inside = all of it must match."""
    if isinstance(clause, types.ClauseOr):
        return [found for one in clause.or_ for found in _matches(one)]
    if isinstance(clause, types.ClauseAnd):
        return [[found for one in clause.and_ for found in _matches(one)]]
    for kind, sign, attribute in (
        (types.ClauseEquals, "=", "equals"),
        (types.ClauseStartsWith, "^", "starts_with"),
        (types.ClauseEndsWith, "$", "ends_with"),
        (types.ClauseContains, "*", "contains"),
        (types.ClauseRegex, "~", "regex"),
    ):
        if isinstance(clause, kind):
            text = str(getattr(clause, attribute))
            return [sign + (text if sign == "~" else text.lower())]
    raise TypeError(clause)


def table(day: date) -> str:
    """The whole table: a first line about it, then one line for each vendor."""
    own = tomllib.loads(OWN.read_text(encoding="utf-8"))
    version = importlib.metadata.version("genai-prices")
    about = {
        "source": f"genai-prices {version}",
        "licence": "MIT, https://github.com/pydantic/genai-prices",
        "date": day.isoformat(),
    }
    lines = [about]
    names = [one.id for one in providers if not one.id.startswith(WITHOUT_ADDRESS)]
    known = {one.id: one for one in providers}
    for name in sorted({*names, *own}):
        vendor = known.get(name)
        line: dict[str, Any] = {"vendor": name}
        if vendor is not None:
            line["address"] = vendor.api_pattern
            if vendor.fallback_model_providers:
                line["also"] = vendor.fallback_model_providers
        mine = [dict(row) for row in own.get(name, ())]
        line["rows"] = mine + ([] if vendor is None else list(rows_of(vendor, day)))
        lines.append(line)
    return "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)


def main() -> int:
    """Write the table, or compare it with its sources, as the options say. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table, with today's date")
    parser.add_argument("--day", type=date.fromisoformat, help="the date to write, instead of today")
    options = parser.parse_args()
    if options.write:
        TABLE.write_text(table(options.day or datetime.now(UTC).date()), encoding="utf-8")
        return 0
    now = TABLE.read_text(encoding="utf-8")
    written = date.fromisoformat(json.loads(now.partition("\n")[0])["date"])
    if now != table(written):
        print(f"{TABLE.name} is not what its sources give: python scripts/prices.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
