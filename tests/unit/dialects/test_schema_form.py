"""What fits the form of schemas has no mistake."""

from __future__ import annotations

import random
from typing import Any, get_type_hints

import msgspec
import pytest

from dragoman.dialects.schema import _KEYWORDS, mistake
from dragoman.dialects.schema_form import ParametersForm, SchemaForm

VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.0, 1.5, -0.5, 10**400, "", "x", "object", "null"),
    *([], {}, ["x"], ["object", "null"], ["object", "x"], [1], [{}], [True], [None], {"a": {}}, {"a": False}),
    *({"a": 1}, {"type": "string"}, {"type": "x"}, {"items": {"type": None}}, [{"type": 1}]),
)


def fits(schema: Any, form: Any = SchemaForm) -> bool:
    try:
        msgspec.convert(schema, form)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("keyword", [*_KEYWORDS, "default", "x-own"])
def test_a_keyword_that_fits_has_no_mistake(keyword: str) -> None:
    fitting = [value for value in VALUES if fits({keyword: value})]
    assert fitting
    for value in fitting:
        assert mistake({keyword: value}) is None, value


def test_several_keywords_that_fit_have_no_mistake() -> None:
    rnd = random.Random(3)
    for _ in range(3_000):
        schema = {keyword: rnd.choice(VALUES) for keyword in rnd.sample([*_KEYWORDS], 3)}
        assert not fits(schema) or mistake(schema) is None, schema


def test_parameters_are_an_object() -> None:
    assert fits({"type": "object"}, ParametersForm)
    assert fits({}, ParametersForm)
    assert not fits({"type": "string"}, ParametersForm)
    assert not fits({"type": ["object"]}, ParametersForm)
    assert not fits({"properties": {"a": {"type": "x"}}}, ParametersForm)


def test_each_keyword_that_is_checked_has_a_field() -> None:
    for form in (SchemaForm, ParametersForm):
        assert get_type_hints(form).keys() == _KEYWORDS.keys()
