"""Whole characters only, and nothing of a stop sequence, for any split of the same bytes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstreams.local.holdback import Holdback

TEXTS = st.text(alphabet="abé🦊", max_size=30)
STOPS = st.lists(st.text(alphabet="abé🦊", min_size=1, max_size=4), max_size=3).map(tuple)


def run(data: bytes, stops: tuple[str, ...], cuts: list[int]) -> tuple[str, str | None]:
    """The text that comes out when the bytes come in pieces cut at these places."""
    holdback = Holdback(stops)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    shown = [holdback.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    return "".join([*shown, holdback.close()]), holdback.matched


def expected(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the stop sequence that is complete first, the longest of those that end there."""
    for end in range(len(text) + 1):
        if done := [stop for stop in stops if text[:end].endswith(stop)]:
            longest = max(done, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(TEXTS, STOPS, st.lists(st.integers(0, 200), max_size=12))
def test_any_split_gives_the_text_before_the_first_stop(
    text: str, stops: tuple[str, ...], cuts: list[int]
) -> None:
    assert run(text.encode(), stops, cuts) == expected(text, stops)


@given(st.binary(max_size=30), st.lists(st.integers(0, 200), max_size=12))
def test_bytes_that_are_no_text_are_replaced_as_python_does(data: bytes, cuts: list[int]) -> None:
    assert run(data, (), cuts) == (data.decode("utf-8", "replace"), None)


def test_a_character_is_held_back_until_it_is_whole() -> None:
    holdback = Holdback()
    assert [holdback.feed(bytes([byte])) for byte in "🦊".encode()] == ["", "", "", "🦊"]


def test_only_what_may_become_a_stop_is_held_back() -> None:
    holdback = Holdback(("<|end|>",))
    assert holdback.feed(b"one <") == "one "
    assert holdback.feed(b"|e") == ""
    assert holdback.feed(b"x") == "<|ex"
    assert holdback.feed(b" <|en") == " "
    assert holdback.feed(b"d|> two") == ""
    assert holdback.matched == "<|end|>"
    assert holdback.feed(b" three") == ""
    assert holdback.close() == ""


@pytest.mark.parametrize("stops", [("",), ("", "x")])
def test_an_empty_stop_stops_nothing(stops: tuple[str, ...]) -> None:
    assert run(b"abc", stops, []) == ("abc", None)
