"""Requests that are too large for a provider: cut in order, within its limits, and joined again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.batching import batches, estimated, joined

MODEL = "unknown-model"
INPUTS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.builds(ir.Parts, st.lists(st.text(max_size=20), min_size=1, max_size=3).map(tuple)),
        st.builds(ir.Tokens, st.lists(st.integers(0, 9), min_size=1, max_size=9).map(tuple)),
    ),
    min_size=1,
    max_size=30,
)


def asking(*inputs: ir.Input) -> ir.EmbedRequest:
    return ir.EmbedRequest("openai_chat", MODEL, inputs, dimensions=4)


@given(INPUTS, st.integers(1, 10), st.none() | st.integers(1, 60))
def test_parts_are_the_whole_in_order(inputs: list[ir.Input], most: int, tokens: int | None) -> None:
    request = asking(*inputs)
    cut = list(batches(most, tokens)(request, MODEL))
    place = 0
    for start, part in cut:
        assert start == place
        assert 1 <= len(part.inputs) <= most
        assert msgspec.structs.replace(part, inputs=request.inputs) == request
        cost = estimated(part, MODEL).input_total
        assert tokens is None or cost <= tokens or len(part.inputs) == 1
        place += len(part.inputs)
    assert tuple(one for _, part in cut for one in part.inputs) == request.inputs


def test_a_request_that_fits_is_itself() -> None:
    request = asking("a", "b")
    ((start, part),) = batches(512, 16_384)(request, MODEL)
    assert (start, part) == (0, request)


def test_answers_are_joined_and_their_usage_added() -> None:
    one = ir.EmbedResponse((b"a" * 4, b"b" * 4), model="m", usage=ir.Usage(input=3), id="1")
    other = ir.EmbedResponse((b"c" * 4,), model="m", usage=ir.Usage(input=4), id="2")
    whole = joined((one, other), asking("a", "b", "c"), MODEL)
    assert whole.vectors == (*one.vectors, *other.vectors)
    assert (whole.model, whole.id) == ("m", "1")
    assert whole.usage == ir.Usage(input=7)


@pytest.mark.parametrize("told", [None, ir.Usage(input=3)])
def test_usage_that_is_not_told_by_all_is_estimated(told: ir.Usage | None) -> None:
    one, other = ir.EmbedResponse((b"a" * 4,), usage=told), ir.EmbedResponse((b"b" * 4,))
    request = asking("some words", ir.Tokens((1, 2, 3)), ir.Parts(("more", "words")))
    whole = joined((one, other), request, MODEL)
    assert whole.usage is not None
    assert whole.usage.estimated
    assert whole.usage.input_total > 3
