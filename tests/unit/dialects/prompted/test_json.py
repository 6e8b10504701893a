"""Calls as JSON between marks. How they are read is in `test_notation`."""

from __future__ import annotations

import pytest

from dragoman.dialects.prompted.json import FENCED, HERMES, openings, written
from dragoman.dialects.prompted.reading import Broken, Complete
from dragoman.dialects.prompted.work import Work


@pytest.mark.parametrize(
    "text",
    [
        "words",
        '"text"',
        "{}</x",
        '{"name": 5}</tool_call>',
        '{"name": "a", "tool": "a"}</tool_call>',
        '{"name": "a", "arguments": [1]}</tool_call>',
        '{"name": "a", "arguments": {}, "parameters": {}}</tool_call>',
        '{"name": "other"}</tool_call>',
        '{"name": "a"]</tool_call>',
        "[]</tool_call>",
    ],
)
def test_what_is_no_call(text: str) -> None:
    body = openings(HERMES, {"a": {}})["<tool_call>"](Work())
    assert isinstance(body.feed(text), Broken)


def test_arguments_stay_as_they_were_written() -> None:
    body = openings(HERMES, {"a": {}})["<tool_call>"](Work())
    assert body.feed(' {"name": "a", "arguments": {"x": 1.50, "y":  10000000000000000000001}} ') is None
    done = body.feed(" </tool_call> rest")
    assert isinstance(done, Complete)
    assert (done.calls[0].arguments, done.rest) == ('{"x": 1.50, "y":  10000000000000000000001}', " rest")


def test_how_calls_are_shown() -> None:
    assert written(HERMES, "a", '{"b":1}') == '<tool_call>\n{"name": "a", "arguments": {"b":1}}\n</tool_call>'
    assert written(FENCED, "a", " ", key="tool") == '```tool_code\n{"tool": "a", "arguments": {}}\n```'
    assert written(HERMES, "a", "[1") == '<tool_call>\n{"name": "a", "arguments": "[1"}\n</tool_call>'


@pytest.mark.parametrize("blank", ['""', '" \\n "', "null"])
def test_blank_arguments_are_an_empty_object(blank: str) -> None:
    body = openings(HERMES, {"a": {}})["<tool_call>"](Work())
    done = body.feed(f'{{"name": "a", "arguments": {blank}}}</tool_call>')
    assert isinstance(done, Complete)
    assert done.calls[0].arguments == "{}"
