"""Every notation: calls among text, in a stream that is cut anywhere, and what a model is told and shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.facts import ToolMode
from dragoman.dialects.prompted.notation import NOTATIONS, described, parameters
from dragoman.dialects.prompted.reading import Begun, Ended, Piece, Written

MODES: tuple[ToolMode, ...] = ("xml", "hermes", "json")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "integer"}},
        "options": {
            "type": "object",
            "properties": {
                "deep": {"type": "boolean"},
                "names": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
}
TOOLS: Mapping[str, Any] = {"read_file": SCHEMA, "read": SCHEMA, "stop": {"type": "object", "properties": {}}}
Said = list[str | tuple[str, Any]]


def read(mode: str, pieces: Iterable[str], *, single: bool = False) -> Said:
    """The texts, and the calls as (name, arguments), in order; neighbouring texts are joined."""
    reader = NOTATIONS[mode].reader(TOOLS, single=single)()
    found: list[Piece] = []
    for piece in pieces:
        found += reader.feed(piece)
    return said([*found, *reader.close()])


def said(pieces: Sequence[Piece]) -> Said:
    out: Said = []
    name, arguments = "", ""
    for piece in pieces:
        if isinstance(piece, str):
            assert piece, "no empty text"
            if out and isinstance(out[-1], str):
                out[-1] += piece
            else:
                out.append(piece)
        elif isinstance(piece, Begun):
            name, arguments = piece.name, ""
        elif isinstance(piece, Written):
            arguments += piece.arguments
        else:
            assert isinstance(piece, Ended)
            out.append((name, json.loads(arguments)))
    return out


ANSWERS: list[tuple[ToolMode, str, Said]] = [
    (
        "xml",
        "I will look.<read_file><path>a.py</path></read_file>",
        ["I will look.", ("read_file", {"path": "a.py"})],
    ),
    ("xml", "<b>hi</b> & <i>you</i>", ["<b>hi</b> & <i>you</i>"]),
    ("xml", "a <read_file> is a tool, <read_fil", ["a <read_file> is a tool, <read_fil"]),
    (
        "xml",
        "\n<read><path>a</path></read>\n\n<read_file>\n<lines>3</lines>\n</read_file>\n Done.",
        [("read", {"path": "a"}), ("read_file", {"lines": [3]}), "\n Done."],
    ),
    ("xml", "<stop/> <stop></stop><stop />", [("stop", {}), ("stop", {}), ("stop", {})]),
    (
        "xml",
        "<read_file><options><deep>true</deep><names><n>x</n></names></options></read_file>",
        [("read_file", {"options": {"deep": True, "names": ["x"]}})],
    ),
    (
        "xml",
        "<read_file><path><![CDATA[</path></read_file>]]></path></read_file>.",
        [("read_file", {"path": "</path></read_file>"}), "."],
    ),
    (
        "xml",
        "<read_file><path>a</read_file> and <read><path>b</path></read>",
        ["<read_file><path>a</read_file> and ", ("read", {"path": "b"})],
    ),
    ("xml", "<read_file><path>a</path>", ["<read_file><path>a</path>"]),
    ("xml", '<read_file>{"path": "</read_file>"}</read_file>', [("read_file", {"path": "</read_file>"})]),
    ("xml", "<write_file><path>a</path></write_file>", ["<write_file><path>a</path></write_file>"]),
    (
        "hermes",
        (
            'Look.\n<tool_call>\n{"name": "read", "arguments": {"path": "</tool_call>"}}\n</tool_call>\n'
            '<tool_call>{"arguments": {}, "name": "stop"}</tool_call>\n'
        ),
        ["Look.\n", ("read", {"path": "</tool_call>"}), ("stop", {})],
    ),
    ("hermes", "The tag <tool_call> begins one.", ["The tag <tool_call> begins one."]),
    (
        "hermes",
        '<tool_call>{"name": "write"}</tool_call>',
        ['<tool_call>{"name": "write"}</tool_call>'],
    ),
    (
        "hermes",
        '<tool_call>{"name": "read", "arguments": "{\\"path\\": \\"a\\"}"}</tool_call>',
        [("read", {"path": "a"})],
    ),
    (
        "hermes",
        '<tool_call>[{"name": "read"}, {"name": "stop", "parameters": null}]</tool_call>',
        [("read", {}), ("stop", {})],
    ),
    (
        "hermes",
        '<tool_call>{"name": "read", "arguments": {}, "more": 1}</tool_call>',
        ['<tool_call>{"name": "read", "arguments": {}, "more": 1}</tool_call>'],
    ),
    ("hermes", '<tool_call>{"name": "read"', ['<tool_call>{"name": "read"']),
    ("hermes", '<tool_call>{"name": "read"}<b>', ['<tool_call>{"name": "read"}<b>']),
    ("hermes", "<tool_call>{'name': 'read'}</tool_call>", ["<tool_call>{'name': 'read'}</tool_call>"]),
    (
        "json",
        'So:\n```tool_code\n{"tool": "read", "arguments": {"path": "```"}}\n```\nThen ```python\nx\n```',
        ["So:\n", ("read", {"path": "```"}), "\nThen ```python\nx\n```"],
    ),
    ("json", "```tool_code\nread('a')\n```", ["```tool_code\nread('a')\n```"]),
]


@pytest.mark.parametrize(("mode", "answer", "expected"), ANSWERS)
def test_calls_are_found_wherever_the_stream_is_cut(mode: str, answer: str, expected: Said) -> None:
    assert read(mode, [answer]) == expected
    for at in range(1, len(answer)):
        assert read(mode, [answer[:at], answer[at:]]) == expected, answer[:at]
    for size in (1, 2, 3):
        pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
        assert read(mode, pieces) == expected, size


TEXTS = st.text(alphabet='<>/`{}[]"ab \n_:,', max_size=30)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "path": st.text(alphabet='<>/`{}[]!"CDAT\\ab \n]é&;', max_size=20)
        | st.sampled_from(["</path>", "</read_file>", "]]>", "<![CDATA[x]]>", "null", "5", "\n", " a "]),
        "lines": st.lists(st.integers(-9, 9), max_size=3),
        "options": st.fixed_dictionaries(
            {}, optional={"deep": st.booleans(), "names": st.lists(st.text("ab <", max_size=3), max_size=2)}
        ),
    },
)
CALLS = st.tuples(st.sampled_from(["read_file", "read"]), VALUES)


@pytest.mark.parametrize("mode", MODES)
@given(st.lists(TEXTS | CALLS, max_size=5), st.integers(1, 9))
def test_what_was_written_is_read(mode: str, parts: Said, size: int) -> None:
    """Calls as the history shows them, between texts without marks; white space alone is no text."""
    notation = NOTATIONS[mode]
    texts = [part.replace("<", "(").replace("`", "'") if isinstance(part, str) else part for part in parts]
    whole = "".join(
        part if isinstance(part, str) else notation.call(part[0], json.dumps(part[1])) for part in texts
    )
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    found = read(mode, pieces)
    assert found == read(mode, [whole])
    assert [one for one in found if not isinstance(one, str)] == [
        (part[0], part[1]) for part in texts if not isinstance(part, str)
    ]
    spoken = "".join(part for part in texts if isinstance(part, str))
    assert (
        "".join(one for one in found if isinstance(one, str)).split() == spoken.split() or not spoken.split()
    )


@pytest.mark.parametrize("mode", MODES)
@given(st.text(alphabet='<>/`{}_"readtool_callcode\n :', max_size=80), st.integers(1, 5))
def test_text_without_calls_is_passed_whole_and_soon(mode: str, text: str, size: int) -> None:
    """Nothing is lost, and what is held back is no longer than the longest mark."""
    notation = NOTATIONS[mode]
    marks = notation.openings(TOOLS)
    longest = max(map(len, marks))
    reader = notation.reader(TOOLS, single=False)()
    came, opened = "", False
    for start in range(0, len(text), size):
        came += "".join(piece for piece in reader.feed(text[start : start + size]) if isinstance(piece, str))
        opened = opened or any(mark in text[: start + size] for mark in marks)
        if not opened and came:
            assert start + size - len(came) <= longest
    pieces = reader.close()
    if not any(mark in text for mark in marks):
        assert came + "".join(piece for piece in pieces if isinstance(piece, str)) == text


@pytest.mark.parametrize("mode", MODES)
def test_with_one_call_allowed_further_ones_are_text(mode: str) -> None:
    notation = NOTATIONS[mode]
    call = notation.call("stop", "{}")
    assert read(mode, [f"a {call} {call}"], single=True) == ["a ", ("stop", {}), f" {call}"]
    assert read(mode, list(f"a {call}\n"), single=True) == ["a ", ("stop", {})]
    two = '<tool_call>[{"name": "stop"}, {"name": "stop"}]</tool_call>'
    assert read("hermes", [two], single=True) == [two]


@pytest.mark.parametrize("mode", MODES)
def test_what_was_called_wrongly_is_shown_as_it_was(mode: str) -> None:
    assert "[1" in NOTATIONS[mode].call("read", "[1")
    assert read(mode, [NOTATIONS[mode].call("read", "")]) == [("read", {})]


def test_results() -> None:
    shown = {mode: NOTATIONS[mode].result("read", "a\nb", False) for mode in MODES}
    assert shown == {
        "xml": "[read] Result:\na\nb",
        "hermes": '<tool_response>\n{"name":"read","content":"a\\nb"}\n</tool_response>',
        "json": '```tool_output\n{"tool":"read","content":"a\\nb"}\n```',
    }
    failed = {mode: NOTATIONS[mode].result("read", "no", True) for mode in MODES}
    assert failed["xml"] == "[read] Error:\nno"
    assert '"error":true' in failed["hermes"]
    assert '"error":true' in failed["json"]


def test_tools_are_described_as_json() -> None:
    assert described(ir.Function("a", "Does a.", SCHEMA)) == json.dumps(
        {"name": "a", "description": "Does a.", "parameters": SCHEMA}, separators=(",", ":")
    )
    bare = ir.Function("a")
    assert parameters(bare) == {"type": "object", "properties": {}, "additionalProperties": False}
    assert json.loads(described(bare)) == {"name": "a", "parameters": parameters(bare)}


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_of_openings_alone_is_read_in_time(mode: str) -> None:
    """Each broken call is read again, but only so often."""
    mark = min(NOTATIONS[mode].openings({"a": {}}), key=len)
    reader = NOTATIONS[mode].reader({"a": {}}, single=False)()
    text = f"{mark}{{" * 20_000
    came = sum(len(piece) for piece in [*reader.feed(text), *reader.close()] if isinstance(piece, str))
    assert came == len(text)


AWKWARD: Mapping[str, str] = {
    "elements that are not closed": f"<a><l>{'<b><b></b>' * 15_000}</l></a>",
    "sections of CDATA": f"<a><p>{'<![CDATA[a]]>' * 80_000}</p></a>",
    "sections of CDATA that do not end": f"<a><p>x{'<![CDATA[</p>' * 80_000}</p></a>",
    "closing tags in a value": f"<a><p>{'</p>x' * 300_000}</p></a>",
    "one parameter many times": f"<a>{'<l>1</l>' * 120_000}</a>",
    "a call that is broken at its end": f"{'<a><p>' * 64}x</p>{'<l>1</l>' * 30_000}<p>y</p>{'</a>' * 32}",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_an_awkward_answer_is_read_in_time(text: str) -> None:
    """Some of these would take minutes if parts of a text were read once for each other part."""
    properties = {"p": {"type": "string"}, "l": {"type": "array", "items": {"type": "integer"}}}
    reader = NOTATIONS["xml"].reader({"a": {"type": "object", "properties": properties}}, single=False)()
    begun = time.process_time()
    pieces = [*reader.feed(text), *reader.close()]
    assert time.process_time() - begun < 5
    assert pieces
