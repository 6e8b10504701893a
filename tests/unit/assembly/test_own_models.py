"""Models beside those of the configuration: registered before the start, or created while it runs."""

from __future__ import annotations

import pytest

from dragoman.assembly.names import naming
from dragoman.assembly.own_models import OwnModels, made_under
from dragoman.config.load import Loaded, load
from dragoman.gateway import Gateway
from dragoman.upstreams.simulate import SimulateUpstream


async def test_a_registered_model_is_asked_in_the_api_that_it_prefers() -> None:
    gateway = Gateway()
    gateway.register("mine", "simulate", rewrite="echo", preferred_api="openai_responses")
    await gateway.start()
    try:
        route = gateway.engine.table.resolve("mine")
        assert (route.deployments[0].name, route.api) == ("simulate/echo", "openai_responses")
    finally:
        await gateway.close()


def test_a_model_may_be_registered_with_its_upstream() -> None:
    own, upstream = OwnModels({}), SimulateUpstream()
    own.register("mine", upstream, "echo")
    own.register("alike", "simulate", None)
    assert own.upstreams == {upstream.name: upstream}
    assert [(one.name, one.uses) for one in own.models] == [
        ("mine", ("simulate/echo",)),
        ("alike", ("simulate/alike",)),
    ]


def test_a_created_name_stands_beside_those_of_the_configuration_until_it_is_removed() -> None:
    own, names = OwnModels({}), naming(load({"providers": {"simulate": {"enabled": True}}}, {}))
    own.make("mine", names.table.resolve("simulate/echo"), 7.9)
    route = own.joined(names).table.resolve("mine")
    assert (route.asked, route.created) == ("mine", 7)
    assert names.table.find("mine") is None
    own.make("mine", None, 8.0)
    assert own.joined(names).table.find("mine") is None
    with pytest.raises(KeyError):
        own.make("mine", None, 9.0)


def test_a_created_name_gets_the_new_headers_of_its_own_model() -> None:
    """Two models may have had one value, and get two."""

    def config(a: str, b: str, many: str) -> Loaded:
        provider = {"base_url": "http://127.0.0.1:9", "keys": []}
        models = {
            "a": {"use": "one/m", "headers": {"X-K": a, "x-other": "stays"}},
            "b": {"use": "one/m", "headers": {"X-K": b}, "fallbacks": ["a"]},
            "many/*": {"use": "one/*", "headers": {"x-k": many}},
        }
        return load({"providers": {"one": provider}, "models": models}, {})

    before, after = config("old", "old", "old"), config("new-a", "new-b", "new-many")
    table = naming(before).table
    made = {name: table.resolve(name) for name in ("a", "b", "many/x", "one/m")}
    fresh = made_under(made, before.config, after.config, {"one"})
    assert {name: route.deployments[0].headers for name, route in fresh.items()} == {
        "a": {"x-k": "new-a", "x-other": "stays"},
        "b": {"x-k": "new-b"},
        "many/x": {"x-k": "new-many"},
        "one/m": {},
    }
    (fallback,) = fresh["b"].fallbacks.any
    assert fallback.deployments[0].headers["x-k"] == "new-a"
    gone = load({"providers": {"one": {"base_url": "http://127.0.0.1:9", "keys": []}}}, {})
    kept = made_under(made, before.config, gone.config, {"one"})
    assert kept["a"].deployments[0].headers["x-k"] == "old"
