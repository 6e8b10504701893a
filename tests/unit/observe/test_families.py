"""What the metrics are called, and that all of them together find room."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from dragoman.observe.cells import _CELLS, _DIRECTORY_BYTES, _ENTRY, _FIRST
from dragoman.observe.families import COUNTED, FAMILIES, Family
from dragoman.observe.metrics import _BLOCKS, _CHARACTERS
from dragoman.observe.usual import WIDTH, Kind


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_name_follows_the_rules_of_prometheus(family: Family) -> None:
    """https://prometheus.io/docs/practices/naming/"""
    assert re.fullmatch(r"(dragoman|process|python)(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") is (family.kind == "counter")
    assert family.help.endswith(".")
    assert all(re.fullmatch("[a-z]+", label) and label != "le" for label in family.labels)
    assert (family.kind == "histogram") is bool(family.bounds)
    assert list(family.bounds) == sorted({*family.bounds})
    if family.kind == "histogram":
        assert family.name.endswith("_seconds")


def test_each_metric_is_declared_once() -> None:
    assert set(Counter(family.name for family in FAMILIES).values()) == {1}


def test_the_memory_has_room_for_all_sets_of_labels() -> None:
    counted = sum((family.most + 1) * family.width for family in COUNTED)
    present = len(FAMILIES) * 10
    assert _FIRST + counted + present + _BLOCKS * WIDTH < _CELLS


def test_the_directory_has_room_for_all_their_keys() -> None:
    """With each value of a label as long as it may be."""
    sizes = [(family.most + 1, 1 + family.stored) for family in COUNTED]
    sizes += [(_BLOCKS, 1 + len(Kind._fields)), (len(FAMILIES) * 10, 3)]
    assert sum(count * (_ENTRY.size + words * (_CHARACTERS + 3)) for count, words in sizes) < _DIRECTORY_BYTES
