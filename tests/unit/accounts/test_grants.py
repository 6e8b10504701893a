"""Which names a list of grants covers."""

from __future__ import annotations

import time

import pytest

from dragoman.accounts.grants import Grants, granted


@pytest.mark.parametrize(
    ("entry", "covered", "others"),
    [
        ("m", ["m"], ["M", "mm", "x/m", ""]),
        (
            "anthropic/*",
            ["anthropic/claude-x", "anthropic/a/b", "anthropic/"],
            ["anthropic", "claude-x", "x"],
        ),
        ("gpt-*", ["gpt-4o", "gpt-"], ["openai/gpt-4o", "chatgpt-4o", "gpt"]),
        ("*-mini", ["gpt-4o-mini", "openai/o4-mini"], ["mini-x", "gpt-4o-mini-x"]),
        ("a*b*c", ["abc", "a1b2c", "abbcc"], ["acb", "abcd"]),
        ("a**c", ["ac", "abc"], ["a"]),
        ("a.b[c]?-*", ["a.b[c]?-1"], ["axb[c]?-1", "a.bc?-1", "a.b[c]x-1"]),
    ],
)
def test_a_wildcard_stands_for_any_text_and_all_else_for_itself(
    entry: str, covered: list[str], others: list[str]
) -> None:
    grants = Grants([entry, "unrelated"])
    for name in [*covered, "unrelated"] * 2:  # asked twice: the second answer is a remembered one
        assert name in grants, name
    for name in others * 2:
        assert name not in grants, name


def test_a_lone_wildcard_or_nothing_stated_is_no_limit_and_an_empty_list_is_one() -> None:
    assert granted(None) is None
    assert granted(["m", "*"]) is None
    nothing = granted([])
    assert nothing is not None
    assert "m" not in nothing


def test_what_is_remembered_has_a_bound() -> None:
    grants = Grants(["a*"])
    for number in range(5000):
        assert f"a{number}" in grants
    assert len(grants._cached) <= 1024
    assert "a" * 300 in grants
    assert "a" * 300 not in grants._cached


def test_no_name_takes_long() -> None:
    grants = Grants(["*a*a*a*a*a*a*b"])
    began = time.perf_counter()
    assert "a" * 100_000 not in grants
    assert time.perf_counter() - began < 1


def test_equal_lists_are_equal_grants() -> None:
    assert Grants(["m", "a*"]) == Grants(["a*", "m"])
    assert hash(Grants(["m"])) == hash(Grants(["m"]))
    assert Grants(["m"]) != Grants(["m*"])
