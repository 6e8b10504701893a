"""What a request leaves in memory while its answer streams: nothing holds its decoded body any more."""

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
from dragoman.turns.chats import ChatTurn
from dragoman.turns.keeping import Keeping
from dragoman.turns.sessions import Remembering, SessionTurn
from dragoman.turns.turn import ResponseTurn
from tests.unit.engine.stage import CLAUDE, ONE, Own, Stage, chat, events, stream, streamed

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
