"""Vectors as bytes: exact in both encodings, and never without numbers."""

from __future__ import annotations

from base64 import b64encode
from struct import pack, unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import WireError
from dragoman.wire.vectors import from_base64, from_floats, to_base64, to_floats

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=50)


@given(NUMBERS)
def test_numbers_of_32_bits_come_back_exactly(numbers: list[float]) -> None:
    vector = from_floats(numbers)
    assert vector == pack(f"<{len(numbers)}f", *numbers)
    assert to_floats(vector) == numbers
    assert from_base64(to_base64(vector)) == vector


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_longer_numbers_are_rounded_to_the_nearest(numbers: list[float]) -> None:
    assert to_floats(from_floats(numbers)) == [unpack("<f", pack("<f", number))[0] for number in numbers]


def test_base64_is_little_endian() -> None:
    assert to_base64(from_floats([1.0, -2.0])) == "AACAPwAAAMA="


@pytest.mark.parametrize(
    "numbers",
    [[], [1e39], [float("nan")], [float("inf"), float("-inf")], [0.5, 1e300], [10**400], [0.5, -(10**400)]],
)
def test_what_is_no_vector_is_refused(numbers: list[float]) -> None:
    with pytest.raises(WireError):
        from_floats(numbers)


@pytest.mark.parametrize(
    "text",
    ["", "AAA", "AAAA", "not base64!", "é", b64encode(pack("<f", float("nan"))).decode()],
)
def test_what_is_no_base64_of_a_vector_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        from_base64(text)
