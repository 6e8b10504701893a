"""Streams as bytes: their shape, their pace, and what the client is told when they break.

Each test runs over a relayed provider (OpenAI's dialect) and over a translated one (Anthropic's), unless
it is about one of the two.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from dragoman.testing.provider import Seen, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.answers.mistral import nine
from tests.e2e.calls import CHAT, MODELS, events, finishes, said
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.stubs import OPENING, frames, joined, streamed

EVERY = pytest.mark.parametrize("dialect", list(stubs.DIALECTS))
TEXT = "A longer answer, in pieces."
FAULTS: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "error": {"message": "Too busy.", "type": "server_error", "code": "server_is_overloaded"}
    },
    "anthropic": {"type": "error", "error": {"type": "overloaded_error", "message": "Too busy."}},
    "gemini": {"error": {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}},
    "mistral": {"object": "error", "message": "Too busy.", "type": "service_unavailable", "code": "3505"},
}


def pool(*urls: str, dialect: str) -> dict[str, Any]:
    """A configuration with one model, `pool`, over a provider at each address."""
    providers = {f"p{n}": {"dialect": dialect, "base_url": url, "keys": ["k"]} for n, url in enumerate(urls)}
    model = MODELS[dialect].partition("/")[2]
    deployments = [f"{name}/{model}" for name in providers]
    return {
        "providers": providers,
        "models": {"pool": {"deployments": deployments}},
        "retries": {"attempts": 1},
    }


async def eventually(condition: Any, seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail when it does not within this time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


# Shape and pace ------------------------------------------------------------------------------------


@EVERY
async def test_each_part_leaves_at_once(visit: Visit, provide: Provide, dialect: str) -> None:
    """1.8, 4.13: three parts 300 ms apart; the first is there long before the last."""
    sent = frames(dialect, "one..two..three")
    opening, tail = OPENING[dialect], sent[OPENING[dialect] + 3 :]
    first = joined(dialect, sent[: opening + 1])
    parts = [first, sent[opening + 1], sent[opening + 2], joined(dialect, tail)]
    provider = await provide(streamed(dialect, parts, pause=0.3))
    site = await visit(up(provider.url, dialect))
    began = time.monotonic()
    arrived: list[float] = []
    raw = b""
    async with site.open(MODELS[dialect], stream=True) as response:
        async for chunk in response.content.iter_any():
            arrived.append(time.monotonic() - began)
            raw += chunk
    assert arrived[1] >= 0.3
    assert arrived[2] >= 0.6
    assert arrived[2] - arrived[0] >= 0.3
    assert said(events(raw)) == "one..two..three"
    last = events(raw)[-2:]
    assert (last[0]["choices"][0]["delta"], last[0]["choices"][0]["finish_reason"]) == ({}, "stop")
    assert last[1] == "[DONE]"


@EVERY
@pytest.mark.parametrize("usage", [False, True])
async def test_the_shape_of_a_stream(visit: Visit, provide: Provide, dialect: str, usage: bool) -> None:
    """0.14: role first, content, finish, usage only when asked, exactly one [DONE]."""
    provider = await provide(stubs.DIALECTS[dialect](stubs.Said(TEXT)))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True, **_asking(usage))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    stream = events(answer.raw)
    assert stream.count("[DONE]") == 1
    assert stream[-1] == "[DONE]"
    chunks = stream[:-1]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    if usage:
        last = chunks.pop()
        assert last["choices"] == []
        assert last["usage"]["prompt_tokens"] == 12
        assert last["usage"]["completion_tokens"] == 7
        assert last["usage"]["total_tokens"] == 19
    assert not any(chunk.get("usage") for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert not deltas[0]["content"]
    assert not any("role" in delta for delta in deltas[1:])
    assert deltas[-1] == {}
    assert said(stream) == TEXT
    assert finishes(stream) == ["stop"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@EVERY
async def test_tool_calls_stream_with_their_places(visit: Visit, provide: Provide, dialect: str) -> None:
    """0.14: each call is opened once, with id and name; its arguments follow under its index."""
    calls = (("call_1", "f", '{"city": "Paris"}'), ("call_2", "g", '{"city": "Rome", "days": 3}'))
    provider = await provide(stubs.DIALECTS[dialect](stubs.Said("I look.", calls)))
    site = await visit(up(provider.url, dialect))
    tools = [{"type": "function", "function": {"name": name}} for name in "fg"]
    stream = events((await site.ask(MODELS[dialect], stream=True, tools=tools)).raw)
    deltas = [chunk["choices"][0]["delta"] for chunk in stream[:-1]]
    pieces = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    for index, (stated, name, arguments) in enumerate(calls):
        id_ = nine(stated) if dialect == "mistral" else stated
        own = [piece for piece in pieces if piece["index"] == index]
        assert (own[0]["id"], own[0]["type"], own[0]["function"]["name"]) == (id_, "function", name)
        assert not any("id" in piece or "name" in piece["function"] for piece in own[1:])
        written = "".join(piece["function"].get("arguments", "") for piece in own)
        assert json.loads(written) == json.loads(arguments)  # Gemini states values, not their text
    assert finishes(stream) == ["tool_calls"]
    assert said(stream) == "I look."


# Usage ---------------------------------------------------------------------------------------------


def _asking(usage: bool) -> dict[str, Any]:
    return {"stream_options": {"include_usage": True}} if usage else {}


@EVERY
async def test_usage_is_always_told_where_the_operator_says_so(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """0.14: `stream_usage: always` is for clients that cannot ask."""
    provider = await provide(stubs.DIALECTS[dialect](stubs.Said()))
    site = await visit({**up(provider.url, dialect), "stream_usage": "always"})
    stream = events((await site.ask(MODELS[dialect], stream=True)).raw)
    assert stream[-2]["choices"] == []
    assert stream[-2]["usage"]["total_tokens"] == 19


@EVERY
async def test_usage_is_known_here_although_nobody_asked(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """1.9, 3.18: the exchange has the provider's numbers; the client that did not ask has none."""
    exchanges: list[Any] = []
    provider = await provide(stubs.DIALECTS[dialect](stubs.Said()))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    stream = events((await site.ask(MODELS[dialect], stream=True)).raw)
    assert not any(event["usage"] for event in stream[:-1] if event.get("usage"))
    usage = exchanges[0].usage
    assert (usage.input_total, usage.output_total) == (12, 7)


async def test_usage_that_nobody_asked_for_is_taken_out(visit: Visit, provide: Provide) -> None:
    """0.14: some vendors send it unasked; what else a chunk with usage says still arrives."""
    sent = frames("openai_chat", "Hello", usage=True)
    numbers = sent[-2]["usage"]
    within = {**sent[-4], "usage": numbers}
    provider = await provide(Streamed([*sent[:-4], within, *sent[-3:]]))
    site = await visit(up(provider.url))
    stream = events((await site.ask(stream=True)).raw)
    assert said(stream) == "Hello"
    assert not any(event["choices"] == [] for event in stream[:-1])


# Framing of the provider ---------------------------------------------------------------------------

ODD = '日本語 · 🦜 · e\u0301 · \u2028 · \\n "quoted" · \U0001f468\u200d\U0001f469\u200d\U0001f467'


@EVERY
async def test_bytes_may_be_cut_anywhere(visit: Visit, provide: Provide, dialect: str) -> None:
    """0.14: frames and characters of several bytes arrive byte by byte."""
    named = dialect == "anthropic"
    texts = []
    for frame in frames(dialect, ODD):
        event = f"event: {frame['type']}\n" if named else ""
        data = frame if isinstance(frame, bytes) else json.dumps(frame, ensure_ascii=False).encode()
        texts.append(data if isinstance(frame, bytes) else event.encode() + b"data: " + data + b"\n\n")
    whole = b"".join(texts)
    provider = await provide(Streamed([whole[i : i + 1] for i in range(len(whole))], pause=1e-6))
    site = await visit(up(provider.url, dialect))
    stream = events((await site.ask(MODELS[dialect], stream=True)).raw)
    assert said(stream) == ODD
    assert finishes(stream) == ["stop"]
    assert stream.count("[DONE]") == 1


@EVERY
@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
async def test_any_line_end_and_comments_between(
    visit: Visit, provide: Provide, dialect: str, end: str
) -> None:
    """0.14: CRLF, CR, LF; comments and unknown fields are no events, and `data:` needs no blank."""
    lines = [": welcome", "", "id: 7", "retry: 10"]
    for place, frame in enumerate(frames(dialect, TEXT)):
        data = (
            frame.decode().removeprefix("data: ").strip() if isinstance(frame, bytes) else json.dumps(frame)
        )
        if dialect == "anthropic":
            lines.append(f"event:{frame['type']}")
        lines += [f"data:{data}" if place % 2 else f"data: {data}", "", ": keep-alive", ""]
    provider = await provide(Streamed([end.join(lines).encode()]))
    site = await visit(up(provider.url, dialect))
    stream = events((await site.ask(MODELS[dialect], stream=True)).raw)
    assert said(stream) == TEXT
    assert finishes(stream) == ["stop"]
    assert stream.count("[DONE]") == 1
    assert all(isinstance(event, dict) for event in stream[:-1])


@EVERY
async def test_a_terminal_event_that_comes_twice_is_passed_once(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """0.14: exactly one [DONE], also where the provider sends two."""
    sent = frames(dialect, TEXT)
    provider = await provide(streamed(dialect, [*sent, sent[-1]]))
    site = await visit(up(provider.url, dialect))
    stream = events((await site.ask(MODELS[dialect], stream=True)).raw)
    assert said(stream) == TEXT
    assert stream.count("[DONE]") == 1
    assert stream[-1] == "[DONE]"


async def test_a_done_that_is_missing_is_made_up_for(visit: Visit, provide: Provide) -> None:
    """0.14: a finished answer ends in [DONE], also where the provider forgets it."""
    provider = await provide(Streamed(frames("openai_chat", TEXT)[:-1]))
    site = await visit(up(provider.url))
    stream = events((await site.ask(stream=True)).raw)
    assert finishes(stream) == ["stop"]
    assert stream.count("[DONE]") == 1
    assert stream[-1] == "[DONE]"


# Whole for stream and stream for whole -------------------------------------------------------------


@EVERY
async def test_a_provider_that_cannot_stream_is_chunked(visit: Visit, provide: Provide, dialect: str) -> None:
    """0.16: a JSON answer to a stream request reaches the client as a stream."""
    whole = stubs.DIALECTS[dialect](stubs.Said(TEXT))
    assert callable(whole)
    provider = await provide(whole(Seen("POST", "/", {}, {}, b"{}")))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True, **_asking(usage=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    stream = events(answer.raw)
    assert said(stream) == TEXT
    assert finishes(stream) == ["stop"]
    assert stream[-2]["usage"]["total_tokens"] == 19
    assert stream[-1] == "[DONE]"


@EVERY
async def test_a_provider_that_only_streams_is_collected(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """0.16: a stream in answer to a request for a whole one reaches the client as one JSON body."""
    provider = await provide(streamed(dialect, frames(dialect, TEXT, usage=True)))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect])
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    choice = answer.body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (TEXT, "stop")
    assert answer.body["usage"]["total_tokens"] == 19
    assert answer.body["object"] == "chat.completion"


# Faults --------------------------------------------------------------------------------------------


def told(raw: bytes) -> dict[str, Any]:
    """The error that ends a stream in-band: the last event, once, with no finish and no [DONE] before it."""
    stream = events(raw)
    errors = [event["error"] for event in stream if isinstance(event, dict) and "error" in event]
    assert len(errors) == 1
    assert "error" in stream[-1]
    assert set(errors[0]) == {"message", "type", "param", "code", "error_id"}
    assert errors[0]["message"]
    assert "[DONE]" not in stream
    assert finishes(stream) == []
    found: dict[str, Any] = errors[0]
    return found


BEFORE = ["nothing", "start-up"]


@EVERY
@pytest.mark.parametrize("after", BEFORE)
async def test_a_death_before_content_is_retried(
    visit: Visit, provide: Provide, dialect: str, after: str
) -> None:
    """2.29: the provider dies before the first token; the second attempt answers, and only it is seen."""
    sent = frames(dialect, TEXT)
    opening = sent[: OPENING[dialect]] if after == "start-up" else []
    provider = await provide(streamed(dialect, opening, die=True), streamed(dialect, sent))
    site = await visit({**up(provider.url, dialect), "retries": {"attempts": 2, "backoff": 0.01}})
    answer = await site.ask(MODELS[dialect], stream=True)
    stream = events(answer.raw)
    assert answer.headers["x-dragoman-attempts"] == "2"
    assert said(stream) == TEXT
    assert sum("role" in event["choices"][0]["delta"] for event in stream[:-1]) == 1
    assert stream.count("[DONE]") == 1
    assert len(provider.seen) == 2


@EVERY
async def test_a_death_after_content_is_told_and_nothing_is_glued_on(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """1.22, 2.29: an error is the last event; no finish, no [DONE], no second answer."""
    sent = frames(dialect, TEXT)
    provider = await provide(
        streamed(dialect, sent[: OPENING[dialect] + 2], die=True), streamed(dialect, sent)
    )
    site = await visit({**up(provider.url, dialect), "retries": {"attempts": 3, "backoff": 0.01}})
    answer = await site.ask(MODELS[dialect], stream=True)
    assert answer.status == 200
    assert told(answer.raw)["type"] == "server_error"
    assert said(events(answer.raw)) == TEXT[:10]
    assert len(provider.seen) == 1


@EVERY
async def test_an_end_without_a_finish_is_a_fault(visit: Visit, provide: Provide, dialect: str) -> None:
    """1.22: a stream that is ended in good order, but in the middle of the answer, is told as broken."""
    provider = await provide(streamed(dialect, frames(dialect, TEXT)[: OPENING[dialect] + 2]))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True)
    assert told(answer.raw)["type"] == "server_error"
    assert said(events(answer.raw)) == TEXT[:10]


@EVERY
@pytest.mark.parametrize("after", BEFORE)
async def test_an_error_in_the_stream_before_content_falls_over(
    visit: Visit, provide: Provide, dialect: str, after: str
) -> None:
    """5.7: status 200, role chunk, then an error: the second target answers."""
    opening = frames(dialect, TEXT)[: OPENING[dialect]] if after == "start-up" else []
    first = await provide(streamed(dialect, [*opening, FAULTS[dialect]]))
    second = await provide(stubs.DIALECTS[dialect](stubs.Said(TEXT)))
    site = await visit(pool(first.url, second.url, dialect=dialect))
    answer = await site.ask("pool", stream=True)
    stream = events(answer.raw)
    assert said(stream) == TEXT
    assert sum("role" in event["choices"][0]["delta"] for event in stream[:-1]) == 1
    assert answer.headers["x-dragoman-deployment"].startswith("p1/")
    assert answer.headers["x-dragoman-attempts"] == "2"
    assert {event["model"] for event in stream[:-1]} == {"pool"}


@EVERY
async def test_an_error_in_the_stream_before_content_has_its_true_status(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """5.7: where nobody else can answer, a client that was sent nothing yet gets a real status."""
    provider = await provide(streamed(dialect, [*frames(dialect, TEXT)[: OPENING[dialect]], FAULTS[dialect]]))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True)
    assert answer.status == 503
    assert answer.error["message"] == "Too busy."


@EVERY
async def test_an_error_in_the_stream_after_content_is_told(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """1.22: in OpenAI's shape whatever the provider's; the second target is not asked."""
    first = await provide(
        streamed(dialect, [*frames(dialect, TEXT)[: OPENING[dialect] + 1], FAULTS[dialect]])
    )
    second = await provide(stubs.DIALECTS[dialect](stubs.Said(TEXT)))
    site = await visit(pool(first.url, second.url, dialect=dialect))
    answer = await site.ask("pool", stream=True)
    assert told(answer.raw)["message"] == "Too busy."
    assert said(events(answer.raw)) == TEXT[:5]
    assert second.seen == []


@EVERY
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_inside_a_good_status_is_an_error(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """5.7: status 200 and an error object as JSON body."""
    provider = await provide(Whole(FAULTS[dialect]))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=stream)
    assert answer.status == 503
    assert answer.error["message"] == "Too busy."


@EVERY
async def test_a_stream_without_events_is_no_answer(visit: Visit, provide: Provide, dialect: str) -> None:
    """2.29: nothing came, so the next target is asked; without one it is a 502."""
    empty = await provide(Streamed([]))
    good = await provide(stubs.DIALECTS[dialect](stubs.Said(TEXT)))
    site = await visit(pool(empty.url, good.url, dialect=dialect))
    assert said(events((await site.ask("pool", stream=True)).raw)) == TEXT
    alone = await visit(up(empty.url, dialect))
    answer = await alone.ask(MODELS[dialect], stream=True)
    assert answer.status == 502
    assert answer.error["type"] == "server_error"


@EVERY
async def test_an_answer_of_no_words_is_an_answer(visit: Visit, provide: Provide, dialect: str) -> None:
    """0.14: a model may stop at once; that is a finish, not a failure, and not asked again."""
    sent = [frame for frame in frames(dialect, "") if frame]
    provider = await provide(streamed(dialect, sent))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True)
    assert answer.status == 200
    stream = events(answer.raw)
    assert finishes(stream) == ["stop"]
    assert stream[-1] == "[DONE]"
    assert len(provider.seen) == 1


@EVERY
async def test_a_frame_that_is_no_json_is_a_fault(visit: Visit, provide: Provide, dialect: str) -> None:
    """1.22: what cannot be read is told as such, and nothing of it reaches the client."""
    sent = frames(dialect, TEXT)
    broken = b'data: {"choices": [{"del\n\n'
    provider = await provide(streamed(dialect, [*sent[: OPENING[dialect] + 1], broken, *sent[-2:]]))
    site = await visit(up(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True)
    assert told(answer.raw)["type"] == "server_error"
    assert said(events(answer.raw)) == TEXT[:5]


@EVERY
@pytest.mark.parametrize("first", ["first_byte", "idle"])
async def test_silence_runs_into_its_timeout(
    visit: Visit, provide: Provide, dialect: str, first: str
) -> None:
    """4.16: before the first byte 504, within the stream an error in-band."""
    sent = frames(dialect, TEXT)[: OPENING[dialect] + 1]
    silent = (
        streamed(dialect, sent, delay=60)
        if first == "first_byte"
        else streamed(dialect, [*sent, b""], pause=60)
    )
    if first == "idle":
        silent = streamed(dialect, [joined(dialect, sent), b": late\n\n"], pause=60)
    provider = await provide(silent)
    site = await visit(up(provider.url, dialect, timeouts={first: 0.1}))
    began = time.monotonic()
    answer = await site.ask(MODELS[dialect], stream=True)
    assert time.monotonic() - began < 50
    if first == "first_byte":
        assert (answer.status, answer.error["code"]) == (504, "first_byte_timeout")
    else:
        assert told(answer.raw)["code"] == "idle_timeout"
    await eventually(lambda: provider.cut)


# Heartbeats ----------------------------------------------------------------------------------------


def _beating(url: str, dialect: str) -> dict[str, Any]:
    return {**up(url, dialect), "server": {"heartbeat": 0.1}}


@EVERY
async def test_silence_is_filled_with_heartbeats(visit: Visit, provide: Provide, dialect: str) -> None:
    """Before the first byte and within the stream; the answer itself is whole."""
    sent = frames(dialect, TEXT)
    at = OPENING[dialect] + 1
    parts = [joined(dialect, sent[:at]), joined(dialect, sent[at:])]
    provider = await provide(streamed(dialect, parts, delay=1.5, pause=0.35))
    site = await visit(_beating(provider.url, dialect))
    began = time.monotonic()
    async with site.open(MODELS[dialect], stream=True) as response:
        assert time.monotonic() - began < 1.5
        assert response.status == 200
        stream = events(await response.read())
    first = next(place for place, event in enumerate(stream) if isinstance(event, dict))
    beats = [place for place, event in enumerate(stream) if isinstance(event, str) and event.startswith(":")]
    assert sum(place < first for place in beats) >= 2
    assert sum(place > first for place in beats) >= 2
    assert said(stream) == TEXT
    assert stream[-1] == "[DONE]"


@EVERY
async def test_a_failure_after_a_heartbeat_is_told_in_band(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """The status is gone by then; the error still names what happened."""
    refused = stubs.refusal(dialect, 500, "api_error", "No, for a reason.")
    provider = await provide(Whole(refused.body, 500, delay=0.25))
    site = await visit(_beating(provider.url, dialect))
    answer = await site.ask(MODELS[dialect], stream=True)
    assert answer.status == 200
    assert "No, for a reason." in told(answer.raw)["message"]


@EVERY
async def test_a_heartbeat_does_not_end_the_failing_over(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """5.7: between the headers and the first content another target can still answer."""
    first = await provide(Whole({"error": {"message": "No."}}, 500, delay=0.25))
    second = await provide(stubs.DIALECTS[dialect](stubs.Said(TEXT)))
    site = await visit({**pool(first.url, second.url, dialect=dialect), "server": {"heartbeat": 0.1}})
    stream = events((await site.ask("pool", stream=True)).raw)
    assert stream[0].startswith(":")
    assert said(stream) == TEXT
    assert stream[-1] == "[DONE]"


@EVERY
async def test_a_whole_answer_has_no_heartbeats(visit: Visit, provide: Provide, dialect: str) -> None:
    """A JSON body cannot hold comments; the client waits."""
    answer = stubs.DIALECTS[dialect](stubs.Said(TEXT))
    assert callable(answer)
    whole = answer(Seen("POST", "/", {}, {}, b"{}"))
    assert isinstance(whole, Whole)
    provider = await provide(Whole(whole.body, delay=0.25))
    site = await visit(_beating(provider.url, dialect))
    assert (await site.ask(MODELS[dialect])).text == TEXT


# A client that leaves ------------------------------------------------------------------------------


@EVERY
async def test_a_client_that_leaves_in_the_middle_ends_the_call(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """0.26: the provider sees its connection dropped, long before it would go on."""
    exchanges: list[Any] = []
    sent = frames(dialect, TEXT)
    at = OPENING[dialect] + 1
    provider = await provide(streamed(dialect, [joined(dialect, sent[:at]), *sent[at:]], pause=30))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    async with site.open(MODELS[dialect], stream=True) as response:
        assert await response.content.readany()
        response.close()
    await eventually(lambda: provider.cut and not provider.open)
    await eventually(lambda: exchanges)
    assert exchanges[0].end == "client/stream"


@EVERY
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_first_byte_ends_the_call(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """0.26: also while the provider has not said anything, and for a whole answer."""
    exchanges: list[Any] = []
    provider = await provide(streamed(dialect, [], delay=30))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    asking = asyncio.ensure_future(site.ask(MODELS[dialect], stream=stream))
    await eventually(lambda: provider.open)
    asking.cancel()
    await eventually(lambda: provider.cut and not provider.open)
    await eventually(lambda: exchanges)
    assert exchanges[0].end == "client/first_byte"


async def test_a_client_that_leaves_during_a_retrys_wait_ends_the_exchange(
    visit: Visit, provide: Provide
) -> None:
    """0.26: nobody waits for nobody, and no second call is made."""
    exchanges: list[Any] = []
    provider = await provide(Whole({"error": {"message": "No."}}, 503))
    config = {**up(provider.url), "retries": {"attempts": 3, "backoff": 5}}
    site = await visit(config, observers=[exchanges.append])
    asking = asyncio.ensure_future(site.ask())
    await eventually(lambda: provider.seen)
    await asyncio.sleep(0.05)
    asking.cancel()
    await eventually(lambda: exchanges)
    assert exchanges[0].end == "client/route"
    assert len(provider.seen) == 1


async def test_a_client_that_leaves_a_simulated_model_ends_its_work(visit: Visit) -> None:
    """0.26: also where no connection is to be dropped."""
    exchanges: list[Any] = []
    site = await visit({"aliases": {"m": "simulate/lorem:500+rate:5"}}, observers=[exchanges.append])
    async with site.open("m", stream=True) as response:
        assert await response.content.readany()
        response.close()
    await eventually(lambda: exchanges)
    assert exchanges[0].end == "client/stream"


async def test_a_client_that_was_answered_is_not_taken_for_gone(visit: Visit, provide: Provide) -> None:
    """0.26: closing a connection after the answer is the usual end."""
    exchanges: list[Any] = []
    provider = await provide(stubs.openai_chat(stubs.Said()))
    site = await visit(up(provider.url), observers=[exchanges.append])
    for stream in (False, True):
        await site.session.post(
            site.base + CHAT,
            json={"model": "up/gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": stream},
            headers={"connection": "close"},
        )
    await eventually(lambda: len(exchanges) == 2)
    assert [exchange.end for exchange in exchanges] == ["done", "done"]
    assert provider.cut == []
