"""Policies together with what is remembered of keys and deployments, and what attempts teach them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from dragoman import ir
from dragoman.routing.health import Calling, Health
from dragoman.routing.policy import Circumstances
from dragoman.routing.policy_latency import FAILURE
from dragoman.routing.pool import Key, Pool
from dragoman.routing.route import Candidate, Deployment, Route
from dragoman.routing.spread import PolicyName, Rotation, Spread

ONE, TWO, THREE = (Deployment(name, "m") for name in ("one", "two", "three"))
KEYS = {"one": ["1a", "1b", "1c"], "two": ["2a"], "three": ["3a"]}


def health() -> Health:
    made = Health()
    made.pools = {name: Pool([Key(id_, id_) for id_ in ids]) for name, ids in KEYS.items()}
    return made


def route(policy: PolicyName, *deployments: Deployment, rotation: Rotation | None = None) -> Route:
    return Route("all", deployments or (ONE, TWO, THREE), spread=Spread("all", policy, rotation))


def fault(kind: ir.Kind, retry_after: float | None = None) -> ir.Fault:
    return ir.Fault(kind, kind, retry_after=retry_after, blame="upstream")


def providers(made: Health, asked: Route, now: float = 0.0, **request: object) -> list[str]:
    circumstances = Circumstances(**request)  # type: ignore[arg-type]
    ready = made.order(asked, now, circumstances).ready
    return list(dict.fromkeys(one.deployment.provider for one in ready))


def fails(made: Health, deployment: Deployment, now: float) -> None:
    made.learn(made.began(Candidate(deployment), now), fault("unavailable"), now)


def test_the_policy_orders_deployments_and_the_pool_their_keys() -> None:
    made, asked = health(), route("round_robin")
    orders = [made.order(asked, 0.0).ready for _ in range(2)]
    assert [[(one.deployment.provider, one.account) for one in order] for order in orders] == [
        [("one", 0), ("one", 1), ("one", 2), ("two", 0), ("three", 0)],
        [("two", 0), ("three", 0), ("one", 0), ("one", 1), ("one", 2)],
    ]


def test_who_fails_comes_last_and_its_turns_go_to_all_others() -> None:
    made, asked = health(), route("round_robin")
    for now in (0.0, 1.0, 2.0):
        fails(made, ONE, now)
    orders = [providers(made, asked, 3.0) for _ in range(10)]
    assert {order[2] for order in orders} == {"one"}
    assert Counter(order[0] for order in orders) == {"two": 5, "three": 5}
    assert "one" in {providers(made, asked, 8.0)[0] for _ in range(3)}  # its trial is due


def test_if_all_fail_none_is_left_out() -> None:
    made, asked = health(), route("weighted")
    for deployment in (TWO, THREE, ONE):
        for now in (0.0, 1.0, 2.0):
            fails(made, deployment, now)
    assert sorted(providers(made, asked, 3.0)) == ["one", "three", "two"]


def test_who_rests_takes_no_turn() -> None:
    made, asked = health(), route("round_robin")
    made.learn(made.began(Candidate(TWO), 0.0), fault("rate_limit", 60.0), 0.0)
    asking = made.order(asked, 1.0)
    assert [until for until, _ in asking.resting] == [60.0]
    firsts = [providers(made, asked, 1.0)[0] for _ in range(9)]
    assert Counter(firsts) in ({"one": 4, "three": 5}, {"one": 5, "three": 4})
    assert "two" in {providers(made, asked, 60.0)[0] for _ in range(3)}


def test_who_was_refused_takes_no_turn() -> None:
    made, asked = health(), route("weighted")
    made.learn(made.began(Candidate(TWO), 0.0), fault("authentication"), 0.0)
    assert "two" not in {providers(made, asked, 1.0)[0] for _ in range(6)}


def test_a_rotation_passes_over_who_fails() -> None:
    made, asked = health(), route("ordered", rotation=Rotation(every=60.0))
    assert providers(made, asked, wall=60.0) == ["two", "three", "one"]
    for now in (0.0, 1.0, 2.0):
        fails(made, TWO, now)
    assert providers(made, asked, 3.0, wall=60.0) == ["three", "one", "two"]
    assert providers(made, asked, 3.0, wall=120.0) == ["three", "one", "two"]


# Affinity ----------------------------------------------------------------------------------------------


def test_the_same_digest_gets_the_same_key_until_that_rests() -> None:
    made, asked = health(), route("affinity", ONE)
    digests = [bytes([number, 1]) for number in range(30)]

    def key(digest: bytes, now: float) -> int:
        return made.order(asked, now, Circumstances(digest=digest)).ready[0].account

    before = [key(digest, 0.0) for digest in digests]
    assert set(before) == {0, 1, 2}
    assert all([key(digest, 0.0) for digest in digests] == before for _ in range(20))
    made.learn(made.began(Candidate(ONE, 1), 0.0), fault("rate_limit", 60.0), 0.0)
    meanwhile = [key(digest, 1.0) for digest in digests]
    assert 1 not in meanwhile
    stayed = zip(before, meanwhile, strict=True)
    assert all(old == new for old, new in stayed if old != 1)
    assert [key(digest, 60.0) for digest in digests] == before


def test_affinity_comes_back_after_a_failure() -> None:
    made, asked = health(), route("affinity")
    order = providers(made, asked, digest=b"prompt")
    first = next(one for one in asked.deployments if one.provider == order[0])
    for now in (0.0, 1.0, 2.0):
        fails(made, first, now)
    assert providers(made, asked, 3.0, digest=b"prompt") == [*order[1:], order[0]]
    made.answered(made.began(Candidate(first), 8.0))
    assert providers(made, asked, 8.0, digest=b"prompt") == order


def test_affinity_goes_before_the_turns_of_a_pool() -> None:
    made, asked = health(), route("affinity", ONE)
    made.pools["one"].choice = "round_robin"
    keys = {made.order(asked, 0.0, Circumstances(digest=b"prompt")).ready[0].account for _ in range(9)}
    assert len(keys) == 1
    turns = [made.order(asked, 0.0).ready[0].account for _ in range(3)]
    assert sorted(turns) == [0, 1, 2]  # what shares nothing takes turns


# What attempts teach -----------------------------------------------------------------------------------


def watched() -> Health:
    """Health that knows a route by latency."""
    made = health()
    made.order(route("latency"), 0.0)
    return made


def seconds(made: Health, now: float, deployment: Deployment = ONE, *, streamed: bool = False) -> float:
    return made.memory.load(deployment.name).latency(streamed=streamed).read(now)


def test_answers_are_measured_to_their_first_content() -> None:
    made = watched()
    calling = made.began(Candidate(ONE), 10.0, streamed=True)
    assert made.memory.load("one/m").running == 1
    made.answered(calling, 12.5)
    assert made.memory.load("one/m").running == 0
    assert (seconds(made, 12.5, streamed=True), seconds(made, 12.5)) == (2.5, 0.0)


@pytest.mark.parametrize("kind", ["unavailable", "timeout", "rate_limit", "model_not_found"])
def test_a_failure_counts_as_slow(kind: ir.Kind) -> None:
    made = watched()
    made.learn(made.began(Candidate(ONE), 0.0), fault(kind), 0.01)
    assert seconds(made, 0.01) == FAILURE
    made.learn(made.began(Candidate(TWO), 0.0), fault(kind), 100.0)
    assert seconds(made, 100.0, TWO) == 100.0


@pytest.mark.parametrize("kind", ["invalid_request", "authentication", "permission"])
def test_what_the_deployment_is_not_to_blame_for_is_not_measured(kind: ir.Kind) -> None:
    made = watched()
    made.learn(made.began(Candidate(ONE), 0.0), fault(kind), 0.01)
    assert seconds(made, 0.01) == 0.0
    assert made.memory.load("one/m").running == 0


def test_who_was_left_by_its_client_was_at_least_so_slow() -> None:
    made = watched()
    made.abandoned(made.began(Candidate(ONE), 0.0), 45.0)
    assert (seconds(made, 45.0), made.memory.load("one/m").running) == (45.0, 0)
    made.abandoned(made.began(Candidate(TWO), 0.0))
    assert (seconds(made, 45.0, TWO), made.memory.load("two/m").running) == (0.0, 0)


def test_only_deployments_of_such_routes_are_counted() -> None:
    made = health()
    assert made.began(Candidate(ONE), 0.0).load is None
    made.order(route("weighted"), 0.0)
    assert made.memory.loads == {}


def test_each_beginning_has_one_end() -> None:
    made = watched()
    candidate = Candidate(ONE)
    ends: list[Callable[[Calling], object]] = [
        made.answered,
        made.abandoned,
        lambda calling: made.learn(calling, fault("unavailable"), 1.0),
        lambda calling: made.learn(calling, fault("invalid_request"), 1.0),
    ]
    for end in ends:
        calling = made.began(candidate, 0.0)
        assert (made.memory.load("one/m").running, made.pools["one"].keys[0].running) == (1, 1)
        end(calling)
        assert (made.memory.load("one/m").running, made.pools["one"].keys[0].running) == (0, 0)


def test_what_is_known_of_latencies_can_be_forgotten() -> None:
    made = watched()
    made.answered(made.began(Candidate(ONE), 0.0), 9.0)
    made.revive()
    assert seconds(made, 9.0) == 0.0
