"""Units are disjoint, whatever a provider states."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dragoman import ir
from dragoman.ir.units import (
    INPUT,
    KINDS,
    MEASURES,
    OUTPUT,
    TOKENS,
    TOOLS,
    is_tool,
    measured,
    per,
    picture,
    told_cost,
    told_speed,
    units_of,
)


def test_tokens_of_kinds_are_not_counted_in_the_rest() -> None:
    usage = ir.Usage(
        1_000,
        cache_read=500,
        tool_input=7,
        output=100,
        reasoning=20,
        detail={
            "input_audio": 300,
            "cache_read_audio": 100,
            "input_image": 50,
            "output_audio": 60,
            "input_text": 9,
        },
    )
    assert units_of(usage) == {
        "input": 750,
        "input_audio": 200,
        "input_image": 50,
        "cache_read": 400,
        "cache_read_audio": 100,
        "tool_input": 7,
        "output": 40,
        "output_audio": 60,
        "reasoning": 20,
    }


def test_kinds_are_new_tokens_as_far_as_possible() -> None:
    usage = ir.Usage(100, cache_read=500, detail={"input_audio": 250})
    assert units_of(usage) == {"input_audio": 100, "cache_read": 350, "cache_read_audio": 150}


@pytest.mark.parametrize(
    ("written", "units"),
    [
        ((50, None, None), {"cache_write": 50}),
        ((50, 20, 30), {"cache_write_5m": 20, "cache_write_1h": 30}),
        ((50, 20, None), {"cache_write_5m": 20, "cache_write": 30}),
        ((None, 20, 30), {"cache_write_5m": 20, "cache_write_1h": 30}),
        ((50, 40, 30), {"cache_write_5m": 20, "cache_write_1h": 30}),  # they contradict each other
        ((0, 0, 0), {}),
    ],
)
def test_writes_to_a_cache(written: tuple[Any, Any, Any], units: dict[str, int]) -> None:
    whole, short, long = written
    usage = ir.Usage(cache_write=whole, cache_write_5m=short, cache_write_1h=long)
    assert units_of(usage) == units


def test_work_on_other_models_is_not_among_them() -> None:
    other = ir.Usage(5, output=6)
    usage = ir.Usage(1, output=2, others=(("claude-haiku-4-5", other),))
    assert units_of(usage) == {"input": 1, "output": 2}
    assert [(model, units_of(one)) for model, one in usage.others] == [
        ("claude-haiku-4-5", {"input": 5, "output": 6})
    ]


def test_other_units() -> None:
    usage = ir.Usage(
        detail={
            "web_search_requests": 2,
            "web_fetch_requests": 0,
            "search_units": 1.5,
            "audio_seconds": 1.2345,
            "accepted_prediction": 9,
            "Odd_requests": 4,
        },
        extra={"openai_responses": {"server_side_tool_usage_details": {"x_search_calls": 3, "mcp_calls": 1}}},
    )
    assert units_of(usage) == {
        "web_search_requests": 2,
        "search_units": 2,
        "input_audio_ms": 1234,
        "x_search_requests": 3,
    }
    assert units_of(ir.Usage(extra={"openai_chat": {"num_search_queries": 4}})) == {"web_search_requests": 4}
    router = {"web_search_requests": 2, "tool_calls_executed": 3, "odd": 1, "fetch_requests": 0}
    assert units_of(ir.Usage(extra={"openai_chat": {"server_tool_use_details": router}})) == {
        "web_search_requests": 2
    }
    perplexity = {"tool_calls_details": {"search_web": {"invocation": 5}, "fetch_url": {"invocation": 1}}}
    assert units_of(ir.Usage(extra={"openai_responses": perplexity})) == {"web_search_requests": 5}
    drawn = {"server_side_tool_usage_details": {"image_generation_calls": 1, "document_search_calls": 2}}
    assert units_of(ir.Usage(extra={"openai_responses": drawn})) == {
        "image_generation_requests": 1,
        "document_search_requests": 2,
    }


@pytest.mark.parametrize("odd", [-5, 10**15, "7", 3.5, True, None, [], float("nan")])
def test_implausible_amounts_count_as_nothing(odd: Any) -> None:
    usage = ir.Usage(odd, cache_read=odd, output=odd, detail={"input_audio": odd, "web_search_requests": odd})
    assert units_of(usage) == {}
    for name in ("server_side_tool_usage_details", "server_tool_use_details", "tool_calls_details"):
        assert units_of(ir.Usage(extra={"x": {name: odd}})) == {}
    assert units_of(ir.Usage(extra={"x": {"tool_calls_details": {"search_web": odd}}})) == {}


COUNT = some.one_of(some.none(), some.integers(0, 10_000))
DETAIL = some.dictionaries(
    some.sampled_from([f"{side}_{kind}" for side in ("input", "output", "cache_read") for kind in KINDS]),
    COUNT,
)


@given(some.tuples(*[COUNT] * 6), DETAIL)
def test_the_sums_are_always_the_totals(counts: tuple[int | None, ...], detail: dict[str, Any]) -> None:
    fresh, read, written, tool, said, thought = counts
    usage = ir.Usage(fresh, read, written, None, None, tool, said, thought, detail)
    units = units_of(usage)
    assert sum(units.get(unit, 0) for unit in INPUT) == usage.input_total
    assert sum(units.get(unit, 0) for unit in OUTPUT) == usage.output_total
    assert all(amount > 0 for amount in units.values())


@pytest.mark.parametrize(
    ("quality", "size", "unit"),
    [
        (None, None, "images"),
        ("hd", "1792x1024", "images/hd/1792x1024"),
        ("auto", "auto", "images"),
        ("High!", "1024x1024", "images/1024x1024"),
        ("low", "0x5", "images/low"),
        ("x" * 40, "1" * 40 + "x2", "images"),
    ],
)
def test_pictures(quality: str | None, size: str | None, unit: str) -> None:
    assert picture(quality, size) == unit


def test_what_the_provider_made_counts_more_than_what_was_asked() -> None:
    asked = ir.ImageRequest("openai_chat", "m", "a bridge", size="auto", quality="auto")
    told = ir.ImageResponse((ir.Picture("x"),), told={"size": "1024x1536", "quality": "low"})
    assert measured(asked, told) == {"images/low/1024x1536": 1}


@pytest.mark.parametrize(
    ("stated", "nano"),
    [
        ({"cost_in_usd_ticks": 160_708_500}, 16_070_850),
        ({"cost": 0.0133176, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 13_317_600),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, 21_000_000),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, None),
        ({"cost": 0}, 0),
        ({"cost": {"total_cost": 0.005, "request_cost": 0.004}}, 5_000_000),
        ({"cost": {"odd": 1}}, None),
        *(({"cost": odd}, None) for odd in (-1, "0.1", True, 1e9, float("nan"), float("inf"), [1])),
        ({"cost_in_usd_ticks": -1}, None),
        ({"cost_in_usd_ticks": 10**400}, None),
        ({"other": 1}, None),
    ],
)
def test_what_an_answer_states_that_it_has_cost(stated: dict[str, Any], nano: int | None) -> None:
    assert told_cost(ir.Usage(5, extra={"openai_chat": stated})) == nano
    assert told_cost(ir.Usage(5)) is None


def test_a_speed_that_an_answer_states() -> None:
    assert told_speed(ir.Usage(5, extra={"anthropic": {"speed": "fast"}})) == "fast"
    for rest in ({"speed": "standard"}, {"speed": 7}, {}):
        assert told_speed(ir.Usage(5, extra={"anthropic": rest})) is None


def test_amounts_of_prices() -> None:
    assert {per(unit) for unit in (*INPUT, *OUTPUT, "characters")} == {1_000_000}
    assert (per("input_audio_ms"), per("images/hd"), per("web_search_requests")) == (3_600_000, 1_000, 1_000)
    assert len((*TOKENS, *MEASURES, *TOOLS)) == len({*TOKENS, *MEASURES, *TOOLS})
    assert is_tool("x_search_requests")
    assert not is_tool("requests")
