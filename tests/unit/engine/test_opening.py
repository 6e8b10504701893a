"""A stream up to its first content: what is held back, and what is never seen of an attempt that failed."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.upstreams.answers import AnswerLimits
from tests.unit.engine.stage import CLAUDE, ONE, USED, Stage, broken, chat, stream, streamed

ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_TWO = "ask two with key-1: /v1/chat/completions"
ASK_CLAUDE = "ask claude with key-c: /v1/messages"
BOTH: dict[str, Any] = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
M = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
FRAMES = streamed("Hel", "lo.")
TWO_SAYS = ["begin 200", 'write start "Hel"', 'write "lo."', "write …", "end finish done", "= done"]


def error(message: str) -> bytes:
    """A failure that a provider tells within its stream."""
    return b'data: {"error": {"message": "%s", "type": "server_error"}}\n\n' % message.encode()


def test_start_up_frames_go_out_with_the_first_content() -> None:
    stage = Stage()
    start, *rest = FRAMES
    stage.script("one", stream(start, 2.0, *rest))
    assert stage.plays(chat(stream=True)) == [
        ASK_ONE,
        "2 s later",
        "begin 200",
        'write start "Hel"',
        'write "lo."',
        "write …",
        "end finish done",
        "= done",
    ]
    assert stage.client.body == b"".join(FRAMES)


@pytest.mark.parametrize("failure", [error("It broke."), broken()], ids=["told", "connection"])
def test_what_fails_before_content_is_never_seen(failure: Any) -> None:
    stage = Stage(BOTH, settings=M)
    stage.script("one", stream(FRAMES[0], 1.0, failure))
    stage.script("two", stream(*FRAMES))
    assert stage.plays(chat(model="m", stream=True)) == [ASK_ONE, "1 s later", ASK_TWO, *TWO_SAYS]
    assert stage.exchange.answered == stage.client.headers["x-dragoman-deployment"] == "two/gpt"


def test_the_same_holds_where_both_codecs_meet() -> None:
    settings = {"models": {"m": {"deployments": ["claude/opus", "two/gpt"]}}}
    stage = Stage({"claude": CLAUDE, "two": BOTH["two"]}, settings=settings)
    start = streamed("Hel", dialect="anthropic")[0]
    overloaded = (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"No."}}\n\n'
    )
    stage.script("claude", stream(start, 1.0, overloaded))
    stage.script("two", stream(*FRAMES))
    assert stage.plays(chat(model="m", stream=True)) == [ASK_CLAUDE, "1 s later", ASK_TWO, *TWO_SAYS]


def test_content_counts_although_a_failure_came_in_the_same_read() -> None:
    stage = Stage(BOTH, settings=M)
    stage.script("one", stream(b"".join(FRAMES[:2]) + error("It broke.")))
    assert stage.plays(chat(model="m", stream=True)) == [
        ASK_ONE,
        "begin 200",
        'write start "Hel"',
        "end error upstream_error: It broke.",
        "= upstream/stream/upstream",
    ]


def test_no_more_is_held_than_may_be() -> None:
    stage = Stage(BOTH, settings=M, limits=AnswerLimits(opening=400))
    stage.script("one", stream(*[FRAMES[0]] * 20))
    stage.script("two", stream(*FRAMES))
    assert stage.plays(chat(model="m", stream=True)) == [ASK_ONE, "break off one", ASK_TWO, *TWO_SAYS]
    assert stage.attempts == ["one/gpt relay answer_without_content", "two/gpt relay 200"]


def test_pings_without_content_fail_a_stream_that_has_begun() -> None:
    stage = Stage(limits=AnswerLimits(silence=3.0))
    ping = b": ping\n\n"
    stage.script("one", stream(*FRAMES[:2], ping, 2.0, ping, 2.0, ping, 60.0))
    assert stage.plays(chat(stream=True)) == [
        ASK_ONE,
        "begin 200",
        'write start "Hel"',
        "4 s later",
        "break off one",
        (
            "end error answer_without_content: one sent nothing but pings for 3 s (setting "
            "answers.max_silence)."
        ),
        "= upstream/stream/answer_without_content",
    ]


@pytest.mark.parametrize("model", ["one/gpt", "claude/opus"])
def test_content_ends_a_silence(model: str) -> None:
    stage = Stage({"one": ONE, "claude": CLAUDE}, limits=AnswerLimits(silence=3.0))
    dialect, ping = "openai_chat", b": ping\n\n"
    if model == "claude/opus":
        dialect, ping = "anthropic", b'event: ping\ndata: {"type":"ping"}\n\n'
    said = streamed("Hel", "lo.", dialect=dialect)
    more = (ping, 2.0, said[2])
    stage.script(model.partition("/")[0], stream(*said[:2], *more, *more, *more, *said[3:]))
    assert stage.plays(chat(model=model, stream=True))[-1] == "= done"


def test_an_empty_answer_is_content_when_it_ends_well() -> None:
    stage = Stage()
    frames = streamed(told=[ir.Start("", "id-1", "gpt", 1), ir.Finish(ir.Stop("end")), ir.End()])
    stage.script("one", stream(*frames))
    assert stage.plays(chat(stream=True)) == [ASK_ONE, "begin 200", "end start finish done", "= done"]


def test_usage_alone_is_no_content() -> None:
    stage = Stage(BOTH, settings=M)
    usage = streamed(told=[ir.Start("", "id-1", "gpt", 1), ir.Tally(USED)], usage=USED)
    stage.script("one", stream(*usage, broken()))
    stage.script("two", stream(*FRAMES))
    assert stage.plays(chat(model="m", stream=True))[:3] == [ASK_ONE, ASK_TWO, "begin 200"]
