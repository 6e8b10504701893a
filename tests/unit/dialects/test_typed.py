"""Members of answers by their types: those of others are set aside, or the answer names their place."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.typed import Count, Typed, an_object, counted, numbered, read_block, required
from dragoman.errors import WireError

TYPES = Typed("mistral", id=str, score=(int, float), seen=Count)


def test_an_object_of_its_types_stays_itself() -> None:
    wire: dict[str, Any] = {"id": "a", "score": None, "seen": 0, "other": []}
    assert TYPES.sort(wire) == (wire, None)
    assert TYPES.sort(wire)[0] is wire


def test_members_of_other_types_become_leftovers() -> None:
    wire = {"id": 1, "score": True, "seen": -1, "other": []}
    assert TYPES.sort(wire) == ({"other": []}, {"mistral": {"id": 1, "score": True, "seen": -1}})
    assert Typed("mistral", "usage", id=str).sort({"id": 1}) == ({}, {"mistral": {"usage.id": 1}})


@pytest.mark.parametrize("value", [None, True, "1"])
def test_a_required_member_is_named(value: Any) -> None:
    assert required({"n": 1}, "n", int, "choices[0]") == 1
    with pytest.raises(WireError, match="expected an integer") as refused:
        required({"n": value}, "n", int, "choices[0]")
    assert refused.value.path == "choices[0].n"
    with pytest.raises(WireError, match="expected an object"):
        an_object(value, "choices")


def test_counts_that_are_none_are_left_out() -> None:
    wire = {"a": 1, "b": 2.0, "c": -1, "d": "x", "e_details": {"f": 1, "g": []}, "h": {}}
    assert counted(wire) == {"a": 1, "b": 2, "e_details": {"f": 1}}
    assert counted(wire, details=False) == {"a": 1, "b": 2}


def test_a_block_of_another_shape_is_kept_whole() -> None:
    def native(value: dict[str, Any]) -> ir.Native:
        return ir.Native("mistral", "odd", value)

    def text(value: dict[str, Any]) -> ir.Text:
        return ir.Text(value["text"])

    assert read_block(text, {"text": "a"}, native) == ir.Text("a")
    for odd in ({}, {"text": 1}):
        assert read_block(text, odd, native) == ir.Native("mistral", "odd", odd)


@pytest.mark.parametrize(("indexes", "texts"), [([0, 1], "ab"), ([1, 0], "ba"), ([0, 0], "ab")])
def test_candidates_have_distinct_indexes_in_order(indexes: list[int], texts: str) -> None:
    stop = ir.Stop("end")
    given = [
        ir.Candidate((ir.Text(text),), stop, index=index) for index, text in zip(indexes, "ab", strict=True)
    ]
    found = numbered(given)
    assert [one.index for one in found] == [0, 1]
    assert "".join(block.text for one in found for block in one.blocks if isinstance(block, ir.Text)) == texts
