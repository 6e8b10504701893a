"""Requests of this dialect and of others, as the tests here write them."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.request import decode_request, encode_request
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest


def wire(**members: Any) -> WireRequest:
    """A request as its client wrote it; the input is a greeting unless stated."""
    return WireRequest("chat", {"model": "gpt-5", "input": "Hello", **members}, path="/responses")


def read(**members: Any) -> ir.Request:
    return decode_request(wire(**members))


def again(**members: Any) -> dict[str, Any]:
    """A body of this dialect that went through the IR."""
    report = Report("openai_responses")
    body = encode_request(read(**members), Target(report)).body
    assert report.losses == []
    return body


def write(
    request: ir.Request, *, quirks: Quirks = STANDARD, facts: Facts = UNKNOWN
) -> tuple[dict[str, Any], dict[str, str]]:
    """A request as it is written, and its losses: the severity by place."""
    report = Report("openai_responses")
    body = encode_request(request, Target(report, "gpt-5", quirks, facts)).body
    return body, {loss.path: loss.severity for loss in report.losses}


def asked(*messages: ir.Message, **fields: Any) -> ir.Request:
    """A request of another dialect."""
    return ir.Request("another", "model", messages or (user(ir.Text("Hello")),), **fields)


def user(*blocks: ir.Block) -> ir.Message:
    return ir.Message("user", blocks)


def assistant(*blocks: ir.Block) -> ir.Message:
    return ir.Message("assistant", blocks)
