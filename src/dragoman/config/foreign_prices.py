"""Converts prices in LiteLLM's fields, and the content of price files (ours, and LiteLLM's
`model_prices_and_context_window.json`), into the form of our setting `prices`.

LiteLLM states USD, usually for one unit (a token, a second, a character, a picture), in fields such as
`input_cost_per_token` and `input_cost_per_token_above_200k_tokens`:
https://docs.litellm.ai/docs/proxy/custom_pricing
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_FIELDS: Final[dict[str, tuple[str, int]]] = {
    "input_cost_per_token": ("input", 1_000_000),
    "output_cost_per_token": ("output", 1_000_000),
    "output_cost_per_reasoning_token": ("reasoning", 1_000_000),
    "cache_read_input_token_cost": ("cache_read", 1_000_000),
    "cache_read_input_audio_token_cost": ("cache_read_audio", 1_000_000),
    "cache_creation_input_token_cost": ("cache_write", 1_000_000),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h", 1_000_000),
    "input_cost_per_audio_token": ("input_audio", 1_000_000),
    "output_cost_per_audio_token": ("output_audio", 1_000_000),
    "input_cost_per_image_token": ("input_image", 1_000_000),
    "output_cost_per_image_token": ("output_image", 1_000_000),
    "input_cost_per_character": ("characters", 1_000_000),
    "input_cost_per_second": ("input_minutes", 60),
    "output_cost_per_second": ("output_minutes", 60),
    "output_cost_per_image": ("images", 1),
    "input_cost_per_query": ("search_units", 1_000),
    "input_cost_per_request": ("requests", 1_000),
    "ocr_cost_per_page": ("pages", 1_000),
    "search_context_cost_per_query": ("web_search_requests", 1_000),
    "file_search_cost_per_1k_calls": ("file_search_requests", 1),
}
"""By LiteLLM's field: our setting, and the number of LiteLLM's units in our unit."""
_USUAL_SIZE: Final = "search_context_size_medium"
"""LiteLLM states the cost of a search by the size of its context. Usages do not state the size, so the size
that providers use by default counts.
"""
_MOST: Final = Decimal("1e9")
"""USD for one of LiteLLM's units. No real price is near it; far larger numbers (`1e999999`) cannot be
multiplied or written.
"""
_TIERS: Final = {"batches": "batch", "batch": "batch", "flex": "flex", "priority": "priority"}
_ABOVE: Final = re.compile(r"(.+)_above_(\d+)k_tokens")
_VENDORS: Final = {
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "jina_ai": "jina",
    "together_ai": "together",
    "vertex_ai-language-models": "gemini",
}


def entries_of(value: Any) -> dict[str, dict[str, Any]]:
    """Return the entries of a file of prices, by name (`provider/model`), in the form of the setting
    `prices`. value: the file's content: a configuration with `prices`, the value of that setting, or
    LiteLLM's mapping. Our own entries are returned unchecked. LiteLLM's models without a provider or a price
    are left out. Raises ValueError if the prices are not a mapping of mappings.
    """
    if isinstance(value, dict) and isinstance(value.get("prices"), dict):
        value = value["prices"]
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise ValueError("expected a mapping of models to prices")
    if any("litellm_provider" in one for one in value.values()):
        return dict(_of_litellm(value))
    return value


def _of_litellm(value: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (`provider/model`, entry) for each of LiteLLM's models with a provider and a price."""
    for name, one in value.items():
        provider = one.get("litellm_provider")
        entry = entry_of(one)
        if name == "sample_spec" or not entry or not isinstance(provider, str):
            continue
        model = name.removeprefix(f"{provider}/")
        yield f"{_VENDORS.get(provider, provider)}/{model}", entry


def entry_of(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return the price in LiteLLM's fields, in the form of our setting `price`: {"input": USD for a million
    tokens, …}, also with `tiers` and `long_prompts`. {} = the fields state no usual price (only prices of
    service tiers or of long prompts, or nothing). Costs may be numbers or texts; what is no cost, or is
    negative or above `_MOST`, is ignored. one: {field: value}.
    """
    entry: dict[str, Any] = {}
    tiers: dict[str, dict[str, Any]] = {}
    longer: dict[int, dict[str, Any]] = {}
    for field, stated in one.items():
        if (cost := _cost(stated.get(_USUAL_SIZE) if isinstance(stated, Mapping) else stated)) is None:
            continue
        name, tier, above = _parts(field)
        if name not in _FIELDS:
            continue
        place = entry
        if tier is not None:
            place = tiers.setdefault(_TIERS[tier], {})
        elif above is not None:
            place = longer.setdefault(above, {})
        unit, scale = _FIELDS[name]
        place[unit] = _number(cost * scale)
    if not entry:
        return {}
    if longer:
        entry["long_prompts"] = [{"above": above, **more} for above, more in sorted(longer.items())]
    if tiers:
        entry["tiers"] = tiers
    return entry


def price_of(one: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the price of a deployment in our form (see `entry_of`), from LiteLLM's fields. None = they state
    no usual price, or a price of input tokens without one of output tokens, or the reverse.
    """
    price = entry_of(one)
    return price if price and ("input" in price) == ("output" in price) else None


def is_cost(field: str) -> bool:
    """Whether LiteLLM's field with this name is one from which `entry_of` can read a price."""
    return _parts(field)[0] in _FIELDS


def _parts(field: str) -> tuple[str, str | None, int | None]:
    """Return (the name of the field for usual requests; LiteLLM's word for the service tier that the field is
    for, None = no tier; the tokens of the prompt above which the field holds, None = it holds for all
    prompts). In a field for both, only the tier is recognised.
    """
    tier = next((word for word in _TIERS if field.endswith(f"_{word}")), None)
    if tier is not None:
        return field.removesuffix(f"_{tier}"), tier, None
    if (above := _ABOVE.fullmatch(field)) is not None:
        return above[1], None, int(above[2]) * 1000
    return field, None, None


def _cost(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 <= cost <= _MOST else None


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
