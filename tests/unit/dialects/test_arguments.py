"""The arguments of a call as an object, whatever a model has written."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.arguments import parse_arguments
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": ', None),
        ("[1]", None),
        ("null", None),
        ('"a"', None),
        ('{"a": "\ud800"}', None),
        ("[" * 100_000, None),
    ],
)
def test_arguments_are_an_object_or_not(text: str, arguments: dict[str, Any] | None) -> None:
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("text", ["[1]", '{"a": ', '{"a": "\ud800"}', "  "])
def test_what_is_no_object_is_sent_inside_of_one(dialect: str, text: str) -> None:
    call, result = ir.ToolCall("c1", "f", text), ir.ToolResult("c1", (ir.Text("ok"),))
    messages = (
        ir.Message("user", (ir.Text("Go."),)),
        ir.Message("assistant", (call,)),
        ir.Message("user", (result,)),
    )
    request = ir.Request("openai_chat", "m", messages, tools=(ir.Function("f"),))
    report = Report("openai_chat")
    sent = DIALECTS[dialect].request.encode(request, Target(report, "m")).body
    assert any(change.path == "messages[1].blocks[0]" for change in report.changes) is bool(text.strip())
    assert (text in repr(sent)) is bool(text.strip()) or "\ud800" in text


def test_arguments_of_very_many_values_stay_a_text() -> None:
    """Three million objects of a text of 9 MB would take 300 MB."""
    assert parse_arguments('{"a": [' + "{}," * 60_000 + "1]}") is None
    assert parse_arguments('{"a": "' + "{}," * 60_000 + '"}') is not None
