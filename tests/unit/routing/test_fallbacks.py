"""Which route follows a failure, and what is left behind it."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.routing.fallbacks import Fallbacks, Why, why_of

LISTS = Fallbacks(any=("a", "b"), context=("long", "b"), content=("free",))


def test_only_lists_with_members_are_stated() -> None:
    assert Fallbacks[str]().stated == ()
    assert LISTS.stated == ("any", "context", "content")
    assert Fallbacks(content=("x",)).stated == ("content",)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("context_length", "context"),
        ("content_policy", "content"),
        ("upstream", "any"),
        ("unsupported", "any"),
    ],
)
def test_the_kind_of_a_fault_says_which_list_follows(kind: ir.Kind, why: Why) -> None:
    assert why_of(ir.Fault(kind, "No.")) == why


def test_who_is_asked_after_a_failure_leaves_the_other_lists_as_they_are() -> None:
    left = LISTS.after("any")
    assert left == Fallbacks(any=("b",), context=("long", "b"), content=("free",))
    assert left.after("any") == Fallbacks(any=(), context=("long",), content=("free",))


def test_after_a_refusal_only_its_own_list_counts() -> None:
    left = LISTS.after("context")
    assert left == Fallbacks(any=("b",), context=("b",), content=("free",))
    assert left.after("context").stated == ("content",)


def test_a_list_that_follows_everything_is_gone_through_once() -> None:
    names = ("a", "b", "c")
    lists = Fallbacks(names, names, names)
    assert lists.after("any") == Fallbacks(("b", "c"), ("b", "c"), ("b", "c"))
    assert lists.after("any").after("content") == Fallbacks(("c",), ("c",), ("c",))
