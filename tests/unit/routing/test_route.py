"""Routes and deployments as values."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.routing.conditions import Conditions
from dragoman.routing.costs import MaxCost
from dragoman.routing.route import Candidate, Deployment, Route, deep_merge


def test_deep_merge_keeps_what_it_is_given() -> None:
    under = {"a": {"x": 1, "y": [1]}, "b": 1}
    over = {"a": {"y": [2]}, "b": {"c": 1}}
    assert deep_merge(under, over) == {"a": {"x": 1, "y": [2]}, "b": {"c": 1}}
    assert under == {"a": {"x": 1, "y": [1]}, "b": 1}


def test_routes_are_values() -> None:
    route = Route("gpt", (Deployment("openai", "gpt-5"),), defaults={"seed": 1})
    with pytest.raises(AttributeError):
        route.asked = "x"  # type: ignore[misc]
    assert msgspec.structs.replace(route) == route


def test_what_follows_from_a_route_follows_again_when_it_changes() -> None:
    one, two = Deployment("a", "x"), Deployment("b", "y")
    route = Route("name", (one, two))
    assert (route.first, route.selects, route.fills) == (Candidate(one, 0, "name"), False, False)
    changed = msgspec.structs.replace(route, asked="y", deployments=(two,), system_prompt="")
    assert (changed.first, changed.fills) == (Candidate(two, 0, None), True)
    assert msgspec.structs.replace(route, defaults={"n": 1}).fills


def test_only_routes_that_may_leave_deployments_out_select() -> None:
    """The stages that look at the request run for these alone."""
    plain = Route("m", (Deployment("a", "x"), Deployment("b", "y")))
    assert not plain.selects
    for deployment in (Deployment("a", "x", window=9), Deployment("a", "x", when=Conditions(stream=True))):
        assert msgspec.structs.replace(plain, deployments=(deployment,)).selects
    assert msgspec.structs.replace(plain, max_cost=MaxCost(3)).selects
