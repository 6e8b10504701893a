"""A provider as one worker sees it, and as all do."""

from __future__ import annotations

from dragoman.exchange import AttemptRecord, Exchange
from dragoman.routing.health import Health
from dragoman.routing.outcome import Outcome
from dragoman.routing.pool import Key, Pool
from dragoman.server.admin.states import (
    BreakerSeen,
    KeySeen,
    Seen,
    breaker_state,
    joined,
    key_state,
    look,
)


def exchange(deployment: str, key: str, ended: float | None = None) -> Exchange:
    made = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", 0.0, 0.0)
    made.attempts = [AttemptRecord("a", deployment, "aaaa", "relay", 0.0, ended=ended, key_id=key)]
    return made


def test_what_is_known_against_keys_and_deployments() -> None:
    health = Health()
    health.pools = {"up": Pool([Key("1", "aaaa"), Key("2", "aaaa")])}
    first, second = health.pools["up"].keys
    first.fails("m", Outcome.KEY_TRANSIENT, 20.0, 100.0)
    first.fails("n", Outcome.KEY_MODEL, None, 100.0)
    second.fails("m", Outcome.KEY_PERMANENT, None, 100.0)
    for now in (100.0, 101.0, 102.0):
        health.breakers.failed("up/m", Outcome.SERVER, now)
    health.breakers.failed("other/m", Outcome.SERVER, 100.0)
    health.breakers.checked("own", 100.0, 190.0)
    running = [exchange("up/m", "2"), exchange("up/m", "2", 1.0), exchange("own/m", "")]
    found = look(["up", "own"], health, running, 105.0)
    assert found["up"].keys["1"] == KeySeen(resting={"m": 15.0}, barred={"n": 595.0})
    assert found["up"].keys["2"] == KeySeen(1, Outcome.KEY_PERMANENT.value, 595.0)
    assert found["up"].breakers == {"up/m": BreakerSeen(3, 2.0)}
    assert (found["up"].running, found["own"]) == (1, Seen(1, unanswered=85.0))


def test_two_attempts_of_one_exchange_run_at_the_same_time() -> None:
    running = exchange("up/m", "")
    running.attempts.append(AttemptRecord("b", "own/m", None, "relay", 0.0))
    running.attempts.append(AttemptRecord("c", "own/m", None, "relay", 0.0, ended=1.0))
    found = look(["up", "own"], Health(), [running], 105.0)
    assert (found["up"].running, found["own"].running) == (1, 1)


def test_what_any_worker_knows_counts() -> None:
    one = {"up": Seen(1, {"1": KeySeen(1, "no", 5.0, {"m": 1.0})}, {"up/m": BreakerSeen(2)})}
    two = {
        "up": Seen(2, {"1": KeySeen(2, None, 0.0, {"m": 3.0, "n": 1.0})}, {"up/m": BreakerSeen(3, 9.0)}, 7.0)
    }
    whole = joined([one, two, {}], "up")
    assert (whole.running, whole.unanswered) == (3, 7.0)
    assert whole.keys["1"] == KeySeen(3, "no", 5.0, {"m": 3.0, "n": 1.0})
    assert whole.breakers == {"up/m": BreakerSeen(3, 9.0)}
    assert joined([two, one], "up") == whole
    assert joined([one], "none") == Seen()


def test_a_breaker_that_is_due_for_a_trial_counts_before_a_closed_one() -> None:
    due, closed = (
        {"up": Seen(breakers={"up/m": BreakerSeen(1, 0.0)})},
        {"up": Seen(breakers={"up/m": BreakerSeen(2)})},
    )
    assert joined([due, closed], "up") == joined([closed, due], "up") == due["up"]


def test_the_state_of_a_key_is_the_worst_that_is_known() -> None:
    key = Key("1", "aaaa")
    assert key_state(key, KeySeen()).state == "ready"
    assert key_state(key, KeySeen(barred={"m": 1.0})).state == "barred"
    assert key_state(key, KeySeen(barred={"m": 1.0}, resting={"m": 1.0})).state == "resting"
    assert key_state(key, KeySeen(retired="no", resting={"m": 1.0})).state == "refused"
    key.disabled = True
    shown = key_state(key, KeySeen(retired="no"))
    assert (shown.state, shown.enabled, shown.key) == ("disabled", False, "…aaaa")
    assert key_state(Key("2"), KeySeen()).key is None


def test_the_state_of_a_breaker() -> None:
    assert breaker_state("up/m", BreakerSeen(1)).state == "closed"
    assert breaker_state("up/m", BreakerSeen(3, 2.0)).state == "open"
    assert breaker_state("up/m", BreakerSeen(3, 0.0)).state == "trial"
    assert breaker_state("up/m", BreakerSeen(3, 2.0, trying=True)).state == "trial"
