"""Fallbacks as they are written: one list for all causes, or one for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.config.fallbacks import Fallbacks
from dragoman.config.load import Loaded


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("b", Fallbacks(("b",))),
        ("[b, c]", Fallbacks(("b", "c"))),
        ("{any: b, context: [c]}", Fallbacks(("b",), ("c",))),
        ("{content: [b, c]}", Fallbacks(content=("b", "c"))),
        ("[]", Fallbacks()),
    ],
)
def test_short_and_long_forms(loaded: Callable[..., Loaded], written: str, meant: Fallbacks) -> None:
    text = f"models: {{m: {{use: simulate/a, fallbacks: {written}}}, b: simulate/b, c: simulate/c}}"
    assert loaded(text).config.models["m"].fallbacks == meant


def test_two_models_may_fall_back_to_each_other(loaded: Callable[..., Loaded]) -> None:
    loaded("models: {a: {use: simulate/a, fallbacks: b}, b: {use: simulate/b, fallbacks: a}}")


def test_the_simulator_is_offered_if_a_fallback_is_simulated(loaded: Callable[..., Loaded]) -> None:
    text = "providers: {openai: {keys: k}}\nmodels: {m: {use: openai/x, fallbacks: {content: simulate/echo}}}"
    assert loaded(text).simulate
    assert not loaded("providers: {openai: {keys: k}}\nmodels: {m: openai/x}").simulate
    assert loaded(
        "providers: {openai: {keys: k}}\naliases: {a: {route: openai/x, fallbacks: simulate/echo}}"
    ).simulate
