"""What fits the form of schemas has no mistake."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from dragoman.dialects.schema import _KEYWORDS, mistake
from dragoman.dialects.schema_form import CommonForm, CommonParametersForm, ParametersForm, SchemaForm

VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.0, 1.5, -0.5, 10**400, "", "x", "object", "null"),
    *([], {}, ["x"], ["object", "null"], ["object", "x"], [1], [{}], [True], [None], {"a": {}}, {"a": False}),
    *({"a": 1}, {"type": "string"}, {"type": "x"}, {"items": {"type": None}}, [{"type": 1}]),
)


def fits(schema: Any, form: type[SchemaForm | CommonForm] = SchemaForm) -> bool:
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


@pytest.mark.parametrize("keyword", [field.encode_name for field in msgspec.structs.fields(CommonForm)])
def test_what_fits_the_common_form_fits_the_other(keyword: str) -> None:
    fitting = [value for value in VALUES if fits({keyword: value}, CommonForm)]
    assert fitting
    for value in fitting:
        assert fits({keyword: value}), value
    assert not fits({keyword: fitting[0], "x-own": 1}, CommonForm)


def test_several_common_keywords_that_fit_have_no_mistake() -> None:
    rnd = random.Random(4)
    common = [field.encode_name for field in msgspec.structs.fields(CommonForm)]
    for _ in range(3_000):
        schema = {keyword: rnd.choice(VALUES) for keyword in rnd.sample(common, 3)}
        assert not fits(schema, CommonForm) or mistake(schema) is None, schema


def test_several_keywords_that_fit_have_no_mistake() -> None:
    rnd = random.Random(3)
    for _ in range(3_000):
        schema = {keyword: rnd.choice(VALUES) for keyword in rnd.sample([*_KEYWORDS], 3)}
        assert not fits(schema) or mistake(schema) is None, schema


def test_parameters_are_an_object() -> None:
    for form in (ParametersForm, CommonParametersForm):
        assert fits({"type": "object"}, form)
        assert fits({}, form)
        assert not fits({"type": "string"}, form)
        assert not fits({"type": ["object"]}, form)


def test_each_keyword_that_is_checked_has_a_field() -> None:
    for form in (SchemaForm, ParametersForm):
        assert {field.encode_name for field in msgspec.structs.fields(form)} == _KEYWORDS.keys()
