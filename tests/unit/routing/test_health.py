"""The order in which a request asks, and what its attempts leave behind, as transcripts."""

from __future__ import annotations

from dragoman import ir
from dragoman.routing.health import Asking, Health
from dragoman.routing.pool import Key, Pool
from dragoman.routing.route import Candidate, Deployment, Route

ONE, TWO, OWN = Deployment("one", "m"), Deployment("two", "m"), Deployment("own", "m")


def health() -> Health:
    made = Health()
    made.pools = {
        "one": Pool([Key("1a", "aaaa"), Key("1b", "bbbb")]),
        "two": Pool([Key("2a", "cccc")]),
    }
    return made


def fault(kind: ir.Kind, retry_after: float | None = None) -> ir.Fault:
    return ir.Fault(kind, kind, retry_after=retry_after, blame="upstream")


ALL = Route("all", (ONE, TWO, OWN))


def ask(made: Health, candidate: Candidate, now: float, told: ir.Fault | None) -> list[str]:
    """What the operator is told of an attempt: the kinds of events."""
    calling = made.began(candidate, now)
    events = made.answered(calling) if told is None else made.learn(calling, told, now)
    return [one.kind for one in events]


def ready(made: Health, now: float) -> list[tuple[str, int]]:
    return [(one.deployment.provider, one.account) for one in made.order(ALL, now).ready]


def test_every_deployment_with_each_of_its_keys() -> None:
    made = health()
    assert ready(made, 0.0) == [("one", 0), ("one", 1), ("two", 0), ("own", 0)]
    assert made.order(ALL, 0.0).resting == []


def test_a_key_that_rests_is_left_out_until_it_may_be_asked() -> None:
    made = health()
    ask(made, Candidate(ONE, 0), 0.0, fault("rate_limit", 20.0))
    assert ready(made, 1.0) == [("one", 1), ("two", 0), ("own", 0)]
    assert [(until, one.account) for until, one in made.order(ALL, 1.0).resting] == [(20.0, 0)]
    assert ready(made, 20.0)[0] == ("one", 0)


def test_a_refused_key_is_told_once_and_comes_back_when_it_works() -> None:
    made = health()
    told = [ask(made, Candidate(ONE, 0), 0.0, fault("authentication")) for _ in range(2)]
    assert told == [["key_refused"], []]
    assert ready(made, 1.0) == [("one", 1), ("two", 0), ("own", 0)]
    ask(made, Candidate(ONE, 0), 2.0, fault("invalid_request"))  # whose key was accepted
    assert ready(made, 3.0)[0] == ("one", 0)


def test_who_fails_in_a_row_comes_last() -> None:
    made = health()
    told = [ask(made, Candidate(ONE, 0), now, fault("unavailable")) for now in (0.0, 1.0, 2.0)]
    assert told == [[], [], ["outage"]]
    assert ready(made, 3.0) == [("two", 0), ("own", 0), ("one", 0), ("one", 1)]
    assert ask(made, Candidate(ONE, 1), 8.0, None) == ["recovery"]
    assert ready(made, 8.0)[0] == ("one", 0)
    assert ask(made, Candidate(ONE, 1), 9.0, None) == []


def test_what_says_nothing_leaves_nothing_behind() -> None:
    made = health()
    for candidate in (Candidate(ONE, 0), Candidate(OWN, 0)):
        made.abandoned(made.began(candidate, 0.0))
    assert made.pools["one"].keys[0].running == 0
    assert ready(made, 0.0) == [("one", 0), ("one", 1), ("two", 0), ("own", 0)]


def test_the_last_key_that_rests_or_is_refused_exhausts_its_provider() -> None:
    made = health()
    assert ask(made, Candidate(ONE, 0), 0.0, fault("rate_limit", 20.0)) == []
    assert ask(made, Candidate(ONE, 1), 1.0, fault("permission")) == ["keys_exhausted"]
    assert ask(made, Candidate(ONE, 1), 2.0, fault("permission")) == [], "it was so before"
    assert ask(made, Candidate(ONE, 0), 21.0, fault("rate_limit", 20.0)) == ["keys_exhausted"]
    assert ask(made, Candidate(TWO, 0), 3.0, fault("quota")) == ["key_refused", "keys_exhausted"]
    assert ask(made, Candidate(TWO, 0), 4.0, fault("rate_limit")) == [], "for how long is not known"


def test_events_tell_whom_they_are_about() -> None:
    made = health()
    refused, exhausted = made.learn(made.began(Candidate(TWO, 0), 0.0), fault("authentication"), 0.0)
    assert (refused.provider, refused.deployment, refused.key) == ("two", "two/m", "cccc")
    assert refused.message.startswith("two/m: the key …cccc is asked only where nobody else can be: ")
    assert (exhausted.deployment, exhausted.key) == ("two/m", None)
    assert exhausted.message.startswith("two/m: every key ")


def is_calm(made: Health) -> bool:
    return made.calm


def test_it_is_calm_when_nothing_is_known_against_anybody() -> None:
    made = health()
    assert is_calm(made)
    ask(made, Candidate(ONE, 0), 0.0, fault("rate_limit", 20.0))
    assert not is_calm(made)
    made.order(ALL, 19.0)
    assert not is_calm(made)
    made.order(ALL, 20.0)
    assert is_calm(made)
    ask(made, Candidate(TWO, 0), 21.0, fault("unavailable"))
    made.settle(21.0)
    assert not is_calm(made)
    ask(made, Candidate(TWO, 0), 22.0, None)
    made.settle(22.0)
    assert is_calm(made)
    ask(made, Candidate(TWO, 0), 23.0, fault("invalid_request"))
    assert is_calm(made)
    made.pools["one"].choice = "round_robin"
    made.settle(24.0)
    assert not is_calm(made)  # each request has to be told whose turn it is


def test_all_can_be_forgotten() -> None:
    made = health()
    ask(made, Candidate(ONE, 0), 0.0, fault("rate_limit", 20.0))
    ask(made, Candidate(TWO, 0), 0.0, fault("authentication"))
    ask(made, Candidate(OWN, 0), 0.0, fault("unavailable"))
    made.revive()
    assert is_calm(made)
    assert ready(made, 1.0) == [("one", 0), ("one", 1), ("two", 0), ("own", 0)]


def test_refused_keys_are_asked_if_nobody_else_can_be() -> None:
    made = health()
    for place in (0, 1):
        ask(made, Candidate(ONE, place), 0.0, fault("authentication"))
    assert ready(made, 1.0) == [("two", 0), ("own", 0)]
    route = Route("two", (ONE, TWO))
    ask(made, Candidate(TWO, 0), 1.0, fault("rate_limit", 20.0))
    asking = made.order(route, 2.0)
    assert (asking.ready, [until for until, _ in asking.resting]) == ([], [21.0])
    ask(made, Candidate(TWO, 0), 30.0, fault("quota"))
    asked = [(one.deployment.provider, one.account) for one in made.order(route, 31.0).ready]
    assert asked == [("one", 0), ("one", 1), ("two", 0)]


def test_a_failure_of_long_ago_is_forgotten() -> None:
    made = health()
    ask(made, Candidate(OWN, 0), 0.0, fault("unavailable"))
    made.order(ALL, 300.0)
    assert not is_calm(made)
    made.order(ALL, 301.0)
    assert is_calm(made)


def test_who_is_disabled_is_left_out() -> None:
    made = health()
    made.enable("one", enabled=False)
    assert not is_calm(made)
    assert ready(made, 0.0) == [("two", 0), ("own", 0)]
    made.enable("two", "2a", enabled=False)
    made.enable("own", enabled=False)
    assert made.order(ALL, 0.0) == Asking([], [])
    assert [made.shut(name) for name in ("one", "two", "own", "none")] == [True, True, True, False]
    for name in ("one", "own"):
        made.enable(name)
    made.enable("two", "2a")
    assert is_calm(made)
    assert ready(made, 0.0) == [("one", 0), ("one", 1), ("two", 0), ("own", 0)]


def test_an_unknown_key_cannot_be_disabled() -> None:
    made = health()
    made.enable("one", "2a", enabled=False)
    made.enable("none", "1a", enabled=False)
    assert is_calm(made)


def test_one_provider_or_one_key_can_be_forgotten() -> None:
    made = health()
    for candidate in (Candidate(ONE, 0), Candidate(ONE, 1), Candidate(TWO, 0)):
        ask(made, candidate, 0.0, fault("authentication"))
    for candidate in (Candidate(ONE, 0), Candidate(TWO, 0)):
        ask(made, candidate, 0.0, fault("unavailable"))
    made.revive("one", "1b")
    assert [key.retired is None for key in made.pools["one"].keys] == [False, True]
    assert set(made.breakers.states) == {"one/m", "two/m"}
    made.revive("one")
    assert [key.retired is None for key in made.pools["one"].keys] == [True, True]
    assert set(made.breakers.states) == {"two/m"}
    assert made.pools["two"].keys[0].retired is not None
    made.enable("one", "1a", enabled=False)
    made.revive("one")
    assert made.pools["one"].keys[0].disabled, "who has disabled it must enable it"


def test_requests_of_an_earlier_configuration_keep_the_places_of_their_keys() -> None:
    """The others have a pool with other keys; what either learns counts for both."""
    made = health()
    earlier = made.view()
    pool = made.pools["one"]
    made.pools["one"] = pool.renewed([Key("1c", "dddd"), *pool.keys[1:]], "health_aware")
    later = made.view()
    assert earlier.began(Candidate(ONE, 0), 0.0).key is pool.keys[0]
    assert later.began(Candidate(ONE, 0), 0.0).key is made.pools["one"].keys[0]
    ask(earlier, Candidate(ONE, 1), 0.0, fault("rate_limit", 20.0))
    assert not later.calm
    assert not made.calm
    assert ready(later, 1.0) == [("one", 0), ("two", 0), ("own", 0)]
    assert ready(earlier, 1.0) == [("one", 0), ("two", 0), ("own", 0)]
    made.revive()
    assert earlier.calm
    assert later.calm


def test_an_earlier_request_does_not_find_calm_what_only_later_ones_know() -> None:
    made = health()
    earlier = made.view()
    made.pools["new"] = Pool([Key("3a")])
    later = made.view()
    ask(later, Candidate(Deployment("new", "m"), 0), 0.0, fault("rate_limit", 20.0))
    earlier.order(ALL, 1.0)
    assert not later.calm


def test_what_is_learnt_is_shared_and_what_is_known_is_not_calm() -> None:
    made = health()
    shared: list[str | None] = []
    made.share = lambda calling: shared.append(None if calling is None else calling.deployment.name)
    ask(made, Candidate(ONE, 0), 0.0, None)
    ask(made, Candidate(ONE, 0), 0.0, fault("rate_limit", 20.0))
    made.abandoned(made.began(Candidate(OWN, 0), 0.0))
    assert shared == ["one/m", "one/m", "own/m"]
    for now in (0.0, 1.0, 2.0):
        ask(made, Candidate(TWO, 0), now, fault("unavailable"))
    del shared[:]
    trial = made.began(Candidate(TWO, 0), 8.0)
    assert shared == ["two/m"], "that it is tried, before it answers"
    made.answered(trial)
    made.revive()
    assert shared[1:] == ["two/m", None]
    assert is_calm(made)
    assert made.checked("two", 9.0, 60.0)
    assert shared[-1] is None
    assert not is_calm(made)
    assert ready(made, 10.0)[-1] == ("two", 0)
    made.revive()
    assert is_calm(made)


def test_who_is_doubted() -> None:
    made = health()
    one, other, two = Candidate(ONE, 0), Candidate(ONE, 1), Candidate(TWO, 0)
    assert not any(made.doubts(candidate, 0.0) for candidate in (one, other, two, Candidate(OWN)))
    ask(made, one, 0.0, fault("authentication"))
    assert [made.doubts(candidate, 1.0) for candidate in (one, other, two)] == [True, False, False]
    for _ in range(3):
        ask(made, two, 1.0, fault("unavailable"))
    assert made.doubts(two, 2.0)
    assert not made.doubts(two, 7.0)


def test_a_spent_key_is_asked_after_all_others_but_is_never_left_out() -> None:
    made = health()
    made.spent("one", "1a", "m", 20.0, 0.0)
    assert not is_calm(made)
    assert ready(made, 1.0) == [("one", 1), ("two", 0), ("own", 0), ("one", 0)]
    assert made.doubts(Candidate(ONE, 0), 1.0)
    assert not made.doubts(Candidate(ONE, 0), 20.0)
    assert ready(made, 20.0)[0] == ("one", 0)
    made.settle(20.0)
    assert is_calm(made)


def test_who_alone_could_answer_is_asked_though_spent() -> None:
    made, alone = health(), Route("two", (TWO,))
    made.spent("two", "2a", "m", 20.0, 0.0)
    asking = made.order(alone, 1.0)
    assert ([one.account for one in asking.ready], asking.resting) == ([0], [])


def test_a_spent_key_comes_before_who_fails_and_before_a_wait() -> None:
    made = health()
    made.spent("one", "1a", "m", 20.0, 0.0)
    ask(made, Candidate(ONE, 1), 0.0, fault("rate_limit", 20.0))
    for now in (0.0, 1.0, 2.0):
        ask(made, Candidate(TWO, 0), now, fault("unavailable"))
    assert ready(made, 3.0) == [("own", 0), ("one", 0), ("two", 0)]


def test_spent_keys_of_who_fails_come_last() -> None:
    made = health()
    made.spent("one", "1a", "m", 20.0, 0.0)
    for now in (0.0, 1.0, 2.0):
        ask(made, Candidate(ONE, 1), now, fault("unavailable"))
        ask(made, Candidate(TWO, 0), now, fault("unavailable"))
    assert ready(made, 3.0) == [("own", 0), ("one", 1), ("two", 0), ("one", 0)]


def test_a_key_that_is_not_spent_after_all_is_back_at_once() -> None:
    made = health()
    early = made.began(Candidate(ONE, 0), 0.0)
    made.spent("one", "1a", "m", 20.0, 1.0)
    made.answered(early)
    assert ready(made, 2.0)[0] == ("one", 1)
    ask(made, Candidate(ONE, 0), 2.0, None)
    assert ready(made, 3.0)[0] == ("one", 0)


def test_what_is_said_of_unknown_keys_is_ignored() -> None:
    made = health()
    made.spent("gone", "1a", "m", 20.0, 0.0)
    made.spent("one", "gone", "m", 20.0, 0.0)
    assert is_calm(made)


def test_an_answer_ends_the_outage_of_a_provider_that_began_before_it() -> None:
    made = health()
    early = made.began(Candidate(ONE, 0), 0.0)
    assert made.checked("one", 1.0, 60.0)
    assert list(made.answered(early)) == []
    assert ready(made, 2.0)[0] == ("two", 0)
    (news,) = made.answered(made.began(Candidate(ONE, 0), 3.0))
    assert (news.kind, news.provider, news.deployment) == ("recovery", "one", None)
    assert ready(made, 4.0)[0] == ("one", 0)
    made.checked("one", 5.0, 60.0)
    calling = made.began(Candidate(ONE, 0), 6.0)
    assert [one.kind for one in made.learn(calling, fault("invalid_request"), 7.0)] == ["recovery"]


def test_who_is_disabled_and_has_left_the_configuration_costs_nothing() -> None:
    made = health()
    made.others = frozenset({"own"})
    for name in ("two", "own"):
        made.enable(name, enabled=False)
        assert not is_calm(made)
        made.enable(name)
        assert is_calm(made)
    made.enable("two", enabled=False)
    left = made.pools.pop("two")
    made.settle(0.0)
    assert is_calm(made)
    made.pools["two"] = left
    made.settle(0.0)
    assert not is_calm(made), "it has come back, and is still disabled"


def test_who_is_ready_is_not_known_to_fail_or_rest_and_nobody_has_disabled_it() -> None:
    made = health()
    first, second, two, own = Candidate(ONE, 0), Candidate(ONE, 1), Candidate(TWO, 0), Candidate(OWN)
    assert all(made.is_ready(candidate, 0.0) for candidate in (first, second, two, own))
    ask(made, first, 0.0, fault("rate_limit", 20.0))
    assert [made.is_ready(first, now) for now in (1.0, 21.0)] == [False, True]
    ask(made, second, 0.0, fault("authentication"))
    assert not made.is_ready(second, 1.0)
    made.enable("two", "2a", enabled=False)
    made.enable("own", enabled=False)
    assert not made.is_ready(two, 1.0)
    assert not made.is_ready(own, 1.0)
    made.enable("own")
    for now in (1.0, 2.0, 3.0):
        ask(made, own, now, fault("unavailable"))
    assert not made.is_ready(own, 3.0)


def test_what_a_tenants_key_learns_stays_with_it() -> None:
    made = health()
    made.settle(0.0)
    brought = Key("1t", "tttt")
    made.bring({"one": {"1t": brought}})
    mine = made.view().with_keys({"one": brought})
    assert (made.calm, mine.calm) == (True, False)
    assert ready(mine, 0.0) == [("one", 0), ("two", 0), ("own", 0)]
    ask(mine, Candidate(ONE, 0), 0.0, fault("rate_limit", 20.0))
    assert ready(mine, 1.0) == [("two", 0), ("own", 0)]
    assert ready(made, 1.0)[0] == ("one", 0)
    assert (made.calm, mine.calm) == (True, False)
    ask(mine, Candidate(TWO, 0), 1.0, fault("rate_limit", 20.0))  # the operator's key, for all
    assert ready(made, 1.0) == [("one", 0), ("one", 1), ("own", 0)]
    made.revive("one")
    assert ready(mine, 1.0) == [("one", 0), ("own", 0)]
