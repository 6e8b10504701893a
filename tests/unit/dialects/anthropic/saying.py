"""Short ways to say requests and answers, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.wire.sse import SSESplitter

FOREIGN = "elsewhere"
"""The name of a dialect that Anthropic's codec knows nothing of."""


def wire(headers: dict[str, str] | None = None, **body: Any) -> WireRequest:
    """A request of an Anthropic client; the required members are there."""
    defaults = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
    return WireRequest("chat", {**defaults, **body}, headers=headers or {})


def user(*blocks: ir.Block | str, **more: Any) -> ir.Message:
    """A user's message; a string is a text."""
    return ir.Message("user", _blocks(blocks), **more)


def assistant(*blocks: ir.Block | str, **more: Any) -> ir.Message:
    """An assistant's message."""
    return ir.Message("assistant", _blocks(blocks), **more)


def system(text: str, role: ir.Role = "system", **more: Any) -> ir.Message:
    """A system message."""
    return ir.Message(role, (ir.Text(text),), **more)


def _blocks(blocks: tuple[ir.Block | str, ...]) -> tuple[ir.Block, ...]:
    return tuple(ir.Text(block) if isinstance(block, str) else block for block in blocks)


def foreign(*messages: ir.Message, **more: Any) -> ir.Request:
    """A request that another protocol's client sent."""
    return ir.Request(**{"dialect": FOREIGN, "model": "gpt", "messages": messages or (user("Hi"),), **more})


def written(
    request: ir.Request, facts: Facts = UNKNOWN, quirks: Quirks = STANDARD
) -> tuple[dict[str, Any], Report]:
    """The body for Anthropic, as it arrives there, and what was reported."""
    report = Report("anthropic")
    out = DIALECT.request.encode(request, Target(report, "claude", quirks, facts))
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(out.body))
    return body, report


def lost(report: Report) -> list[tuple[str, str]]:
    """Place and severity of each loss."""
    return [(loss.path, loss.severity) for loss in report.losses]


def changed(report: Report) -> list[str | None]:
    """The place of each change; None for an addition."""
    return [change.path for change in report.changes]


def reply(**more: Any) -> Reply:
    """What an answer is encoded for."""
    fields: dict[str, Any] = {
        "request": ir.Request("anthropic", "claude"),
        "report": Report("anthropic", "response"),
        "id": "answer-1",
        "created": 0,
        **more,
    }
    return Reply(**fields)


def answer(*blocks: ir.Block | str, **more: Any) -> ir.Response:
    """An answer of another provider."""
    stop = more.pop("stop", ir.Stop("end"))
    usage = more.pop("usage", ir.Usage(input=3, output=2))
    return ir.Response(
        FOREIGN, "id-1", "gpt", candidates=(ir.Candidate(_blocks(blocks), stop),), usage=usage, **more
    )


def events(*frames: bytes | dict[str, Any]) -> list[ir.Event]:
    """The events of a stream, checked against the grammar, its end included."""
    decoder, checker = DIALECT.stream.decoder(STANDARD), ir.Checker()
    found: list[ir.Event] = []
    for frame in frames:
        found += decoder.feed(frame if isinstance(frame, bytes) else msgspec.json.encode(frame))
    found += decoder.close()
    for event in found:
        checker.add(event)
    return found


def streamed(*said: ir.Event, **more: Any) -> tuple[bytes, Report]:
    """The bytes for a client, and what was reported."""
    asked = reply(**more)
    encoder = DIALECT.stream.encoder(asked)
    return b"".join(encoder.feed(event) for event in said), asked.report


def payloads(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event in a stream's bytes."""
    splitter = SSESplitter()
    return [msgspec.json.decode(frame) for frame in (*splitter.feed(data), *splitter.close())]
