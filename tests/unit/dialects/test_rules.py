"""Rules for values, and the errors of those that keep none."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_address,
    an_object,
    data_or_address,
    in_base64,
    integer,
    list_of,
    number,
    one_of,
    require,
    short,
    strings,
)
from dragoman.errors import WireError

KEPT: list[tuple[Rule, Any]] = [
    (a_string, ""),
    (a_boolean, False),
    (an_object, {}),
    (number(0, 1), 0),
    (number(0, 1), 1.0),
    (number(), -1e9),
    (integer(0, 1), 1),
    (one_of("a", "b"), "b"),
    (strings, []),
    (list_of(a_string, empty=False), ["a"]),
    (an_address, "https://x"),
    (an_address, "data:text/plain,x"),
    (in_base64, "AAAA"),
    (data_or_address, "http://x"),
    (data_or_address, "data:image/png;base64,AAAA"),
    (data_or_address, "AA=="),
]


@pytest.mark.parametrize(("rule", "value"), KEPT)
def test_values_that_keep_their_rule(rule: Rule, value: Any) -> None:
    rule(value, "x")


BROKEN: list[tuple[Rule, Any, str, str]] = [
    (a_string, 1, "x", "invalid_type"),
    (a_boolean, 1, "x", "invalid_type"),
    (an_object, [], "x", "invalid_type"),
    (number(), True, "x", "invalid_type"),
    (number(0, 1), 1.1, "x", "decimal_above_max_value"),
    (number(0, 1), -0.1, "x", "decimal_below_min_value"),
    (integer(), 1.0, "x", "invalid_type"),
    (integer(0, 1), 2, "x", "integer_above_max_value"),
    (integer(0, 1), -1, "x", "integer_below_min_value"),
    (one_of("a", "b"), "c", "x", "invalid_value"),
    (one_of("a", "b"), 1, "x", "invalid_type"),
    (strings, "a", "x", "invalid_type"),
    (strings, ["a", 1], "x[1]", "invalid_type"),
    (list_of(a_string, empty=False), [], "x", "empty_array"),
    (an_address, 1, "x", "invalid_type"),
    (an_address, "data:x", "x", "invalid_value"),
    (an_address, "data:image/png;base64,?", "x", "invalid_value"),
    (in_base64, 1, "x", "invalid_type"),
    (in_base64, "", "x", "invalid_value"),
    (data_or_address, 1, "x", "invalid_type"),
    (data_or_address, "data:x", "x", "invalid_value"),
    (data_or_address, "?", "x", "invalid_value"),
]


@pytest.mark.parametrize(("rule", "value", "path", "code"), BROKEN)
def test_values_that_break_their_rule(rule: Rule, value: Any, path: str, code: str) -> None:
    with pytest.raises(WireError) as caught:
        rule(value, "x")
    assert (caught.value.path, caught.value.code) == (path, code)


def test_members_that_must_be_there() -> None:
    require({"a": "b"}, "a", a_string, "x")
    with pytest.raises(WireError) as caught:
        require({"a": None}, "a", a_string, "x")
    assert (caught.value.path, caught.value.code) == ("x.a", "missing_required_parameter")


def test_texts_have_a_length() -> None:
    short("abc", 3, "x")
    with pytest.raises(WireError) as caught:
        short("abcd", 3, "x")
    assert caught.value.code == "string_above_max_length"
