"""Stored chat completions: what is kept of an answer that its client reads as a stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dragoman.config.lasting import Responses
from dragoman.state.store import StoredChat
from dragoman.turns.chats import ChatTurn, written
from dragoman.turns.keeping import Keeping
from tests.unit.engine.stage import CLAUDE, ONE, USED, Piece, Stage, chat, stream, streamed, whole

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt"}
PROVIDERS = {"one": ONE, "claude": CLAUDE}


def turn(stage: Stage) -> ChatTurn:
    """The turn of one request."""
    return ChatTurn(Keeping(stage.store, Responses(), stage.seams), "team")


def chunk(delta: Any = (), end: str | None = None, index: int = 0, **members: Any) -> bytes:
    """One chunk of a provider's stream."""
    choice = {"index": index, "delta": dict(delta), "finish_reason": end, **members}
    return b"data: " + json.dumps({**HEAD, "choices": [choice]}).encode() + b"\n\n"


def plays(stage: Stage, *pieces: Piece, **members: Any) -> list[str]:
    """The transcript of a stream that is to be kept, relayed from the provider `one`."""
    stage.script("one", stream(*pieces))
    return stage.plays(chat(stream=True, store=True, **members), turn=turn(stage))


def kept(stage: Stage, id_: str) -> dict[str, Any] | None:
    """A stored completion, as the API shows it."""
    found: StoredChat | None = asyncio.run(stage.store.chats.get("team", id_))
    return None if found is None else dict(json.loads(written(found)))


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("done", [DONE, b""])
def test_a_relayed_stream_is_kept_whole_whether_its_vendor_says_done_or_not(done: bytes) -> None:
    stage = Stage()
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    pieces = [chunk({"content": "Hi"}), chunk({"tool_calls": [call]}), chunk(end="tool_calls"), done]
    assert plays(stage, *pieces)[-1] == "= done"
    assert stage.attempts == ["one/gpt relay 200"]
    told = kept(stage, "chatcmpl-1")
    assert told is not None
    assert (told["created"], told["model"], told["metadata"]) == (7, "gpt", {})
    choice = told["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Hi"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}


def test_choices_and_log_probabilities_are_kept() -> None:
    stage = Stage()
    scored = {"content": [{"token": "A", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}
    pieces = [
        chunk({"content": "A"}, logprobs=scored),
        chunk({"content": "x"}, index=1, logprobs=None),
        chunk({"content": "B"}, logprobs=scored),
        chunk({"content": "y"}, index=1),
        chunk(end="stop"),
        chunk(end="length", index=1),
        DONE,
    ]
    plays(stage, *pieces, n=2, logprobs=True, stream_options={"include_usage": True})
    told = kept(stage, "chatcmpl-1")
    assert told is not None
    first, second = told["choices"]
    assert (first["message"]["content"], first["finish_reason"]) == ("AB", "stop")
    assert (second["message"]["content"], second["finish_reason"]) == ("xy", "length")
    assert [token["token"] for token in first["logprobs"]["content"]] == ["A", "A"]
    assert told["usage"]["completion_tokens"] > 0  # estimated, because the provider stated none


def test_a_stream_that_passes_but_cannot_be_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def heard(_: Any, data: bytes) -> str:  # as the stage's own client could not read it, either
        read.append(data)
        return ""

    monkeypatch.setattr("tests.unit.engine.stage._Client._heard", heard)
    stage = Stage()
    pieces = [chunk({"content": "Hi"}), chunk({"content": 5}), chunk(end="stop"), DONE]
    assert plays(stage, *pieces)[-1] == "= done"
    assert stage.attempts == ["one/gpt relay 200"]
    assert b"".join(read) == b"".join(pieces)
    assert kept(stage, "chatcmpl-1") is None


def test_a_stream_that_breaks_off_is_not_kept() -> None:
    stage = Stage()
    assert plays(stage, chunk({"content": "Hi"}))[-1] != "= done"
    assert kept(stage, "chatcmpl-1") is None


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_kept_has_the_id_that_the_client_was_told(provider: str, streams: bool) -> None:
    stage = Stage(PROVIDERS)
    dialect = str(PROVIDERS[provider]["dialect"])
    reply = stream(*streamed("Hi", dialect=dialect, usage=USED)) if streams else whole("Hi", dialect=dialect)
    stage.script(provider, reply)
    more: dict[str, Any] = {"stream": True} if streams else {}
    stage.plays(chat(model=f"{provider}/m", store=True, metadata={"a": "b"}, **more), turn=turn(stage))
    first = stage.client.body.split(b"\n\n")[0].removeprefix(b"data: ") if streams else stage.client.body
    client = json.loads(first)
    told = kept(stage, client["id"])
    assert told is not None
    assert (told["object"], told["model"], told["metadata"]) == (
        "chat.completion",
        client["model"],
        {"a": "b"},
    )
    assert told["created"] == client["created"]
    assert told["choices"][0]["message"]["content"] == "Hi"
    assert (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]) == (3, 2)
    assert asyncio.run(stage.store.chats.get("other", client["id"])) is None
