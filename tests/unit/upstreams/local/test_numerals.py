"""Numbers in a grammar: exactly those between their bounds."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstreams.local.grammar import (
    json_grammar,
)
from tests.unit.upstreams.local.gbnf import Grammar


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_integers_are_allowed_exactly_between_their_bounds(low: int, high: int, number: int) -> None:
    low, high = sorted((low, high))
    grammar = Grammar(json_grammar({"type": "integer", "minimum": low, "maximum": high}))
    for candidate in (number, low, high, low - 1, high + 1):
        assert grammar.accepts(str(candidate)) == (low <= candidate <= high)


@given(st.integers(-99, 99), st.integers(-99, 99), st.decimals(-100, 100, places=2), st.booleans())
def test_numbers_are_allowed_exactly_between_their_bounds(
    low: int, high: int, number: Any, exclusive: bool
) -> None:
    low, high = sorted((low, high + 1 if low == high else high))
    keywords = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
    grammar = Grammar(json_grammar({"type": "number", keywords[0]: low, keywords[1]: high}))
    for candidate in (number, f"{low}.00", f"{high}.00", low, high):
        inside = low < float(candidate) < high if exclusive else low <= float(candidate) <= high
        assert grammar.accepts(str(candidate)) == inside
