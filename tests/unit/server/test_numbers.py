"""Whole numbers in URLs, however many digits they have."""

from __future__ import annotations

import pytest

from dragoman.server.numbers import decimal_number, whole_number


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("0", 0),
        ("20", 20),
        ("0000000001000", 1000),
        ("0" * 5000, 0),
        ("0" * 5000 + "7", 7),
        ("9" * 15, 10**15 - 1),
        ("1" + "0" * 5000, 10**15 - 1),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1_000", None),
        (" 1", None),
        ("\u00b2", None),
        ("\u0663", None),
    ],
)
def test_a_whole_number_is_read(stated: str, number: int | None) -> None:
    assert whole_number(stated) == number


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("0", 0.0),
        ("1700000000.25", 1700000000.25),
        ("-1.5", -1.5),
        *(
            (odd, None)
            for odd in ("", "1_0", " 1", "+1", "1.", ".5", "1e5", "nan", "inf", "\u0663", "9" * 400)
        ),
    ],
)
def test_a_decimal_number_is_read(stated: str, number: float | None) -> None:
    assert decimal_number(stated) == number
