"""What a key may use is never more than what its user, its team and its tenant may."""

from __future__ import annotations

from typing import Any

from dragoman.accounts.caller import ANYTHING, Permits
from dragoman.accounts.grants import Grants
from dragoman.accounts.limits import Limit, Subject
from dragoman.accounts.rights import ALL, Owner, Rights, narrowed, within_regions
from dragoman.state.directory import Permitted

GROUPS = {"quick": ("fast", "mini-*")}


def limits_of(stated: Any, name: str, subject: Subject) -> tuple[Limit, ...]:
    return (Limit(f"{subject} {name}", "requests", int(stated), "minute", subject),)


def rights(*entries: tuple[Subject, Permitted]) -> Rights:
    found = ALL
    for kind, entry in entries:
        found = narrowed(found, Owner(kind, "x"), entry, GROUPS, limits_of)
    return found


def test_who_is_restricted_by_nothing_may_all() -> None:
    found = rights(("tenant", Permitted()), ("key", Permitted()))
    assert found == ALL
    assert found.may is ANYTHING  # by which the engine knows that there is nothing to look at


def test_models_must_be_granted_by_all() -> None:
    tenant = Permitted(models=("group:quick", "openai/*"))
    found = rights(("tenant", tenant), ("key", Permitted(models=("fast", "openai/gpt-*", "slow"))))
    assert found.models is not None
    granted = {
        name for name in ("fast", "slow", "mini-1", "openai/gpt-5", "openai/o3") if name in found.models
    }
    assert granted == {"fast", "openai/gpt-5"}
    assert found.models.names == {"fast"}
    assert found.models.entries == {"fast", "openai/gpt-*"}


def test_a_key_without_models_has_those_of_its_team() -> None:
    found = rights(("team", Permitted(models=("fast",))), ("key", Permitted(models=("*",))))
    assert found.models == Grants(["fast"])


def test_a_group_that_is_gone_grants_nothing() -> None:
    found = rights(("key", Permitted(models=("group:none",)))).models
    assert found is not None
    assert "none" not in found
    assert "group:none" not in found


def test_protocols_operations_providers_and_regions() -> None:
    one = Permitted(faces=("a", "b"), operations=("chat",), providers=("eu-*",), regions=("eu", "us"))
    other = Permitted(faces=("b", "c"), providers=("eu-1", "us-1"), regions=("eu",))
    may = rights(("tenant", one), ("key", other)).may
    assert (may.faces, may.operations, may.regions) == (
        frozenset({"b"}),
        frozenset({"chat"}),
        frozenset({"eu"}),
    )
    assert may.providers is not None
    assert ["eu-1" in may.providers, "us-1" in may.providers, "eu-2" in may.providers] == [True, False, False]


def test_regions_become_the_providers_in_them() -> None:
    regions = {"a": "eu", "b": "us", "c": "eu"}
    found = within_regions(rights(("key", Permitted(regions=("eu",), providers=("a", "b")))), regions)
    assert found.may.providers is not None
    assert [name in found.may.providers for name in ("a", "b", "c", "d")] == [True, False, False, False]
    assert within_regions(ALL, regions) is ALL


def test_limits_and_tags_add_up() -> None:
    found = rights(
        ("tenant", Permitted(limits=5, tags=("t", "u"))), ("key", Permitted(limits=3, tags=("u", "k")))
    )
    assert [(limit.name, limit.most) for limit in found.limits] == [("tenant x", 5), ("key x", 3)]
    assert found.tags == ("t", "u", "k")


def test_the_outermost_that_is_disabled_is_named() -> None:
    found = rights(("tenant", Permitted(disabled=True)), ("key", Permitted(disabled=True)))
    assert found.disabled == "tenant x"
    assert rights(("key", Permitted())).disabled is None


def test_what_may_be_asked_for() -> None:
    may = Permits(operations=frozenset({"chat"}))
    assert may.bars("chat") is None
    assert may.bars("count") is None  # the count of a chat's prompt
    fault = may.bars("embed")
    assert fault is not None
    assert (fault.kind, fault.code) == ("permission", "operation_not_granted")
