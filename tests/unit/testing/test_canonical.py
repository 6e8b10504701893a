"""Two bodies are the same only where the stated canonical form says so."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.canonical import CanonicalForm, differences

FORM = CanonicalForm(
    exact=frozenset({"tools[].schema"}),
    defaults={"stream": False, "items[].n": 1},
    may_add=frozenset({"id", "items[].index"}),
    spellings={"stop": lambda value: [value] if type(value) is str else value},
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": None}, {}),
        ({}, {"a": None}),
        ({"a": [1, {"b": None}]}, {"a": [1.0, {}]}),
        ({"stream": False}, {}),
        ({"items": [{"n": 1}]}, {"items": [{}]}),
        ({}, {"id": "x"}),
        ({"items": [{}]}, {"items": [{"index": 0}]}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"tools": [{"schema": {"a": None, "b": 1}}]}, {"tools": [{"schema": {"b": 1, "a": None}}]}),
    ],
)
def test_the_same(before: Any, after: Any) -> None:
    assert differences(before, after, FORM) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": 1}, {}, "a: 1 became nothing"),
        ({}, {"a": 0}, "a: nothing became 0"),
        ({"a": 1}, {"a": True}, "a: 1 became true"),
        ({"a": 0}, {"a": False}, "a: 0 became false"),
        ({"a": ""}, {}, 'a: "" became nothing'),
        ({"a": []}, {}, "a: [] became nothing"),
        ({"a": "1"}, {"a": 1}, 'a: "1" became 1'),
        ({"a": [1, 2]}, {"a": [2, 1]}, "a[0]: 1 became 2; a[1]: 2 became 1"),
        ({"a": [1]}, {"a": [1, 2]}, "a: [1] became [1,2]"),
        ({"stream": True}, {}, "stream: true became nothing"),
        ({"id": "x"}, {}, 'id: "x" became nothing'),
        ({"id": "x"}, {"id": "y"}, 'id: "x" became "y"'),
        ({"n": 1}, {}, "n: 1 became nothing"),
        ({"stop": "x"}, {"stop": ["x", "y"]}, 'stop: ["x"] became ["x","y"]'),
        (
            {"tools": [{"schema": {"a": None}}]},
            {"tools": [{"schema": {}}]},
            'tools[0].schema: {"a":null} became {}',
        ),
        ({"tools": [{"schema": {"a": 1}}]}, {"tools": [{"schema": {"a": True}}]}, "tools[0].schema: "),
        ([], {}, "body: [] became {}"),
    ],
)
def test_not_the_same(before: Any, after: Any, said: str) -> None:
    found = "; ".join(map(str, differences(before, after, FORM)))
    assert found.startswith(said)


def test_a_long_value_is_cut_for_people() -> None:
    (found,) = differences({"a": "x" * 1000}, {}, FORM)
    assert len(str(found)) < 400
