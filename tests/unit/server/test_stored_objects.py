"""Pages, numbers and metadata in requests for stored objects, and what is refused of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.errors import RequestFailed
from dragoman.server.stored_objects import metadata_of, missing, number, page_of


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, (20, True, None)),
        ({"limit": "1", "order": "asc", "after": "id_1"}, (1, False, "id_1")),
        ({"limit": "100"}, (100, True, None)),
    ],
)
def test_a_page(query: Mapping[str, str], page: tuple[int, bool, str | None]) -> None:
    assert page_of(query) == page


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"limit": "0"}, "Invalid 'limit': expected a whole number, 1 to 100."),
        ({"limit": "101"}, "Invalid 'limit': expected a whole number, 1 to 100."),
        ({"limit": "ten"}, "Invalid 'limit': expected a whole number, 1 to 100."),
        *(
            ({"limit": odd}, "Invalid 'limit'")
            for odd in ("1_0", " 5 ", "+7", "\uff15", "5.0", "9" * 5000, "")
        ),
        ({"order": "up"}, "Invalid 'order': expected 'asc' or 'desc'."),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: Mapping[str, str], told: str) -> None:
    with pytest.raises(RequestFailed, match=told) as refused:
        page_of(query)
    assert refused.value.fault.code == "invalid_value"
    assert refused.value.fault.param in query


def test_a_number_without_an_upper_bound() -> None:
    assert number({"starting_after": "7"}, "starting_after", 0, at_least=0) == 7
    with pytest.raises(RequestFailed, match="a whole number, 0 or more"):
        number({"starting_after": "-1"}, "starting_after", 0, at_least=0)


@pytest.mark.parametrize("stated", [{}, {"a": "b"}, {"k" * 64: "v" * 512}, {str(n): "" for n in range(16)}])
def test_metadata(stated: dict[str, str]) -> None:
    assert metadata_of({"metadata": stated}) == stated
    assert metadata_of({"metadata": None}) == metadata_of({}) == {}


@pytest.mark.parametrize(
    "stated", ["a", {"a": 1}, {"k" * 65: ""}, {"a": "v" * 513}, {str(n): "" for n in range(17)}]
)
def test_metadata_of_another_form_is_refused(stated: Any) -> None:
    with pytest.raises(RequestFailed, match="Invalid 'metadata'"):
        metadata_of({"metadata": stated})


def test_a_missing_parameter_is_named() -> None:
    assert (missing("input").param, missing("input").code) == ("input", "missing_required_parameter")
