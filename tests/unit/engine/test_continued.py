"""Continued streams, as transcripts: who goes on, what it is told, and what the client reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.limits import Limit
from dragoman.assembly.names import limits_of
from dragoman.capacity.gates import Gates
from dragoman.config.load import load
from dragoman.engine.continued import is_continuable
from dragoman.observe.trace import detail
from dragoman.routing.attempts import Policy
from tests.unit.engine.accounts import Accounts
from tests.unit.engine.stage import (
    CALL,
    CLAUDE,
    ONE,
    Reply,
    Stage,
    broken,
    chat,
    refusal,
    stream,
    streamed,
    whole,
)
from tests.unit.engine.test_memory import left

TWO = {**ONE, "keys": ["key-2"]}
THREE = {**ONE, "keys": ["key-3"]}
MISTRAL = {"dialect": "mistral", "base_url": "https://mistral.example/v1", "keys": "key-m"}
ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_TWO = "ask two with key-2: /v1/chat/completions"
ASK_THREE = "ask three with key-3: /v1/chat/completions"
WORDS = ("One ", "two ", "three ", "four ", "five")
FAILED = "= upstream/stream/connection_broken"
USED = ir.Usage(input=3, output=2)
PREFILL = {"prefill": True}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
FACES = ("openai_chat", "anthropic", "openai_responses", "gemini", "ollama", "openai_completions", "mistral")
START = ir.Start("", "id-1", "gpt", 1)
NOTHING: list[ir.Event] = [START, ir.Open(0, ir.Text(""))]


def staged(second: Any = TWO, model: str = "gpt", *, third: Any = None, **more: Any) -> Stage:
    """A model whose second and third deployment accept the beginning of an answer."""
    providers = {"one": ONE, "two": second} | ({} if third is None else {"three": third})
    uses: list[Any] = ["one/gpt", {"use": f"two/{model}", "supports": PREFILL}]
    if third is not None:
        uses.append({"use": "three/gpt", "supports": PREFILL})
    settings = {
        "models": {"m": {"deployments": uses, "continue_streams": True, **more.pop("model_more", {})}}
    }
    return Stage(providers, settings=settings, **more)


def unstated(use: str, provider: Any) -> Stage:
    """The same with a second deployment of which nothing is stated."""
    settings = {"models": {"m": {"deployments": ["one/gpt", use], "continue_streams": True}}}
    return Stage({"one": ONE, "two": provider}, settings=settings)


def begun(*words: str) -> list[ir.Event]:
    return [*NOTHING, *(ir.TextDelta(0, word) for word in words)]


def half(*words: str, after: Any = None) -> Reply:
    """A stream that breaks off after these words."""
    return stream(*streamed(told=begun(*words or WORDS)), after or broken())


def rest(*words: str, dialect: str = "openai_chat") -> Reply:
    return stream(*streamed(*words, dialect=dialect, usage=USED))


def ask(**members: Any) -> bytes:
    return chat(model="m", stream=True, **members)


def told(lines: list[str]) -> str:
    """The text that the client has read."""
    return "".join(
        word for line in lines if line.startswith(("write ", "end ")) for word in line.split('"')[1::2]
    )


def outcomes(stage: Stage) -> list[str]:
    return [row["outcome"] for row in detail(stage.exchange)["attempts"]]


def body_of(face: str) -> tuple[bytes, dict[str, Any]]:
    if face == "anthropic":
        return ask(max_tokens=90), {}
    if face == "openai_responses":
        return b'{"model": "m", "stream": true, "store": false, "input": "Hi"}', {}
    if face == "gemini":
        path = {"path": "/v1beta/models/{model}:streamGenerateContent", "params": {"model": "m"}}
        return b'{"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}', path
    if face == "openai_completions":
        return b'{"model": "m", "stream": true, "prompt": "Hi"}', {}
    if face == "ollama":
        return b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}', {"framing": "ndjson"}
    return ask(), {}


@pytest.mark.parametrize("face", FACES)
def test_another_deployment_goes_on_without_gap_and_repeat(face: str) -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", rest(" six", " seven."))
    body, more = body_of(face)
    lines = stage.plays(body, face, **more)
    assert lines[-1] == "= done"
    assert told(lines) == "One two three four five six seven."
    assert sum("start" in line.split() for line in lines) == 1
    ends = stage.client.body.count(b'"finishReason"') if face == "gemini" else " ".join(lines).count("finish")
    assert ends == 1
    assert "error" not in " ".join(lines)
    assert stage.bodies[1]["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "One two three four five"},
    ]


def test_observers_see_both_attempts() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", rest(" six."))
    stage.plays(ask())
    first, second = stage.exchange.attempts
    assert stage.attempts == [
        "one/gpt translate(continuing) connection_broken",
        "two/gpt translate(continuing) 200",
    ]
    assert (first.continues, second.continues) == (False, True)
    assert (stage.exchange.answered, stage.exchange.fault) == ("two/gpt", None)
    assert second.first is not None
    assert not stage.health.calm, "the first one has failed"
    assert outcomes(stage) == ["server", "continued"]


def test_the_usage_is_the_sum() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", rest(" six."))
    lines = stage.plays(ask(stream_options={"include_usage": True}))
    assert stage.usage == "11+8 estimated", "8+6 of the first one, which has stated none, and 3+2"
    assert "usage 11+8" in lines[-2]


def test_what_may_be_said_is_less_by_what_was_said() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", rest(" six."))
    stage.plays(ask(max_tokens=50))
    assert stage.bodies[0]["max_tokens"] == 50
    assert stage.bodies[1]["max_tokens"] == 50 - (8 - 2)


@pytest.mark.parametrize(
    ("said", "more", "joined"),
    [
        (("One two ",), (" three",), "One two three"),
        (("One two ",), ("three",), "One two three"),
        (("One two\n",), ("\n", "\nthree"), "One two\n\nthree"),
        (("One two", "\n", "    "), ("\n", "    ", "    three"), "One two\n        three"),
        (("1",), ("1",), "11"),
        (("One two three four",), ("One two three four five",), "One two three four five"),
        (("One two three four ",), ("One two ", "three four", " five"), "One two three four five"),
        (("One two three four",), ("One two", " threats"), "One two three fourOne two threats"),
        (("One two three four",), ("One two",), "One two three fourOne two"),
    ],
)
def test_the_texts_are_joined(said: tuple[str, ...], more: tuple[str, ...], joined: str) -> None:
    stage = staged()
    stage.script("one", half(*said))
    stage.script("two", rest(*more))
    stage.plays(ask())
    chunks = [json.loads(line[6:]) for line in stage.client.body.splitlines() if line.startswith(b"data: {")]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == joined
    assert stage.bodies[1]["messages"][-1]["content"] == "".join(said).rstrip()


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("face", ["openai_chat", "mistral"])
def test_mistral_repeats_the_beginning(face: str, repeats: bool) -> None:
    stage = unstated("two/mistral-large-latest", MISTRAL)
    stage.script("one", half("One "))
    stage.script("two", rest(*(("One", " two") if repeats else (" two",)), dialect="mistral"))
    assert told(stage.plays(ask(), face)) == "One two"
    assert stage.bodies[1]["messages"][-1] == {"role": "assistant", "content": "One", "prefix": True}


@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
def test_claude_gets_no_white_space_at_the_end(face: str) -> None:
    stage = unstated("two/claude-sonnet-4-5", CLAUDE)
    stage.script("one", half("One ", "two "))
    stage.script("two", rest(" three.", dialect="anthropic"))
    body, _ = body_of(face)
    assert told(stage.plays(body, face)) == "One two three."
    assert stage.bodies[1]["messages"][-1]["content"] in (
        "One two",
        [{"type": "text", "text": "One two"}],
    )


def test_it_may_break_off_twice() -> None:
    stage = staged(third=THREE)
    stage.script("one", half())
    stage.script("two", half(" six", " seven"))
    stage.script("three", rest(" eight."))
    lines = stage.plays(ask())
    assert told(lines) == "One two three four five six seven eight."
    assert [line for line in lines if line.startswith("ask")] == [ASK_ONE, ASK_TWO, ASK_THREE]
    assert stage.bodies[2]["messages"][1:] == [
        {"role": "assistant", "content": "One two three four five six seven"}
    ]
    assert outcomes(stage) == ["server", "server", "continued"]


def test_a_deployment_that_refuses_the_beginning_is_passed_over() -> None:
    stage = staged(third=THREE)
    stage.script("one", half())
    stage.script("two", refusal(400, "The last message must be the user's."))
    stage.script("three", rest(" six."))
    assert told(stage.plays(ask())) == "One two three four five six."


def test_if_nobody_goes_on_the_client_is_told_why_it_broke_off() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", refusal(400, "The last message must be the user's."))
    lines = stage.plays(ask())
    assert lines[-2] == "end error connection_broken: It broke."
    assert lines[-1] == "= upstream/first_byte/connection_broken"
    assert stage.usage == "8+6 estimated", "of the refused attempt nothing is known"


def test_if_the_others_fail_as_well_the_last_failure_is_told() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", half(" six", after=broken("It broke, too.")))
    lines = stage.plays(ask())
    assert told(lines) == "One two three four five six"
    assert lines[-2:] == ["end error connection_broken: It broke, too.", FAILED]
    assert stage.usage.endswith("estimated")


def test_who_owns_the_key_that_does_not_go_on_is_told_of_it() -> None:
    stage = staged()
    stage.lend("two", "key-own")
    stage.script("one", half())
    stage.script("two", refusal(401))
    assert stage.plays(ask())[-1] == "= client/first_byte/own_key_refused"


def test_the_client_leaves_while_another_one_goes_on() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", stream(*streamed(told=begun(" six")), 60.0, b""))
    lines = stage.plays(ask(), leave=5.0)
    assert lines[-2:] == ["break off two", "= client/stream"]
    assert stage.usage.endswith("estimated")
    assert outcomes(stage) == ["server", "broken_off"]


def test_a_continuing_attempt_has_its_own_time() -> None:
    stage = staged(third=THREE, model_more={"switch_after": "10s"})
    stage.script("one", stream(*streamed(told=begun(*WORDS)), 30.0, broken()))
    stage.script("two", stream(60.0, *streamed("Never")))
    first, *others = streamed(told=begun(" six"))
    stage.script("three", stream(first, *others, 30.0, *streamed(" seven.")[1:]))
    lines = stage.plays(ask())
    assert told(lines) == "One two three four five six seven."
    faults = [one.fault.code for one in stage.exchange.attempts if one.fault]
    assert faults == ["connection_broken", "switch_timeout"]
    assert lines[-1] == "= done"


def test_the_time_of_all_attempts_does_not_run_while_the_answer_is_read() -> None:
    stage = staged(policy=Policy(seconds=10.0))
    stage.script("one", stream(*streamed(told=begun(*WORDS)), 30.0, broken()))
    stage.script("two", rest(" six."))
    assert told(stage.plays(ask())) == "One two three four five six."


@pytest.mark.parametrize("taken", [False, True])
def test_it_needs_a_place_at_once(taken: bool) -> None:
    few = {"concurrency": {"limit": 1}}
    providers = {"one": {**ONE, **few}, "two": {**TWO, **few}}
    uses = ["one/gpt", {"use": "two/gpt", "supports": PREFILL}]
    settings = {"models": {"m": {"deployments": uses, "continue_streams": True, **few}}}
    gates = Gates()
    gates.adopt(limits_of(load({"providers": providers, **settings}, {}).config))
    stage = Stage(providers, settings=settings, gates=gates)
    if taken:
        assert gates.enter({}, [("providers.two",)]) == 0
    stage.script("one", half())
    stage.script("two", rest(" six."))
    lines = stage.plays(ask())
    assert lines[-1] == (FAILED if taken else "= done")
    assert {name: gate.running for name, gate in gates.named.items()} == {
        "models.m": 0,
        "providers.one": 0,
        "providers.two": int(taken),
    }


def test_a_failure_that_is_told_in_the_stream() -> None:
    stage = staged()
    fault = ir.Fault("overloaded", "Busy.")
    stage.script("one", stream(*streamed(told=[*begun(*WORDS), ir.Error(fault)])))
    stage.script("two", rest(" six."))
    assert told(stage.plays(ask())) == "One two three four five six."


def test_a_stream_that_just_ends() -> None:
    stage = staged()
    stage.script("one", stream(*streamed(told=begun(*WORDS))))
    stage.script("two", rest(" six."))
    assert told(stage.plays(ask())) == "One two three four five six."


@pytest.mark.parametrize("face", ["openai_chat", "anthropic", "openai_responses"])
@pytest.mark.parametrize("words", [(" six.",), ()])
def test_the_next_one_may_call_tools(face: str, words: tuple[str, ...]) -> None:
    stage = staged()
    stage.script("one", half())
    said: list[ir.Event] = [START, ir.Open(0, CALL), ir.Close(0)]
    if words:
        said = [*begun(*words), ir.Close(0), ir.Open(1, CALL), ir.Close(1)]
    stage.script("two", stream(*streamed(told=[*said, ir.Finish(ir.Stop("tool")), ir.End()])))
    tools: list[Any] = TOOLS
    body, _ = body_of(face)
    if face != "openai_chat":
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
    if face == "openai_responses":
        tools = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]
    lines = stage.plays(json.dumps({**json.loads(body), "tools": tools}).encode(), face)
    assert told(lines).startswith("One two three four five" + "".join(words))
    assert " ".join(lines).count("call look") == 1
    assert lines[-1] == "= done"


def test_the_item_of_a_response_stays_the_same() -> None:
    responses = {"dialect": "openai_responses", "base_url": "https://r.example/v1", "keys": "key-r"}
    stage = staged(responses)
    stage.script("one", half())
    stage.script("two", rest(" six.", dialect="openai_responses"))
    body, _ = body_of("openai_responses")
    stage.plays(body, "openai_responses")
    data = [json.loads(line[6:]) for line in stage.client.body.splitlines() if line.startswith(b"data: {")]
    names = {event["item_id"] for event in data if "item_id" in event}
    names |= {event["item"]["id"] for event in data if "item" in event}
    names |= {item["id"] for item in data[-1]["response"]["output"]}
    assert len(names) == 1


def test_the_last_event_of_a_response_has_the_whole_text() -> None:
    stage = staged()
    stage.script("one", half())
    stage.script("two", rest(" six."))
    stage.plays(b'{"model": "m", "stream": true, "store": false, "input": "Hi"}', "openai_responses")
    done = next(line for line in stage.client.body.splitlines() if b'"type":"response.completed"' in line)
    output = json.loads(done[6:])["response"]["output"]
    assert [part["text"] for item in output for part in item["content"]] == ["One two three four five six."]


# What is not continued ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        [START, ir.Open(0, CALL)],
        [START, ir.Open(0, ir.Thinking("")), ir.ThinkDelta(0, "Hm")],
        [*NOTHING, ir.TextDelta(0, " \n")],
        [*begun("Let me see."), ir.Close(0), ir.Open(1, CALL)],
    ],
    ids=["call", "thinking", "nothing", "call after text"],
)
def test_what_cannot_be_continued_fails_as_any_stream(said: list[ir.Event]) -> None:
    stage = staged()
    stage.script("one", stream(*streamed(told=said), broken()))
    lines = stage.plays(ask(tools=TOOLS))
    assert lines[-1] == FAILED
    assert ASK_TWO not in lines


@pytest.mark.parametrize(
    "members",
    [
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "low"},
        {"tools": TOOLS, "tool_choice": "required"},
    ],
)
def test_requests_that_are_relayed_as_ever(members: dict[str, Any]) -> None:
    stage = staged()
    stage.script("one", half())
    assert stage.plays(ask(**members))[-1] == FAILED
    assert stage.attempts == ["one/gpt relay connection_broken"]


def test_a_model_that_is_not_known_to_go_on_is_not_asked() -> None:
    stage = unstated("two/gpt", TWO)
    stage.script("one", half())
    assert stage.plays(ask())[-1] == FAILED


def test_a_claude_that_refuses_a_beginning_is_not_asked() -> None:
    stage = unstated("two/claude-opus-4-8", CLAUDE)
    stage.script("one", half())
    assert stage.plays(ask())[-1] == FAILED


def test_another_key_of_the_same_deployment_is_not_asked() -> None:
    providers = {"one": {**ONE, "keys": ["key-1", "key-2"]}, "two": TWO}
    uses = [{"use": "one/gpt", "supports": PREFILL}, "two/gpt"]
    settings = {"models": {"m": {"deployments": uses, "continue_streams": True}}}
    stage = Stage(providers, settings=settings)
    stage.script("one", half())
    assert stage.plays(ask())[-1] == FAILED


def test_an_alias_of_the_model_is_continued_too() -> None:
    uses = ["one/gpt", {"use": "two/gpt", "supports": PREFILL}]
    models = {"m": {"deployments": uses, "continue_streams": True}}
    settings = {"models": models, "aliases": {"cool": {"route": "m", "defaults": {"temperature": 0.3}}}}
    stage = Stage({"one": ONE, "two": TWO}, settings=settings)
    stage.script("one", half())
    stage.script("two", rest(" six."))
    assert told(stage.plays(chat(model="cool", stream=True))) == "One two three four five six."
    assert [body["temperature"] for body in stage.bodies] == [0.3, 0.3]
    assert '"model":"cool"' in stage.client.body.decode()
    assert '"model":"gpt"' not in stage.client.body.decode()


def test_one_attempt_is_one_attempt() -> None:
    stage = staged(policy=Policy(attempts=1))
    stage.script("one", half())
    assert stage.plays(ask())[-1] == FAILED


def test_hooks_that_read_answers_exclude_it() -> None:
    class Reads:
        async def on_event(self, _exchange: Any, event: ir.Event) -> list[ir.Event]:
            return [event]

    stage = staged(hooks=[Reads()])
    stage.script("one", half())
    assert stage.plays(ask())[-1] == FAILED


def test_before_content_attempts_go_on_as_ever() -> None:
    stage = staged(third=THREE)
    stage.script("one", stream(*streamed(told=NOTHING), broken()))
    stage.script("two", half())
    stage.script("three", rest(" six."))
    lines = stage.plays(ask())
    assert lines[:3] == [ASK_ONE, ASK_TWO, "begin 200"]
    assert told(lines) == "One two three four five six."
    assert [one.continues for one in stage.exchange.attempts] == [False, False, True]


def test_whole_answers_are_relayed() -> None:
    stage = staged()
    stage.script("one", whole("Hello."))
    stage.plays(chat(model="m"))
    assert stage.attempts == ["one/gpt relay 200"]


def test_no_reference_cycle_is_left() -> None:
    stage = staged()
    stage.script("one", stream(*streamed(told=begun(*WORDS))))
    stage.script("two", rest(" six."))
    assert left(lambda: stage.plays(ask())) == []
    assert outcomes(stage) == ["server", "continued"]


@pytest.mark.parametrize(
    ("change", "may"),
    [
        ({}, True),
        ({"messages": ()}, False),
        ({"messages": (ir.Message("assistant", (ir.Text("One"),)),)}, False),
        ({"background": True}, False),
        ({"previous": "resp_1"}, False),
        ({"tools": (ir.ProviderTool("openai_responses", "web_search", {}),)}, False),
        ({"tools": (ir.Function("f"),)}, True),
        ({"reasoning": ir.Reasoning(effort="none")}, True),
        ({"reasoning": ir.Reasoning(mode="off")}, True),
        ({"reasoning": ir.Reasoning(mode="on")}, False),
        ({"output": ir.Output(modalities=("text", "audio"))}, False),
        ({"output": ir.Output(verbosity="low")}, True),
        ({"dialect": "openai_completions", "forms": {"echo": "true"}}, False),
        ({"dialect": "openai_completions"}, True),
    ],
)
def test_which_requests_can_be_continued(change: dict[str, Any], may: bool) -> None:
    fields = {"messages": (ir.Message("user", (ir.Text("Hi"),)),), "dialect": "openai_chat"} | change
    assert is_continuable(ir.Request(model="m", **fields)) is may


# Limits ------------------------------------------------------------------------------------------------


def limited(third: Any, *limits: Limit) -> Accounts:
    """A stream that breaks off at its first deployment. The second one could go on, but for these limits."""
    uses = ["one/gpt", {"use": "two/gpt", "supports": PREFILL}, third]
    settings = {"models": {"m": {"deployments": uses, "continue_streams": True}}}
    accounts = Accounts({"one": ONE, "two": TWO, "three": THREE}, limits, settings=settings)
    accounts.stage.script("one", half("One two three"))
    accounts.stage.script("three", rest(" four"))
    return accounts


@pytest.mark.parametrize("supports", [PREFILL, {}])
def test_past_a_limit_it_goes_on_only_where_it_can(supports: dict[str, bool]) -> None:
    of_two = Limit("d", "requests", 0, "day", "deployment", only=frozenset({"two/gpt"}))
    stage = limited({"use": "three/gpt", "supports": supports}, of_two).stage
    lines = stage.plays(ask())
    assert (ASK_THREE in lines) is bool(supports)
    if supports:
        assert told(lines) == "One two three four"
        assert [message["role"] for message in stage.bodies[-1]["messages"]] == ["user", "assistant"]
    else:
        assert lines[-1] == "= client/stream/rate_limit_exceeded"


def test_what_came_is_charged_if_a_limit_lets_it_go_on_nowhere() -> None:
    accounts = limited("three/gpt", Limit("l", "tokens", 4_115, "day"))
    lines = accounts.stage.plays(ask())
    assert lines[-1] == "= client/stream/insufficient_quota"
    assert accounts.book.record.units == {"input": 8, "output": 4}
    assert list(accounts.standing.values()) == [(12, 0)]
