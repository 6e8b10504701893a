"""Short ways to say a request, an answer and a stream of this dialect in tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from mistralai.client.models import ChatCompletionRequest, ChatCompletionResponse, CompletionChunk

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest

HELLO = {"role": "user", "content": "Hello!"}
FOREIGN = "elsewhere"
"""A dialect that is none of ours: what comes from it has no spelling of Mistral's."""
START = ir.Start(DIALECT.name, "a1", "m-1", 1)
THERE = ir.Start(FOREIGN, "b1", "m-1", 1)
END: list[ir.Event] = [ir.Finish(ir.Stop("end")), ir.End()]
DONE = b"[DONE]"


def plain(body: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(body))


# --- Requests ----------------------------------------------------------------------------------


def wire(*messages: Any, **members: Any) -> WireRequest:
    return WireRequest("chat", {"model": "m", "messages": list(messages) or [HELLO], **members})


def decoded(*messages: Any, **members: Any) -> ir.Request:
    return DIALECT.request.decode(wire(*messages, **members))


def written(request: ir.Request, facts: Facts = UNKNOWN) -> tuple[dict[str, Any], Report]:
    """The body for an upstream, which the official client must know, and what was lost."""
    report = Report(DIALECT.name)
    sent = DIALECT.request.encode(request, Target(report, "m", STANDARD, facts))
    assert (sent.operation, sent.path) == ("chat", "/chat/completions")
    body: dict[str, Any] = plain(sent.body)
    ChatCompletionRequest.model_validate(body)
    return body, report


def again(*messages: Any, **members: Any) -> dict[str, Any]:
    """What a request of this dialect's own client becomes on its way to Mistral; nothing may be lost."""
    body, report = written(decoded(*messages, **members))
    assert not report.losses
    assert not report.changes
    return body


def foreign(*messages: ir.Message, **fields: Any) -> ir.Request:
    """A request in another dialect's terms."""
    return ir.Request(FOREIGN, "m", messages or (said("Hello!"),), **fields)


def said(*blocks: ir.Block | str, role: ir.Role = "user", **fields: Any) -> ir.Message:
    made = tuple(ir.Text(block) if isinstance(block, str) else block for block in blocks)
    return ir.Message(role, made, **fields)


def messages_of(*messages: ir.Message, facts: Facts = UNKNOWN) -> tuple[list[dict[str, Any]], Report]:
    """A foreign history as Mistral gets it."""
    body, report = written(foreign(*messages), facts)
    return body["messages"], report


def lost(report: Report) -> dict[str, str]:
    return {loss.path: loss.severity for loss in report.losses}


def changed(report: Report) -> set[str | None]:
    return {change.path for change in report.changes}


def added(report: Report) -> set[str]:
    return {change.to for change in report.changes if change.path is None}


# --- Answers -----------------------------------------------------------------------------------


def reply(model: str | None = None, report: Report | None = None) -> Reply:
    request = ir.Request(DIALECT.name, "asked")
    return Reply(request, report or Report(DIALECT.name, "response"), "answer-1", 1_700_000_000, model)


def answer(message: dict[str, Any], finish: str | None = "stop", **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    head = {"id": "a1", "object": "chat.completion", "created": 1, "model": "m-1"}
    return {**head, "choices": [choice], "usage": usage, **members}


def read(message: dict[str, Any], finish: str | None = "stop", **members: Any) -> ir.Response:
    return DIALECT.response.decode(answer(message, finish, **members), STANDARD)


def blocks_of(content: Any, **members: Any) -> tuple[ir.Block, ...]:
    return read({"content": content, **members}).candidates[0].blocks


def told(
    *blocks: ir.Block, stop: ir.Stop | None = None, dialect: str = FOREIGN, **fields: Any
) -> tuple[dict[str, Any], Report]:
    """A whole answer as a client of this dialect gets it, and what was lost."""
    report = Report(DIALECT.name, "response")
    candidate = ir.Candidate(blocks, stop or ir.Stop("end"))
    response = ir.Response(dialect, "b1", "m-1", 1, (candidate,), **fields)
    body = plain(DIALECT.response.encode(response, reply(report=report)))
    if fields.get("error") is None:
        ChatCompletionResponse.model_validate(body)
    return body, report


def message_of(*blocks: ir.Block, **how: Any) -> tuple[dict[str, Any], Report]:
    body, report = told(*blocks, **how)
    message: dict[str, Any] = body["choices"][0]["message"]
    return message, report


# --- Streams -----------------------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **members: Any) -> bytes:
    choices = members.pop("choices", [{"index": 0, "delta": delta or {}, "finish_reason": finish}])
    head = {"id": "a1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    return msgspec.json.encode({**head, "choices": choices, **members})


def events(*frames: bytes) -> list[ir.Event]:
    """The events of a whole stream, which must be legal."""
    decoder = DIALECT.stream.decoder(STANDARD)
    found = [event for frame in frames for event in decoder.feed(frame)] + decoder.close()
    checker = ir.Checker()
    for event in found:
        checker.add(event)
    return found


def folded(*frames: bytes) -> ir.Response:
    return ir.fold(events(*frames))


def streamed(told: Iterable[ir.Event], report: Report | None = None) -> bytes:
    """The bytes that a client gets for these events."""
    encoder = DIALECT.stream.encoder(reply(report=report))
    return b"".join(map(encoder.feed, told))


def chunks_of(stream: bytes) -> list[Any]:
    """The chunks of a stream, each of which the official client must know; `[DONE]` as it is."""
    frames = [line.removeprefix(b"data: ") for line in stream.split(b"\n\n") if line]
    found: list[Any] = [frame if frame == DONE else msgspec.json.decode(frame) for frame in frames]
    for one in found:
        if one != DONE and one["object"] != "error":
            CompletionChunk.model_validate(one)
    return found


def deltas_of(stream: bytes) -> list[dict[str, Any]]:
    """The deltas of a stream's chunks between the first one's role and the finish reason."""
    choices = [choice for one in chunks_of(stream) if one != DONE for choice in one["choices"]]
    return [choice["delta"] for choice in choices if choice["delta"] != {"role": "assistant", "content": ""}][
        :-1
    ]
