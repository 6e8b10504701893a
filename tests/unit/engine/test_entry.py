"""What a request does that finds its deployment full, as transcripts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.capacity.gates import Gates, Held, Limit
from dragoman.routing.attempts import Policy
from tests.unit.engine.stage import CLAUDE, ONE, Reply, Stage, chat, refusal, stream, streamed, whole

ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
HELLO = ['answer 200 "Hello." usage 3+2', "= done"]
LIMITED: dict[str, Any] = {**ONE, "concurrency": 1}
BOTH = {"one": LIMITED, "claude": CLAUDE}
M = {"models": {"m": {"deployments": ["one/gpt", "claude/opus"]}}}


class Late(Stage):
    """A stage on which something else happens after a while."""

    later: Any = None

    async def _play(self, *stated: Any) -> None:
        if self.later is not None:
            asyncio.get_running_loop().call_later(*self.later)
        await super()._play(*stated)


class House:
    """A stage whose provider `one` has a limit, with the places that others hold."""

    def __init__(self, limit: Limit, stage: Late, gates: Gates) -> None:
        self.stage = stage
        self.gates = gates
        self.others: Held = {}
        gates.adopt({"providers.one": limit})

    def fill(self) -> None:
        """Let others take the last place."""
        assert self.gates.enter(self.others, [("providers.one",)]) == 0

    def empty(self) -> None:
        self.gates.leave(self.others)

    def empty_later(self, seconds: float) -> None:
        """Let others go some time after the request has begun."""
        self.stage.later = (seconds, self.empty)

    @property
    def running(self) -> int:
        return self.gates.named["providers.one"].running


def house(limit: Limit, providers: Any = BOTH, **more: Any) -> House:
    gates = Gates(lambda: stage.seams.monotonic())  # noqa: PLW0108 - the stage comes later
    stage = Late(providers, gates=gates, **more)
    return House(limit, stage, gates)


def test_a_free_place_is_taken_and_given_back() -> None:
    made = house(Limit(1))
    made.stage.script("one", whole("Hello."), whole("Hello."))
    for _ in range(2):
        assert made.stage.plays(chat()) == [ASK_ONE, *HELLO]
    assert (made.running, made.stage.exchange.queued) == (0, 0.0)


def test_a_full_deployment_is_passed_over() -> None:
    made = house(Limit(1), settings=M)
    made.fill()
    made.stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert made.stage.plays(chat(model="m")) == [ASK_CLAUDE, *HELLO]
    assert made.stage.exchange.queued == 0.0
    assert made.running == 1


def test_one_that_was_passed_over_is_asked_after_a_failure_of_the_other() -> None:
    made = house(Limit(1), settings=M)
    made.fill()
    made.empty_later(3.0)
    made.stage.script("claude", refusal(404, "No such model.", dialect="anthropic"))
    made.stage.script("one", whole("Hello."))
    assert made.stage.plays(chat(model="m")) == [ASK_CLAUDE, "3 s later", ASK_ONE, *HELLO]
    assert made.stage.exchange.queued == pytest.approx(3.0)
    assert made.running == 0


def test_it_waits_if_nobody_else_is_there() -> None:
    made = house(Limit(1))
    made.fill()
    made.empty_later(2.0)
    made.stage.script("one", whole("Hello."))
    assert made.stage.plays(chat()) == ["2 s later", ASK_ONE, *HELLO]
    assert (made.stage.exchange.queued, made.stage.exchange.waited) == (2.0, 2.0)
    assert made.running == 0


def test_a_stream_keeps_its_place_to_its_end() -> None:
    made = house(Limit(1))
    first, *rest = streamed("Hello.", "Bye.")
    made.stage.script("one", stream(first, *rest[:2], 5.0, *rest[2:]))
    noted: list[int] = []
    made.stage.later = (4.0, lambda: noted.append(made.running))
    assert made.stage.plays(chat(stream=True))[-1] == "= done"
    assert (noted, made.running) == ([1], 0)


def test_a_full_queue_is_told_at_once() -> None:
    made = house(Limit(1, queue=0))
    made.fill()
    assert made.stage.plays(chat()) == [
        "answer 429 queue_full: 0 requests wait already in the queue of providers.one.",
        "= gateway/route/queue_full",
    ]
    assert made.stage.attempts == []
    assert made.stage.client.headers["retry-after"] == "5"


def test_a_wait_that_is_too_long_is_told() -> None:
    made = house(Limit(1, wait=30.0))
    made.fill()
    (later, told, end) = made.stage.plays(chat())
    assert (later, end) == ("30 s later", "= gateway/route/queue_timeout")
    assert told.startswith("answer 429 queue_timeout: The request waited in vain for 30 s")
    assert made.gates.named["providers.one"].waiting == 0


def test_a_client_that_leaves_the_queue() -> None:
    made = house(Limit(1))
    made.fill()
    assert made.stage.plays(chat(), leave=2.0) == ["2 s later", "= client/route"]
    assert made.gates.named["providers.one"].waiting == 0
    made.empty()
    assert made.running == 0


def test_a_client_that_leaves_its_answer() -> None:
    made = house(Limit(1))
    first, *_ = streamed("Hello.")
    made.stage.script("one", stream(first, None))
    assert made.stage.plays(chat(stream=True), leave=2.0)[-1] == "= client/first_byte"
    assert made.running == 0


@pytest.mark.parametrize("status", [400, 500])
def test_a_failure_gives_the_place_back(status: int) -> None:
    made = house(Limit(1), {"one": LIMITED})
    made.stage.script("one", *[refusal(status)] * 3)
    made.stage.plays(chat())
    assert made.running == 0


def test_a_retry_keeps_its_place() -> None:
    made = house(Limit(1, queue=0))
    made.stage.script("one", refusal(500), whole("Hello."))
    assert made.stage.plays(chat()) == [ASK_ONE, "1 s later", ASK_ONE, *HELLO]


def test_a_count_that_waits_is_made_here() -> None:
    made = house(Limit(1), {"one": {**CLAUDE, "quirks": {"counts": True}, "concurrency": 1}})
    made.fill()
    body = chat("Hello", model="one/opus", max_tokens=1)
    lines = made.stage.plays(body, "anthropic", operation="count")
    assert [line[:10] for line in lines] == ["5 s later", "answer 200", "= done"]
    assert made.gates.named["providers.one"].waiting == 0


def test_after_a_wait_all_others_are_still_there_to_be_asked() -> None:
    providers = {"one": LIMITED, "claude": {**CLAUDE, "concurrency": 1}, "dead": ONE}
    made = house(Limit(1), providers, settings=M)
    made.gates.adopt({"providers.one": Limit(1), "providers.claude": Limit(1)})
    made.fill()
    claude: Held = {}
    assert made.gates.enter(claude, [("providers.claude",)]) == 0
    made.stage.health.enable("dead", enabled=False)  # so that not all is calm

    def empty() -> None:
        made.empty()
        made.gates.leave(claude)

    made.stage.later = (2.0, empty)
    made.stage.script("one", refusal(404, "No such model."))
    made.stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert made.stage.plays(chat(model="m")) == ["2 s later", ASK_ONE, ASK_CLAUDE, *HELLO]


@pytest.mark.parametrize(
    ("limit", "waited"), [(Limit(1, queue=0), []), (Limit(1, wait=30.0), ["30 s later"])]
)
def test_a_fallback_follows_a_queue_that_refuses(limit: Limit, waited: list[str]) -> None:
    made = house(limit, settings={"models": {"m": {"use": "one/gpt", "fallbacks": ["claude/opus"]}}})
    made.fill()
    made.stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert made.stage.plays(chat(model="m")) == [*waited, ASK_CLAUDE, *HELLO]
    assert (made.running, made.gates.named["providers.one"].waiting) == (1, 0)


def test_where_no_fallback_can_answer_the_refusal_of_the_queue_is_told() -> None:
    models = {"m": {"use": "one/gpt", "fallbacks": ["one/other"]}}
    made = house(Limit(1, queue=0), settings={"models": models})
    made.fill()
    assert made.stage.plays(chat(model="m"))[-1] == "= gateway/route/queue_full"
    assert made.stage.attempts == []


def test_the_time_for_all_attempts_does_not_pass_in_a_queue() -> None:
    policy = Policy(retries=0, seconds=10.0)
    made = house(Limit(1), policy=policy)
    made.fill()
    made.empty_later(20.0)
    made.stage.script("one", stream(5.0, *streamed("Hello.")))
    lines = made.stage.plays(chat(stream=True))
    assert lines[:3] == ["20 s later", ASK_ONE, "5 s later"]
    assert lines[-1] == "= done"


TURNS: list[dict[str, Any]] = [{"policy": "round_robin"}, {"policy": "weighted"}, {"rotate": {"requests": 1}}]


@pytest.mark.parametrize("policy", TURNS, ids=["round_robin", "weighted", "rotate"])
def test_a_request_that_waits_takes_one_turn(policy: dict[str, Any]) -> None:
    providers = {"one": LIMITED, "claude": {**CLAUDE, "concurrency": 1}, "dead": ONE}
    both = {"m": {"deployments": ["one/gpt", "claude/opus"], **policy}}
    made = house(Limit(1), providers, settings={"models": both})
    made.gates.adopt({"providers.one": Limit(1), "providers.claude": Limit(1)})
    made.fill()
    claude: Held = {}
    assert made.gates.enter(claude, [("providers.claude",)]) == 0
    made.stage.health.enable("dead", enabled=False)  # so that not all is calm

    def empty() -> None:
        made.empty()
        made.gates.leave(claude)

    made.stage.later = (2.0, empty)
    made.stage.script("one", whole("Hello."))
    assert made.stage.plays(chat(model="m")) == ["2 s later", ASK_ONE, *HELLO]
    made.stage.later = None
    made.stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert made.stage.plays(chat(model="m")) == [ASK_CLAUDE, *HELLO]


def test_the_keys_take_one_turn_for_a_request_that_waits() -> None:
    keys = {**LIMITED, "keys": ["key-1", "key-2", "key-3"], "key_choice": "round_robin"}
    made = house(Limit(1), {"one": keys})
    made.fill()
    made.empty_later(2.0)
    made.stage.script("one", whole("Hello."), whole("Hello."))
    assert made.stage.plays(chat()) == ["2 s later", ASK_ONE, *HELLO]
    made.stage.later = None
    assert made.stage.plays(chat())[0] == ASK_ONE.replace("key-1", "key-2")


def test_a_deployment_without_a_place_is_nobody_to_switch_to() -> None:
    models = {"m": {"deployments": ["claude/opus", "one/gpt"], "switch_after": "3s"}}
    slow = whole("Hello.", dialect="anthropic")
    slow = Reply(slow.status, slow.headers, [30.0, *slow.pieces])
    made = house(Limit(1), settings={"models": models})
    made.stage.script("claude", slow, slow)
    made.fill()
    assert made.stage.plays(chat(model="m")) == [ASK_CLAUDE, "30 s later", *HELLO]
    made.empty()
    made.stage.script("one", whole("Hello."))
    assert made.stage.plays(chat(model="m"))[-3:] == [ASK_ONE, *HELLO]
