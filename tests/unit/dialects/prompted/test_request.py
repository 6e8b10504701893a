"""Tools, calls and results of a request as text."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.prompted.request import Told, as_text, has_tools, told

XML = NOTATIONS["xml"]
LOOK = ir.Function("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})
STOP = ir.Function("stop")
SEARCH = ir.ProviderTool("t", "web_search", {})
USER = ir.Message("user", (ir.Text("Hello"),))
PLAIN = ir.Request("chat", "m", (USER,))
HISTORY = (
    USER,
    ir.Message("assistant", (ir.Thinking("Hm."), ir.Text("I look."), ir.ToolCall("1", "look", '{"at":"a"}'))),
    ir.Message("user", (ir.ToolResult("1", (ir.Text("seen"), ir.Media("image", url="u"))),), form="tool"),
    ir.Message("user", (ir.ToolResult("2", (ir.Json({"a": 1}),), "stop", error=True), ir.Text("Well?"))),
)


def ask(request: ir.Request) -> tuple[Told, Report]:
    report = Report("t")
    return told(request, XML, report), report


def test_tools_are_told_in_the_system_text() -> None:
    seen, report = ask(replace(PLAIN, system=(ir.Text("Be brief."),), tools=(LOOK, STOP)))
    first, words = seen.request.system
    assert isinstance(first, ir.Text)
    assert isinstance(words, ir.Text)
    assert first.text == "Be brief."
    assert '{"name":"look","description":"Looks.","parameters":{"type":"object"' in words.text
    assert XML.guide in words.text
    assert (seen.request.tools, seen.request.messages) == (None, PLAIN.messages)
    assert seen.reader is not None
    assert [change.path for change in report.changes] == ["tools"]
    assert report.losses == []


@pytest.mark.parametrize(
    ("fields", "words", "lost"),
    [
        ({"parallel": False}, "at most one tool", []),
        ({"tool_choice": ir.ToolChoice("any")}, "Do not answer in plain text", [("tool_choice", "quality")]),
        (
            {"tools": (replace(LOOK, strict=True, cache=ir.CacheMark(), extra={"a": {"b": 1}}),)},
            "Call a tool only if",
            [("tools[0].strict", "quality"), ("tools[0].cache", "hint"), ("tools[0].b", "hint")],
        ),
    ],
)
def test_what_words_do_not_guarantee_is_lost(
    fields: dict[str, Any], words: str, lost: list[tuple[str, str]]
) -> None:
    seen, report = ask(replace(PLAIN, **{"tools": (LOOK,), **fields}))
    text = seen.request.system[-1]
    assert isinstance(text, ir.Text)
    assert words in text.text
    assert [(loss.path, loss.severity) for loss in report.losses] == lost
    assert (seen.request.parallel, seen.request.tool_choice) == (None, None)


def test_only_allowed_tools_are_told() -> None:
    seen, report = ask(replace(PLAIN, tools=(LOOK, STOP), tool_choice=ir.ToolChoice("auto", ("stop",))))
    text = seen.request.system[-1]
    assert isinstance(text, ir.Text)
    assert '"stop"' in text.text
    assert '"look"' not in text.text
    assert [change.path for change in report.changes] == ["tool_choice", "tools"]
    none, report = ask(replace(PLAIN, tools=(LOOK,), tool_choice=ir.ToolChoice("none")))
    assert (none.reader, none.request.system, none.request.tools) == (None, (), None)
    assert [change.path for change in report.changes] == ["tool_choice"]


def test_the_providers_tools_stay() -> None:
    seen, _ = ask(replace(PLAIN, tools=(SEARCH, LOOK), tool_choice=ir.ToolChoice("none")))
    assert (seen.request.tools, seen.request.tool_choice) == ((SEARCH,), ir.ToolChoice("none"))
    for choice in (ir.ToolChoice("auto"), ir.ToolChoice("any")):
        seen, _ = ask(replace(PLAIN, tools=(SEARCH, LOOK), tool_choice=choice))
        assert (seen.request.tools, seen.request.tool_choice) == ((SEARCH,), None)
    seen, _ = ask(replace(PLAIN, tools=(SEARCH, LOOK), tool_choice=ir.ToolChoice("auto", ("look",))))
    assert (seen.request.tools, seen.request.tool_choice) == ((SEARCH,), ir.ToolChoice("none"))
    only, _ = ask(replace(PLAIN, tools=(SEARCH,)))
    assert (only.request.tools, only.reader) == ((SEARCH,), None)


def test_the_history_is_text() -> None:
    seen = as_text(replace(PLAIN, messages=HISTORY), XML)
    assert [message.blocks for message in seen.messages] == [
        (ir.Text("Hello"),),
        (ir.Thinking("Hm."), ir.Text("I look.\n\n<look>\n<at>a</at>\n</look>")),
        (ir.Text("[look] Result:\nseen"), ir.Media("image", url="u")),
        (ir.Text('[stop] Error:\n{"a":1}'), ir.Text("Well?")),
    ]
    assert {message.form for message in seen.messages} == {None}


def test_texts_with_marks_of_their_own_are_not_joined() -> None:
    marked = ir.Text("I look.", cache=ir.CacheMark())
    call = ir.ToolCall("1", "stop")
    server = ir.ToolCall("2", "web_search", by="provider")
    seen = as_text(replace(PLAIN, messages=(ir.Message("assistant", (marked, call, server)),)), XML)
    assert seen.messages[0].blocks == (marked, ir.Text("<stop>\n</stop>"), server)


def test_which_requests_have_tools() -> None:
    assert not has_tools(PLAIN)
    assert has_tools(replace(PLAIN, tools=(LOOK,)))
    assert has_tools(replace(PLAIN, messages=HISTORY))
    assert as_text(PLAIN, XML) is PLAIN
