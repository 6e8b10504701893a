"""The alias `*`: whether it stands for one model, or hands names on; and a pattern that leads nowhere."""

from __future__ import annotations

import pytest

from dragoman.accounts.grants import Grants
from dragoman.dialects.facts import Facts
from dragoman.errors import ConfigError, RequestFailed
from dragoman.providers.models import facts_for
from dragoman.routing.route import Alias, Model, Provider
from dragoman.routing.table import Table

PROVIDERS = (Provider("oai", "openai"), Provider("few", "", models=("one",)))


def table(target: str, **more: object) -> Table:
    alias = Alias("*", target, {"temperature": 0.5}, **more)  # type: ignore[arg-type]
    return Table.build(PROVIDERS, [Model("mine", ("oai/gpt-5",))], [alias])


def test_a_provider_that_takes_everything_gets_the_name_that_was_asked_for() -> None:
    """2.33: with the facts of that name, the alias's defaults and its window."""
    names = table("oai/*", window=4000)
    for _ in range(2):
        route = names.resolve("gpt-4o")
        assert [deployment.name for deployment in route.deployments] == ["oai/gpt-4o"]
        assert (route.asked, route.defaults) == ("gpt-4o", {"temperature": 0.5})
        assert route.shown(route.deployments[0]) is None
        assert route.deployments[0].window == 4000
        stated = facts_for("openai", "gpt-4o", Facts())
        assert route.deployments[0].facts.images == stated.images
    assert names.resolve("org/deep").deployments[0].name == "oai/org/deep"
    assert names.resolve("mine").deployments[0].name == "oai/gpt-5"
    assert names.also({}).resolve("x").deployments[0].name == "oai/x"
    assert names.resolve("x").counted == names.resolve("oai/x").counted == ("oai/x",)
    assert names.resolve("gpt-5").counted == ("mine",)


def test_many_names_are_not_all_remembered() -> None:
    names = table("oai/*")
    for number in range(1100):
        assert names.resolve(f"m{number}").deployments[0].model == f"m{number}"
    long = "x" * 200
    assert names.resolve(long).deployments[0].model == long


def test_one_model_behind_it_answers_to_any_name() -> None:
    assert table("mine").resolve("whatever").deployments[0].name == "oai/gpt-5"


@pytest.mark.parametrize(
    "aliases",
    [
        (Alias("other", "oai/*"),),  # nothing says which model is meant
        (Alias("*", "few/*"),),
        (Alias("*", "nobody/*"),),
        (Alias("*", "between"), Alias("between", "oai/*")),
    ],
    ids=str,
)
def test_a_star_that_stands_for_no_model_is_refused(aliases: tuple[Alias, ...]) -> None:
    with pytest.raises(ConfigError):
        Table.build(PROVIDERS, (), aliases)


def test_what_it_takes_is_not_listed_and_the_refusal_says_why() -> None:
    """2.6: a client that looks the name up is told that it may be used all the same."""
    with pytest.raises(RequestFailed) as refused:
        table("oai/*").entry("gpt-4o")
    fault = refused.value.fault
    assert (fault.code, fault.param, fault.http_status) == ("model_not_found", "model", 404)
    assert "'gpt-4o' is not listed" in fault.message
    assert "the alias '*'" in fault.message


def test_the_list_has_default_models_and_what_a_key_is_granted() -> None:
    """2.6: also bare names of a provider's own, which stand for something without being configured."""
    names = Table.build(
        [Provider("oai", "openai", patterns=("gpt-*", "text-*")), *PROVIDERS[1:]],
        [Model("mine", ("oai/gpt-5",))],
        [Alias("fast", "mine")],
        default_model="gpt-4o",
        default_models={"embed": "text-embedding-3-small"},
    )
    listed = [entry.id for entry in names.entries()]
    assert listed == ["fast", "few/one", "gpt-4o", "mine", "text-embedding-3-small"]
    granted = [entry.id for entry in names.entries(granted=Grants(("gpt-4o-mini", "mine", "nobody")))]
    assert granted == ["gpt-4o-mini", "mine"]


def test_a_pattern_with_a_wrong_provider_is_reported() -> None:
    with pytest.raises(ConfigError, match="does not begin with a provider"):
        Table.build(PROVIDERS, [Model("a-*", ("nowhere/*",))])
