"""Requests and answers of Bedrock for the tests beside it."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.bedrock.request import decode_request, encode_request
from dragoman.dialects.bedrock.terms import PATH
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"


def user(*blocks: ir.Block | str) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(one) if isinstance(one, str) else one for one in blocks))


def assistant(*blocks: ir.Block | str) -> ir.Message:
    return ir.Message("assistant", tuple(ir.Text(one) if isinstance(one, str) else one for one in blocks))


def asked(*messages: ir.Message, **fields: Any) -> ir.Request:
    """A chat request of OpenAI's client."""
    return ir.Request("openai_chat", "m", messages or (user("Hi"),), **fields)


def sent(request: ir.Request, model: str = CLAUDE, facts: Facts = UNKNOWN) -> tuple[dict[str, Any], Report]:
    """(the body for Bedrock, what the encoder has reported)."""
    report = Report("bedrock")
    return encode_request(request, Target(report, model, Quirks(), facts)).body, report


def read(body: dict[str, Any]) -> ir.Request:
    """The request with this body, decoded."""
    return decode_request(WireRequest("chat", body, path=PATH, params={"model": "m"}))


def again(body: dict[str, Any]) -> dict[str, Any]:
    """The body after it was decoded and encoded."""
    return sent(read(body), "m")[0]


def reply(report: Report | None = None) -> Reply:
    request = ir.Request("bedrock", "m")
    return Reply(request, report or Report("bedrock", "response"), id="answer-1", created=1_700_000_000)


def reasons(report: Report) -> list[tuple[str, str]]:
    """(path, severity) of each loss."""
    return [(loss.path, loss.severity) for loss in report.losses]
