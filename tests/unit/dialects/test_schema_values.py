"""Values and types as JSON Schema compares them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.schema_values import IS_OF_TYPE, same, shared, types_of_both


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ([{"a": 1}], [{"a": 1.0}], True),
        ([{"a": 1}], [{"a": True}], False),
        ("1", 1, False),
        (True, True, True),
        (None, None, True),
    ],
)
def test_equal_values(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert shared([one], ["x", other]) == ([one] if equal else [])


def test_the_types_of_a_value() -> None:
    values: list[Any] = [1, 1.0, 1.5, True, None, "", [], {}]
    found = {repr(value): [kind for kind, is_of in IS_OF_TYPE.items() if is_of(value)] for value in values}
    assert found == {
        "1": ["integer", "number"],
        "1.0": ["integer", "number"],
        "1.5": ["number"],
        "True": ["boolean"],
        "None": ["null"],
        "''": ["string"],
        "[]": ["array"],
        "{}": ["object"],
    }


def test_what_two_types_have_in_common() -> None:
    assert types_of_both("number", ["integer", "null"]) == ["integer"]
    assert types_of_both(["null", "integer"], ["number", "null"]) == ["null", "integer"]
    assert types_of_both("string", "null") is None
