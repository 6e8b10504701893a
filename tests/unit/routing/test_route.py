"""Routes and deployments as values."""

from __future__ import annotations

import msgspec
import pytest

from dragoman.providers.models import facts_for
from dragoman.routing.conditions import Conditions
from dragoman.routing.costs import MaxCost
from dragoman.routing.route import Candidate, Deployment, Model, Provider, Route, deployment_of


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


def test_a_deployment_with_a_name_of_its_own_has_the_facts_of_its_model() -> None:
    provider = Provider("azure", "azure", base_models={"chat": "gpt-5"})
    known = facts_for("azure", "gpt-5")
    assert known != facts_for("azure", "chat")
    direct = deployment_of(provider, "chat")
    assert (direct.model, direct.facts) == ("chat", known)
    assert deployment_of(provider, "chat", Model("m", ("azure/chat",))).facts == known
    assert deployment_of(provider, "other").facts == facts_for("azure", "other")
