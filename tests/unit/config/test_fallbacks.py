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
