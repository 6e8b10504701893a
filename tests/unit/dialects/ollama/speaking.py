"""Requests and answers of Ollama's, in the fewest words, for the tests of its codec."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest

AT = "2026-10-02T09:15:04.5Z"
CREATED = 1_700_000_000
CREATED_AT = "2023-11-14T22:13:20.000000Z"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WAV = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQgAAAAAAAAAAAAAAA=="
USER: dict[str, Any] = {"role": "user", "content": "Hi"}


def wire(body: dict[str, Any]) -> WireRequest:
    return WireRequest("chat", body, path="/api/chat")


def asked(*messages: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [USER], **members}


def read(*messages: dict[str, Any], **members: Any) -> ir.Request:
    return DIALECT.request.decode(wire(asked(*messages, **members)))


def written(request: ir.Request, report: Report | None = None, facts: Facts = UNKNOWN) -> dict[str, Any]:
    target = Target(Report("ollama") if report is None else report, "m", STANDARD, facts)
    body = DIALECT.request.encode(request, target).body
    DIALECT.request.check(wire(body))
    return body


def foreign(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request("another", "x", messages or (ir.Message("user", (ir.Text("Hi"),)),), **fields)


def reply(report: Report | None = None, **fields: Any) -> Reply:
    request = ir.Request("ollama", "m", stream=True)
    return Reply(
        request, Report("ollama", "response") if report is None else report, "answer-1", CREATED, **fields
    )


def answer(message: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "created_at": AT,
        "message": {"role": "assistant", **message},
        "done": True,
        "done_reason": "stop",
        **members,
    }


def line(**message: Any) -> bytes:
    whole = {"role": "assistant", "content": "", **message}
    return json.dumps({"model": "m", "created_at": AT, "message": whole, "done": False}).encode()


def last(**members: Any) -> bytes:
    return json.dumps(answer({"content": ""}) | members).encode()


def events(*frames: bytes) -> list[ir.Event]:
    decoder = DIALECT.stream.decoder(STANDARD)
    return [event for frame in frames for event in decoder.feed(frame)] + decoder.close()


def sent(stream: Iterable[ir.Event], to: Reply | None = None) -> list[dict[str, Any]]:
    encoder = DIALECT.stream.encoder(reply() if to is None else to)
    data = b"".join(map(encoder.feed, stream))
    assert not data or data.endswith(b"\n")
    return [json.loads(each) for each in data.splitlines()]


def lost(report: Report) -> dict[str, str]:
    """What was lost, by place, with its severity."""
    return {loss.path: loss.severity for loss in report.losses}


def changed(report: Report) -> set[str | None]:
    """What arrives in another form, by place."""
    return {change.path for change in report.changes}
