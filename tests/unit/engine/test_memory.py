"""What a request leaves in memory: while its answer streams, nothing holds its decoded body any more; after
it, nothing waits for the garbage collector.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.config.lasting import Responses, Sessions
from dragoman.dialects.request import WireRequest
from dragoman.engine.asked import Turn
from dragoman.exchange import Exchange
from dragoman.routing.attempts import Policy
from dragoman.turns.chats import ChatTurn
from dragoman.turns.keeping import Keeping
from dragoman.turns.sessions import Remembering, SessionTurn
from dragoman.turns.turn import ResponseTurn
from tests.unit.engine.stage import (
    CLAUDE,
    ONE,
    Own,
    Stage,
    chat,
    events,
    refusal,
    stream,
    streamed,
    whole,
)

RESPONSES = {"dialect": "openai_responses", "base_url": "https://r.example/v1", "keys": "key-r"}
PROVIDERS = {"openai_chat": ONE, "anthropic": CLAUDE, "openai_responses": RESPONSES}


class Colder:
    """A hook that changes each request."""

    def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        return msgspec.structs.replace(request, max_output=5)


def chats(stage: Stage) -> Turn:
    return ChatTurn(Keeping(stage.store, Responses(), stage.seams), "team")


def response(stage: Stage) -> Turn:
    return ResponseTurn(Keeping(stage.store, Responses(), stage.seams), "team")


def session(stage: Stage) -> Turn:
    return SessionTurn(Remembering(stage.store, Sessions(), stage.seams, print), "team", "s")


def asked(face: str, model: str) -> bytes:
    """A streamed request."""
    if face == "openai_responses":
        return json.dumps({"model": model, "input": "Hi", "stream": True}).encode()
    return chat(model=model, stream=True, store=True, max_tokens=9)


def watched(stage: Stage, model: str) -> list[int]:
    """Grows at each write to the client by the number of bodies in memory that name this model: the client's,
    because providers are asked for a model by another name.
    """
    held: list[int] = []
    note = stage.note

    def noted(line: str) -> None:
        note(line)
        if line.startswith("write"):
            gc.collect()
            found = [one for one in gc.get_objects() if type(one) is WireRequest]
            held.append(
                sum(model in (one.body.get("model"), (one.written or {}).get("model")) for one in found)
            )

    stage.note = noted  # type: ignore[method-assign]
    return held


CASES: list[tuple[str, str, str, Sequence[Any], Callable[[Stage], Turn] | None]] = [
    ("openai_chat", "openai_chat", "p/gpt", (), None),
    ("openai_chat", "anthropic", "p/gpt", (), None),
    ("anthropic", "openai_chat", "p/gpt", (), None),
    ("openai_chat", "openai_chat", "cool", (), None),
    ("openai_chat", "openai_chat", "p/gpt", (Colder(),), None),
    ("openai_chat", "openai_chat", "p/gpt", (), chats),
    ("openai_chat", "anthropic", "p/gpt", (), chats),
    ("openai_chat", "openai_chat", "p/gpt", (), session),
    ("openai_responses", "openai_responses", "p/gpt", (), response),
    ("openai_responses", "anthropic", "p/gpt", (), response),
    ("openai_responses", "anthropic", "p/gpt", (Colder(),), response),
]


@pytest.mark.parametrize(("face", "dialect", "model", "hooks", "turn"), CASES)
def test_the_decoded_body_is_free_while_the_answer_streams(
    face: str, dialect: str, model: str, hooks: Sequence[Any], turn: Callable[[Stage], Turn] | None
) -> None:
    aliases: Mapping[str, Any] = {"cool": {"route": "p/gpt", "defaults": {"temperature": 0.3}}}
    stage = Stage({"p": PROVIDERS[dialect]}, hooks=hooks, settings={"aliases": aliases})
    stage.script("p", stream(*streamed("a", "b", "c", dialect=dialect)))
    held = watched(stage, model)
    stage.plays(asked(face, model), face, turn=None if turn is None else turn(stage))
    assert stage.exchange.end == "done"
    assert held
    assert not any(held)


def test_an_upstream_of_ones_own_does_not_hold_it_either() -> None:
    stage = Stage(own=Own([[event] for event in events("a", "b", "c")]))
    held = watched(stage, "own/m")
    stage.plays(asked("anthropic", "own/m"), "anthropic")
    assert held
    assert not any(held)


# After the exchange ------------------------------------------------------------------------------------


def crash(*_: Any) -> None:
    raise ZeroDivisionError


class Crashing:
    """A hook that fails at one point."""

    def __init__(self, point: str) -> None:
        setattr(self, point, crash)


def left(play: Callable[[], object]) -> list[str]:
    """The types of the gateway's objects that only the garbage collector can free after a play."""
    gc.collect()
    gc.disable()
    try:
        play()
        known = gc.get_debug()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return sorted(
            {type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("drag")}
        )
    finally:
        gc.garbage.clear()
        gc.set_debug(known)
        gc.enable()


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("face", "dialect", "model", "hooks", "turn"), CASES)
def test_an_answered_exchange_leaves_no_reference_cycle(
    face: str,
    dialect: str,
    model: str,
    hooks: Sequence[Any],
    turn: Callable[[Stage], Turn] | None,
    streams: bool,
) -> None:
    aliases: Mapping[str, Any] = {"cool": {"route": "p/gpt", "defaults": {"temperature": 0.3}}}
    stage = Stage({"p": PROVIDERS[dialect]}, hooks=hooks, settings={"aliases": aliases})

    def play() -> None:
        stage.script("p", stream(*streamed("a", dialect=dialect)) if streams else whole("a", dialect=dialect))
        body = asked(face, model)
        body = body if streams else body.replace(b'"stream": true', b'"stream": false')
        stage.plays(body, face, turn=None if turn is None else turn(stage))
        assert stage.exchange.end == "done"

    play()  # caches are filled
    assert left(play) == []


STORIES: dict[str, tuple[Sequence[Any], Sequence[Any], dict[str, Any]]] = {
    "refused": ((), [refusal(400, "Bad.")], {}),
    "tried again": ((), [refusal(500, "Oh."), whole("a", dialect="anthropic")], {}),
    "broken": ((), [stream(streamed("a", dialect="anthropic")[0], ConnectionResetError())] * 3, {}),
    "left": ((), [stream(*streamed("a", dialect="anthropic")[:3], 5.0)], {"leave": 2.0}),
    "hook": ([Crashing("before")], [], {}),
    "hook of events": ([Crashing("on_event")], [stream(*streamed("a", dialect="anthropic"))], {}),
}


@pytest.mark.parametrize("face", ["openai_chat", "anthropic"])
@pytest.mark.parametrize("story", STORIES)
def test_a_failed_exchange_leaves_no_reference_cycle(face: str, story: str) -> None:
    hooks, replies, options = STORIES[story]
    stage = Stage({"p": CLAUDE}, hooks=hooks)

    def play() -> None:
        stage.script("p", *replies)
        stage.plays(asked(face, "p/gpt"), face, **options)
        stage.replies("p").clear()

    play()
    assert left(play) == []


# Two attempts at the same time -------------------------------------------------------------------------

RACES: dict[str, tuple[Sequence[Any], Sequence[Any], dict[str, Any]]] = {
    "the second one answers": ([60.0], [1.0, *streamed("a", "b", dialect="openai_chat")], {}),
    "the first one answers": ([3.0, *streamed("a", dialect="anthropic")], [60.0], {}),
    "both are left": ([60.0], [60.0], {"leave": 4.0}),
    "left in the stream": ([60.0], [1.0, *streamed("a")[:2], 60.0], {"leave": 4.0}),
    "both break": ([3.0, ConnectionResetError()], [2.0, ConnectionResetError()], {}),
}


@pytest.mark.parametrize("story", RACES)
def test_two_attempts_leave_nothing_and_do_not_hold_the_body(story: str) -> None:
    late, beside, options = RACES[story]
    settings = {
        "models": {"raced": {"deployments": ["p/gpt", "q/gpt"], "hedge": {"after": "2s", "at_most": "100%"}}}
    }
    stage = Stage({"p": CLAUDE, "q": ONE}, settings=settings, policy=Policy(retries=0))
    held = watched(stage, "raced")

    def play() -> None:
        held.clear()
        stage.script("p", stream(*late))
        stage.script("q", stream(*beside))
        stage.plays(chat(model="raced", stream=True), **options)
        assert len(stage.exchange.attempts) == 2
        assert not any(held[1:]), "at the first write the other attempt has been cancelled, but not run yet"

    play()
    assert left(play) == []
