"""Tokens that join to their text, and numbers that only their key decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstreams.simulate.words import Draw, prose, sentence, tokens, word


@given(st.text())
def test_tokens_are_the_text(text: str) -> None:
    pieces = tokens(text)
    assert "".join(pieces) == text
    assert all(pieces)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("Hello world", ["Hello", " world"]),
        ("internationally  so ", ["intern", "ationa", "lly", "  so", " "]),
        ("a\n\nb", ["a", "\n\nb"]),
    ],
)
def test_tokens(text: str, pieces: list[str]) -> None:
    assert tokens(text) == pieces


def test_the_key_decides() -> None:
    draw = Draw(b"k")
    assert [draw.below(10) for _ in range(12)] == [4, 1, 6, 4, 2, 5, 1, 4, 8, 7, 5, 1]
    assert Draw(b"k").hex(8) == "cb68efba"
    assert sentence(Draw(b"a")) == sentence(Draw(b"a"))
    assert sentence(Draw(b"a")) != sentence(Draw(b"b"))
    assert Draw(b"x").one(["only"]) == "only"
    assert word(Draw(b"w")).isalpha()


@given(st.binary(max_size=8), st.integers(0, 80))
def test_prose_has_the_length_that_was_asked_for(key: bytes, length: int) -> None:
    text = prose(Draw(key), length)
    assert len(tokens(text)) == length


@given(st.binary(max_size=4), st.integers(1, 1000))
def test_numbers_stay_below_their_bound(key: bytes, bound: int) -> None:
    draw = Draw(key)
    assert all(0 <= draw.below(bound) < bound for _ in range(5))
