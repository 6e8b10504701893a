"""Continued streams, as transcripts: who goes on, what it is told, and what the client reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.engine.continued import is_continuable
from dragoman.errors import RequestFailed
from dragoman.hooks import Hooks
from dragoman.routing.attempts import Policy
from tests.unit.engine.stage import (
    CALL,
    CLAUDE,
    ONE,
    Reply,
    Stage,
    chat,
    events,
    refusal,
    stream,
    streamed,
    whole,
)

TWO = {**ONE, "keys": ["key-2"]}
THREE = {**ONE, "keys": ["key-3"]}
MISTRAL = {"dialect": "mistral", "base_url": "https://mistral.example/v1", "keys": "key-m"}
ASK_ONE = "ask one with key-1: /v1/chat/completions"
ASK_TWO = "ask two with key-2: /v1/chat/completions"
ASK_THREE = "ask three with key-3: /v1/chat/completions"
WORDS = ("One ", "two ", "three ", "four ", "five")
CUT = ir.Fault("upstream", "The connection broke.", code="upstream_connection_failed", blame="upstream")
BROKEN = RequestFailed(CUT)
USED = ir.Usage(input=3, output=2)
PREFILL = {"prefill": True}
FACES = ("openai_chat", "anthropic", "openai_responses", "gemini", "ollama", "openai_completions", "mistral")


def staged(second: Any = TWO, model: str = "gpt", *, third: Any = None, **more: Any) -> Stage:
    providers = {"one": ONE, "two": second} | ({} if third is None else {"three": third})
    uses: list[Any] = ["one/gpt", {"use": f"two/{model}", "supports": PREFILL}]
    if third is not None:
        uses.append({"use": "three/gpt", "supports": PREFILL})
    settings = {"models": {"m": {"deployments": uses, "continue_streams": True, **more.pop("model_more", {})}}}
    return Stage(providers, settings=settings, **more)


def half(*words: str, after: Any = BROKEN, dialect: str = "openai_chat") -> Reply:
    """A stream that breaks off after these words."""
    told: list[ir.Event] = [ir.Start("", "id-1", "gpt", 1), ir.Open(0, ir.Text(""))]
    told += [ir.TextDelta(0, word) for word in words or WORDS]
    return stream(*streamed(told=told, dialect=dialect), after)


def rest(*words: str, dialect: str = "openai_chat", usage: ir.Usage | None = USED) -> Reply:
    return stream(*streamed(*words, dialect=dialect, usage=usage))


def ask(**members: Any) -> bytes:
    return chat(model="m", stream=True, **members)


def told(lines: list[str]) -> str:
    """The text that the client has read."""
    return "".join(
        word for line in lines if line.startswith(("write ", "end ")) for word in line.split('"')[1::2]
    )


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
    assert sum("finish" in line.split() for line in lines) == 1
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
        "one/gpt translate(continuing) 200 upstream_connection_failed",
        "two/gpt translate(continuing) 200",
    ]
    assert (first.continues, second.continues) == (False, True)
    assert first.outcome is not None
    assert (stage.exchange.answered, stage.exchange.fault) == ("two/gpt", None)
    assert second.first is not None
    assert not stage.health.calm, "the first one has failed"
