"""Quirks in the settings: each is in the schema and on the page."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dragoman.config import schema
from dragoman.config.deviations import deviations, meanings
from dragoman.dialects.quirks import STANDARD, Quirks


def test_the_source_describes_every_quirk() -> None:
    found = deviations()
    assert [one.name for one in found] == list(Quirks.__struct_fields__)
    assert all(one.text for one in found)
    assert any(one.group for one in found)


class _Fields:
    first: int = 1
    """What it is,
    in two lines."""
    second: int = 2


def test_the_string_below_a_field_is_its_meaning() -> None:
    assert meanings(_Fields) == {"first": "What it is, in two lines.", "second": ""}


@pytest.fixture(scope="module")
def validator() -> Any:
    whole = schema.json_schema()
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole)


@pytest.mark.parametrize("name", Quirks.__struct_fields__)
def test_every_quirk_is_on_the_page_and_in_the_schema(name: str) -> None:
    """0.23: with its type, its default and what it means."""
    definition = schema.json_schema()["$defs"]["Provider"]
    whole = definition["anyOf"][-1] if "anyOf" in definition else definition
    quirk = whole["properties"]["quirks"]["properties"][name]
    stated = getattr(STANDARD, name)
    assert quirk["default"] == (sorted(stated) if isinstance(stated, frozenset) else stated)
    assert re.match(r"[A-Z].*\.\Z", quirk["description"])
    (line,) = [line for line in schema.page().splitlines() if line.startswith(f"| `{name}` |")]
    assert quirk["description"].replace("|", r"\|") in line


def test_a_quirk_of_the_wrong_kind_does_not_fit(validator: Any) -> None:
    def fits(**quirks: Any) -> bool:
        return bool(validator.is_valid({"providers": {"p": {"dialect": "openai_chat", "quirks": quirks}}}))

    assert fits(counts=True, refuses=["n"], required_word="any")
    assert not fits(counts="sometimes")
    assert not fits(required_word="must")
    assert not fits(refuse=["n"])
