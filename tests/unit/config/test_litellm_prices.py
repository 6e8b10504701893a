"""Prices that are too small to count."""

from __future__ import annotations

from dragoman.config.litellm_prices import rounded


def test_what_would_count_as_nothing_is_zero_and_the_rest_stays() -> None:
    price = {
        "input": 1e-12,
        "output": 15,
        "images": 1e-11,
        "output_minutes": 1e-10,
        "long_prompts": [{"above": 200_000, "input": 1e-12}],
        "tiers": {"batch": {"input": 2}},
    }
    assert rounded(price) == {
        "input": 0,
        "output": 15,
        "images": 1e-11,  # counted for a thousand
        "output_minutes": 1e-10,  # counted for an hour
        "long_prompts": [{"above": 200_000, "input": 0}],
        "tiers": {"batch": {"input": 2}},
    }
    assert rounded(None) is None
