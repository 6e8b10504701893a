"""Translating a chat: both codecs meet at the IR, with steps and hooks between them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.capacity.heavy import LARGE, HeavySteps
from dragoman.exchange import Exchange
from tests.unit.engine.stage import (
    CALL,
    CLAUDE,
    ONE,
    USED,
    Own,
    Stage,
    broken,
    chat,
    events,
    json_reply,
    stream,
    streamed,
    whole,
)

ASK = "ask claude with key-c: /v1/messages"
MODEL = "claude/opus"
SAID = streamed("Hel", "lo.", dialect="anthropic", usage=USED)


def claude(**more: Any) -> Stage:
    """A stage with a provider of another protocol than the client's."""
    return Stage({"claude": CLAUDE}, **more)


# Whole -------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_told_in_the_clients_protocol() -> None:
    stage = claude()
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    assert stage.plays(chat(model=MODEL)) == [ASK, 'answer 200 "Hello." usage 3+2', "= done"]
    told = json.loads(stage.client.body)
    assert (told["object"], told["choices"][0]["message"]["content"]) == ("chat.completion", "Hello.")
    assert (stage.usage, stage.exchange.mode) == ("3+2", "translate")


def test_a_stream_that_nobody_asked_for_is_collected() -> None:
    stage = claude()
    stage.script("claude", stream(*SAID))
    assert stage.plays(chat(model=MODEL))[1].startswith('answer 200 "Hello."')


def test_an_answer_that_cannot_be_read_is_the_providers_failure() -> None:
    stage = claude()
    stage.script("claude", *[json_reply(b"<html>")] * 3)
    assert stage.plays(chat(model=MODEL))[-1] == "= upstream/first_byte/unreadable"


@pytest.mark.parametrize(("usage", "turns"), [({"input_tokens": 3, "output_tokens": 2}, 0), (None, 1)])
def test_a_large_request_takes_few_turns(
    usage: dict[str, int] | None, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is decoded and written, and counted if its answer says nothing of its usage."""
    sizes: list[int] = []

    async def counted(_: HeavySteps, size: int, __: str | None, step: Any, *args: Any, **named: Any) -> Any:
        sizes.append(size)
        return step(*args, **named)

    monkeypatch.setattr(HeavySteps, "run", counted)
    stage = claude()
    stage.script("claude", json_reply({"content": [{"type": "text", "text": "Hello."}], "usage": usage}))
    stage.plays(chat(model=MODEL, messages=[{"role": "user", "content": "word " * 40_000}]))
    assert stage.exchange.mode == "translate"
    assert len([size for size in sizes if size >= LARGE]) == 2 + turns


# Streamed ----------------------------------------------------------------------------------------------


def test_a_stream_is_told_event_by_event() -> None:
    stage = claude()
    stage.script("claude", stream(*SAID))
    assert stage.plays(chat(model=MODEL, stream=True, stream_options={"include_usage": True})) == [
        ASK,
        "begin 200",
        'write start "Hel"',
        'write "lo."',
        "end usage 3+2 finish done",
        "= done",
    ]
    assert stage.usage == "3+2"


def test_what_follows_the_end_is_of_no_account() -> None:
    stage = claude()
    stage.script("claude", stream(*SAID, 60.0, b"event: ping\n\n"))
    assert stage.plays(chat(model=MODEL, stream=True))[-3:] == [
        "end finish done",
        "break off claude",
        "= done",
    ]


@pytest.mark.parametrize(
    ("frame", "end"),
    [
        (
            b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"No."}}\n\n',
            "upstream",
        ),
        (b"event: content_block_delta\ndata: {broken\n\n", "unreadable"),
    ],
    ids=["told", "no JSON"],
)
def test_a_failure_in_band_is_told_in_band(frame: bytes, end: str) -> None:
    stage = claude()
    stage.script("claude", stream(*SAID[:2], frame, 60.0))
    lines = stage.plays(chat(model=MODEL, stream=True))
    assert lines[:3] == [ASK, "begin 200", 'write start "Hel"']
    assert lines[-3].startswith("break off claude")
    assert lines[-2].startswith("end error ")
    assert lines[-1] == f"= upstream/stream/{end}"


def test_what_came_before_a_failure_in_the_same_read_is_told_first() -> None:
    stage = claude()
    failed = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"No."}}\n\n'
    stage.script("claude", stream(*SAID[:2], SAID[2] + failed))
    lines = stage.plays(chat(model=MODEL, stream=True))
    assert lines[3] == 'write "lo."'
    assert lines[4].startswith("end error ")


def test_a_whole_answer_becomes_the_stream_that_was_asked_for() -> None:
    stage = claude()
    stage.script("claude", whole("Hello.", CALL, dialect="anthropic"))
    assert stage.plays(chat(model=MODEL, stream=True)) == [
        ASK,
        "begin 200",
        'end start "Hello." call look "{}" finish:tool done',
        "= done",
    ]


def test_a_stream_that_says_nothing_is_no_answer() -> None:
    stage = Stage(
        {"one": ONE}, own=Own([]), settings={"models": {"m": {"deployments": ["own/x", "one/gpt"]}}}
    )
    stage.script("one", stream(*streamed("Hello.")))
    assert stage.plays(chat(model="m", stream=True))[:4] == [
        "ask own/x",
        "leave own",
        "ask one with key-1: /v1/chat/completions",
        "begin 200",
    ]
    assert stage.attempts[0] == "own/x translate(protocol) upstream"


@pytest.mark.parametrize("streams", [False, True])
def test_what_the_clients_protocol_cannot_carry_is_named(streams: bool) -> None:
    told: list[ir.Event] = [
        *(ir.Start("", "id-1", "gpt", 1), ir.Open(0, ir.Thinking("")), ir.ThinkDelta(0, "Hm."), ir.Close(0)),
        *(ir.Open(1, ir.Text("")), ir.TextDelta(1, "A."), ir.Close(1), ir.Finish(ir.Stop("end")), ir.End()),
    ]
    stage = claude()
    frames = streamed(dialect="anthropic", told=told)
    stage.script("claude", stream(*frames) if streams else whole(THOUGHT, "A.", dialect="anthropic"))
    body = json.dumps({"model": MODEL, "prompt": "one", "max_tokens": 9, "stream": streams}).encode()
    assert stage.plays(body, "openai_completions")[-1] == "= done"
    assert stage.losses == ["candidates[0].blocks[0]: the Completions API has no reasoning"]


def test_an_answer_that_says_it_has_failed_is_none() -> None:
    failed = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt", "output": []}
    failed |= {"status": "failed", "error": {"code": "server_error", "message": "No luck."}}
    provider = {"dialect": "openai_responses", "base_url": "https://r.example/v1", "keys": "key-r"}
    stage = Stage({"r": provider})
    stage.script("r", json_reply(failed), whole("Hello.", dialect="openai_responses"))
    assert stage.plays(chat(model="r/gpt"))[1:] == [
        "1 s later",
        "ask r with key-r: /v1/responses",
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert stage.attempts[0] == "r/gpt translate(protocol) server_error"


# An upstream of one's own ------------------------------------------------------------------------------


def test_an_upstream_of_ones_own_is_asked_in_ir_terms() -> None:
    stage = Stage(own=(own := Own([events("Hel", "lo.")])))
    assert stage.plays(chat(model="own/x")) == [
        "ask own/x",
        "leave own",
        'answer 200 "Hello." usage 8+2',
        "= done",
    ]
    assert own.requests[0].messages == (ir.Message("user", (ir.Text("Hi"),)),)
    assert stage.usage == "8+2 estimated"


def test_a_stream_of_ones_own_may_break_off() -> None:
    stage = Stage(own=Own([events("Hel")[:3], 1.0, broken()]))
    assert stage.plays(chat(model="own/x", stream=True)) == [
        "ask own/x",
        "begin 200",
        'write start "Hel"',
        "1 s later",
        "leave own",
        "end error connection_broken: It broke.",
        "= upstream/stream/connection_broken",
    ]
    assert stage.usage == "8+1 estimated"


# Hooks -------------------------------------------------------------------------------------------------


class Shouts:
    """Changes answers, whole and streamed."""

    def after(self, exchange: Exchange, response: ir.Response) -> ir.Response:
        text = ir.Text("HELLO.")
        return ir.Response("", "id-1", "gpt", 1, (ir.Candidate((text,), ir.Stop("end")),), response.usage)

    def on_event(self, exchange: Exchange, event: ir.Event) -> list[ir.Event] | None:
        return [ir.TextDelta(0, event.text.upper())] if isinstance(event, ir.TextDelta) else None


@pytest.mark.parametrize("model", [MODEL, "one/gpt"])
def test_hooks_change_answers(model: str) -> None:
    stage = Stage({"claude": CLAUDE, "one": ONE}, hooks=[Shouts()])
    name = model.partition("/")[0]
    dialect = "anthropic" if name == "claude" else "openai_chat"
    stage.script(name, whole("Hello.", dialect=dialect), stream(*streamed("Hel", "lo.", dialect=dialect)))
    assert stage.plays(chat(model=model))[1:] == ['answer 200 "HELLO." usage 3+2', "= done"]
    assert 'write start "HEL"' in stage.plays(chat(model=model, stream=True))
    assert "hook" in stage.exchange.attempts[0].reasons


class Watches:
    """Sees every event, so nothing is relayed."""

    def on_event(self, exchange: Exchange, event: ir.Event) -> None:
        """Change nothing."""


def test_pings_of_the_provider_reach_the_client() -> None:
    stage = claude(hooks=[Watches()])
    ping = b'event: ping\ndata: {"type":"ping"}\n\n'
    stage.script("claude", stream(*SAID[:2], ping, *SAID[2:]))
    assert stage.plays(chat(model=MODEL, stream=True, max_tokens=9), "anthropic")[-1] == "= done"
    assert stage.client.body.count(b"event: ping") == 1


# Several prompts ---------------------------------------------------------------------------------------


def test_prompts_are_asked_one_by_one_where_only_one_is_taken() -> None:
    stage = claude()
    stage.script("claude", whole("A.", dialect="anthropic"), whole("B.", dialect="anthropic"))
    body = json.dumps({"model": MODEL, "prompt": ["one", "two"], "max_tokens": 9}).encode()
    assert stage.plays(body, "openai_completions") == [ASK, ASK, 'answer 200 "A." "B." usage 6+4', "= done"]
    assert [body["messages"][0]["content"] for body in stage.bodies] == ["one", "two"]
    assert stage.usage == "6+4"


def test_nothing_is_kept_of_an_answer_to_several() -> None:
    """No later turn goes on from it; of an answer to one it may."""
    for prompts in (["one"], ["one", "two"]):
        stage = claude()
        stage.script("claude", *[whole(THOUGHT, "A.", dialect="anthropic")] * len(prompts))
        body = json.dumps({"model": MODEL, "prompt": prompts, "max_tokens": 9}).encode()
        assert stage.plays(body, "openai_completions")[-1] == "= done"
        assert stage.vault.holds is (len(prompts) == 1)


# Seals -------------------------------------------------------------------------------------------------

THOUGHT = ir.Thinking("Hm.", sealed=ir.Sealed("anthropic", "c2VhbA=="))


@pytest.mark.parametrize("streams", [False, True])
def test_seals_that_the_client_cannot_hold_return_with_its_next_request(streams: bool) -> None:
    stage = claude()
    said = ir.Response("", "id-1", "gpt", 1, (ir.Candidate((THOUGHT, CALL), ir.Stop("tool")),), USED)
    first = (
        stream(*streamed(dialect="anthropic", told=list(ir.unfold(said))))
        if streams
        else whole(THOUGHT, CALL, dialect="anthropic")
    )
    stage.script("claude", first, whole("Done.", dialect="anthropic"))
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    stage.plays(chat(model=MODEL, tools=[tool], stream=streams))
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Seen."},
    ]
    stage.plays(chat(model=MODEL, tools=[tool], messages=history))
    assert b"c2VhbA==" in stage.sent[1]


@pytest.mark.parametrize("streams", [False, True])
def test_what_belongs_to_a_call_in_a_text_is_named_as_lost(streams: bool) -> None:
    cite = ir.Cite(0, ir.Citation(url="https://a.example"))
    told: list[ir.Event] = [
        *(ir.Start("", "id-1", "gpt", 1), ir.Open(0, ir.Text("")), ir.TextDelta(0, "<look></look>")),
        *(cite, ir.Close(0), ir.Finish(ir.Stop("end")), ir.End()),
    ]
    own = Own([told])
    settings = {"models": {"m": {"use": "own/x", "tool_mode": "xml"}}}
    stage = Stage(own=own, settings=settings)
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    stage.plays(chat(model="m", tools=[tool], stream=streams))
    (loss,) = stage.losses
    assert loss.startswith("candidates[0].blocks[0].citations: only a text can have it")


@pytest.mark.parametrize("told", [True, False], ids=["told", "recorded"])
@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
@pytest.mark.parametrize("reverse", [False, True])
def test_counts_in_two_chunks_are_those_of_one_answer(told: bool, face: str, reverse: bool) -> None:
    stage = Stage()
    counts = [{"prompt_tokens": 9}, {"completion_tokens": 5}]
    chunks = [
        b"data: %b\n\n" % json.dumps({"id": "1", "model": "gpt", "choices": [], "usage": usage}).encode()
        for usage in (reversed(counts) if reverse else counts)
    ]
    *said, done = streamed("Hello.")
    stage.script("one", stream(*said, *chunks, done))
    options = {"stream_options": {"include_usage": told}} if face == "openai_chat" else {"max_tokens": 9}
    lines = stage.plays(chat(stream=True, **options), face)
    assert lines[-1] == "= done"
    assert stage.usage == "9+5"
    if face == "anthropic":
        assert "usage 9+5" in " ".join(lines)


def test_an_upstream_may_state_the_prompt_at_the_start_and_the_answer_at_the_end() -> None:
    begun: list[ir.Event] = [ir.Start("", "1", "x", 1, usage=ir.Usage(input=9)), ir.Open(0, ir.Text("Hi"))]
    end: list[ir.Event] = [ir.Close(0), ir.Finish(ir.Stop("end")), ir.Tally(ir.Usage(output=5)), ir.End()]
    stage = Stage(own=Own([[*begun, *end]]))
    stage.plays(chat(model="own/x", stream=True))
    assert stage.usage == "9+5"
