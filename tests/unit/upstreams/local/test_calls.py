"""A forced call is read for any split of its text; a chosen one only when the whole reply is a call."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.upstreams.local.calls import Begun, ForcedCall, chosen_calls, may_be_call
from dragoman.upstreams.local.prompts import call_text

NAMES = ["weather", 'odd "name"\\']
ARGUMENTS = st.dictionaries(st.text(), st.text() | st.integers() | st.none()).map(json.dumps)


def read(text: str, cuts: list[int], *, whole: bool) -> tuple[str | None, str]:
    """The name and the arguments (or what came instead) of a text fed in pieces."""
    call, name, arguments = ForcedCall(), None, ""
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        for part in call.feed(text[start:end]):
            if isinstance(part, Begun):
                assert name is None
                name = part.name
            else:
                assert name is not None
                arguments += part
    return name, arguments + call.close(whole=whole)


CUTS = st.lists(st.integers(0, 500), max_size=15)


@given(st.sampled_from(NAMES), ARGUMENTS, CUTS)
def test_a_forced_call_is_read_for_any_split(name: str, arguments: str, cuts: list[int]) -> None:
    assert read(call_text(name, arguments), cuts, whole=True) == (name, arguments)


@given(st.sampled_from(NAMES), ARGUMENTS, CUTS, st.integers(0, 500))
def test_nothing_of_a_forced_call_that_was_cut_off_is_lost(
    name: str, arguments: str, cuts: list[int], length: int
) -> None:
    head = call_text(name, "")[:-3]
    text = (head + arguments)[:length]
    said, rest = read(text, cuts, whole=False)
    assert (said, rest) == ((name, text[len(head) :]) if len(text) >= len(head) else (None, text))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name": "weather", "arguments": {"city":  "Paris"}}', [("weather", '{"city":  "Paris"}')]),
        ('\n {"arguments":{},"name":"weather"} ', [("weather", "{}")]),
        ('{"name": "weather"}', [("weather", "{}")]),
        ('{"type": "function", "name": "weather", "parameters": {"a": 1}}', [("weather", '{"a": 1}')]),
        ('<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>', [("weather", "{}")]),
        (
            '<tool_call>{"name": "weather"}</tool_call>\n<tool_call>{"name": "now"}</tool_call>',
            [("weather", "{}"), ("now", "{}")],
        ),
        ('{"name": "unknown", "arguments": {}}', []),
        ('{"name": "weather", "arguments": [1]}', []),
        ('{"name": "weather", "arguments": "Paris"}', []),
        ('{"name": "weather", "arguments": {}, "mood": 1}', []),
        ('{"name": "weather", "arguments": {"city"', []),
        ('I call {"name": "weather", "arguments": {}}', []),
        ('{"name": "weather", "arguments": {}} There.', []),
        ('<tool_call>{"name": "weather"}</tool_call> and <tool_call>{"name": "now"}</tool_call>', []),
        ('<tool_call>{"name": "weather"}</tool_call> There.', []),
        ('<tool_call>{"name": "weather"}', []),
        ("", []),
    ],
)
def test_a_reply_is_a_call_only_as_a_whole(text: str, calls: list[tuple[str, str]]) -> None:
    assert chosen_calls(text, {"weather", "now"}) == calls


@pytest.mark.parametrize(
    "text",
    [
        '  {"name": "weather", "arguments": {}}',
        '{ "arguments": {}, "name": "weather"}',
        '<tool_call>{"name": "weather"}</tool_call>',
    ],
)
def test_every_beginning_of_a_call_may_be_one(text: str) -> None:
    assert all(may_be_call(text[:length]) for length in range(len(text) + 1))


@pytest.mark.parametrize("text", ["T", "The", '{"city', "{}", "<b>", "[", "<tool_result>"])
def test_what_cannot_become_a_call_is_known_at_once(text: str) -> None:
    assert not may_be_call(text)
