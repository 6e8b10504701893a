"""The engine asks for the price of a deployment, which is looked up once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from dragoman.assembly import prices
from dragoman.assembly.prices import prices_of
from dragoman.config.load import Loaded
from dragoman.config.pricing import Pricing
from dragoman.providers.rates import Rates

Load: TypeAlias = Callable[..., Loaded]


def test_each_deployment_is_looked_up_once(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Counted(Pricing):
        def rates(self, deployment: str) -> Rates | None:
            asked.append(deployment)
            return super().rates(deployment)

    monkeypatch.setattr(prices, "Pricing", Counted)
    found = prices_of(loaded("providers: {openai: {keys: k}}\nprices: {openai/mine: {input: 1, output: 2}}"))
    for _ in range(3):
        assert found("openai/unheard-of") is None
        mine = found("openai/mine")
        assert mine is not None
        assert mine.bill({"input": 1_000_000, "output": 1_000_000}, at=0).cost == 3_000_000_000
    assert asked == ["openai/unheard-of", "openai/mine"]


def test_models_that_an_answer_used_besides_have_a_price(loaded: Load) -> None:
    rates = prices_of(loaded("providers: {anthropic: {keys: k}}"))("anthropic/claude-haiku-4-5")
    assert rates is not None
    assert rates.usual(1_795_392_000) == (1.0, 5.0)
