"""Values against schemas: the verdict, the place of the first mistake, and a cost that is bounded.

The judge is jsonschema, which is never used at run time.
"""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.verify.bounds import Budget, Exhausted
from dragoman.verify.conformance import _Compiler, compile_schema, parsed
from dragoman.verify.keywords import Breach, Unusable


def breach(schema: dict[str, Any], value: Any) -> Breach | None:
    return compile_schema(schema).test(parsed(json.dumps(value)), Budget(time.perf_counter))


LEGACY = "http://json-schema.org/draft-07/schema#"
LEGACY_REF = {
    "$schema": LEGACY,
    "properties": {"a": {"$ref": "#/definitions/s", "type": "null"}},
    "definitions": {"s": {"type": "string"}},
}
WITH_ID = {"$id": "https://a.test/s", "$ref": "https://a.test/s#/$defs/a", "$defs": {"a": False}}
TREE = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["n"],
}


@pytest.mark.parametrize(
    ("schema", "value", "keyword", "path"),
    [
        ({"type": "object", "required": ["a"]}, {}, "required", ("a",)),
        ({"properties": {"a": {"type": "integer"}}}, {"a": "x"}, "type", ("a",)),
        ({"properties": {"a": {"type": "integer"}}}, {"a": True}, "type", ("a",)),
        ({"type": ["string", "null"]}, 1, "type", ()),
        ({"items": {"enum": ["a", 1, [1.0]]}}, ["a", 1.0, [1], "b"], "enum", (3,)),
        ({"const": {"a": 1.5}}, {"a": 1}, "const", ()),
        ({"const": False}, 0, "const", ()),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"b": 1}, "additionalProperties", ("b",)),
        ({"additionalProperties": {"type": "null"}}, {"b": 1}, "type", ("b",)),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"y": 1, "xy": 1}, "type", ("xy",)),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "propertyNames", ("ab",)),
        ({"minProperties": 1}, {}, "minProperties", ()),
        ({"maxProperties": 0}, {"a": 1}, "maxProperties", ()),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "dependentRequired", ("b",)),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, "dependentRequired", ("b",)),
        ({"dependentSchemas": {"a": {"required": ["c"]}}}, {"a": 1}, "required", ("c",)),
        ({"prefixItems": [{"type": "null"}], "items": False}, [None, 1], "false schema", (1,)),
        ({"items": [{"type": "null"}], "additionalItems": {"type": "null"}}, [None, 1], "type", (1,)),
        ({"minItems": 1}, [], "minItems", ()),
        ({"maxItems": 0}, [1], "maxItems", ()),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, 1, {"b": 2, "a": 1.0}], "uniqueItems", (2,)),
        ({"contains": {"type": "null"}}, [1], "contains", ()),
        ({"contains": {"type": "null"}, "maxContains": 1}, [None, None], "maxContains", ()),
        ({"minLength": 2}, "a", "minLength", ()),
        ({"maxLength": 1}, "😀a", "maxLength", ()),
        ({"pattern": "^a"}, "ba", "pattern", ()),
        ({"minimum": 2}, 1, "minimum", ()),
        ({"maximum": 2}, 2.5, "maximum", ()),
        ({"exclusiveMinimum": 2}, 2, "exclusiveMinimum", ()),
        ({"exclusiveMaximum": 2}, 2, "exclusiveMaximum", ()),
        ({"minimum": 2, "exclusiveMinimum": True}, 2, "exclusiveMinimum", ()),
        ({"maximum": 2, "exclusiveMaximum": True}, 2, "exclusiveMaximum", ()),
        ({"multipleOf": 0.01}, 0.125, "multipleOf", ()),
        ({"multipleOf": 3}, 4, "multipleOf", ()),
        ({"allOf": [{"type": "object"}, {"required": ["a"]}]}, {}, "required", ("a",)),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 1, "anyOf", ()),
        ({"anyOf": [{"type": "null"}, {"required": ["a"]}]}, {}, "required", ("a",)),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, "oneOf", ()),
        ({"not": {"type": "null"}}, None, "not", ()),
        ({"if": {"type": "object"}, "then": {"required": ["a"]}}, {}, "required", ("a",)),
        ({"if": {"type": "object"}, "else": {"type": "null"}}, 1, "type", ()),
        (TREE, {"n": 1, "kids": [{"n": 2}, {}]}, "required", ("kids", 1, "n")),
        ({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "null"}}}, 1, "type", ()),
        ({"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "null"}}}, 1, "type", ()),
        ({"$ref": "#/prefixItems/1", "prefixItems": [True, {"type": "null"}]}, 1, "type", ()),
        (WITH_ID, 1, "false schema", ()),
        (LEGACY_REF, {"a": 1}, "type", ("a",)),
    ],
)  # fmt: skip
def test_the_first_mistake(schema: dict[str, Any], value: Any, keyword: str, path: tuple[Any, ...]) -> None:
    assert breach(schema, value) == Breach(keyword, path)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1.0),
        ({"type": "number"}, 1),
        ({"multipleOf": 0.1}, 0.3),  # in floating point it is none
        ({"multipleOf": 0.0001}, 0.0075),
        ({"required": ["a"], "minLength": 9, "minimum": 9, "minItems": 9}, None),
        ({"const": {"a": 1, "b": 2.0}}, {"b": 2, "a": 1.0}),
        ({"format": "email"}, "none"),
        ({"uniqueItems": False}, [1, 1]),
        ({"unevaluatedProperties": True}, {"a": 1}),
        ({"$schema": LEGACY, "$ref": "#/definitions/s", "type": "null", "definitions": {"s": True}}, 1),
    ],
)
def test_what_is_valid(schema: dict[str, Any], value: Any) -> None:
    assert breach(schema, value) is None


def test_numbers_beyond_a_double_are_numbers() -> None:
    test = compile_schema({"type": "number", "multipleOf": 2}).test
    assert test(parsed("1e400"), Budget(time.perf_counter)) == Breach("multipleOf")


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", '{"a":1} x', "'a'", "\ufeff1"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parsed(text)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "strnig"}, "type"),
        ({"properties": {"a": {"$ref": "https://a.test/s.json"}}}, "properties.a.$ref"),
        ({"$ref": "other.json#/a"}, "$ref"),
        ({"$ref": "#/$defs/none"}, "$ref"),
        ({"$ref": "#none"}, "$ref"),
        ({"$ref": "#/items/1", "items": [True]}, "$ref"),
        ({"$ref": "#/minLength", "minLength": 2}, "minLength"),
        ({"anyOf": [{"pattern": "("}]}, "anyOf[0].pattern"),
        ({"patternProperties": {"(": {}}}, "patternProperties"),
        ({"unevaluatedProperties": False}, "unevaluatedProperties"),
        ({"items": {"$dynamicRef": "#a"}}, "items.$dynamicRef"),
        ({"allOf": [{"$id": "https://a.test/b"}]}, "allOf[0].$id"),
        ({"exclusiveMinimum": "1"}, "exclusiveMinimum"),
        ({"contains": {}, "minContains": "1"}, "minContains"),
        ({"multipleOf": 0}, "multipleOf"),
        ({"dependencies": 1}, "dependencies"),
        ({"$ref": "#"}, ""),
        ({"allOf": [{"anyOf": [{"$ref": "#"}]}]}, ""),
    ],
)
def test_schemas_that_nothing_can_be_checked_against(schema: dict[str, Any], path: str) -> None:
    with pytest.raises(Unusable) as caught:
        compile_schema(schema)
    assert caught.value.path == path
    assert caught.value.message


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"x": {"pattern": 5}, "$ref": "#/x"}, "x.pattern"),
        ({"x": {"type": "nothing"}, "$ref": "#/x"}, "x.type"),
        ({"x": {"type": [[]]}, "$ref": "#/x"}, "x.type"),
        ({"x": {"minimum": "1"}, "$ref": "#/x"}, "x.minimum"),
        ({"x": {"allOf": 1}, "$ref": "#/x"}, "x.allOf"),
        ({"dependencies": {"a": {"enum": 1}}}, "dependencies.a.enum"),
        ({"items": [True], "additionalItems": {"properties": []}}, "additionalItems.properties"),
        ({"$ref": "#/items/" + "9" * 5000, "items": [True]}, "$ref"),
    ],
)
def test_what_no_keyword_leads_to_is_looked_at_too(schema: dict[str, Any], path: str) -> None:
    with pytest.raises(Unusable) as caught:
        compile_schema(schema)
    assert caught.value.path == path


def test_the_anchors_of_a_schema_are_looked_for_once() -> None:
    """Not for each reference: 1,500 of these took 11 seconds."""

    class Counting(dict[str, Any]):
        looked = 0

        def values(self) -> Any:
            Counting.looked += 1
            return super().values()

    schema = Counting(allOf=[{"$ref": "#x", "title": str(n)} for n in range(500)], z={"$anchor": "x"})
    with pytest.raises(Unusable):  # the root is no plain dict, which is enough for this
        compile_schema(schema)
    compiler = _Compiler(schema)
    for _ in range(500):
        compiler.ref("#x", "")
    assert Counting.looked == 1


def test_the_patterns_of_a_schema_share_their_room() -> None:
    one = {"pattern": "^[a-z]{6000}$"}
    compile_schema({"allOf": [dict(one) for _ in range(1000)]})  # the same one is compiled once
    with pytest.raises(Unusable) as caught:
        compile_schema({"allOf": [one, {"pattern": "^[a-y]{6000}$"}]})
    assert (caught.value.path, caught.value.too_large) == ("allOf[1].pattern", True)
    with pytest.raises(Unusable, match="characters") as caught:
        compile_schema({"allOf": [{"pattern": f"^{n}$"} for n in range(1000)]})
    assert caught.value.too_large


def test_places_of_a_schema_are_bounded() -> None:
    with pytest.raises(Unusable) as caught:
        compile_schema({"properties": {"n" * 100_000: {"properties": {"m": {"pattern": "("}}}}})
    assert caught.value.path == "properties." + "n" * 100 + ".properties.m.pattern"


def test_schemas_of_many_parts_are_refused() -> None:
    parts = {str(number): {"type": "null", "title": str(number)} for number in range(10_001)}
    with pytest.raises(Unusable, match="10000 parts"):
        compile_schema({"properties": parts})


LAUGHS = {
    "properties": {"a": {"$ref": "#/$defs/0"}},
    "$defs": {
        **{str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)},
        "40": {"type": "null"},
    },
}
ENDLESS = {"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": {"0": {"allOf": [{"$ref": "#/$defs/0"}]}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (LAUGHS, {"a": 1}),
        ({"uniqueItems": True}, [{"a": n} for n in range(150_000)]),
        ({"items": {"enum": [[n] * 100 for n in range(1000)]}}, [[1] * 100] * 40_000),
        ({"items": {"pattern": "^(a|aa)*$"}}, ["a" * 60 + "!"]),
        ({"items": {"pattern": "b"}}, ["a" * 900_000]),
        ({"allOf": [{"contains": True, "minContains": n} for n in range(2000)]}, [1] * 20_000),
        (
            {"allOf": [{"propertyNames": True, "title": str(n)} for n in range(2000)]},
            dict.fromkeys(map(str, range(20_000))),
        ),
        ({"items": {"multipleOf": 1e-300}}, [0.1] * 100_000),
        ({"items": {"enum": [[n] for n in range(100)]}}, [[1]] * 100_000),
        (
            {"allOf": [{"dependentRequired": {"a": ["a"] * 2000}, "title": str(n)} for n in range(2000)]},
            {"a": 1},
        ),
        ({"patternProperties": {f"^{n}a": True for n in range(200)}}, {str(n): 1 for n in range(2000)}),
    ],
    ids=[
        "references",
        "unique items",
        "large values",
        "pattern",
        "long text",
        "contains",
        "property names",
        "multiples",
        "lists",
        "dependencies",
        "patterns of names",
    ],
)
def test_what_would_take_too_long_is_given_up(schema: dict[str, Any], value: Any) -> None:
    test = compile_schema(schema).test
    began = time.perf_counter()
    with pytest.raises(Exhausted):
        test(value, Budget(time.perf_counter))
    assert time.perf_counter() - began < 10


def test_a_schema_without_end_below_the_root_ends() -> None:
    with pytest.raises(RecursionError):
        compile_schema(ENDLESS).test({"a": 1}, Budget(time.perf_counter))


# --- The judge ----------------------------------------------------------------------------------------------

SCALARS = st.sampled_from([None, True, False, 0, 1, 2, 1.5, "", "a", "ab"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
NAMES = ["null", "boolean", "integer", "number", "string", "array", "object"]


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    counts = st.integers(0, 2)
    named = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    some = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(NAMES)
            | st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
            "properties": named,
            "patternProperties": named,
            "additionalProperties": inner | st.booleans(),
            "propertyNames": inner,
            "dependentSchemas": named,
            "items": inner | st.booleans(),
            "prefixItems": some,
            "contains": inner,
            "uniqueItems": st.booleans(),
            **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties"), counts),
            **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), counts),
            "pattern": st.sampled_from(["a", "^b", "b$"]),
            **dict.fromkeys(("allOf", "anyOf", "oneOf"), some),
            **dict.fromkeys(("not", "if", "then", "else"), inner),
        },
    )


SCHEMAS = st.recursive(st.fixed_dictionaries({"type": st.sampled_from(NAMES)}), _keywords, max_leaves=4)


@given(SCHEMAS, VALUES)
@settings(max_examples=200)
def test_the_verdict_is_the_judges(schema: dict[str, Any], value: Any) -> None:
    valid = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (breach(schema, value) is None) is valid
