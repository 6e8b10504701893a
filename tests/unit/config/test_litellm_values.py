"""Values of LiteLLM's configuration, of every type that a file can have."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm_values import filled, items, number, section


def test_a_section_is_a_mapping_or_empty() -> None:
    assert section({"a": {"b": 1}}, "a") == {"b": 1}
    assert section({"a": [1]}, "a") == {}
    assert section("a", "a") == {}


def test_one_value_is_a_list_of_itself() -> None:
    assert items(["a"]) == ["a"]
    assert items("a") == ["a"]
    assert items(None) == []


@pytest.mark.parametrize("value", [True, "1", None, float("inf"), float("nan"), 10**400, [1]])
def test_what_is_no_finite_number_is_none(value: Any) -> None:
    assert number(value) is None


def test_a_number_stays_as_it_is() -> None:
    assert (number(0), number(0.5)) == (0, 0.5)


def test_references_become_variables_or_what_the_file_states() -> None:
    assert filled(" os.environ/A ", {}) == "${A}"
    assert filled("https://os.environ/HOST/v1", {"HOST": "h.example.com"}) == "https://h.example.com/v1"
    assert filled("os.environ/A", {"A": "os.environ/B"}) == "${A}"
    assert filled(5, {}) == "5"
