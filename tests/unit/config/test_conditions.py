"""The settings of conditions, as the routing gets them."""

from __future__ import annotations

from typing import Any

from dragoman.assembly.names import conditions_of
from dragoman.config.conditions import OperationName, When
from dragoman.config.declared import settings_of, words
from dragoman.config.scalars import DialectName
from dragoman.dialects.request import Operation
from dragoman.routing.conditions import Conditions


def test_no_condition_is_none() -> None:
    assert conditions_of(When()) is None


def test_each_condition_arrives() -> None:
    """One that is forgotten would let every request pass."""
    values: dict[str, Any] = {
        "input_over": 5,
        "input_up_to": 9,
        "clients": ("a",),
        "tags": ("b",),
        "without_tags": ("c",),
        "headers": {"X-D": "d*"},
        "protocols": (DialectName("gemini"),),
        "operations": ("embed",),
    }
    nothing = Conditions()
    for name in settings_of(When):
        made = conditions_of(When(**{name: values.get(name, True)}))
        assert made is not None, name
        assert made != nothing, name
    whole = conditions_of(When(**values, images=False))
    assert whole is not None
    assert (whole.over, whole.up_to, whole.needs, whole.stream) == (5, 9, {"images": False}, None)
    assert list(whole.headers) == ["x-d"]
    assert "dx" in whole.headers["x-d"]


def test_the_operations_are_those_that_requests_have() -> None:
    assert {*words(OperationName), "count", "models"} == set(words(Operation))
