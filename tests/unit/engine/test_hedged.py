"""Hedged requests, as transcripts: who is asked when, who answers, and what becomes of the other one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.assembly.names import limits_of
from dragoman.capacity.gates import Gates
from dragoman.config.lasting import Responses
from dragoman.config.load import load
from dragoman.engine.asked import Asked
from dragoman.errors import RequestFailed
from dragoman.hooks import Hooks
from dragoman.routing.attempts import Policy
from dragoman.routing.hedging import FEW
from dragoman.routing.outcome import Outcome
from dragoman.turns.chats import ChatTurn
from dragoman.turns.keeping import Keeping
from tests.unit.engine.stage import ONE, Reply, Stage, chat, refusal, stream, streamed, whole

BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "keys": ["key-3"]}}
ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_TWO = "ask two with key-3: /v1/chat/completions"
ANSWERED = ['answer 200 "Hello." usage 3+2', "= done"]
JSON = {"content-type": "application/json"}


def model(hedge: Any = "2s", **settings: Any) -> dict[str, Any]:
    return {"models": {"m": {"deployments": ["one/gpt", "two/gpt"], "hedge": hedge, **settings}}}


def staged(hedge: Any = "2s", **more: Any) -> Stage:
    return Stage(BOTH, settings=model(hedge), **more)


def slowly(seconds: float, text: str = "Hello.") -> Reply:
    """A whole answer whose body takes so long."""
    return Reply(200, JSON, [seconds, *whole(text).pieces])


def outcomes(stage: Stage) -> list[tuple[str, str | None]]:
    return [(one.deployment, one.outcome) for one in stage.exchange.attempts]


def at_rest(stage: Stage) -> bool:
    """Whether no attempt of any kind is counted as running."""
    loads = stage.health.memory.loads.values()
    keys = [key for pool in stage.health.pools.values() for key in pool.keys]
    return not any(load.running for load in loads) and not any(key.running for key in keys)


def test_an_answer_in_time_is_alone() -> None:
    stage = staged()
    stage.script("one", slowly(1.0))
    assert stage.plays(chat(model="m")) == [ASK_ONE, "1 s later", *ANSWERED]
    assert outcomes(stage) == [("one/gpt", None)]
    assert "x-dragoman-attempts" not in stage.client.headers


def test_the_second_one_answers_and_the_first_one_is_broken_off() -> None:
    stage = staged()
    stage.script("one", slowly(60.0, "Too late."))
    stage.script("two", slowly(1.0))
    assert stage.plays(chat(model="m"), headers={"x-dragoman-report": "1"}) == [
        *(ASK_ONE, "2 s later", ASK_TWO, "1 s later"),
        *('answer 200 "Hello." usage 3+2', "break off one", "= done"),
    ]
    report = json.loads(stage.client.headers["x-dragoman-report"])
    assert [one.get("overtaken") for one in report["attempts"]] == [True, None]
    assert outcomes(stage) == [("one/gpt", "overtaken"), ("two/gpt", None)]
    assert [one.id[-1] for one in stage.exchange.attempts] == ["1", "2"]
    assert stage.client.headers["x-dragoman-attempts"] == "2"
    assert stage.client.headers["x-dragoman-deployment"] == "two/gpt"
    assert stage.exchange.answered == "two/gpt"
    assert stage.usage == "3+2"
    assert stage.exchange.waited == pytest.approx(3.0)
    assert all(one.ended is not None for one in stage.exchange.attempts)
    assert [one.sent for one in stage.exchange.attempts] == [0.0, 2.0]
    assert at_rest(stage)
    assert stage.health.calm, "the first one was overtaken, it has not failed"


def test_the_first_one_may_still_win() -> None:
    stage = staged()
    stage.script("one", slowly(3.0))
    stage.script("two", slowly(60.0, "Too late."))
    assert stage.plays(chat(model="m")) == [
        *(ASK_ONE, "2 s later", ASK_TWO, "1 s later"),
        *('answer 200 "Hello." usage 3+2', "break off two", "= done"),
    ]
    assert outcomes(stage) == [("two/gpt", "overtaken"), ("one/gpt", None)]
    assert stage.client.headers["x-dragoman-deployment"] == "one/gpt"
    assert at_rest(stage)


@pytest.mark.parametrize("face", ["openai_chat", "anthropic", "openai_responses", "gemini"])
def test_streams_are_held_until_one_has_content(face: str) -> None:
    stage = staged()
    first, second, *rest = streamed("Hel", "lo.")
    stage.script("one", stream(60.0, *streamed("Never")))
    stage.script("two", stream(1.0, first, second, 5.0, *rest))
    more: dict[str, Any] = {}
    if face == "gemini":
        more = {"path": "/v1beta/models/{model}:streamGenerateContent", "params": {"model": "m"}}
    lines = stage.plays(body_of(face), face, **more)
    assert lines[:5] == [ASK_ONE, "2 s later", ASK_TWO, "1 s later", "begin 200"]
    assert "break off one" in lines[5:7], "at once, not when the stream ends"
    assert lines[-1] == "= done"
    told = " ".join(lines)
    assert told.count('"Hel"') == told.count('"lo."') == 1
    assert "Never" not in told
    assert sum("start" in line for line in lines) == 1
    assert outcomes(stage) == [("one/gpt", "overtaken"), ("two/gpt", None)]


def body_of(face: str) -> bytes:
    """A question that asks for a stream, in the words of a protocol."""
    if face == "anthropic":
        return chat(model="m", stream=True, max_tokens=9)
    if face == "openai_responses":
        return b'{"model": "m", "stream": true, "store": false, "input": "Hello"}'
    if face == "gemini":
        return b'{"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}'
    return chat(model="m", stream=True)


# Failures ----------------------------------------------------------------------------------------------


def test_a_failure_in_time_is_followed_as_without_hedging() -> None:
    stage = staged()
    stage.script("one", refusal(503))
    stage.script("two", slowly(60.0))
    assert stage.plays(chat(model="m")) == [ASK_ONE, ASK_TWO, "60 s later", *ANSWERED]
    assert outcomes(stage) == [("one/gpt", "server"), ("two/gpt", None)]
    assert at_rest(stage)


def test_a_failure_in_time_spends_no_second_attempt() -> None:
    stage = staged()
    stage.script("one", refusal(503), slowly(60.0))
    stage.script("two", slowly(1.0), slowly(1.0))
    assert stage.plays(chat(model="m")) == [ASK_ONE, ASK_TWO, "1 s later", *ANSWERED]
    assert stage.plays(chat(model="m"))[:3] == [ASK_ONE, "2 s later", ASK_TWO]


def test_the_next_key_of_the_same_deployment_follows_a_failure_in_time() -> None:
    stage = Stage({**BOTH, "one": {**ONE, "keys": ["key-1", "key-2"]}}, settings=model())
    stage.script("one", refusal(429), slowly(1.0))
    stage.script("two", slowly(1.0))
    asked_again = "ask one with key-2: /v1/chat/completions"
    assert stage.plays(chat(model="m")) == [ASK_ONE, asked_again, "1 s later", *ANSWERED]


def test_a_mistake_of_the_client_is_told_by_the_first_one_alone() -> None:
    stage = staged()
    stage.script("one", refusal(400))
    stage.script("two", slowly(1.0))
    lines = stage.plays(chat(model="m"))
    assert [line for line in lines if line.startswith("ask")] == [ASK_ONE]
    assert stage.exchange.end == "client/first_byte/invalid_request"


def test_the_late_one_fails_while_the_other_goes_on() -> None:
    stage = staged()
    stage.script("one", Reply(503, JSON, [3.0, *refusal(503).pieces]))
    stage.script("two", slowly(10.0))
    assert stage.plays(chat(model="m")) == [
        *(ASK_ONE, "2 s later", ASK_TWO, "10 s later"),
        *ANSWERED,
    ]
    assert outcomes(stage) == [("one/gpt", "server"), ("two/gpt", None)]
    assert at_rest(stage)


def test_the_second_one_fails_while_the_late_one_goes_on() -> None:
    stage = staged()
    stage.script("one", slowly(10.0))
    stage.script("two", refusal(503))
    assert stage.plays(chat(model="m")) == [ASK_ONE, "2 s later", ASK_TWO, "8 s later", *ANSWERED]
    assert outcomes(stage) == [("two/gpt", "server"), ("one/gpt", None)]


@pytest.mark.parametrize("first", [3.0, 5.0], ids=["the late one first", "the second one first"])
def test_after_both_have_failed_the_last_one_is_retried(first: float) -> None:
    stage = staged()
    last = "two" if first == 3.0 else "one"
    stage.script("one", Reply(503, JSON, [first, *refusal(503).pieces]))
    stage.script("two", Reply(503, JSON, [2.0, *refusal(503).pieces]))
    stage.script(last, whole("Hello."))
    again = ASK_TWO if last == "two" else ASK_ONE
    lines = stage.plays(chat(model="m"))
    assert [line for line in lines if line.startswith("ask")] == [ASK_ONE, ASK_TWO, again]
    assert lines[-2:] == ANSWERED
    assert len(outcomes(stage)) == 3
    assert sorted(one.id[-1] for one in stage.exchange.attempts) == ["1", "2", "3"]
    assert [wait.reason for wait in stage.exchange.waits] == ["backoff"]
    assert at_rest(stage)


def test_the_client_is_told_the_last_failure() -> None:
    stage = staged(policy=Policy(retries=0))
    stage.script("one", Reply(503, JSON, [3.0, *refusal(503).pieces]))
    stage.script("two", Reply(503, JSON, [2.0, *refusal(503).pieces]))
    lines = stage.plays(chat(model="m"))
    assert lines[-2].startswith("answer 503")
    assert stage.client.headers["x-dragoman-attempts"] == "2"
    assert stage.client.headers["x-dragoman-deployment"] == "two/gpt"
    assert at_rest(stage)


@pytest.mark.parametrize("late", [False, True], ids=["alone", "raced"])
@pytest.mark.parametrize(
    ("lent", "told"),
    [
        (
            False,
            "own_key_refused: The provider 'two' refused the API key that your tenant has brought for it.",
        ),
        (True, "invalid_api_key: No."),
    ],
    ids=["the tenant's", "the client's"],
)
def test_who_owns_the_refused_key_is_told_of_it(late: bool, lent: bool, told: str) -> None:
    stage = staged(policy=Policy(retries=0))
    stage.lend("two", "key-own", lent=lent)
    stage.script("one", Reply(503, JSON, [2.5 if late else 0.1, b"{}"]))
    stage.script("two", Reply(401, JSON, [1.0, *refusal(401).pieces]))
    lines = stage.plays(chat(model="m"))
    assert [line for line in lines if line.startswith("ask")] == [
        ASK_ONE,
        ASK_TWO.replace("key-3", "key-own"),
    ]
    assert lines[-2].endswith(told)
    fault = stage.exchange.fault
    assert fault is not None
    assert fault.blame == "client"


def test_a_third_deployment_follows_when_both_have_failed() -> None:
    three = {**BOTH, "three": {**ONE, "keys": ["key-9"]}}
    used = {"deployments": ["one/gpt", "two/gpt", "three/gpt"], "hedge": "2s"}
    stage = Stage(three, settings={"models": {"m": used}})
    stage.script("one", Reply(503, JSON, [3.0, *refusal(503).pieces]))
    stage.script("two", Reply(503, JSON, [2.0, *refusal(503).pieces]))
    stage.script("three", slowly(30.0))
    lines = stage.plays(chat(model="m"))
    assert [line.split()[1] for line in lines if line.startswith("ask")] == ["one", "two", "three"]
    assert lines[-2:] == ANSWERED
    assert len(outcomes(stage)) == 3, "only the first attempt is hedged"


def test_a_stream_that_breaks_off_after_it_has_won_ends_the_exchange() -> None:
    stage = staged()
    first, second, *_ = streamed("Hel", "lo.")
    stage.script("one", stream(60.0))
    stage.script("two", stream(1.0, first, second))
    lines = stage.plays(chat(model="m", stream=True))
    assert [line for line in lines if line.startswith("ask")] == [ASK_ONE, ASK_TWO]
    assert any("error" in line for line in lines)
    assert lines[-1].startswith("= upstream/stream/")
    assert outcomes(stage)[0] == ("one/gpt", "overtaken")
    assert stage.usage.endswith("estimated")
    assert at_rest(stage)


def test_an_attempt_that_is_silent_for_too_long_is_left_for_the_other_one() -> None:
    stage = Stage(BOTH, settings=model("2s", switch_after="5s"))
    stage.script("one", slowly(60.0))
    stage.script("two", slowly(10.0))
    lines = stage.plays(chat(model="m"))
    assert lines[-2:] == ANSWERED
    assert outcomes(stage) == [("one/gpt", "server"), ("two/gpt", None)]
    assert stage.exchange.attempts[0].fault is not None
    assert stage.exchange.attempts[0].fault.code == "switch_timeout"


# The client --------------------------------------------------------------------------------------------


def test_both_are_broken_off_when_the_client_leaves() -> None:
    stage = staged()
    stage.script("one", slowly(60.0))
    stage.script("two", slowly(60.0))
    lines = stage.plays(chat(model="m"), leave=3.0)
    assert lines[:4] == [ASK_ONE, "2 s later", ASK_TWO, "1 s later"]
    assert sorted(lines[4:6]) == ["break off one", "break off two"]
    assert lines[6:] == ["= client/first_byte"]
    assert outcomes(stage) == [("one/gpt", None), ("two/gpt", None)], "nobody was overtaken"
    assert all(one.ended is not None for one in stage.exchange.attempts)
    assert at_rest(stage)


def test_the_client_leaves_in_the_middle_of_the_stream() -> None:
    stage = staged()
    first, second, *rest = streamed("Hel", "lo.")
    stage.script("one", stream(60.0))
    stage.script("two", stream(1.0, first, second, 60.0, *rest))
    lines = stage.plays(chat(model="m", stream=True), leave=10.0)
    assert lines[-2:] == ["break off two", "= client/stream"]
    assert outcomes(stage)[0] == ("one/gpt", "overtaken")
    assert stage.usage.endswith("estimated"), "of the winner"
    assert at_rest(stage)


def test_heartbeats_go_on_during_the_race() -> None:
    stage = staged()
    stage.script("one", stream(60.0))
    stage.script("two", stream(5.0, *streamed("Hel", "lo.")))
    lines = stage.plays(chat(model="m", stream=True), heartbeat=3.0)
    assert lines.index("begin 200 by heartbeat") < lines.index('write start "Hel"')
    assert lines[-1] == "= done"


# Bounds ------------------------------------------------------------------------------------------------


def asked(stage: Stage, body: bytes | None = None, face: str = "openai_chat", **more: Any) -> list[str]:
    """Who is asked for an answer that takes long at the first one."""
    stage.script("one", slowly(9.0))
    stage.script("two", slowly(1.0))
    lines = stage.plays(chat(model="m") if body is None else body, face, **more)
    for name in ("one", "two"):
        stage.replies(name).clear()
    return [line.split()[1] for line in lines if line.startswith("ask")]


def test_the_budget_is_a_share_of_the_requests() -> None:
    stage = staged({"after": "2s", "at_most": "25%"})
    twice = [len(asked(stage)) == 2 for _ in range(9)]
    assert twice == [True, False, False, True, False, False, False, True, False]


def test_aliases_share_the_budget_of_their_model() -> None:
    stage = Stage(BOTH, settings={**model(), "aliases": {"other": "m"}})
    assert len(asked(stage)) == 2
    assert len(asked(stage, chat(model="other"))) == 1


def test_nobody_who_rests_or_fails_is_asked_beside() -> None:
    stage = staged(policy=Policy(retries=0))
    stage.script("one", refusal(503))
    stage.script("two", refusal(401))
    stage.plays(chat(model="m"))
    assert asked(stage) == ["one"]
    stage = staged(policy=Policy(retries=0))
    stage.script("one", refusal(503))
    stage.script("two", Reply(429, {**JSON, "retry-after": "1000"}, refusal(429).pieces))
    stage.plays(chat(model="m"))
    assert asked(stage) == ["one"]


def test_a_deployment_that_fails_is_not_asked_beside() -> None:
    stage = staged()
    for now in (0.0, 0.1, 0.2):
        stage.health.breakers.failed("two/gpt", Outcome.SERVER, now)
    stage.health.calm = False
    assert asked(stage) == ["one"]


def test_a_key_that_rests_since_the_request_began_is_not_asked_beside() -> None:
    stage = staged()
    (key,) = stage.health.pools["two"].keys
    note = stage.note

    def noted(line: str) -> None:
        note(line)
        if line == ASK_ONE:  # another request is told so while this one waits
            key.fails("gpt", Outcome.KEY_TRANSIENT, 100.0, stage.seams.monotonic())

    stage.note = noted  # type: ignore[method-assign]
    assert asked(stage) == ["one"]


def test_none_begins_when_the_time_of_all_attempts_is_over() -> None:
    assert asked(staged(policy=Policy(retries=0, seconds=2.0))) == ["one"]


def test_the_number_of_attempts_counts_both() -> None:
    assert asked(staged(policy=Policy(attempts=1))) == ["one"]
    assert asked(staged(policy=Policy(attempts=2))) == ["one", "two"]


@pytest.mark.parametrize(("places", "called"), [(1, ["one"]), (2, ["one", "two"])])
def test_the_second_one_needs_a_place_at_once(places: int, called: list[str]) -> None:
    settings = model(concurrency={"limit": places})
    gates = Gates()
    gates.adopt(limits_of(load({"providers": BOTH, **settings}, {}).config))
    stage = Stage(BOTH, settings=settings, gates=gates)
    assert asked(stage) == called
    assert asked(stage) == ["one"], "the budget is spent"
    assert [gate.running for gate in gates.named.values()] == [0], "places are given back"


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_a_function_of_the_client_may_be_called_by_either() -> None:
    assert asked(staged(), chat(model="m", tools=[TOOL])) == ["one", "two"]


def test_a_tool_that_runs_at_the_provider_is_not_run_twice() -> None:
    body = chat(model="m", web_search_options={})
    assert asked(staged(), body) == ["one"]


@pytest.mark.parametrize("members", [{"plugins": [{"id": "web"}]}, {"search_parameters": {"mode": "on"}}])
def test_what_a_provider_does_by_a_member_of_its_own_is_not_done_twice(members: dict[str, Any]) -> None:
    assert asked(staged(), chat(model="m", **members)) == ["one"]


def test_servers_of_tools_are_not_called_twice() -> None:
    servers = [{"type": "url", "url": "https://tools.example", "name": "tools"}]
    body = chat(model="m", max_tokens=9, mcp_servers=servers)
    assert asked(staged(), body, "anthropic") == ["one"]


@pytest.mark.parametrize(
    ("tool", "called"),
    [
        ({"type": "web_search"}, ["one"]),
        ({"type": "function", "name": "f", "parameters": {"type": "object"}}, ["one", "two"]),
    ],
)
def test_tools_that_a_message_adds_count(tool: dict[str, Any], called: list[str]) -> None:
    added = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    question = {"type": "message", "role": "user", "content": "Hi"}
    body = json.dumps({"model": "m", "store": False, "input": [added, question]}).encode()
    assert asked(staged(), body, "openai_responses") == called


def test_a_request_that_nobody_here_understands_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Asked) -> Any:
        raise RequestFailed(ir.Fault("invalid_request", "What?"))

    monkeypatch.setattr(Asked, "_decode", refuse)
    stage = staged()
    assert asked(stage) == ["one"]
    assert stage.exchange.end == "done"


def test_what_is_to_be_done_once_is_asked_once() -> None:
    assert asked(staged(), headers={"idempotency-key": "7"}) == ["one"]


@pytest.mark.parametrize(("keeps", "called"), [(True, ["one"]), (False, ["one", "two"])])
def test_an_answer_that_is_kept_is_asked_for_once(keeps: bool, called: list[str]) -> None:
    stage = staged()
    turn = ChatTurn(Keeping(stage.store, Responses(), stage.seams), "team")
    assert asked(stage, chat(model="m", store=keeps), turn=turn) == called


class Listening:
    async def on_event(self, exchange: Any, event: Any) -> Any:
        return event


def test_hooks_that_read_answers_hear_one() -> None:
    assert Hooks([Listening()]).need_events
    assert asked(staged(hooks=[Listening()])) == ["one"]


# The percentile ----------------------------------------------------------------------------------------


def test_nobody_is_asked_beside_before_the_percentile_is_known() -> None:
    stage = staged("p95")
    for _ in range(FEW):
        assert asked(stage) == ["one"]
    stage.script("one", slowly(60.0))
    stage.script("two", slowly(1.0))
    assert stage.plays(chat(model="m"))[:3] == [ASK_ONE, "9 s later", ASK_TWO]


def test_reviving_forgets_how_long_answers_took() -> None:
    stage = staged("p95")
    for _ in range(FEW):
        asked(stage)
    stage.health.revive()
    assert stage.health.hedging.times("one/gpt", streamed=False).late() is None


def test_streams_have_a_percentile_of_their_own() -> None:
    stage = staged("p95")
    for _ in range(FEW):
        asked(stage)
    assert asked(stage, chat(model="m", stream=True))[:1] == ["one"]
    assert stage.health.hedging.times("one/gpt", streamed=False).late() == 9.0
    assert stage.health.hedging.times("one/gpt", streamed=True).late() is None


def test_one_that_was_overtaken_counts_with_the_time_until_then() -> None:
    stage = staged("2s")
    stage.script("one", slowly(60.0))
    stage.script("two", slowly(1.0))
    stage.plays(chat(model="m"))
    times = stage.health.hedging.times("one/gpt", streamed=False)
    for _ in range(FEW - 1):
        times.add(0.5)
    assert times.late() == 3.0


# Other ways of asking ----------------------------------------------------------------------------------


def test_embeddings_are_hedged() -> None:
    stage = staged()
    answer = b'{"object":"list","model":"gpt","data":[{"object":"embedding","index":0,"embedding":[0.5]}]}'
    stage.script("one", Reply(200, JSON, [60.0, answer]))
    stage.script("two", Reply(200, JSON, [1.0, answer]))
    lines = stage.plays(b'{"model": "m", "input": "x"}', operation="embed")
    assert [line.split()[1] for line in lines if line.startswith("ask")] == ["one", "two"]
    assert "break off one" in lines
    assert outcomes(stage) == [("one/gpt", "overtaken"), ("two/gpt", None)]


@pytest.mark.parametrize("streams", [True, False])
def test_the_second_one_may_speak_another_protocol(streams: bool) -> None:
    other = {"dialect": "anthropic", "base_url": "https://claude.example", "keys": "key-c"}
    used = {"deployments": ["claude/sonnet", "one/gpt"], "hedge": "2s"}
    stage = Stage({"one": ONE, "claude": other}, settings={"models": {"m": used}})
    stage.script("claude", stream(60.0) if streams else slowly(60.0))
    stage.script("one", stream(1.0, *streamed("Hel", "lo.")) if streams else slowly(1.0))
    stage.plays(chat(model="m", stream=streams))
    assert [one.mode for one in stage.exchange.attempts] == ["translate", "relay"]
    assert stage.exchange.mode == "relay"
    assert outcomes(stage) == [("claude/sonnet", "overtaken"), ("one/gpt", None)]
