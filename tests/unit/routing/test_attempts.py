"""Attempts as transcripts: events in, commands out, no loop and no sleep."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.routing.attempts import (
    NOBODY,
    Attempts,
    Begin,
    Beside,
    Extend,
    Failed,
    FirstContent,
    Full,
    GiveUp,
    GoesOn,
    More,
    NoMore,
    Policy,
    Start,
    Timer,
    WakeAt,
)
from dragoman.routing.fallbacks import Why
from dragoman.routing.outcome import POOL_EXHAUSTED

POLICY = Policy(retries=2, backoff=1.0, backoff_max=3.0, jitter=0.5, patience=10.0)


def fault(kind: ir.Kind, retry_after: float | None = None) -> ir.Fault:
    return ir.Fault(kind, kind, retry_after=retry_after, blame="upstream")


def round_of(*candidates: str, random: float = 0.0) -> Attempts[str]:
    return Attempts(candidates, POLICY, lambda: random)


def test_one_candidate_that_answers_is_committed() -> None:
    attempts = round_of("a")
    assert attempts.on(Begin(), 0.0) == [Start("a")]
    assert attempts.on(FirstContent(), 0.1) == []


def test_a_server_failure_is_retried_with_waits_that_double_up_to_the_bound() -> None:
    attempts = round_of("a")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("unavailable")), 10.0) == [WakeAt(11.0)]
    assert attempts.on(Timer(), 11.0) == [Start("a")]
    assert attempts.on(Failed(fault("upstream")), 12.0) == [WakeAt(14.0)]
    assert attempts.on(Timer(), 14.0) == [Start("a")]
    last = fault("overloaded")
    assert attempts.on(Failed(last), 15.0) == [GiveUp(last)]


def test_jitter_takes_its_part_of_the_wait() -> None:
    attempts = round_of("a", random=1.0)
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("upstream")), 0.0) == [WakeAt(0.5)]


def test_retry_after_is_obeyed_when_it_is_short_and_ends_the_round_when_it_is_long() -> None:
    short = round_of("a")
    short.on(Begin(), 0.0)
    assert short.on(Failed(fault("overloaded", 7.0)), 1.0) == [WakeAt(8.0)]
    long, told = round_of("a"), fault("rate_limit", 3600.0)
    long.on(Begin(), 0.0)
    assert long.on(Failed(told), 1.0) == [GiveUp(told)]


def test_the_client_is_told_when_the_first_of_all_resting_keys_is_back() -> None:
    attempts = round_of("a", "b", "c")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("rate_limit", 300.0)), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault("rate_limit", 60.0)), 2.0) == [Start("c")]
    assert attempts.on(Failed(fault("rate_limit", 3600.0)), 4.0) == [GiveUp(fault("rate_limit", 58.0))]


def test_the_key_that_is_back_first_is_tried_again_first() -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("rate_limit", 6.0)), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault("rate_limit", 3600.0)), 2.0) == [WakeAt(7.0)]
    assert attempts.on(Timer(), 7.0) == [Start("a")]
    assert attempts.on(Failed(fault("rate_limit", 30.0)), 8.0) == [GiveUp(fault("rate_limit", 30.0))]


def test_a_key_whose_rest_is_over_is_tried_at_once() -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    attempts.on(Failed(fault("rate_limit", 2.0)), 1.0)
    assert attempts.on(Failed(fault("upstream")), 9.0) == [WakeAt(9.0)]
    assert attempts.on(Timer(), 9.0) == [Start("a")]


def test_a_back_off_that_is_shorter_than_any_rest_comes_first() -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    attempts.on(Failed(fault("rate_limit", 9.0)), 1.0)
    assert attempts.on(Failed(fault("upstream")), 2.0) == [WakeAt(3.0)]
    assert attempts.on(Timer(), 3.0) == [Start("b")]


def test_a_refused_key_has_no_rest() -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("quota", 5.0)), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault("rate_limit", 60.0)), 2.0) == [GiveUp(fault("rate_limit", 60.0))]


@pytest.mark.parametrize("kind", ["authentication", "quota", "rate_limit", "permission", "model_not_found"])
def test_a_failure_of_key_or_deployment_moves_on_at_once(kind: ir.Kind) -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault(kind)), 1.0) == [Start("b")]


@pytest.mark.parametrize("kind", ["upstream", "overloaded", "timeout", "unavailable"])
def test_a_server_failure_moves_on_at_once_while_there_is_another_candidate(kind: ir.Kind) -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault(kind)), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault(kind)), 2.0) == [WakeAt(3.0)]
    assert attempts.on(Timer(), 3.0) == [Start("b")]


def test_moving_on_counts_no_retry() -> None:
    attempts = round_of("a", "b", "c", "d")
    attempts.on(Begin(), 0.0)
    for candidate in ("b", "c", "d"):
        assert attempts.on(Failed(fault("authentication")), 1.0) == [Start(candidate)]
    assert attempts.on(Failed(fault("upstream")), 2.0) == [WakeAt(3.0)]


def test_a_refused_key_without_another_ends_the_round() -> None:
    attempts, told = round_of("a"), fault("authentication")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(told), 1.0) == [GiveUp(told)]


@pytest.mark.parametrize(
    "kind", ["invalid_request", "context_length", "content_policy", "too_large", "unsupported"]
)
def test_the_callers_own_failure_ends_the_round(kind: ir.Kind) -> None:
    attempts, told = round_of("a", "b"), fault(kind)
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(told), 1.0) == [GiveUp(told)]


def test_nothing_is_retried_after_content() -> None:
    attempts, told = round_of("a", "b"), fault("upstream")
    attempts.on(Begin(), 0.0)
    attempts.on(FirstContent(), 0.5)
    assert attempts.on(Failed(told), 1.0) == [GiveUp(told)]


def test_connections_that_were_waited_for_in_vain_are_not_waited_for_again() -> None:
    """Other candidates over the same connections drop out, those elsewhere are asked, nobody is retried."""
    attempts = Attempts(("up/1", "up/2", "else/1"), POLICY, lambda: 0.0, lambda name: name.partition("/")[0])
    crowded = ir.Fault("overloaded", "full", code=POOL_EXHAUSTED, retry_after=5.0, blame="gateway")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(crowded), 30.0) == [Start("else/1")]
    assert attempts.on(Failed(crowded), 60.0) == [GiveUp(crowded)]


def test_a_retry_does_not_go_back_to_connections_that_were_waited_for_in_vain() -> None:
    attempts = Attempts(("up/1", "up/2", "else/1"), POLICY, lambda: 0.0, lambda name: name.partition("/")[0])
    crowded = ir.Fault("overloaded", "full", code=POOL_EXHAUSTED, blame="gateway")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("rate_limit", 2.0)), 0.0) == [Start("up/2")]
    assert attempts.on(Failed(crowded), 30.0) == [Start("else/1")]
    assert attempts.on(Failed(fault("rate_limit", 9.0)), 31.0) == [WakeAt(40.0)]
    assert attempts.on(Timer(), 40.0) == [Start("else/1")]


def test_a_provider_that_speaks_of_a_pool_is_busy_like_any_other() -> None:
    attempts = round_of("a")
    attempts.on(Begin(), 0.0)
    theirs = ir.Fault("overloaded", "full", code=POOL_EXHAUSTED, blame="upstream")
    assert attempts.on(Failed(theirs), 0.0) == [WakeAt(1.0)]


def test_a_round_in_which_all_rest_begins_with_a_wait() -> None:
    attempts = Attempts[str]([], POLICY, lambda: 0.0, resting=[(9.0, "b"), (6.0, "a")])
    assert attempts.on(Begin(), 1.0) == [WakeAt(6.0)]
    assert attempts.on(Timer(), 6.0) == [Start("a")]
    assert attempts.on(Failed(fault("unavailable")), 7.0) == [WakeAt(8.0)]


def test_a_round_in_which_all_rest_for_long_ends_at_once() -> None:
    attempts = Attempts[str]([], POLICY, lambda: 0.0, resting=[(90.0, "b"), (60.0, "a")])
    (given_up,) = attempts.on(Begin(), 1.0)
    assert isinstance(given_up, GiveUp)
    assert (given_up.fault.kind, given_up.fault.retry_after) == ("rate_limit", 59.0)


def test_who_rests_is_asked_after_the_others_have_failed() -> None:
    attempts = Attempts[str](["a"], POLICY, lambda: 0.0, resting=[(3.0, "b")])
    assert attempts.on(Begin(), 1.0) == [Start("a")]
    assert attempts.on(Failed(fault("rate_limit", 300.0)), 2.0) == [WakeAt(3.0)]
    assert attempts.on(Timer(), 3.0) == [Start("b")]


def test_another_one_may_start_and_the_first_is_left_for_later() -> None:
    attempts = round_of("a", "b", "c")
    attempts.on(Begin(), 0.0)
    assert attempts.left == ["b", "c"]
    attempts.swap("c")
    assert attempts.left == ["a", "b"]
    assert attempts.on(Failed(fault("not_found")), 1.0) == [Start("a")]
    assert attempts.left == ["b"]


# Fallbacks -----------------------------------------------------------------------------------------------

REFUSED = ir.Fault("content_policy", "No.", blame="upstream")
LONG = ir.Fault("context_length", "Too long.", blame="upstream")


EVERY: tuple[Why, ...] = ("any", "context", "content")


def turning(*candidates: str, policy: Policy = POLICY, **more: Any) -> Attempts[str]:
    return Attempts(candidates, policy, lambda: 0.0, **{"lists": EVERY, **more})


def test_the_fallbacks_are_asked_at_once_after_the_last_candidate() -> None:
    attempts = turning("a")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("unavailable")), 1.0) == [Extend("any")]
    assert attempts.on(More(["b", "c"]), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault("quota")), 2.0) == [Start("c")]
    assert attempts.on(Failed(fault("upstream")), 3.0) == [Extend("any")]
    assert attempts.on(NoMore(), 3.0) == [WakeAt(4.0)]
    assert attempts.on(Timer(), 4.0) == [Start("c")]


def test_a_fallback_without_candidates_is_passed_over() -> None:
    attempts = turning("a")
    attempts.on(Begin(), 0.0)
    attempts.on(Failed(fault("unavailable")), 1.0)
    assert attempts.on(More([]), 1.0) == [Extend("any")]
    assert attempts.on(More(["b"]), 1.0) == [Start("b")]


def test_without_fallbacks_nobody_is_asked_for_them() -> None:
    attempts = turning("a", lists=())
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("unavailable")), 1.0) == [WakeAt(2.0)]
    assert turning("a", lists=("any",)).on(Begin(), 0.0) == [Start("a")]


def test_doubtful_candidates_come_after_all_fallbacks_and_before_any_wait() -> None:
    attempts = turning("a", doubtful=["down"])
    attempts.on(Begin(), 0.0)
    attempts.on(Failed(fault("rate_limit", 2.0)), 1.0)
    assert attempts.on(More(["b"], doubtful=["down too"]), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault("upstream")), 1.0) == [Extend("any")]
    assert attempts.on(NoMore(), 1.0) == [Start("down")]
    assert attempts.on(Failed(fault("upstream")), 1.0) == [Start("down too")]
    assert attempts.on(Failed(fault("upstream")), 1.0) == [WakeAt(2.0)]


def test_if_all_rest_the_fallbacks_are_asked_before_any_wait() -> None:
    attempts = turning(resting=[(5.0, "a")])
    assert attempts.on(Begin(), 0.0) == [Extend("any")]
    assert attempts.on(More([], resting=[(3.0, "b")]), 0.0) == [Extend("any")]
    assert attempts.on(NoMore(), 0.0) == [WakeAt(3.0)]
    assert attempts.on(Timer(), 3.0) == [Start("b")]


def test_a_route_that_is_down_gives_way_from_the_start() -> None:
    attempts = turning(doubtful=["down"])
    assert attempts.on(Begin(), 0.0) == [Extend("any")]
    assert attempts.on(More(["b"]), 0.0) == [Start("b")]


@pytest.mark.parametrize(("refusal", "why"), [(REFUSED, "content"), (LONG, "context")])
def test_a_refusal_goes_on_with_its_own_list_alone(refusal: ir.Fault, why: Why) -> None:
    attempts = turning("a", "b", doubtful=["down"], resting=[(0.0, "c")])
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(refusal), 1.0) == [Extend(why)]
    assert attempts.on(More(["d"]), 1.0) == [Start("d")]
    assert attempts.on(Failed(fault("upstream")), 1.0) == [Extend(why)]
    assert attempts.on(NoMore(), 1.0) == [WakeAt(2.0)]
    assert attempts.on(Timer(), 2.0) == [Start("d")]


def test_the_first_refusal_is_told_when_its_list_fails_as_well() -> None:
    attempts = turning("a")
    attempts.on(Begin(), 0.0)
    attempts.on(Failed(REFUSED), 1.0)
    attempts.on(More(["b"]), 1.0)
    second = msgspec.structs.replace(REFUSED, message="Neither.")
    assert attempts.on(Failed(second), 2.0) == [Extend("content")]
    assert attempts.on(NoMore(), 2.0) == [GiveUp(REFUSED)]
    attempts = turning("a")
    attempts.on(Begin(), 0.0)
    attempts.on(Failed(REFUSED), 1.0)
    attempts.on(More(["b"]), 1.0)
    assert attempts.on(Failed(fault("invalid_request")), 2.0) == [GiveUp(REFUSED)]


def test_a_refusal_without_a_list_of_its_own_ends_the_round() -> None:
    attempts = turning("a", "b", lists=("any", "content"))
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(LONG), 1.0) == [GiveUp(LONG)]
    attempts = turning("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("invalid_request")), 1.0) == [GiveUp(fault("invalid_request"))]


def test_who_waited_for_connections_does_not_wait_there_again_in_a_fallback() -> None:
    attempts = Attempts(["p/a"], POLICY, lambda: 0.0, lambda one: one.partition("/")[0], lists=EVERY)
    attempts.on(Begin(), 0.0)
    busy = ir.Fault("overloaded", "busy", code=POOL_EXHAUSTED, blame="gateway")
    assert attempts.on(Failed(busy), 30.0) == [Extend("any")]
    assert attempts.on(More(["p/b", "q/c"], [(31.0, "p/d")], ["p/e"]), 30.0) == [Start("q/c")]
    assert attempts.on(Failed(fault("quota")), 31.0) == [Extend("any")]
    assert attempts.on(NoMore(), 31.0) == [GiveUp(fault("quota"))]


# Bounds --------------------------------------------------------------------------------------------------


def test_a_request_has_no_more_attempts_than_allowed() -> None:
    policy = msgspec.structs.replace(POLICY, attempts=2)
    attempts = turning("a", "b", "c", policy=policy)
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("upstream")), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault("overloaded")), 2.0) == [GiveUp(fault("overloaded"))]
    refused = turning("a", policy=msgspec.structs.replace(POLICY, attempts=1))
    refused.on(Begin(), 0.0)
    assert refused.on(Failed(LONG), 1.0) == [GiveUp(LONG)]


def test_no_attempt_begins_after_the_time_for_all_of_them() -> None:
    attempts = turning("a", "b", until=10.0)
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("upstream")), 9.9) == [Start("b")]
    assert attempts.on(Failed(fault("timeout")), 10.0) == [GiveUp(fault("timeout"))]


def test_a_wait_that_would_end_too_late_is_not_begun() -> None:
    attempts = turning("a", until=1.5, lists=())
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("upstream")), 1.0) == [GiveUp(fault("upstream"))]
    resting = turning(resting=[(5.0, "a")], until=3.0, lists=())
    (given_up,) = resting.on(Begin(), 0.0)
    assert isinstance(given_up, GiveUp)
    assert given_up.fault.retry_after == 5.0


def test_who_could_take_over_at_once() -> None:
    def other(name: str) -> bool:
        return name != "a"

    attempts = turning("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.has_other(other, fallbacks=False)
    alone = turning("a", doubtful=["b"], resting=[(0.0, "c")])
    alone.on(Begin(), 0.0)
    assert not alone.has_other(other, fallbacks=False)
    assert alone.has_other(other, fallbacks=True)
    spent = turning("a", "b", policy=msgspec.structs.replace(POLICY, attempts=1))
    spent.on(Begin(), 0.0)
    assert not spent.has_other(other, fallbacks=True)


def test_a_round_without_anybody_ends_at_once() -> None:
    assert round_of().on(Begin(), 0.0) == [GiveUp(NOBODY)]
    assert (NOBODY.http_status, NOBODY.code) == (503, "provider_disabled")


# Queues that refuse the request ---------------------------------------------------------------------------


QUEUE = ir.Fault("rate_limit", "The queue is full.", "queue_full", blame="gateway")


def test_a_queue_that_refuses_leads_to_the_fallbacks_alone() -> None:
    attempts = turning("a", "b", resting=[(1.0, "c")], doubtful=["d"])
    assert attempts.on(Begin(), 0.0) == [Start("a")]
    assert attempts.on(Full(QUEUE), 5.0) == [Extend("any")]
    assert attempts.on(More(["e"]), 5.0) == [Start("e")]
    assert attempts.on(Failed(fault("permission")), 6.0) == [Extend("any")]
    assert attempts.on(NoMore(), 6.0) == [GiveUp(fault("permission"))]


def test_the_refusal_of_the_queue_is_told_if_there_is_no_fallback() -> None:
    attempts = turning("a")
    attempts.on(Begin(), 0.0)
    attempts.on(Full(QUEUE), 5.0)
    assert attempts.on(NoMore(), 5.0) == [GiveUp(QUEUE)]
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Full(QUEUE), 5.0) == [GiveUp(QUEUE)]


def test_who_was_refused_by_a_queue_was_not_called() -> None:
    attempts = turning("a", policy=msgspec.structs.replace(POLICY, attempts=1))
    attempts.on(Begin(), 0.0)
    attempts.on(Full(QUEUE), 0.0)
    attempts.on(More(["b", "c"]), 0.0)
    assert not attempts.has_other(lambda one: one != "b", fallbacks=False)
    attempts = turning("a", policy=msgspec.structs.replace(POLICY, attempts=2))
    attempts.on(Begin(), 0.0)
    attempts.on(Full(QUEUE), 0.0)
    attempts.on(More(["b", "c"]), 0.0)
    assert attempts.on(Failed(fault("upstream")), 1.0) == [Start("c")]


def test_a_pause_does_not_count_in_the_time_for_all_attempts() -> None:
    attempts = turning("a", "b", until=10.0)
    attempts.on(Begin(), 0.0)
    attempts.pause(5.0)
    assert attempts.on(Failed(fault("upstream")), 14.0) == [Start("b")]
    assert attempts.on(Failed(fault("unavailable")), 15.0) == [GiveUp(fault("unavailable"))]


def test_who_hangs_is_asked_with_other_keys_after_the_others() -> None:
    attempts = round_of("a1", "a2", "b", "a3", "c")
    attempts.on(Begin(), 0.0)
    attempts.defer(lambda one: one.startswith("a"))
    assert attempts.left == ["b", "c", "a2", "a3"]
    assert attempts.on(Failed(fault("timeout")), 1.0) == [Start("b")]


def test_another_one_goes_on_with_a_broken_answer() -> None:
    attempts = Attempts(("a", "b", "c", "d"), Policy(attempts=3), lambda: 0.0)
    attempts.on(Begin(), 0.0)
    assert attempts.on(GoesOn("c"), 1.0) == [Start("c")]
    assert attempts.left == ["b", "d"]
    assert attempts.may_begin(2.0)
    assert attempts.on(GoesOn("b"), 2.0) == [Start("b")]
    assert not attempts.may_begin(3.0), "these were three attempts"


# Two at the same time ----------------------------------------------------------------------------------


def beside(*candidates: str, policy: Policy = POLICY) -> Attempts[str]:
    """A round in which `b` runs beside `a`."""
    attempts = Attempts(candidates, policy, lambda: 0.0)
    attempts.on(Begin(), 0.0)
    assert attempts.may_begin(1.0)
    assert attempts.on(Beside("b"), 1.0) == [Start("b")]
    return attempts


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_while_one_of_two_runs_the_failure_of_the_other_starts_nothing(first: str, second: str) -> None:
    attempts = beside("a", "b", "c")
    assert attempts.left == ["c"]
    assert attempts.on(Failed(fault("unavailable"), first), 2.0) == []
    assert attempts.on(Failed(fault("unavailable"), second), 3.0) == [Start("c")]
    assert attempts.on(Failed(fault("unavailable")), 4.0) == [WakeAt(5.0)]
    assert attempts.on(Timer(), 5.0) == [Start("c")]


def test_the_rest_of_one_of_two_counts_for_the_retry() -> None:
    attempts = beside("a", "b")
    assert attempts.on(Failed(fault("rate_limit", retry_after=4.0), "a"), 2.0) == []
    assert attempts.on(Failed(fault("rate_limit", retry_after=9.0), "b"), 3.0) == [WakeAt(6.0)]
    assert attempts.on(Timer(), 6.0) == [Start("a")]


def test_a_refusal_by_one_of_two_does_not_end_the_other() -> None:
    attempts = beside("a", "b", "c")
    assert attempts.on(Failed(fault("invalid_request"), "b"), 2.0) == []
    last = fault("invalid_request")
    assert attempts.on(Failed(last, "a"), 3.0) == [GiveUp(last)]


def test_both_count_as_attempts() -> None:
    attempts = beside("a", "b", "c", policy=msgspec.structs.replace(POLICY, attempts=2))
    assert not attempts.may_begin(1.0)
    attempts.on(Failed(fault("unavailable"), "a"), 2.0)
    last = fault("unavailable")
    assert attempts.on(Failed(last, "b"), 3.0) == [GiveUp(last)]


def test_a_failure_after_the_content_of_one_of_two_ends_the_round() -> None:
    attempts = beside("a", "b", "c")
    attempts.on(FirstContent(), 2.0)
    last = fault("unavailable")
    assert attempts.on(Failed(last), 3.0) == [GiveUp(last)]


def test_no_time_is_left_for_a_second_one() -> None:
    attempts = Attempts(("a", "b"), POLICY, lambda: 0.0, until=5.0)
    attempts.on(Begin(), 0.0)
    assert attempts.may_begin(4.9)
    assert not attempts.may_begin(5.0)


@pytest.mark.parametrize("kind", ["authentication", "quota", "permission", "model_not_found"])
def test_a_failure_that_allows_no_retry_does_not_keep_another_candidate_from_its_own(kind: ir.Kind) -> None:
    attempts = round_of("a", "b")
    attempts.on(Begin(), 0.0)
    assert attempts.on(Failed(fault("upstream")), 1.0) == [Start("b")]
    assert attempts.on(Failed(fault(kind)), 2.0) == [WakeAt(3.0)]
    assert attempts.on(Timer(), 3.0) == [Start("a")]
    assert attempts.on(Failed(fault(kind)), 4.0) == [GiveUp(fault(kind))]


def test_a_refused_key_waits_for_a_candidate_that_rests() -> None:
    attempts = Attempts(("b",), POLICY, lambda: 0.0, resting=[(5.0, "a")])
    assert attempts.on(Begin(), 0.0) == [Start("b")]
    assert attempts.on(Failed(fault("authentication")), 1.0) == [WakeAt(5.0)]
    assert attempts.on(Timer(), 5.0) == [Start("a")]
