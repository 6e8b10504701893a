"""Files of prices of others become our entries."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.foreign_prices import entries_of, price_of

LITELLM = {
    "sample_spec": {"litellm_provider": "one of …", "input_cost_per_token": 0.0},
    "gpt-5": {
        "litellm_provider": "openai",
        "mode": "chat",
        "max_tokens": 8192,
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-07,
        "input_cost_per_token_batches": 6.25e-07,
        "input_cost_per_token_priority": 2.5e-06,
        "supports_vision": True,
    },
    "gemini/gemini-2.5-pro": {
        "litellm_provider": "gemini",
        "input_cost_per_token": 1.25e-06,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token": 1e-05,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
    },
    "claude-haiku-4-5": {
        "litellm_provider": "anthropic",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 5e-06,
        "cache_creation_input_token_cost": 1.25e-06,
        "cache_creation_input_token_cost_above_1hr": 2e-06,
        "search_context_cost_per_query": {
            "search_context_size_low": 0.009,
            "search_context_size_medium": 0.01,
            "search_context_size_high": 0.011,
        },
        "tool_use_system_prompt_tokens": 159,
    },
    "gpt-5-files": {
        "litellm_provider": "openai",
        "input_cost_per_token": 1e-06,
        "file_search_cost_per_1k_calls": 2.5,
        "search_context_cost_per_query": {"search_context_size_low": 0.009},
    },
    "whisper-1": {
        "litellm_provider": "openai",
        "input_cost_per_second": 0.0001,
        "output_cost_per_second": 0.0,
    },
    "fireworks_ai/whisper": {"litellm_provider": "fireworks_ai", "input_cost_per_second": 0.0001},
    "tts-1": {"litellm_provider": "openai", "input_cost_per_character": 1.5e-05},
    "rerank-v3.5": {"litellm_provider": "cohere", "input_cost_per_query": 0.002, "input_cost_per_token": 0.0},
    "no-price": {"litellm_provider": "openai", "max_tokens": 5},
}


def test_litellms_prices() -> None:
    assert entries_of(LITELLM) == {
        "openai/gpt-5": {
            "input": 1.25,
            "output": 10,
            "cache_read": 0.125,
            "tiers": {"batch": {"input": 0.625}, "priority": {"input": 2.5}},
        },
        "gemini/gemini-2.5-pro": {
            "input": 1.25,
            "output": 10,
            "long_prompts": [{"above": 200_000, "input": 2.5, "output": 15}],
        },
        "anthropic/claude-haiku-4-5": {
            "input": 1,
            "output": 5,
            "cache_write": 1.25,
            "cache_write_1h": 2,
            "web_search_requests": 10,
        },
        "openai/gpt-5-files": {"input": 1, "file_search_requests": 2.5},
        "openai/whisper-1": {"input_minutes": 0.006, "output_minutes": 0},
        "fireworks/whisper": {"input_minutes": 0.006},
        "openai/tts-1": {"characters": 15},
        "cohere/rerank-v3.5": {"search_units": 2, "input": 0},
    }


@pytest.mark.parametrize("value", [{"prices": {"a/x": {"input": 1}}}, {"a/x": {"input": 1}}])
def test_our_prices(value: Any) -> None:
    assert entries_of(value) == {"a/x": {"input": 1}}


@pytest.mark.parametrize("value", [[], "x", None, {"a/x": 1}, {"providers": {}, "prices": 5}])
def test_other_files_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected a mapping of models to prices"):
        entries_of(value)


def test_a_price_below_zero_is_none() -> None:
    assert price_of({"input_cost_per_token": -1e-6, "output_cost_per_token": 1e-6}) is None


@pytest.mark.parametrize("cost", ["1e999999", "1e900000", "9" * 400, "1e10", "nan", "-inf", "free"])
def test_what_is_no_cost_is_no_price(cost: str) -> None:
    assert price_of({"input_cost_per_token": cost, "output_cost_per_token": cost}) is None


def test_a_cost_near_nothing_is_a_price() -> None:
    costs = {"input_cost_per_token": "1e-999999", "output_cost_per_token": "1e-999999999"}
    assert price_of(costs) == {"input": 0.0, "output": 0.0}
