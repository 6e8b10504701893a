"""The policies, each as a transcript and by its distribution over 10,000 requests."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from dragoman.routing.policy import Circumstances, Memory, choose, rotations
from dragoman.routing.route import Deployment, Route
from dragoman.routing.spread import PolicyName, Price, Rotation, Spread

DRAWS = 10_000


def deployments(*weights: float, prices: tuple[Price | None, ...] = ()) -> tuple[Deployment, ...]:
    """Deployments `a/m`, `b/m`, … with these weights."""
    stated = (*prices, *[None] * len(weights))
    return tuple(
        Deployment(chr(97 + place), "m", weight=weight, price=stated[place])
        for place, weight in enumerate(weights)
    )


class Model:
    """A configured model, and what is remembered of it."""

    def __init__(
        self,
        policy: PolicyName,
        *weights: float,
        rotation: Rotation | None = None,
        prices: tuple[Price | None, ...] = (),
        start: int = 0,
    ) -> None:
        found = deployments(*weights, prices=prices)
        self.route = Route("m", found, spread=Spread("m", policy, rotation))
        self.memory = Memory()
        self.memory.start = start
        self.now = 0.0
        self.random = random.Random(17)

    def order(
        self, without: str = "", *, wall: float = 0.0, digest: bytes = b"", streamed: bool = False
    ) -> str:
        """The order of one request, as letters. without: the deployments that cannot be asked."""
        able = [one for one in self.route.deployments if one.provider not in without]
        request = Circumstances(wall, digest, streamed, self.random.random)
        found = choose(self.route, able, self.memory, self.now, request)
        return "".join(one.provider for one in found)

    def firsts(self, count: int, without: str = "") -> str:
        """Who is first in each of so many requests."""
        return "".join(self.order(without)[0] for _ in range(count))


def test_without_a_policy_the_order_is_the_configured_one() -> None:
    route = Route("m", deployments(1, 1))
    found = choose(route, route.deployments, Memory(), 0.0, Circumstances())
    assert [one.provider for one in found] == ["a", "b"]


def test_ordered() -> None:
    assert [Model("ordered", 1, 1, 1).order() for _ in range(2)] == ["abc", "abc"]


def test_round_robin_goes_on_with_whoever_is_next() -> None:
    model = Model("round_robin", 1, 1, 1)
    assert [model.order() for _ in range(4)] == ["abc", "bca", "cab", "abc"]


def test_round_robin_shares_equally_among_those_who_are_left() -> None:
    model = Model("round_robin", 1, 1, 1)
    assert model.firsts(3) == "abc"
    assert Counter(model.firsts(10, without="b")) == {"a": 5, "c": 5}
    assert Counter(model.firsts(DRAWS - 1)) == Counter({"a": 3333, "b": 3333, "c": 3333})


def test_weights_are_exact_and_smooth() -> None:
    model = Model("weighted", 3, 1)
    assert model.firsts(8) == "aabaaaba"
    assert Counter(model.firsts(400)) == {"a": 300, "b": 100}
    assert Counter(Model("weighted", 5, 3, 2).firsts(DRAWS)) == {"a": 5000, "b": 3000, "c": 2000}
    assert Counter(Model("weighted", 0.5, 0.25, 0.25).firsts(DRAWS)) == {"a": 5000, "b": 2500, "c": 2500}


def test_the_share_of_one_who_cannot_be_asked_goes_to_the_others_by_weight() -> None:
    model = Model("weighted", 2, 1, 1)
    model.firsts(3)
    assert Counter(model.firsts(400, without="a")) == {"b": 200, "c": 200}
    assert Counter(model.firsts(400)) == {"a": 200, "b": 100, "c": 100}


def test_several_workers_begin_at_different_places() -> None:
    begun = [Model("round_robin", 1, 1, start=worker).order()[0] for worker in range(4)]
    assert begun == ["a", "b", "a", "b"]
    together = "".join(Model("weighted", 3, 1, start=worker).firsts(10) for worker in range(4))
    assert Counter(together) == {"a": 30, "b": 10}


@pytest.mark.parametrize("policy", ["round_robin", "weighted", "least_busy", "latency", "cost", "affinity"])
def test_whoever_has_no_weight_comes_last(policy: PolicyName) -> None:
    model = Model(policy, 0, 1, 1, 0)
    orders = [model.order(digest=bytes([number])) for number in range(50)]
    assert {order[2:] for order in orders} == {"ad"}
    assert model.order("bc") == "ad"
    assert model.order("abcd") == ""


def test_least_busy() -> None:
    model = Model("least_busy", 1, 1, 1)
    assert model.order() == "abc"
    model.memory.load("a/m").running = 2
    model.memory.load("b/m").running = 1
    assert model.order() == "cba"
    model.memory.load("a/m").running = 1
    assert model.order() == "cab"  # of equals, the first configured one


def test_least_busy_spreads_requests_that_never_end() -> None:
    model = Model("least_busy", 1, 1, 1, 1)
    for _ in range(DRAWS):
        model.memory.load(f"{model.order()[0]}/m").running += 1
    assert {load.running for load in model.memory.loads.values()} == {DRAWS // 4}


def test_cost() -> None:
    prices = (None, Price(3, 15), Price(0.3, 2), Price(0, 0))
    model = Model("cost", 1, 1, 1, 1, prices=prices)
    assert {model.order() for _ in range(DRAWS)} == {"dcba"}
    assert Model("cost", 1, 1, 1).order() == "abc"


def test_latency_tries_whoever_was_not_measured() -> None:
    model = Model("latency", 1, 1)
    model.memory.load("a/m").whole.measure(1.0, 0.0)
    assert model.order() == "ba"
    model.memory.load("b/m").running = 1
    assert model.order() == "ab"  # one at a time
    assert model.order(streamed=True) == "ab"  # of streams nothing is known, and `b` is busy


def test_latency_prefers_the_faster_ones_and_never_the_slowest() -> None:
    model = Model("latency", 1, 1, 1)
    for name, seconds in (("a", 2.0), ("b", 1.0), ("c", 4.0)):
        model.memory.load(f"{name}/m").whole.measure(seconds, 0.0)
    drawn = Counter(model.order() for _ in range(DRAWS))
    assert set(drawn) == {"bac", "abc"}  # `c` loses against each of the others
    assert drawn["bac"] / DRAWS == pytest.approx(2 / 3, abs=0.02)  # in two of three pairs `b` is the faster


def test_latency_shares_among_equals() -> None:
    drawn = Counter(Model("latency", 1, 1, 1, 1).firsts(DRAWS))
    assert all(count / DRAWS == pytest.approx(0.25, abs=0.02) for count in drawn.values())


def test_latency_returns_to_one_that_was_slow_long_ago() -> None:
    model = Model("latency", 1, 1)
    model.memory.load("a/m").whole.measure(30.0, 0.0)
    firsts = []
    for second in range(0, 301, 20):
        model.now = float(second)
        model.memory.load("b/m").whole.measure(1.0, model.now)
        firsts.append(model.order()[0])
    tried = firsts.index("a")
    assert tried > 2
    assert set(firsts[tried:]) == {"a"}  # until it is measured again


def test_affinity_is_by_weight_and_the_same_everywhere() -> None:
    model, other = Model("affinity", 3, 1), Model("affinity", 3, 1, start=3)
    digests = [number.to_bytes(8) for number in range(DRAWS)]
    firsts = [model.order(digest=digest)[0] for digest in digests]
    assert firsts == [other.order(digest=digest)[0] for digest in digests]
    assert firsts.count("a") / DRAWS == pytest.approx(0.75, abs=0.02)


def test_affinity_moves_only_those_whose_place_is_gone() -> None:
    model = Model("affinity", 1, 1, 1, 1)
    digests = [number.to_bytes(8) for number in range(1000)]
    before = [model.order(digest=digest) for digest in digests]
    without = [model.order("c", digest=digest) for digest in digests]
    assert without == [order.replace("c", "") for order in before]
    moved = Counter(order[1] for order in before if order[0] == "c")
    assert set(moved) == {"a", "b", "d"}  # they are spread over all others


def test_what_shares_nothing_is_spread_by_weight() -> None:
    drawn = Counter(Model("affinity", 3, 1).firsts(DRAWS))
    assert drawn["a"] / DRAWS == pytest.approx(0.75, abs=0.02)


def test_rotation_by_number() -> None:
    model = Model("ordered", 1, 1, rotation=Rotation(requests=1))
    assert model.firsts(4) == "abab"
    model = Model("ordered", 1, 1, 0, rotation=Rotation(requests=3))
    assert [model.order() for _ in range(6)] == ["abc", "abc", "abc", "bac", "bac", "bac"]
    assert Counter(Model("ordered", 1, 1, rotation=Rotation(requests=100)).firsts(DRAWS)) == {
        "a": DRAWS // 2,
        "b": DRAWS // 2,
    }


def test_rotation_by_time_follows_the_clock_alone() -> None:
    model = Model("ordered", 1, 1, 1, rotation=Rotation(every=60.0))
    orders = [model.order(wall=wall) for wall in (0.0, 59.9, 60.0, 120.0, 180.0)]
    assert orders == ["abc", "abc", "bca", "cab", "abc"]
    other = Model("ordered", 1, 1, 1, rotation=Rotation(every=60.0), start=2)
    assert other.order(wall=60.0) == "bca"  # all workers agree


def test_rotation_goes_on_to_the_next_one_if_the_first_cannot_be_asked() -> None:
    model = Model("ordered", 1, 1, 1, rotation=Rotation(every=60.0))
    assert model.order("b", wall=60.0) == "ca"


def test_the_state_of_rotations_for_people() -> None:
    model = Model("ordered", 1, 1, 0, rotation=Rotation(every=60.0))
    (state,) = rotations([model.route, Model("cost", 1, 1).route], model.memory, 90.0)
    assert (state.model, state.current, state.following) == ("m", "b/m", "a/m")
    assert (state.changes, state.requests) == (120.0, None)
    model = Model("ordered", 1, 1, rotation=Rotation(requests=10))
    model.firsts(13)
    (state,) = rotations([model.route], model.memory, 90.0)
    assert (state.current, state.following, state.changes, state.requests) == ("b/m", "a/m", None, 7)


def test_aliases_of_a_model_share_its_turns() -> None:
    model = Model("round_robin", 1, 1)
    alias = Route("alias", model.route.deployments, spread=model.route.spread)
    first = model.order()[0]
    found = choose(alias, alias.deployments, model.memory, 0.0, Circumstances())
    assert first + found[0].provider == "ab"


def test_memory_is_bounded() -> None:
    memory = Memory()
    memory.load("busy").running = 1
    for number in range(5000):
        memory.load(str(number))
        memory.turns_of(str(number))
    assert len(memory.loads) <= 1025
    assert len(memory.turns) <= 1025
    assert memory.load("busy").running == 1


def test_all_measurements_can_be_forgotten() -> None:
    memory = Memory()
    memory.load("a").running = 1
    memory.load("a").whole.measure(9.0, 0.0)
    memory.revive()
    assert (memory.load("a").running, memory.load("a").whole.read(0.0)) == (1, 0.0)
