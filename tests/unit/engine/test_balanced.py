"""Routes with a policy, as transcripts: who is asked, what is learnt, and that nothing stays behind."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from tests.unit.engine.stage import ONE, Own, Reply, Stage, chat, events, refusal, stream, streamed, whole

BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "keys": ["key-3"]}}
ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_TWO = "ask two with key-3: /v1/chat/completions"
ANSWERED = ['answer 200 "Hello." usage 3+2', "= done"]


def model(**settings: Any) -> dict[str, Any]:
    return {"models": {"m": {"deployments": ["one/gpt", "two/gpt"], **settings}}}


def running(stage: Stage) -> list[int]:
    return [load.running for load in stage.health.memory.loads.values()]


def test_each_in_turn() -> None:
    stage = Stage(BOTH, settings=model(policy="round_robin"))
    for asked, name in ((ASK_ONE, "one"), (ASK_TWO, "two"), (ASK_ONE, "one")):
        stage.script(name, whole("Hello."))
        assert stage.plays(chat(model="m")) == [asked, *ANSWERED]
    assert stage.health.calm


def test_after_a_failure_the_next_one_in_turn() -> None:
    stage = Stage(BOTH, settings=model(policy="round_robin"))
    stage.script("one", refusal(503), whole("Hello."))
    stage.script("two", whole("Hello."), refusal(503))
    assert stage.plays(chat(model="m")) == [ASK_ONE, ASK_TWO, *ANSWERED]
    assert stage.plays(chat(model="m")) == [ASK_TWO, ASK_ONE, *ANSWERED]


def test_a_route_without_a_policy_learns_nothing_while_all_is_calm() -> None:
    stage = Stage(BOTH, settings=model())
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_ONE, *ANSWERED]
    assert stage.health.memory.loads == {}
    assert stage.health.memory.turns == {}


def test_slow_answers_move_requests_to_the_faster_one() -> None:
    stage = Stage(BOTH, settings=model(policy="latency"))
    slow = Reply(200, {"content-type": "application/json"}, [8.0, *whole("Hello.").pieces])
    stage.script("one", slow)
    assert stage.plays(chat(model="m")) == [ASK_ONE, "8 s later", *ANSWERED]
    assert running(stage) == [0, 0]
    for _ in range(3):
        stage.script("two", whole("Hello."))
        assert stage.plays(chat(model="m")) == [ASK_TWO, *ANSWERED]


def test_a_stream_is_measured_to_its_first_content() -> None:
    stage = Stage(BOTH, settings=model(policy="latency"))
    first, *rest = streamed("Hel", "lo.")
    stage.script("one", stream(2.0, first, *rest[:1], 60.0, *rest[1:]))
    stage.plays(chat(model="m", stream=True))
    load = stage.health.memory.load("one/gpt")
    now = stage.seams.monotonic()
    assert load.whole.read(now) == 0.0
    assert (load.first.value, load.first.at) == (2.0, 2.0)


def test_least_busy_counts_requests_while_they_run() -> None:
    stage = Stage(BOTH, settings=model(policy="least_busy"))
    stage.health.memory.load("one/gpt").running = 1
    stage.script("two", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK_TWO, *ANSWERED]
    assert running(stage) == [1, 0]


# Every end of a request ------------------------------------------------------------------------------


class Ends:
    """A hook that ends a request as soon as it is answered."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def after(self, _exchange: Any, _response: Any) -> None:
        raise self.error


@pytest.mark.parametrize("error", [RequestFailed(ir.Fault("permission", "No.")), ValueError("odd")])
def test_nothing_stays_behind_if_a_hook_ends_the_request(error: Exception) -> None:
    stage = Stage(BOTH, settings=model(policy="least_busy"), hooks=[Ends(error)])
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m"))[0] == ASK_ONE
    assert stage.lines[1].startswith("answer 4" if isinstance(error, RequestFailed) else "answer 500")
    assert running(stage) == [0, 0]


@pytest.mark.parametrize(
    "replies",
    [
        [whole("Hello.")],
        [refusal(400)],
        [refusal(503), refusal(503), refusal(503), refusal(503)],
        [Reply(200, {"content-type": "application/json"}, [b"{"])],
        [Reply(200, {"content-type": "application/json"}, [OSError("broken")])],
        [stream(*streamed("Hel", "lo.")[:3], OSError("broken"))],
    ],
)
def test_nothing_stays_behind(replies: list[Reply]) -> None:
    stage = Stage(BOTH, settings=model(policy="least_busy"))
    for name in ("one", "two"):
        stage.script(name, *replies, *[refusal(400)] * 3)
    stage.plays(chat(model="m", stream=bool(replies[0].headers.get("content-type", "").startswith("text"))))
    assert running(stage) == [0, 0]
    assert [key.running for pool in stage.health.pools.values() for key in pool.keys] == [0, 0]


@pytest.mark.parametrize("leaves", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("policy", ["least_busy", "latency"])
def test_nothing_stays_behind_if_the_client_leaves(policy: str, leaves: float) -> None:
    stage = Stage(BOTH, settings=model(policy=policy))
    for name in ("one", "two"):
        stage.script(name, stream(2.0, *streamed("Hel", "lo.")[:3], 10.0, *streamed("Hel", "lo.")[3:]))
    stage.plays(chat(model="m", stream=True), leave=leaves)
    assert running(stage) in ([], [0, 0])


def test_whoever_lets_its_clients_wait_until_they_leave_is_slow() -> None:
    stage = Stage(BOTH, settings=model(policy="latency"))
    stage.script("one", stream(60.0, *streamed("Hello.")))
    stage.plays(chat(model="m", stream=True), leave=20.0)
    assert stage.health.memory.load("one/gpt").first.value == 20.0
    first, *rest = streamed("Hel", "lo.")
    stage.script("two", stream(first, *rest[:1], 60.0, *rest[1:]))
    stage.plays(chat(model="m", stream=True), leave=20.0)
    assert stage.health.memory.load("two/gpt").first.value == 0.0  # its stream had begun at once


# Affinity --------------------------------------------------------------------------------------------

KEYS = {"one": {**ONE, "keys": ["key-1", "key-2", "key-3"]}}
STICKY = {"models": {"m": {"use": "one/gpt", "policy": "affinity"}}}


def key_of(stage: Stage, body: bytes, *replies: Reply, **inbound: Any) -> str:
    """The keys with which a request was asked."""
    stage.script("one", *(replies or [whole("Hello.")]))
    stage.plays(body, **inbound)
    return " ".join(line.split()[3][:-1] for line in stage.lines if line.startswith("ask"))


def test_the_same_beginning_goes_to_the_same_key() -> None:
    stage = Stage(KEYS, settings=STICKY)
    first = key_of(stage, chat("Hello there", model="m"))
    assert {key_of(stage, chat("Hello there", model="m", temperature=0.1)) for _ in range(20)} == {first}
    others = {key_of(stage, chat(f"Question {number}", model="m")) for number in range(20)}
    assert others == {"key-1", "key-2", "key-3"}


def test_a_key_that_rests_loses_the_affinity_and_gets_it_back() -> None:
    stage = Stage(KEYS, settings=STICKY)
    first = key_of(stage, chat("Hello there", model="m"))
    limited = refusal(429, **{"retry-after": "60"})
    asked = key_of(stage, chat("Hello there", model="m"), limited, whole("Hello."))
    assert asked.split()[0] == first
    second = asked.split()[1]
    assert key_of(stage, chat("Hello there", model="m")) == second != first
    assert stage.lines[-1] == "= done"

    stage._seconds += 60  # the clock goes on between requests
    assert key_of(stage, chat("Hello there", model="m")) == first


def test_a_session_sticks_whatever_it_says() -> None:
    stage = Stage(KEYS, settings=STICKY)
    headers = {"x-session-id": "s-1"}
    asked = {key_of(stage, chat(f"Question {n}", model="m"), headers=headers) for n in range(9)}
    assert len(asked) == 1


def test_an_upstream_of_ones_own_is_counted_too() -> None:
    own = Own([events("Hello.")])
    settings = {"models": {"m": {"deployments": ["own/a", "own/b"], "policy": "least_busy"}}}
    stage = Stage({}, own=own, settings=settings)
    stage.plays(chat(model="m"))
    assert stage.lines == ["ask own/a", "leave own", 'answer 200 "Hello." usage 8+2', "= done"]
    assert running(stage) == [0, 0]


# Fallbacks -------------------------------------------------------------------------------------------


def test_the_policy_of_a_fallback_knows_the_request() -> None:
    """The wall clock says that `two` is first now; the attempt there is counted."""
    settings = {
        "models": {
            "m": {"use": "zero/gpt", "fallbacks": ["f"]},
            "f": {"deployments": ["one/gpt", "two/gpt"], "rotate": "10m"},
        }
    }
    stage = Stage({"zero": {**ONE, "keys": ["key-0"]}, **BOTH}, settings=settings)
    stage.script("zero", refusal(404))
    stage.script("two", whole("Hello."))
    asked = "ask zero with key-0: /v1/chat/completions"
    assert stage.plays(chat(model="m")) == [asked, ASK_TWO, *ANSWERED]


def test_a_fallback_goes_to_the_key_that_holds_its_cache() -> None:
    models = {
        "m": {"use": "zero/gpt", "fallbacks": ["f"]},
        "f": {"use": "one/gpt", "policy": "affinity"},
    }
    stage = Stage({"zero": {**ONE, "keys": ["key-0"]}, **KEYS}, settings={"models": models})
    found = set()
    for number in range(12):
        text = f"Question {number}"
        direct = key_of(stage, chat(text, model="f"))
        stage.script("zero", refusal(404))
        assert key_of(stage, chat(text, model="m")) == f"key-0 {direct}"
        found.add(direct)
    assert len(found) > 1
