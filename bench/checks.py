"""Requests, and whether an answer to one is right in every word.

Before a run one answer is read here in full; the load generator then holds all others to its size, its number
of events and its end. The client speaks OpenAI's chat dialect, or Responses.
"""

from __future__ import annotations

import json
from typing import Any

from bench.answers import ANSWER_WORDS, text_of
from bench.load import TAIL, Expected, LoadError, Reply, Shot, ask

CLIENT_KEY = "bench-client-key-0123456789abcdef"
"""The key that the gateway asks of its clients in the benchmark."""

Json = dict[str, Any]

_CLIENT_HEADERS = (
    "accept: application/json\r\n"
    "accept-encoding: identity\r\n"
    "content-type: application/json\r\n"
    "user-agent: OpenAI/Python 3.54.0\r\n"
    "x-stainless-lang: python\r\n"
    "x-stainless-package-version: 3.54.0\r\n"
    "x-stainless-os: Linux\r\n"
    "x-stainless-arch: x64\r\n"
    "x-stainless-runtime: CPython\r\n"
    "x-stainless-runtime-version: 3.11.7\r\n"
    "x-stainless-async: async:asyncio\r\n"
    "x-stainless-retry-count: 0\r\n"
    "x-stainless-read-timeout: 600\r\n"
)
"""What the official Python client sends with each request."""


def chat_request(model: str) -> Json:
    """A chat request of a usual small size."""
    return {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say some words that flow past, then some more. " * 4},
        ],
        "model": model,
        "max_completion_tokens": 512,
        "temperature": 0.7,
    }


def shot(port: int, model: str, *, stream: bool = False, usage: bool = False) -> Shot:
    """`chat_request` for `model` over HTTP; `usage` asks for the stream's usage chunk."""
    body = chat_request(model)
    if stream:
        body["stream"] = True
    if usage:
        body["stream_options"] = {"include_usage": True}
    return _posted(port, "/v1/chat/completions", body)


def responses_shot(port: int, model: str, *, stream: bool = False, store: bool = False) -> Shot:
    """The same words as `chat_request`'s, asked of the Responses API. store: the answer is to be kept."""
    chat = chat_request(model)
    system, user = (message["content"] for message in chat["messages"])
    body = {
        "input": [{"role": "user", "content": user}],
        "instructions": system,
        "model": model,
        "max_output_tokens": chat["max_completion_tokens"],
        "temperature": chat["temperature"],
        "store": store,
    }
    if stream:
        body["stream"] = True
    return _posted(port, "/v1/responses", body)


def _posted(port: int, path: str, body: Json) -> Shot:
    encoded = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        f"{_CLIENT_HEADERS}authorization: Bearer {CLIENT_KEY}\r\ncontent-length: {len(encoded)}\r\n\r\n"
    )
    return Shot(port, head.encode() + encoded)


async def proven_answer(asked: Shot, names: set[str]) -> Shot:
    """Ask once, read the answer as a client would, and return the shot with what every answer must be.

    names: one of these the answer must carry as its model. Raises LoadError when a word is wrong.
    """
    reply = await ask(asked)
    body = _parsed(reply)
    choice = body["choices"][0]
    _same("text", choice["message"]["content"], text_of(ANSWER_WORDS))
    _same("finish_reason", choice["finish_reason"], "stop")
    _same("completion_tokens", body["usage"]["completion_tokens"], ANSWER_WORDS)
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
