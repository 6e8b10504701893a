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
