"""The telling: both commits, heartbeats, failures whole and in-band, and what is noted of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.streaming import Ending
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import AnswerContext, Asked, Inbound
from dragoman.engine.delivery import Delivery
from dragoman.exchange import Exchange
from tests.unit.engine.stage import (
    CLAUDE,
    ONE,
    Own,
    Reply,
    Stage,
    broken,
    chat,
    events,
    refusal,
    stream,
    streamed,
    whole,
)

ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_TWO = "ask two with key-1: /v1/chat/completions"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
M = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
FRAMES = streamed("Hel", "lo.")


# Content commits the answer to its attempt -------------------------------------------------------------


def test_after_content_no_other_attempt_follows() -> None:
    stage = Stage(BOTH, settings=M)
    stage.script("one", stream(*FRAMES[:2], 1.0, broken()))
    assert stage.plays(chat(model="m", stream=True)) == [
        ASK_ONE,
        "begin 200",
        'write start "Hel"',
        "1 s later",
        "end error connection_broken: It broke.",
        "= upstream/stream/connection_broken",
    ]
    assert stage.usage == "8+1 estimated"


def test_the_same_holds_where_both_codecs_meet() -> None:
    settings = {"models": {"m": {"deployments": ["claude/opus", "one/gpt"]}}}
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings=settings)
    said = streamed("Hel", "lo.", dialect="anthropic")
    stage.script("claude", stream(b"".join(said[:2]), 1.0, broken()))
    assert stage.plays(chat(model="m", stream=True)) == [
        ASK_CLAUDE,
        "begin 200",
        'write start "Hel"',
        "1 s later",
        "end error connection_broken: It broke.",
        "= upstream/stream/connection_broken",
    ]


# Headers may be committed before -----------------------------------------------------------------------


def test_after_a_heartbeat_the_next_attempt_may_still_answer() -> None:
    stage = Stage(BOTH, settings=M)
    stage.script("one", Reply(connect=[7.0, broken()]))
    stage.script("two", stream(*FRAMES))
    assert stage.plays(chat(model="m", stream=True), heartbeat=5.0) == [
        ASK_ONE,
        "5 s later",
        "begin 200 by heartbeat",
        "ping",
        "2 s later",
        ASK_TWO,
        'write start "Hel"',
        'write "lo."',
        "write …",
        "end finish done",
        "= done",
    ]


@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
def test_after_a_heartbeat_the_last_failure_is_told_in_band(face: str) -> None:
    stage = Stage()
    stage.script("one", Reply(connect=[7.0, broken()]), Reply(connect=[broken()]), Reply(connect=[broken()]))
    assert stage.plays(chat(stream=True, max_tokens=9), face, heartbeat=6.0) == [
        ASK_ONE,
        "6 s later",
        "begin 200 by heartbeat",
        "ping",
        "2 s later",
        ASK_ONE,
        "2 s later",
        ASK_ONE,
        f"end error {'connection_broken' if face == 'openai_chat' else 'upstream'}: It broke.",
        "= upstream/first_byte/connection_broken",
    ]


def test_a_whole_answer_has_no_heartbeat() -> None:
    stage = Stage()
    stage.script("one", Reply(200, {"content-type": "application/json"}, [20.0, *whole("Hello.").pieces]))
    assert stage.plays(chat(), heartbeat=5.0) == [
        ASK_ONE,
        "20 s later",
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]


def test_a_stream_that_pauses_gets_pings() -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES[:2], 11.0, *FRAMES[2:]))
    assert stage.plays(chat(stream=True), heartbeat=5.0)[2:7] == [
        'write start "Hel"',
        "5 s later",
        "ping",
        "5 s later",
        "ping",
    ]


def test_nothing_is_read_while_the_client_does_not_read() -> None:
    stage = Stage(pace=2.0)
    stage.script("one", stream(*FRAMES[:2], FRAMES[2], FRAMES[3]))
    assert stage.plays(chat(stream=True)) == [
        ASK_ONE,
        "begin 200",
        'write start "Hel"',
        "2 s later",
        'write "lo."',
        "2 s later",
        "write …",
        "2 s later",
        "end finish done",
        "= done",
    ]


# Failures before the answer has begun ------------------------------------------------------------------


def test_a_failure_before_anything_was_asked_is_whole_and_names_no_deployment() -> None:
    stage = Stage()
    assert stage.plays(b"{", heartbeat=5.0)[0].startswith("answer 400 ")
    assert stage.exchange.end is not None
    assert stage.exchange.end.startswith("client/decode/")
    assert not any(name.startswith("x-dragoman-") for name in stage.client.headers)


def test_a_failure_after_attempts_says_who_was_asked() -> None:
    stage = Stage()
    stage.script("one", refusal(400, "No."))
    stage.plays(chat(stream=True), heartbeat=5.0)
    assert stage.client.headers["x-dragoman-deployment"] == "one/gpt"


# The request is let go of -----------------------------------------------------------------------------


class Holds:
    """A turn that adds nothing, and holds the request as everybody behind it gets it."""

    relayed = True
    hears = keeps = precedes = False
    asked: Asked

    def concerns(self, body: Mapping[str, Any]) -> bool:
        return True

    async def expand(self, asked: Asked) -> Asked:
        self.asked = asked
        return asked

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> None:
        """A model is to be asked."""

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        raise AssertionError

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        raise AssertionError

    def failed(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("model", ["one/gpt", "claude/opus"])
def test_a_stream_that_has_begun_holds_its_request_no_longer(model: str) -> None:
    stage, turn = Stage({"one": ONE, "claude": CLAUDE}), Holds()
    stage.script("one", stream(*FRAMES))
    stage.script("claude", stream(*streamed("Hel", dialect="anthropic")))
    assert stage.plays(chat(model=model, stream=True), turn=turn)[-1] == "= done"
    assert (turn.asked.said.raw, turn.asked.wire.body) == (b"", {})


# The client leaves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["one/gpt", "claude/opus", "own/x"])
def test_a_client_that_leaves_within_the_stream_pays_for_what_was_said(model: str) -> None:
    own = Own([events("Hel", "lo.")[:3], 60.0])
    stage = Stage({"one": ONE, "claude": CLAUDE}, own=own)
    stage.script("one", stream(*FRAMES[:2], 60.0))
    stage.script("claude", stream(*streamed("Hel", dialect="anthropic")[:3], 60.0))
    lines = stage.plays(chat(model=model, stream=True), leave=2.0)
    name = model.partition("/")[0]
    assert lines[-3:] == [
        "2 s later",
        f"break off {name}" if name != "own" else "leave own",
        "= client/stream",
    ]
    assert 'write start "Hel"' in lines
    assert stage.usage == ("0+1 estimated" if name == "claude" else "8+1 estimated")  # as far as stated


# What is noted -----------------------------------------------------------------------------------------


def delivery() -> Delivery:
    """One whose client is never told anything."""
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0.0, created=0.0)
    nobody: Any = None
    return Delivery(exchange, Inbound(DIALECTS["openai_chat"], b"", {}), nobody, lambda: 0.0)


@pytest.mark.parametrize(
    ("event", "speaks"),
    [
        (ir.TextDelta(0, "a"), True),
        (ir.Open(0, ir.Text("")), False),
        (ir.Open(0, ir.ToolCall("c", "f", "")), True),
        (ir.Ping(), False),
        (ir.Start("openai_chat"), False),
        (ir.Tally(ir.Usage(input=3)), False),
        (ir.Finish(ir.Stop("end")), True),
    ],
)
def test_what_is_worth_committing_to(event: ir.Event, speaks: bool) -> None:
    assert delivery().note([event]) == ([event], speaks, None)


def test_events_behind_a_failure_are_none() -> None:
    fault = ir.Fault("upstream", "It broke.")
    said: list[ir.Event] = [ir.TextDelta(0, "a"), ir.Error(fault), ir.TextDelta(0, "b")]
    assert delivery().note(said) == (said[:1], True, fault)


def test_an_estimate_is_named_once() -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES))
    stage.plays(chat(stream=True, stream_options={"include_usage": True}))
    assert [change.to for change in stage.exchange.changes] == ["$.usage"]
