"""`${NAME}` in a setting: what it becomes, and what is said of one that is not set."""

import pytest

from dragoman.config.variables import Filled, fill, has_variables


@pytest.mark.parametrize(
    ("text", "filled", "names"),
    [
        ("plain $NAME", "plain $NAME", ()),
        ("a-${SET}-b", "a-value-b", ("SET",)),
        ("${SET}${SET}", "valuevalue", ("SET", "SET")),
        ("${UNSET:-standard}", "standard", ("UNSET",)),
        ("${EMPTY:-standard}", "standard", ("EMPTY",)),
        ("${EMPTY}", "", ("EMPTY",)),
        ("${UNSET:-}", "", ("UNSET",)),
        ("$${SET}", "${SET}", ()),
    ],
)
def test_a_variable_becomes_its_value(text: str, filled: str, names: tuple[str, ...]) -> None:
    assert fill(text, {"SET": "value", "EMPTY": ""}) == Filled(filled, names, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${UNSET}", "the environment variable UNSET is not set"),
        ("${}", "`${` is not followed by a variable name"),
        ("${1A}", "`${` is not followed by a variable name"),
    ],
)
def test_what_cannot_be_replaced_says_why(text: str, message: str) -> None:
    found = fill(text, {})
    assert [trouble.message for trouble in found.troubles] == [message]
    assert has_variables(text)
