"""Arguments that arrive in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.dialects.gemini.patches import Patches
from dragoman.errors import WireError


def patched(*pieces: dict[str, Any]) -> Any:
    patches = Patches()
    for piece in pieces:
        patches.add(piece)
    return json.loads(patches.text())


def at(path: str, value: Any, *, goes_on: bool = False) -> dict[str, Any]:
    kind = {str: "stringValue", bool: "boolValue", int: "numberValue", float: "numberValue"}.get(type(value))
    piece = {"jsonPath": path, "nullValue": "NULL_VALUE"} if kind is None else {"jsonPath": path, kind: value}
    return {**piece, "willContinue": True} if goes_on else piece


def test_nothing() -> None:
    assert patched() == {}


def test_every_kind_of_value() -> None:
    pieces = [at("$.s", "x"), at("$.n", 1.5), at("$.t", True), at("$.f", False), at("$.z", None)]
    assert patched(*pieces) == {"s": "x", "n": 1.5, "t": True, "f": False, "z": None}


def test_nesting() -> None:
    assert patched(
        at("$.recipe.steps[0]", "Boil"),
        at("$.recipe.steps[1]", "Wait"),
        at("$.recipe.parts[0].name", "water"),
        at("$.recipe.parts[0].amount", 2),
        at("$.grid[0][0]", 1),
        at("$.grid[0][1]", 2),
        at("$['a b'][\"c.d\"]", "quoted"),
    ) == {
        "recipe": {"steps": ["Boil", "Wait"], "parts": [{"name": "water", "amount": 2}]},
        "grid": [[1, 2]],
        "a b": {"c.d": "quoted"},
    }


def test_a_string_goes_on() -> None:
    assert patched(at("$.s", "a", goes_on=True), at("$.s", "b", goes_on=True), at("$.s", "")) == {"s": "ab"}


def test_a_string_that_has_ended_is_replaced() -> None:
    assert patched(at("$.s", "a"), at("$.s", "b")) == {"s": "b"}


def test_a_string_in_an_array_goes_on() -> None:
    assert patched(at("$.s[0]", "a", goes_on=True), at("$.s[0]", "b")) == {"s": ["ab"]}


@pytest.mark.parametrize(
    "pieces",
    [
        [{}],
        [{"jsonPath": 1}],
        [at("", 1)],
        [at("$", 1)],
        [at("x.y", 1)],
        [at("$.a..b", 1)],
        [at("$.a[*]", 1)],
        [at("$[0]", 1)],
        [at("$.a[1]", 1)],
        [at("$.a[999999999]", 1)],
        [at("$.a[0].b[5].c", 1)],
        [at("$.a", "x"), at("$.a.b", 1)],
        [at("$.a[0]", 1), at("$.a.b", 1)],
        [at("$.a.b", 1), at("$.a[0]", 1)],
    ],
)
def test_a_place_that_cannot_be(pieces: list[dict[str, Any]]) -> None:
    with pytest.raises(WireError) as error:
        patched(*pieces)
    assert error.value.path == "functionCall.partialArgs[].jsonPath"


def test_a_text_in_many_pieces_is_joined_once() -> None:
    patches = Patches()
    for _ in range(1000):
        patches.add(at("$.s", "a", goes_on=True))
    assert len(patches._words) == 1000
    assert json.loads(patches.text()) == {"s": "a" * 1000}
    patches.add(at("$.s", "b"))
    assert json.loads(patches.text()) == {"s": "a" * 1000 + "b"}


@pytest.mark.parametrize("path", ["$" + ".a" * 200, "$." + "a" * 20_000, "$.a[10000000000000000000000]"])
def test_a_path_has_an_end(path: str) -> None:
    with pytest.raises(WireError) as caught:
        patched(at(path, "x"))
    assert len(str(caught.value)) < 400


def test_members_come_whole_too_and_without_any_the_text_is_as_it_was() -> None:
    patches = Patches("")
    assert patches.text() == ""
    patches.add({"jsonPath": "$.a", "stringValue": "x", "willContinue": True})
    patches.take({"b": 1, "a": 2})
    assert patches.text() == '{"a":2,"b":1}'
