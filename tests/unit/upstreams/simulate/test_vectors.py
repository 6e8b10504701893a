"""The simulator's vectors: of unit length, always the same, near for texts that share words."""

from __future__ import annotations

import math

import pytest

from dragoman import ir
from dragoman.upstreams.simulate.vectors import vector
from dragoman.wire.vectors import to_floats


def numbers(item: ir.Input, length: int = 64, seed: int = 0) -> list[float]:
    return to_floats(vector(item, length, seed))


@pytest.mark.parametrize("item", ["Hi there", "", "!!!", "é 😀", ir.Parts(("a", "b")), ir.Tokens((1, 2))])
@pytest.mark.parametrize("length", [1, 8, 384])
def test_every_input_has_one_of_unit_length(item: ir.Input, length: int) -> None:
    found = numbers(item, length)
    assert len(found) == length
    assert math.hypot(*found) == pytest.approx(1, abs=1e-6)
    assert found == numbers(item, length)


def test_words_that_cancel_each_other_have_a_vector() -> None:
    assert numbers("w566 w496", 1) == [1.0]


def test_another_seed_gives_another() -> None:
    assert numbers("Hi", seed=1) != numbers("Hi", seed=2)


def test_common_words_bring_texts_together() -> None:
    asked, near, far = map(numbers, ("where do cats sleep", "cats sleep anywhere", "stocks fell today"))
    assert alike(asked, near) > alike(asked, far) + 0.2


def alike(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
