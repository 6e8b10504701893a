"""A forced call as structured output, and the call that comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.choice import ForcedCall, chosen, is_choice
from dragoman.dialects.prompted.notation import NOTATIONS, Notation
from dragoman.dialects.prompted.reading import Begun, CallReader, Ended, Piece, Written

CITY: dict[str, Any] = {
    "$schema": "s",
    "type": "object",
    "properties": {
        "city": {"$ref": "#/$defs/City"},
        "same": {"$ref": "#/properties/city"},
        "top": {"$ref": "#"},
    },
    "$defs": {"City": {"type": "string"}, "List": {"items": {"$ref": "#/$defs/City"}}},
}
WEATHER = ir.Function("weather", "Tells it.", CITY)
STOP = ir.Function("stop")
PLAIN = ir.Request("chat", "m", (ir.Message("user", (ir.Text("Hello"),)),), tools=(WEATHER, STOP))


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        (None, False),
        (ir.ToolChoice("auto"), False),
        (ir.ToolChoice("none"), False),
        (ir.ToolChoice("native", native={}), False),
        (ir.ToolChoice("any"), True),
        (ir.ToolChoice("any", ("stop",)), True),
        (ir.ToolChoice("any", ("other",)), False),
        (ir.ToolChoice("tool", ("weather",)), True),
    ],
)
def test_what_is_a_forced_call(choice: ir.ToolChoice | None, *, forced: bool) -> None:
    assert is_choice(replace(PLAIN, tool_choice=choice)) is forced
    assert not is_choice(replace(PLAIN, tools=(ir.ProviderTool("t", "web_search", {}),), tool_choice=choice))


def ask(
    choice: ir.ToolChoice, *, keeps: bool = False, notation: Notation | None = None, **fields: Any
) -> tuple[ir.Request, CallReader, Report]:
    report = Report("t")
    request, reader = chosen(replace(PLAIN, tool_choice=choice, **fields), report, notation, keeps=keeps)
    return request, reader(), report


def test_one_tool_is_its_own_schema() -> None:
    request, reader, report = ask(ir.ToolChoice("tool", ("weather",)))
    assert request.output == ir.Output("schema", CITY, form="made")
    assert (request.tools, request.tool_choice) == (None, None)
    (words,) = request.system
    assert isinstance(words, ir.Text)
    assert '"description":"Tells it."' in words.text
    assert read(reader, "{}", 1) == [Begun("weather"), Written("{}"), Ended()]
    assert "one call" in report.changes[-1].reason
    assert report.losses == []


def test_several_tools_are_alternatives() -> None:
    request, reader, _ = ask(ir.ToolChoice("any"), tools=(WEATHER, replace(STOP, strict=True)))
    assert request.output is not None
    schema = request.output.schema
    assert schema is not None
    first, second = schema["properties"]["call"]["anyOf"]
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["call"], False)
    assert first["properties"]["tool"] == {"type": "string", "enum": ["weather"]}
    place = "#/properties/call/anyOf/0/properties/arguments"
    assert first["properties"]["arguments"] == {
        "type": "object",
        "properties": {
            "city": {"$ref": "#/$defs/0_City"},
            "same": {"$ref": f"{place}/properties/city"},
            "top": {"$ref": place},
        },
    }
    assert schema["$defs"] == {"0_City": {"type": "string"}, "0_List": {"items": {"$ref": "#/$defs/0_City"}}}
    assert second["properties"]["tool"]["enum"] == ["stop"]
    assert request.output.strict is None
    assert read(reader, '{"call":{"tool":"stop","arguments":{}}}', 9) == [
        Begun("stop"),
        Written("{}"),
        Ended(),
    ]
    assert CITY["$defs"]["City"] == {"type": "string"}, "the client's schema stays as it is"


def test_tools_stay_where_a_choice_of_none_is_obeyed() -> None:
    strict = replace(STOP, strict=True)
    request, _, _ = ask(ir.ToolChoice("tool", ("stop",)), keeps=True, tools=(WEATHER, strict), parallel=True)
    assert (request.tools, request.tool_choice) == ((WEATHER, strict), ir.ToolChoice("none"))
    assert request.parallel is None
    assert request.output is not None
    assert request.output.strict is True


def test_a_form_of_the_answer_is_lost_beside_a_forced_call() -> None:
    output = ir.Output("schema", {"type": "object"}, verbosity="low", form="json_schema")
    request, _, report = ask(ir.ToolChoice("any"), output=output)
    assert request.output is not None
    assert request.output.verbosity == "low"
    assert [(loss.path, loss.severity) for loss in report.losses] == [("output", "hint")]


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({}, {"type": "object"}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}),
        (None, {"type": "object", "properties": {}, "additionalProperties": False}),
    ],
)
def test_arguments_are_objects(schema: Any, sent: Any) -> None:
    request, _, _ = ask(ir.ToolChoice("any"), tools=(ir.Function("a", None, schema),))
    assert request.output is not None
    assert request.output.schema == sent
    several, _, _ = ask(ir.ToolChoice("any"), tools=(ir.Function("a", None, {}), STOP))
    assert several.output is not None
    assert several.output.schema is not None
    first = several.output.schema["properties"]["call"]["anyOf"][0]
    assert first["properties"]["arguments"] == {"type": "object"}


def test_references_lead_where_their_schemas_have_gone() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/x~1y~0"}, "b": {"$ref": "#named"}, "c": {"$ref": "#"}},
        "$defs": {"x/y~": {"type": "string"}, "n": {"$anchor": "named"}},
    }
    request, _, _ = ask(ir.ToolChoice("any"), tools=(STOP, ir.Function("a", None, schema)))
    assert request.output is not None
    whole = request.output.schema
    assert whole is not None
    properties = whole["properties"]["call"]["anyOf"][1]["properties"]["arguments"]["properties"]
    assert properties == {
        "a": {"$ref": "#/$defs/1_x~1y~0"},
        "b": {"$ref": "#/$defs/1_n"},
        "c": {"$ref": "#/properties/call/anyOf/1/properties/arguments"},
    }
    assert set(whole["$defs"]) == {"1_x/y~", "1_n"}


def test_a_model_that_is_not_held_to_the_schema_may_call_in_its_own_way() -> None:
    said = '<tool_call>{"name": "stop"}</tool_call>'
    called = [Begun("stop"), Written("{}"), Ended()]
    choice = ir.ToolChoice("any")
    _, reader, _ = ask(choice, notation=NOTATIONS["hermes"])
    assert read(reader, f"I do. {said}{said}", 5) == ["I do. ", *called, *called]
    _, reader, _ = ask(choice, notation=NOTATIONS["hermes"], parallel=False)
    assert read(reader, f"{said}{said}", 5) == [*called, said]
    _, reader, _ = ask(choice)
    assert read(reader, said, 5) == [said]


def one_arguments(name: str) -> CallReader:
    _, reader, _ = ask(ir.ToolChoice("any"), tools=(ir.Function(name),))
    return reader


def one_call() -> CallReader:
    _, reader, _ = ask(ir.ToolChoice("any"))
    assert isinstance(reader, ForcedCall)
    return reader


def read(reader: CallReader, text: str, size: int) -> list[Piece]:
    pieces: list[Piece] = []
    for start in range(0, len(text), size):
        pieces += reader.feed(text[start : start + size])
    joined: list[Piece] = []
    for piece in [*pieces, *reader.close()]:
        last = joined[-1] if joined else None
        if isinstance(piece, str) and isinstance(last, str):
            joined[-1] = last + piece
        elif isinstance(piece, Written) and isinstance(last, Written):
            joined[-1] = Written(last.arguments + piece.arguments)
        else:
            joined.append(piece)
    return joined


OBJECTS = st.dictionaries(
    st.text('a"}', max_size=3), st.text('{}"\\ a', max_size=6) | st.integers(), max_size=3
)


@given(
    OBJECTS,
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([("", ""), ("", " \n"), ("", "\nand words"), ("```json\n", "\n```\n"), ("```\n", "```")]),
)
def test_calls_come_back(arguments: Any, size: int, spaced: bool, around: tuple[str, str]) -> None:
    before, behind = around
    indent = 2 if spaced else None
    alone = json.dumps(arguments, indent=indent)
    rest: list[Piece] = [behind.lstrip()] if behind.strip(" \n`") else []
    one = read(one_arguments("stop"), f" {before}{alone}{behind}", size)
    assert one == [Begun("stop"), Written(alone), Ended(), *rest]
    whole = json.dumps({"call": {"tool": "weather", "arguments": arguments}}, indent=indent)
    several = read(one_call(), before + whole + behind, size)
    assert (several[0], several[2:]) == (Begun("weather"), [Ended(), *rest])
    assert isinstance(several[1], Written)
    assert json.loads(several[1].arguments) == arguments


def test_arguments_come_as_they_are_written() -> None:
    reader = one_call()
    assert reader.feed('{"call": {"tool": "stop", "argum') == []
    assert reader.feed('ents": {"a') == [Begun("stop"), Written('{"a')]
    assert reader.feed('": 1') == [Written('": 1')]
    assert reader.feed("}}") == [Written("}"), Ended()]
    assert reader.feed("}") == []
    assert reader.close() == []


@pytest.mark.parametrize("size", [1, 2, 99])
@pytest.mark.parametrize(
    "text",
    [
        "I will not.",
        " [1]",
        "",
        " ",
        '{"call": {"tool": "other", "arguments": {}}}',
        '{"call": {"tool": "stop", "arguments": [1]}}',
        '{"call": {"to',
        '{"answer": 1}',
        "```json\n[1]\n```",
        "```python\n{}\n```",
        "```",
        "``` {}",
    ],
)
def test_another_text_stays_text(text: str, size: int) -> None:
    assert read(one_call(), text, size) == ([text] if text else [])
    if "{" not in text:
        assert read(one_arguments("stop"), text, size) == ([text] if text else [])


def test_an_answer_that_breaks_off_is_a_call_that_breaks_off() -> None:
    assert read(one_arguments("stop"), '{"a": "b', 3) == [Begun("stop"), Written('{"a": "b'), Ended()]


def test_only_so_much_white_space_is_held_back() -> None:
    reader = one_call()
    assert reader.feed("{" + " " * 3000) == ["{" + " " * 3000]
