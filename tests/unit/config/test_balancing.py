"""The settings by which requests are spread, as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.config.balancing import Hedge, Rotate
from dragoman.config.load import Loaded
from dragoman.config.prices import Price
from dragoman.config.scalars import Amount, Duration, Share

HEAD = "providers: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\nmodels:\n  m:\n"


def test_weights_and_prices(loaded: Callable[..., Loaded]) -> None:
    model = loaded(
        HEAD
        + "    policy: weighted\n"
        + "    deployments:\n"
        + "      - {use: a/one, weight: 2.5}\n"
        + "      - {use: a/two, price: {input: 0.05, output: 1e-1}}\n"
    ).config.models["m"]
    assert [one.weight for one in model.deployments] == [2.5, 1]
    assert model.deployments[1].price == Price(input=Amount(0.05), output=Amount(0.1))


@pytest.mark.parametrize(
    ("written", "rotate"),
    [
        ("10m", Rotate(every=Duration(600))),
        ("{every: 10m}", Rotate(every=Duration(600))),
        ("{requests: 100}", Rotate(requests=100)),
    ],
)
def test_rotation(loaded: Callable[..., Loaded], written: str, rotate: Rotate) -> None:
    model = loaded(HEAD + f"    rotate: {written}\n    deployments: [a/one, a/two]\n").config.models["m"]
    assert model.rotate == rotate


@pytest.mark.parametrize(
    ("written", "hedge"),
    [
        ("p95", Hedge()),
        ("2s", Hedge(after=Duration(2))),
        ("{after: 800ms, at_most: 2%}", Hedge(after=Duration(0.8), at_most=Share(0.02))),
        ("{at_most: 0.1}", Hedge(at_most=Share(0.1))),
        ("{}", Hedge()),
    ],
)
def test_hedging(loaded: Callable[..., Loaded], written: str, hedge: Hedge) -> None:
    model = loaded(HEAD + f"    hedge: {written}\n    deployments: [a/one, a/two]\n").config.models["m"]
    assert model.hedge == hedge
