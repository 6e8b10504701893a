"""Short ways to say a request, an answer and a stream of this dialect in tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest

HELLO = {"role": "user", "content": "Hello!"}
FOREIGN = "elsewhere"
"""A dialect that is none of ours: what comes from it has no spelling of chat's."""


def wire(*messages: Any, **members: Any) -> WireRequest:
    return WireRequest("chat", {"model": "m", "messages": list(messages) or [HELLO], **members})


def decoded(*messages: Any, **members: Any) -> ir.Request:
    return DIALECT.request.decode(wire(*messages, **members))


def written(
    request: ir.Request, quirks: Quirks = STANDARD, facts: Facts = UNKNOWN
) -> tuple[dict[str, Any], Report]:
    report = Report(DIALECT.name)
    body = DIALECT.request.encode(request, Target(report, "m", quirks, facts)).body
    return msgspec.json.decode(msgspec.json.encode(body)), report


def again(
    *messages: Any, quirks: Quirks = STANDARD, facts: Facts = UNKNOWN, **members: Any
) -> dict[str, Any]:
    """What a request of this dialect's own client becomes for a vendor."""
    return written(decoded(*messages, **members), quirks, facts)[0]


def foreign(*messages: ir.Message, **fields: Any) -> ir.Request:
    """A request in another dialect's terms."""
    hello = ir.Message("user", (ir.Text("Hello!"),))
    return ir.Request(FOREIGN, "m", messages or (hello,), **fields)


def lost(report: Report) -> dict[str, str]:
    return {loss.path: loss.severity for loss in report.losses}


def changed(report: Report) -> set[str | None]:
    return {change.path for change in report.changes}


def added(report: Report) -> set[str]:
    return {change.to for change in report.changes if change.path is None}


def reply(
    *, usage: bool = False, legacy: bool = False, model: str | None = None, report: Report | None = None
) -> Reply:
    forms = {"tools": "functions"} if legacy else None
    request = ir.Request(DIALECT.name, "asked", stream_usage=usage or None, forms=forms)
    return Reply(request, report or Report(DIALECT.name, "response"), "answer-1", 1_700_000_000, model)


def answer(message: dict[str, Any], finish: str | None = "stop", **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [choice],
        **members,
    }


def read(message: dict[str, Any], finish: str | None = "stop", **members: Any) -> ir.Response:
    return DIALECT.response.decode(answer(message, finish, **members), STANDARD)


def told(
    *blocks: ir.Block, stop: ir.Stop | None = None, dialect: str = FOREIGN, **fields: Any
) -> tuple[dict[str, Any], Report]:
    """A whole answer as a client of this dialect gets it, and what was lost."""
    report = Report(DIALECT.name, "response")
    response = ir.Response(
        dialect, "id-1", "m-1", 1, (ir.Candidate(blocks, stop or ir.Stop("end")),), **fields
    )
    body = DIALECT.response.encode(response, reply(report=report))
    return msgspec.json.decode(msgspec.json.encode(body)), report


# --- Streams -----------------------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **members: Any) -> bytes:
    choices = members.pop("choices", [{"index": 0, "delta": delta or {}, "finish_reason": finish}])
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-1",
        "choices": choices,
        **members,
    }
    return msgspec.json.encode(whole)


ROLE = {"role": "assistant", "content": "", "refusal": None}
DONE = b"[DONE]"
START = ir.Start(DIALECT.name, "chatcmpl-1", "m-1", 1)


def events(*frames: bytes, quirks: Quirks = STANDARD) -> list[ir.Event]:
    """The events of a whole stream, which must be legal."""
    decoder = DIALECT.stream.decoder(quirks)
    found = [event for frame in frames for event in decoder.feed(frame)] + decoder.close()
    checker = ir.Checker()
    for event in found:
        checker.add(event)
    return found


def folded(*frames: bytes, quirks: Quirks = STANDARD) -> ir.Response:
    return ir.fold(events(*frames, quirks=quirks))


def streamed(told: Iterable[ir.Event], **how: Any) -> bytes:
    """The bytes that a client gets for these events."""
    encoder = DIALECT.stream.encoder(reply(**how))
    return b"".join(map(encoder.feed, told))


def chunks_of(stream: bytes) -> list[Any]:
    """The chunks of a stream, decoded; `[DONE]` as it is."""
    frames = [line[6:] for line in stream.split(b"\n\n") if line]
    return [frame if frame == DONE else msgspec.json.decode(frame) for frame in frames]


def deltas_of(stream: bytes) -> list[dict[str, Any]]:
    """The deltas of a stream's chunks, without the first one's role."""
    chunks = [chunk for chunk in chunks_of(stream) if chunk != DONE]
    found = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return [delta for delta in found if delta != ROLE]
