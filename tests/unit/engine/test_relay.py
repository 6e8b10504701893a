"""Relaying a chat: bytes with named edits, whole and streamed, and answers in another form than was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.upstreams.answers import AnswerLimits
from tests.unit.engine.accounts import Accounts
from tests.unit.engine.stage import (
    CALL,
    CLAUDE,
    ONE,
    USED,
    Reply,
    Stage,
    broken,
    chat,
    json_reply,
    stream,
    streamed,
    whole,
)

ASK = "ask one with key-1: /v1/chat/completions"
FRAMES = streamed("Hel", "lo.")
NAMED = {"models": {"m": {"use": "one/gpt"}}}


# The request -------------------------------------------------------------------------------------------


def test_the_clients_own_words_pass_but_for_the_model() -> None:
    stage = Stage(settings=NAMED)
    stage.script("one", whole("Hello."))
    stage.plays(b'{ "model": "m",  "odd": 1.0, "messages": [ {"role": "user", "content": "\\u0048i"} ] }')
    assert b'[ {"role": "user", "content": "\\u0048i"} ]' in stage.sent[0]
    assert b'"odd":1.0' in stage.sent[0]
    assert stage.bodies[0]["model"] == "gpt"


def test_what_the_configuration_adds_is_merged() -> None:
    stage = Stage({"one": {**ONE, "body": {"a": {"x": 1}, "b": 2}, "headers": {"x-own": "yes"}}})
    stage.script("one", whole("Hello."))
    stage.plays(chat(a={"y": 3}))
    assert (stage.bodies[0]["a"], stage.bodies[0]["b"]) == ({"x": 1, "y": 3}, 2)
    assert stage.headers[0]["x-own"] == "yes"


@pytest.mark.parametrize(
    ("options", "path"),
    [({}, None), ({"stream_options": {"include_usage": False}}, "$.stream_options.include_usage")],
)
def test_usage_is_asked_for_the_record_and_not_told(options: dict[str, Any], path: str | None) -> None:
    stage = Stage()
    stage.script("one", stream(*streamed("Hello.", usage=USED)))
    assert stage.plays(chat(stream=True, **options)) == [
        ASK,
        "begin 200",
        'write start "Hello."',
        "write …",
        "end finish done",
        "= done",
    ]
    assert stage.bodies[0]["stream_options"] == {"include_usage": True}
    assert [change.path for change in stage.exchange.changes] == [path]
    assert stage.usage == "3+2"


# A whole answer ----------------------------------------------------------------------------------------


def test_a_whole_answer_passes_with_the_name_that_was_asked_for() -> None:
    stage = Stage(settings=NAMED)
    stage.script("one", whole("Hello."))
    assert stage.plays(chat(model="m")) == [ASK, 'answer 200 "Hello." usage 3+2', "= done"]
    assert json.loads(stage.client.body)["model"] == "m"
    assert (stage.usage, stage.exchange.mode) == ("3+2", "relay")


def test_what_nobody_counted_is_estimated() -> None:
    stage = Stage()
    stage.script("one", whole("Hello.", usage=None))
    assert stage.plays(chat()) == [ASK, 'answer 200 "Hello." usage 8+2', "= done"]
    assert stage.usage == "8+2 estimated"
    assert stage.client.headers["x-dragoman-usage"] == "estimated"


def test_an_answer_passes_whose_request_only_its_provider_understands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gateway cannot decode the request, so that it cannot count the tokens that nobody states."""

    def refuse(_: Any) -> Any:
        raise WireError("a new form", "messages")

    claude = DIALECTS["anthropic"]
    spoilt = replace(claude, request=replace(claude.request, decode=refuse))
    monkeypatch.setitem(DIALECTS, "anthropic", spoilt)
    accounts = Accounts({"claude": CLAUDE})
    answer: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c"}
    answer |= {"stop_reason": "end_turn", "content": [{"type": "text", "text": "Hello"}]}
    accounts.stage.script("claude", json_reply(answer))
    body = {"model": "claude/c", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    lines = accounts.stage.plays(json.dumps(body).encode(), "anthropic")
    assert lines[-1] == "= done"
    record = accounts.book.record
    assert (record.status, record.estimated, set(record.units)) == (200, True, {"input"})


def test_an_answer_that_is_no_json_is_the_providers_failure() -> None:
    stage = Stage()
    stage.script("one", *[json_reply(b"<html>")] * 3)
    assert stage.plays(chat())[-1] == "= upstream/first_byte/unreadable"


def test_an_answer_of_too_many_values_is_refused() -> None:
    stage = Stage(limits=AnswerLimits(values=10))
    stage.script("one", *[json_reply({"choices": [0] * 100})] * 3)
    assert stage.plays(chat())[-1] == "= upstream/first_byte/answer_too_many_values"


# A stream ----------------------------------------------------------------------------------------------


def test_frames_pass_as_they_are() -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES))
    stage.plays(chat(stream=True, stream_options={"include_usage": True}))
    told = json.loads(
        stage.client.body.removeprefix(b"".join(FRAMES[:-1])).removeprefix(b"data: ").partition(b"\n")[0]
    )
    assert told["usage"]["completion_tokens"] == 2
    assert stage.client.body.endswith(FRAMES[-1])
    assert stage.usage == "8+2 estimated"


def test_what_follows_the_end_is_of_no_account() -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES, 60.0, b"data: more\n\n"))
    assert stage.plays(chat(stream=True))[-2:] == ["end finish done", "= done"]


def test_a_stream_without_its_end_is_broken() -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES[:3]))
    lines = stage.plays(chat(stream=True))
    assert lines[2:4] == ['write start "Hel"', 'write "lo."']
    assert lines[-1].startswith("= upstream/stream/")
    assert stage.usage == "8+2 estimated"


@pytest.mark.parametrize(
    ("frame", "end"),
    [
        (b'data: {"error":{"message":"It broke.","code":"oops"}}\n\n', "oops"),
        (b"data: {broken\n\n", "unreadable"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "unreadable"),
    ],
    ids=["told", "no JSON", "too deep"],
)
def test_a_failure_in_band_is_told_in_band(frame: bytes, end: str) -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES[:2], frame, FRAMES[2]))
    lines = stage.plays(chat(stream=True))
    assert lines[:3] == [ASK, "begin 200", 'write start "Hel"']
    assert lines[3:-2] == ["break off one"]
    assert lines[-2].startswith(f"end error {end}: ")
    assert lines[-1] == f"= upstream/stream/{end}"
    assert stage.attempts == [f"one/gpt relay {end}"]


def test_an_event_of_too_many_values_is_a_failure_in_band() -> None:
    stage = Stage(limits=AnswerLimits(values=30))
    stage.script("one", stream(*FRAMES[:2], b"data: [" + b"0," * 400 + b"0]\n\n"))
    assert stage.plays(chat(stream=True))[-1] == "= upstream/stream/answer_too_many_values"


@pytest.mark.parametrize("size", [1, 7, 100, 230, 1_000, 100_000])
@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b": ping\n\n",
        b'event: message\ndata: {"choices":[{"index":0,"delta":{"content":"odd"}}]}\n\n',
        b'data: {"choices":[{"index":0,\ndata: "delta":{"content":"odd"}}]}\n\n',
        b'data: {"error":{"message":"It broke.","code":"oops"}}\n\n',
        b"data: {broken\n\n",
    ],
)
def test_any_reads_of_a_stream_are_the_same_to_the_client(size: int, odd: bytes) -> None:
    said = streamed(*["word "] * 20)
    whole = b"".join([*said[:12], odd, *said[12:]])

    stage = Stage()
    stage.script("one", stream(*[whole[at : at + size] for at in range(0, len(whole), size)]))
    ends = stage.plays(chat(stream=True))[-1]
    once = Stage()
    once.script("one", stream(whole))
    assert once.plays(chat(stream=True))[-1] == ends
    assert once.client.body == stage.client.body
    assert once.usage == stage.usage


def test_a_large_read_passes_in_parts() -> None:
    stage = Stage()
    said = streamed(*["word "] * 300)
    stage.script("one", stream(b"".join(said)))
    lines = stage.plays(chat(stream=True))
    assert sum(line.startswith("write") for line in lines) > 1
    assert stage.client.body == b"".join(said)


# Another form than was asked for -----------------------------------------------------------------------


def test_a_stream_that_nobody_asked_for_is_collected() -> None:
    stage = Stage(settings=NAMED)
    stage.script("one", stream(*streamed("Hel", "lo.", usage=USED)))
    assert stage.plays(chat(model="m")) == [ASK, 'answer 200 "Hello." usage 3+2', "= done"]
    assert json.loads(stage.client.body)["model"] == "m"


def test_a_failure_in_it_may_still_move_on() -> None:
    stage = Stage()
    stage.script("one", stream(*FRAMES[:2], broken()), whole("Hello."))
    assert stage.plays(chat()) == [ASK, "1 s later", ASK, 'answer 200 "Hello." usage 3+2', "= done"]


def test_a_whole_answer_becomes_the_stream_that_was_asked_for() -> None:
    stage = Stage()
    stage.script("one", whole("Hello.", CALL))
    assert stage.plays(chat(stream=True)) == [
        ASK,
        "begin 200",
        'end start "Hello." call look "{}" finish:tool done',
        "= done",
    ]
    assert stage.attempts == ["one/gpt relay 200"]


# A client that leaves ----------------------------------------------------------------------------------


def test_a_client_that_leaves_while_a_whole_answer_comes() -> None:
    stage = Stage()
    stage.script("one", Reply(200, {"content-type": "application/json"}, [b"{", 60.0]))
    assert stage.plays(chat(), leave=2.0) == [ASK, "2 s later", "break off one", "= client/first_byte"]
