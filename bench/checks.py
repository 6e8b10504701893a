"""Whether an answer is right in every word.

Before a run one answer is read here in full; the load generator then holds all others to its size, its number
of events and its end. The client speaks OpenAI's chat dialect, Responses, or Anthropic's Messages.
"""

from __future__ import annotations

import json
from typing import Any

from bench.answers import ANSWER_WORDS, text_of
from bench.load import TAIL, Expected, LoadError, Reply, Shot, ask

Json = dict[str, Any]


async def proven_answer(asked: Shot, names: set[str], words: int = ANSWER_WORDS) -> Shot:
    """Ask once, read the answer as a client would, and return the shot with what every answer must be.

    names: one of these the answer must carry as its model. words: that it must have. Raises LoadError when a
    word is wrong.
    """
    reply = await ask(asked)
    body = _parsed(reply)
    choice = body["choices"][0]
    _same("text", choice["message"]["content"], text_of(words))
    _same("finish_reason", choice["finish_reason"], "stop")
    _same("completion_tokens", body["usage"]["completion_tokens"], words)
    _one_of("model", {body["model"]}, names)
    return _expecting(asked, reply)


async def proven_stream(asked: Shot, names: set[str], events: int, *, usage: bool) -> Shot:
    """As `proven_answer`, for a stream of so many text events with or without its usage chunk."""
    reply = await ask(asked)
    _same("status", reply.status, 200)
    frames = [frame for frame in reply.body.decode().split("\n\n") if frame]
    _same("last event", frames[-1], "data: [DONE]")
    chunks: list[Json] = [json.loads(frame.removeprefix("data: ")) for frame in frames[:-1]]
    _one_of("model", {chunk["model"] for chunk in chunks}, names)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    _same("text", "".join(choice["delta"].get("content") or "" for choice in choices), text_of(events))
    spoken = sum(1 for choice in choices if choice["delta"].get("content"))
    _same("text events", spoken, events)
    _same("finish_reason", choices[-1]["finish_reason"], "stop")
    counted = [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage")]
    _same("usage", counted, [events] if usage else [])
    return _expecting(asked, reply)


async def proven_response(asked: Shot, names: set[str], *, store: bool) -> Shot:
    """As `proven_answer`, for the Responses API. store: whether the answer must say that it is kept."""
    reply = await ask(asked)
    _right(_parsed(reply), text_of(ANSWER_WORDS), ANSWER_WORDS, names, store=store)
    return _expecting(asked, reply)


async def proven_response_stream(asked: Shot, names: set[str], events: int, *, store: bool) -> Shot:
    """As `proven_response`, for a stream of so many text events, with `[DONE]` at its end or without."""
    reply = await ask(asked)
    _same("status", reply.status, 200)
    frames = [frame for frame in reply.body.decode().split("\n\n") if frame.startswith("event: ")]
    told: list[Json] = [json.loads(frame.partition("\ndata: ")[2]) for frame in frames]
    _same("numbers", [event["sequence_number"] for event in told], list(range(len(told))))
    deltas = [event["delta"] for event in told if event["type"] == "response.output_text.delta"]
    _same("text events", deltas, [text_of(i + 1)[len(text_of(i)) :] for i in range(events)])
    _same("last event", told[-1]["type"], "response.completed")
    _right(told[-1]["response"], text_of(events), events, names, store=store)
    return _expecting(asked, reply)


async def proven_message(asked: Shot, names: set[str]) -> Shot:
    """As `proven_answer`, for the Messages API."""
    reply = await ask(asked)
    body = _parsed(reply)
    _same("text", [block["text"] for block in body["content"]], [text_of(ANSWER_WORDS)])
    _same("stop_reason", body["stop_reason"], "end_turn")
    _same("output_tokens", body["usage"]["output_tokens"], ANSWER_WORDS)
    _one_of("model", {body["model"]}, names)
    return _expecting(asked, reply)


async def proven_message_stream(asked: Shot, names: set[str], events: int) -> Shot:
    """As `proven_message`, for a stream of so many text events."""
    reply = await ask(asked)
    _same("status", reply.status, 200)
    told: list[Json] = [
        json.loads(frame.partition("\ndata: ")[2]) for frame in reply.body.decode().split("\n\n") if frame
    ]
    _one_of("model", {event["message"]["model"] for event in told if event["type"] == "message_start"}, names)
    deltas = [event["delta"]["text"] for event in told if event["type"] == "content_block_delta"]
    _same("text", "".join(deltas), text_of(events))
    _same("text events", len([text for text in deltas if text]), events)
    (ended,) = (event for event in told if event["type"] == "message_delta")
    _same("stop_reason", ended["delta"]["stop_reason"], "end_turn")
    _same("output_tokens", ended["usage"]["output_tokens"], events)
    _same("last event", told[-1]["type"], "message_stop")
    return _expecting(asked, reply)


def _right(response: Json, text: str, tokens: int, names: set[str], *, store: bool) -> None:
    """Raises LoadError unless a response object is the one that the provider gave."""
    (item,) = response["output"]
    _same("text", [part["text"] for part in item["content"]], [text])
    _same("status", response["status"], "completed")
    _same("output_tokens", response["usage"]["output_tokens"], tokens)
    _same("store", response["store"], store)
    _one_of("model", {response["model"]}, names)


def _parsed(reply: Reply) -> Json:
    _same("status", reply.status, 200)
    body: Json = json.loads(reply.body)
    return body


def _expecting(asked: Shot, reply: Reply) -> Shot:
    expected = Expected(reply.status, len(reply.body), reply.body.count(b"\n\n"), reply.body[-TAIL:])
    return Shot(asked.port, asked.request, expected)


def _one_of(what: str, got: set[str], wanted: set[str]) -> None:
    if len(got) != 1 or not got <= wanted:
        raise LoadError(f"{what}: expected one of {sorted(wanted)}, got {sorted(got)}")


def _same(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise LoadError(f"{what}: expected {wanted!r}, got {got!r}")
