"""The law of `grammar`: whatever a grammar allows validates against its schema."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator

from dragoman.dialects.schema_budget import TOO_COMPLEX
from dragoman.errors import WireError
from dragoman.upstreams.local.grammar import (
    LARGEST_SCHEMA,
    MOST,
    MOST_WAYS,
    CallableTool,
    call_grammar,
    json_grammar,
)
from tests.unit.upstreams.local.gbnf import Grammar

TEXT = {"type": "string"}
COUNTS = st.integers(0, 4)
NAMES = st.sampled_from(["a", "b", "née", 'q"uote', "back\\slash", "line\nbreak", "", "a b", "\u2028"])


def bounds(
    low: str, high: str, numbers: st.SearchStrategy[int] = COUNTS
) -> st.SearchStrategy[dict[str, Any]]:
    """Keywords for a range, each of them optional, never an empty range."""
    return st.tuples(numbers, numbers).flatmap(
        lambda pair: st.fixed_dictionaries({}, optional={low: st.just(min(pair)), high: st.just(max(pair))})
    )


def typed(kind: str, *parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(
        lambda found: {"type": kind} | {k: v for part in found for k, v in part.items()}
    )


SCALARS = st.one_of(
    st.sampled_from([{}, True, {"type": "null"}, {"type": "boolean"}, {"type": ["integer", "null"]}]),
    st.sampled_from(["date", "time", "date-time", "uuid", "email"]).map(
        lambda f: {"type": "string", "format": f}
    ),
    typed("string", bounds("minLength", "maxLength")),
    typed("integer", bounds("minimum", "maximum", st.integers(-2000, 2000))),
    typed("integer", bounds("exclusiveMinimum", "maximum", st.integers(-9, 9).map(lambda n: 3 * n))).filter(
        lambda s: "exclusiveMinimum" not in s or s.get("maximum", 99) > s["exclusiveMinimum"]
    ),
    typed("number", bounds("minimum", "maximum", st.integers(-2000, 2000))),
    typed("number", bounds("exclusiveMinimum", "exclusiveMaximum", st.integers(-30, 30))).filter(
        lambda s: s.get("exclusiveMinimum", -99) < s.get("exclusiveMaximum", 99)
    ),
    st.lists(st.none() | st.booleans() | st.integers() | st.text(), min_size=1).map(lambda v: {"enum": v}),
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)).map(
        lambda v: {"const": v}
    ),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    declared = st.dictionaries(NAMES, inner, max_size=4)
    return st.one_of(
        declared.flatmap(
            lambda properties: st.fixed_dictionaries(
                {"type": st.just("object"), "properties": st.just(properties)},
                optional={
                    "required": st.lists(st.sampled_from([*properties, "other"]), unique=True),
                    "additionalProperties": st.just(True) | inner,
                },
            )
        ),
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "additionalProperties": inner | st.just(False),
                "minProperties": st.just(0),
                "maxProperties": COUNTS,
            },
        ),
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(
        typed("array", bounds("minItems", "maxItems")),
        st.fixed_dictionaries({}, optional={"items": inner, "prefixItems": st.lists(inner, max_size=3)}),
    ).map(lambda parts: parts[0] | parts[1])


SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        objects(inner),
        arrays(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=8,
)


@given(SCHEMAS, st.integers(0, 2**32))
def test_every_text_of_a_grammar_validates_against_its_schema(schema: Any, seed: int) -> None:
    grammar = Grammar(json_grammar(schema))
    rng = random.Random(seed)
    for _ in range(5):
        text = grammar.draw(rng, depth=8)
        OAS31Validator(schema).validate(json.loads(text))


TREE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["value", "children"],
    "additionalProperties": False,
}
SHAPES = {
    "anyOf": [{"$ref": "#/$defs/circle"}, {"$ref": "#/$defs/square"}],
    "$defs": {
        "circle": {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}},
            "required": ["kind", "radius"],
        },
        "square": {
            "type": "object",
            "properties": {"kind": {"const": "square"}, "side": {"$ref": "#/$defs/side"}},
            "required": ["kind", "side"],
        },
        "side": {"type": "integer", "minimum": 1, "maximum": 120},
    },
}

LIST = {
    "$ref": "#list",
    "$defs": {
        "List": {
            "$anchor": "list",
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#list"}, {"type": "null"}]}},
            "required": ["next"],
        }
    },
}


def one_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": schema["anyOf"], "$defs": schema["$defs"]}


@pytest.mark.parametrize(
    ("schema", "yes", "no"),
    [
        (None, ["{}", '{"a": [1, null, {"b": -0.5e3}]}'], ["[]", '{"a":1}', '{"a": 1,}', ""]),
        (True, ["{}", "[]", "null", "1"], ["nul", ""]),
        ({"enum": ["a", 1, None]}, ['"a"', "1", "null"], ["a", "2"]),
        ({"const": 'a"\n'}, [r'"a\"\n"'], ['"a"']),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ['"éé"', r'"a\n\""'], ['"a"', '"abcd"']),
        ({"type": "string", "maxLength": 0}, ['""'], ['"a"']),
        ({"type": "string", "maxLength": 5000}, ['""', f'"{"a" * MOST}"'], []),
        (TEXT, [r'"\u00e9\ud7ff\""'], [r'"\ud800"', '"\n"', '"a']),
        (
            {"type": "integer", "minimum": -12, "exclusiveMaximum": 105},
            ["-12", "0", "104"],
            ["-13", "105", "1.0", "007"],
        ),
        (
            {"type": "number", "minimum": 0, "maximum": 1},
            ["0", "0.25", "1", "1.00"],
            ["1.01", "-0.1", "2", ".5"],
        ),
        ({"type": "number", "exclusiveMinimum": 0}, ["0.001", "17", "3.5"], ["0", "0.0", "-1"]),
        ({"type": ["string", "null"]}, ['"a"', "null"], ["1"]),
        ({"items": TEXT, "minItems": 1}, ['["a"]', '["a", "b"]'], ["[]", '["a","b"]', "[1]"]),
        ({"type": "array", "maxItems": 0}, ["[]"], ["[1]"]),
        (
            {"prefixItems": [TEXT, {"type": "null"}], "items": False},
            ['["a", null]'],
            ['["a"]', '["a", null, 1]'],
        ),
        ({"items": [TEXT]}, ['["a"]', '["a", 1]'], ["[]", "[1]"]),
        (
            {"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}, "required": ["b"]},
            ['{"b": 2}', '{"a": 1, "b": 2}', '{"b": 2, "c": 3}', '{"a": 1, "b": 2, "c": 3}'],
            ["{}", '{"a": 1}', '{"b": 2, "a": 1}', '{"b": 2, }', '{, "b": 2}', '{"b": 2, "d": 4}'],
        ),
        ({"properties": {"a": {"const": 1}}}, ["{}", '{"a": 1}'], ['{"a": 1, "a": 1}']),
        ({"type": "object", "properties": {}}, ["{}"], ['{"a": 1}']),
        (
            {"additionalProperties": {"type": "boolean"}, "minProperties": 1},
            ['{"x": true}'],
            ["{}", '{"x": 1}'],
        ),
        (TREE, ['{"value": 1, "children": [{"value": 2, "children": []}]}'], ['{"value": 1}']),
        (SHAPES, ['{"kind": "circle", "radius": 0.5}'], ['{"kind": "circle", "side": 2}']),
        (one_of(SHAPES), ['{"kind": "square", "side": 2}'], ['{"kind": "square", "side": 121}']),
        ({"oneOf": [TEXT, {"type": "integer"}]}, ['"a"', "1"], ["null"]),
        (
            {
                "allOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"required": ["a"]}],
                "title": "A",
            },
            ['{"a": 1}'],
            ["{}"],
        ),
        ({"type": "number", "anyOf": [{"minimum": 3}, {"maximum": -3}]}, ["3", "-4.5"], ["0", "2.9"]),
        ({"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": TEXT}, "description": "d"}, ['"a"'], ["1"]),
        ({"$ref": "#n", "$defs": {"N": {"$anchor": "n", **TEXT}}}, ['"a"'], ["1"]),
        (
            {"type": "number", "maximum": 10**25},
            ["1" + "0" * 25, "7"],
            ["9" * 25 + ".9", "1" + "0" * 25 + ".0"],
        ),
        ({"prefixItems": [{"type": ["boolean", "null", "string"]}, TEXT]}, ['[true, "a"]'], ["[]"]),
        (LIST, ['{"next": {"next": null}}'], ["{}", '{"next": {}}']),
        ({"oneOf": [{"const": 1}, {"const": True}, {"enum": [0, False]}]}, ["1", "true", "0", "false"], []),
        ({"const": 1, "enum": [True, 1.0, 2]}, ["1"], ["true", "2"]),
        ({"allOf": [{"const": 1}, {"const": 1.0}]}, ["1.0"], ["true"]),
        (
            {"allOf": [{"prefixItems": [TEXT], "minItems": 1}, {"items": {}, "maxItems": 2}]},
            ['["a", 1]'],
            ["[1]", "[]"],
        ),
        ({"type": "string", "format": "uuid"}, ['"00000000-0000-4000-8000-0123456789ab"'], ['"1"']),
        ({"type": "string", "format": "hostname", "x-unknown": {"pattern": 1}}, ['"any"'], []),
        ({"uniqueItems": False, "type": "array"}, ["[1, 1]"], []),
    ],
)
def test_what_a_grammar_allows(schema: Any, yes: list[str], no: list[str]) -> None:
    grammar = Grammar(json_grammar(schema))
    assert [text for text in yes if not grammar.accepts(text)] == []
    assert [text for text in no if grammar.accepts(text)] == []


def test_the_size_of_a_grammar_grows_with_the_schema_not_with_its_square() -> None:
    def size(count: int) -> int:
        return len(json_grammar({"properties": {f"p{i:03}": TEXT for i in range(count)}}))

    assert size(200) < 2.5 * size(100)


def test_a_call_names_one_of_the_tools_and_fits_its_parameters() -> None:
    city = {"type": "object", "properties": {"city": TEXT}, "required": ["city"]}
    grammar = Grammar(
        call_grammar([CallableTool("weather", city, "tools[0]"), CallableTool('no"w', None, "tools[1]")])
    )
    assert grammar.accepts('{"name": "weather", "arguments": {"city": "Paris"}}')
    assert grammar.accepts(r'{"name": "no\"w", "arguments": {}}')
    assert not grammar.accepts('{"name": "weather", "arguments": {}}')
    assert not grammar.accepts('{"name": "other", "arguments": {}}')


def test_a_call_may_be_replaced_by_an_answer_of_a_schema() -> None:
    grammar = Grammar(call_grammar([CallableTool("now", None, "tools[0]")], answer=({"const": 7}, "schema")))
    assert grammar.accepts("7")
    assert grammar.accepts('{"name": "now", "arguments": {}}')
    assert not grammar.accepts("8")


def test_tools_are_refused_under_their_own_path() -> None:
    with pytest.raises(WireError) as caught:
        call_grammar(
            [
                CallableTool("a", {"type": "object"}, "tools[0]"),
                CallableTool("b", {"not": {}}, "tools[1].parameters"),
            ]
        )
    assert caught.value.path == "tools[1].parameters.not"


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": list(range(MOST_WAYS + 1))},
        {"type": "object", "properties": {f"p{at}": TEXT for at in range(MOST_WAYS + 1)}},
        {"anyOf": [{"enum": [f"{way}-{at}" for at in range(MOST_WAYS // 2)]} for way in range(3)]},
        {"type": "string", "description": "d" * LARGEST_SCHEMA},
        {
            "type": "object",
            "properties": {f"p{at}": {"minLength": at, "maxLength": 990} for at in range(900)},
        },
    ],
    ids=["values", "optional properties", "values of alternatives", "size", "repetitions"],
)
def test_what_would_stop_the_model_process_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(WireError) as caught:
        json_grammar(schema, "output.schema")
    assert caught.value.code == TOO_COMPLEX
    assert caught.value.path == "output.schema" or caught.value.path.startswith("output.schema.")


def test_all_tools_have_one_budget() -> None:
    schema = {"type": "object", "properties": {f"p{at}": {"maxLength": 900 + at % 10} for at in range(30)}}
    calls = [CallableTool(f"f{at}", schema, f"tools[{at}].parameters") for at in range(40)]
    assert call_grammar(calls[:5])
    with pytest.raises(WireError) as caught:
        call_grammar(calls)
    assert caught.value.code == TOO_COMPLEX
    assert caught.value.path.startswith("tools[")
