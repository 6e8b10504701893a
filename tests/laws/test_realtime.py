"""Recorded realtime sessions: every message passes as it is, and usage is the sum of what they state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.gemini.live import LIVE as GEMINI
from dragoman.dialects.live import Live, Names, Talk
from dragoman.dialects.openai.realtime import LIVE as OPENAI
from dragoman.testing import corpus

APIS = {"openai.realtime": OPENAI, "azure.realtime": OPENAI, "xai.realtime": OPENAI, "gemini.live": GEMINI}


def stated(value: Any, name: str) -> int:
    """The sum of all counts of this name in a session's messages, transcripts of speech apart."""
    if isinstance(value, dict):
        if value.get("type") == "conversation.item.input_audio_transcription.completed":
            return 0
        return sum(one if key == name else stated(one, name) for key, one in value.items())
    return sum(stated(one, name) for one in value) if isinstance(value, list) else 0


def begun(live: Live, first: str) -> Talk:
    name = "the-model" if live.model is None else live.model(first)
    return live.talk(Names(name, None, frozenset({name})), first)


@pytest.mark.wire
@pytest.mark.parametrize("api", list(APIS))
def test_over_recorded_sessions(recorded: Path, api: str) -> None:
    live, sessions, replies = APIS[api], 0, 0
    for exchange in corpus.read(recorded, api):
        assert exchange.response is not None
        assert exchange.response.ws is not None
        frames = [one for one in exchange.response.ws if one["kind"] == "message"]
        texts = [one["data"] if isinstance(one["data"], str) else json.dumps(one["data"]) for one in frames]
        first = next(text for text, one in zip(texts, frames, strict=True) if one["direction"] == "sent")
        talk = begun(live, first)
        taken = given = running = 0
        heard_first = False
        for text, frame in zip(texts, frames, strict=True):
            if frame["direction"] == "sent":
                if text is first and live.model is not None:
                    (told,) = talk.opening()
                    assert _named(json.loads(told)) == _named(json.loads(text))
                else:
                    assert json.loads(talk.said(text).message) == json.loads(text)
                continue
            heard = talk.heard(text)
            assert heard.message == text
            assert heard.fault is None
            assert heard_first or not heard.used
            heard_first = True
            running += heard.begins and not running
            for used in heard.used:
                if used.usage is not None and used.model is None:
                    taken += used.usage.input_total
                    given += used.usage.output_total
            if heard.ends and running:
                replies, running = replies + 1, 0
        received = [json.loads(t) for t, one in zip(texts, frames, strict=True) if one["direction"] != "sent"]
        if live is OPENAI:
            assert (taken, given) == (stated(received, "input_tokens"), stated(received, "output_tokens"))
        else:
            assert taken == stated(received, "promptTokenCount")
            assert given >= stated(received, "responseTokenCount")
        sessions += 1
    assert (sessions, replies) == EXPECTED[api]


def _named(setup: Any) -> Any:
    """A setup whose model has the usual prefix: Vertex AI names the publisher before it."""
    setup["setup"]["model"] = "models/" + setup["setup"]["model"].removeprefix("models/")
    return setup


EXPECTED = {
    "openai.realtime": (9, 14),
    "azure.realtime": (6, 7),
    "xai.realtime": (4, 6),
    "gemini.live": (8, 9),
}
"""The recorded sessions of each API, and the replies in them."""
