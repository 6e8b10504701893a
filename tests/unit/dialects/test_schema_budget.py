"""What a schema may cost, in steps, and places that stay short."""

from __future__ import annotations

import pytest

from dragoman.dialects.schema_budget import (
    LONGEST_PLACE,
    TOO_COMPLEX,
    SchemaBudget,
    held_to_depth,
    place_in,
    size,
)
from dragoman.errors import WireError


def test_steps_end_with_the_place_of_the_schema_that_is_in_hand() -> None:
    budget = SchemaBudget("tools", 10)
    budget.path = "tools[1].parameters"
    budget.spend(10)
    with pytest.raises(WireError) as caught:
        budget.spend()
    assert (caught.value.path, caught.value.code) == ("tools[1].parameters", TOO_COMPLEX)


def test_what_nests_deeper_than_the_stack_is_refused() -> None:
    def endless() -> int:
        return endless()

    with pytest.raises(WireError) as caught:
        held_to_depth("output.schema", endless)
    assert (caught.value.path, caught.value.code) == ("output.schema", TOO_COMPLEX)
    assert held_to_depth("output.schema", lambda: 1) == 1


def test_places_end_somewhere() -> None:
    assert place_in("", "properties") == "properties"
    assert place_in("output.schema", "properties") == "output.schema.properties"
    place = "output.schema"
    for _ in range(100):
        place = place_in(place, "n" * 10_000)
    assert len(place) < 3 * LONGEST_PLACE


@pytest.mark.parametrize(("value", "cost"), [({"a": 1, "b": 2}, 2), ([1, 2, 3], 3), ("text", 1), (None, 1)])
def test_a_copy_costs_what_it_holds(value: object, cost: int) -> None:
    assert size(value) == cost
