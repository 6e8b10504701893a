"""The names of counters: made, and read again."""

from __future__ import annotations

import pytest

from dragoman.accounts.limits import Limit
from dragoman.accounts.windows import again, mark_of, name_of, prefix_of, shown
from dragoman.state.counters import Counter, read, span

MOMENT = 1_763_910_245.0
"""2025-11-23, in the afternoon."""


@pytest.mark.parametrize(
    "limit",
    [
        Limit("each", "requests", 5, "minute"),
        Limit("key a b", "input_tokens", 5, "minute", every=5, models=frozenset({"gpt-*", "m"})),
        Limit("each", "money", 5, "month"),
        Limit("key a|requests|1day||b", "requests", 5, "hour"),
        Limit("key 50%7C|%", "requests", 5, "hour"),
        Limit("each", "concurrency", 5, None),
    ],
)
@pytest.mark.parametrize("value", ["ci-agent", "a|b|c", "", "Jürgen", "9|"])
def test_the_name_of_a_counter_can_be_read(limit: Limit, value: str) -> None:
    start, ends = span(limit.window, limit.every, MOMENT)
    counter = read(f"{prefix_of(limit, value)}{start}")
    expected = (limit.name, limit.resource, limit.window, limit.every, mark_of(limit.models), value, start)
    assert counter == Counter(*expected)
    assert counter.ends == ends


def test_names_that_clients_invent_are_bounded_and_never_meet() -> None:
    long, other = "x" * 65, "x" * 66
    assert shown("x" * 64) == "x" * 64
    assert len(shown(long)) == 33
    assert len({shown(long), shown(other), shown("a\nb"), shown("\ud800"), shown(shown(long))}) == 5


def test_no_name_of_a_key_is_that_of_another_counter() -> None:
    names = ["a|b", "a%7Cb", "a%257Cb", "a%|b"]
    assert len({prefix_of(Limit(f"key {name}", "requests", 5, "day"), name) for name in names}) == len(names)
    assert len({prefix_of(Limit(f"key {name}", "requests", 5, "day"), "x") for name in names}) == len(names)


def test_limits_for_different_models_have_different_counters() -> None:
    one, other = (
        Limit("k", "requests", 5, "minute", models=frozenset(names)) for names in (["a", "b"], ["a", "c"])
    )
    assert prefix_of(one, "k") != prefix_of(other, "k")
    assert mark_of(["a", "b"]) == mark_of(["b", "a"]) != mark_of(["a"])
    assert mark_of(None) == ""


def test_a_later_tenant_of_a_name_has_counters_of_its_own_and_the_same_name() -> None:
    limit = Limit("each", "money", 5, "lifetime", "tenant")
    values = ["acme", again("acme", "0123456789abcdef"), again("acme", "fedcba9876543210")]
    assert len({prefix_of(limit, value) for value in values}) == 3
    counters = [read(f"{prefix_of(limit, value)}0") for value in values]
    assert [name_of(one.value, "tenant") for one in counters if one is not None] == ["acme"] * 3


def test_names_that_clients_invent_are_told_as_they_are() -> None:
    assert name_of("a/@b", "tag") == name_of("a/@b", "end_user") == "a/@b"
