"""Requests and answers in Cohere's protocol, for its tests."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.cohere import DIALECT
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest

USER: dict[str, Any] = {"role": "user", "content": "Hi"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def wire(**members: Any) -> WireRequest:
    """A good request with these members."""
    return WireRequest("chat", {"model": "command-a", "messages": [USER], **members})


def foreign(*messages: ir.Message, **fields: Any) -> ir.Request:
    """A request of another dialect."""
    said = messages or (ir.Message("user", (ir.Text("Hi"),)),)
    return ir.Request("another", "m", said, **fields)


def written(request: ir.Request) -> tuple[dict[str, Any], Report]:
    """What Cohere is asked, and what is reported."""
    report = Report("cohere")
    return DIALECT.request.encode(request, Target(report)).body, report


def lost(report: Report) -> dict[str, str]:
    """Path -> severity of each loss."""
    return {loss.path: loss.severity for loss in report.losses}


def reply(report: Report | None = None) -> Reply:
    """The context of an answer."""
    return Reply(ir.Request("cohere", "m"), report or Report("cohere", "response"), "answer-1", 1_700_000_000)
