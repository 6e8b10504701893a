"""Short ways to say requests, for the tests of this folder; every body is judged by Google's own types."""

from __future__ import annotations

from typing import Any

import msgspec
from google.genai import types

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.gemini.request import PATH, decode_request, encode_request
from dragoman.dialects.gemini.schema import clean_schema
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest

FOREIGN = "elsewhere"
"""The name of a dialect that Gemini's codec knows nothing of."""
WEATHER: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


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
    """The body for Gemini, as it arrives there, and what was reported."""
    report = Report("gemini")
    out = encode_request(request, Target(report, "gemini-x", quirks, facts))
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(out.body))
    judged(body)
    return body, report


def config(facts: Facts = UNKNOWN, **more: Any) -> tuple[dict[str, Any], Report]:
    """The generation config of a request that says hello, and what was reported."""
    body, report = written(foreign(**more), facts)
    return body.get("generationConfig", {}), report


def judged(body: dict[str, Any]) -> None:
    """Raises where Google's own client knows no such member; its types forbid others."""
    for content in body["contents"]:
        types.Content.model_validate(content)
    if "systemInstruction" in body:
        types.Content.model_validate(body["systemInstruction"])
    for tool in body.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))


def wire(path: str = PATH, **body: Any) -> WireRequest:
    """A request of a Gemini client; the required members are there."""
    defaults = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    return WireRequest("chat", {**defaults, **body}, path=path, params={"model": "gemini-x"})


def read(**body: Any) -> ir.Request:
    """What a Gemini client's request says."""
    return decode_request(wire(**body))


def back(**body: Any) -> dict[str, Any]:
    """A Gemini client's request, there and back."""
    report = Report("gemini")
    out = encode_request(read(**body), Target(report))
    assert not report.losses
    return out.body


def lost(report: Report) -> list[tuple[str, str]]:
    """Places and severities of what was lost."""
    return [(loss.path, loss.severity) for loss in report.losses]


def changed(report: Report) -> list[str]:
    """Places of what arrives in another form."""
    return [change.path for change in report.changes if change.path is not None]


def added(report: Report) -> list[str]:
    """Places of what was added."""
    return [change.to for change in report.changes if change.path is None]


def cleaned(schema: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A schema as the API takes it, and what was lost of it."""
    report = Report("gemini")
    before = repr(schema)
    out = clean_schema(schema, report, "s")
    assert repr(schema) == before, "the client's schema is not ours to change"
    return out, lost(report)
