"""Other models that a request names."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.named_models import LONGEST, MOST, Named, are_names, named
from dragoman.errors import WireError


def test_names_keep_their_places() -> None:
    assert named("models", ["a", "b"]) == (Named("a", "models[0]"), Named("b", "models[1]"))
    assert named("models", None) == named("models", []) == ()


@pytest.mark.parametrize(
    ("value", "place", "code"),
    [
        ("a", "models", "invalid_type"),
        ({"a": 1}, "models", "invalid_type"),
        (["a", None], "models[1]", "invalid_type"),
        (["a", ""], "models[1]", "invalid_value"),
        (["a\n"], "models[0]", "invalid_value"),
        (["a" * (LONGEST + 1)], "models[0]", "invalid_value"),
        (["a"] * (MOST + 1), "models", "array_above_max_length"),
    ],
)
def test_what_is_no_list_of_names_is_refused_at_its_place(value: Any, place: str, code: str) -> None:
    with pytest.raises(WireError) as refused:
        named("models", value)
    assert (refused.value.path, refused.value.code) == (place, code)


def test_litellms_other_forms_are_no_names() -> None:
    assert are_names(["a", "b"])
    assert are_names([])
    assert not are_names([{"a": ["b"]}])
    assert not are_names({"a": ["b"]})
