"""Members of the outermost objects are found however the bytes are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.wire.members import Members


def found(data: bytes, cut: int, *names: str, most: int = 100) -> dict[str, Any]:
    members = Members(names, most)
    for place in range(0, len(data), cut):
        members.feed(data[place : place + cut])
    return {name: json.loads(raw) for name, raw in members.found.items()}


VALUE = {
    "id": 'a "usage": 1, \\" }',
    "inner": {"usage": 2, "list": [{"model": 3}]},
    "usage": {"deep": [1, {"}": "]"}], "text": '\\"'},
    "data": [[0.5, 1], {"usage": 9}],
    "model": "gpt é",
}


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 64, 10_000])
def test_however_it_is_cut(cut: int) -> None:
    data = json.dumps(VALUE, ensure_ascii=False).encode()
    assert found(data, cut, "usage", "model") == {"usage": VALUE["usage"], "model": "gpt é"}


@pytest.mark.parametrize("cut", [1, 4, 1_000])
def test_lists_and_lines(cut: int) -> None:
    """Of several objects the last counts."""
    assert found(b'[{"usage": 1},\n {"usage": {"a": 2}}, {"x": 0}]', cut, "usage") == {"usage": {"a": 2}}
    assert found(b'{"usage": 1}\n{"usage": 3}\n', cut, "usage") == {"usage": 3}


def test_nothing_to_be_found() -> None:
    for data in (b"", b"[]", b"text", b'"usage"', b'{"a": "usage"}', b'["usage", 1]', b'{"us\\u0061ge": 1}'):
        assert found(data, 3, "usage") == {}


def test_what_is_too_long_is_left_out() -> None:
    data = json.dumps({"usage": "x" * 200, "model": "m", "n" * 100: 1}).encode()
    assert found(data, 16, "usage", "model") == {"model": "m"}


def test_what_breaks_off_is_left_out() -> None:
    assert found(b'{"model": "m", "usage": {"a": 1', 4, "usage", "model") == {"model": "m"}
