"""Validates a JSON value against a JSON Schema, at a limited cost, up to the first mistake.

A schema is compiled once into tests that call each other. Validation walks over the value and counts every
step (`bounds`). `format` is only an annotation, as the specification says. A reference can only lead to a
place in the same schema: references to other documents, and subschemas with an `$id` that is more than an
anchor (`#name`), are refused at compilation. `unevaluatedProperties`, `unevaluatedItems` and dynamic
references are refused unless their value is `true` or `{}`. Unknown keywords are ignored. A definition to
which no reference leads is not compiled.

Spec: https://json-schema.org/draft/2020-12/json-schema-validation, and drafts 4 to 2019-09 where a schema
names one or uses their forms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from dragoman.dialects.schema import mistake
from dragoman.verify.bounds import Budget, Exhausted
from dragoman.verify.keywords import ANY, FALSE_SCHEMA, TYPED, Breach, Test, Unusable, at, passes
from dragoman.verify.patterns import MOST_PARTS, Pattern, TooCostly, compiled


def parsed(text: str) -> Any:
    """Decode a JSON text. A number with a fraction or an exponent whose value is whole, such as `1.0` or
    `1e2`, becomes an `int`; one that is too large for a float becomes infinity. Raises ValueError if the text
    is not JSON or has an integer of more than 4,300 digits, RecursionError if it is nested too deeply.
    """
    return json.loads(text, parse_float=_number, parse_constant=_no_json)


class Compiled(NamedTuple):
    """A compiled schema. test: the test of a value. parts: the number of compiled parts of all its regular
    expressions, a measure of their memory.
    """

    test: Test
    parts: int


def compile_schema(schema: Mapping[str, Any]) -> Compiled:
    """Compile a schema (decoded JSON) into one test. Raises Unusable for a schema that is invalid, not
    supported or too large, or that refers to itself without end.
    """
    if (found := mistake(schema)) is not None:
        raise Unusable(found.path, found.message)
    try:
        compiler = _Compiler(schema)
        test = compiler.test(schema, "")
        test(None, Budget(lambda: 0.0, _TRIAL))
    except (Exhausted, RecursionError):
        ends = "the schema refers to itself endlessly, or is too large"
        raise Unusable("", ends, too_large=True) from None
    return Compiled(test, compiler.parts)


_TRIAL: Final = 20_000
"""The most steps of the trial at compilation, which tests null. A schema that needs more is too large or
endless.
"""


@dataclass(slots=True)
class _Node:
    """The test of one schema. always: tests that every value must pass. typed: by Python type, more tests for
    values of exactly that type.
    """

    always: Sequence[Test] = ()
    typed: Mapping[type, Sequence[Test]] = field(default_factory=dict)

    def __call__(self, value: Any, budget: Budget) -> Breach | None:
        budget.spend()
        for test in self.always:
            if (found := test(value, budget)) is not None:
                return found
        for test in self.typed.get(type(value), ()):
            if (found := test(value, budget)) is not None:
                return found
        return None


def _never(_value: Any, _budget: Budget) -> Breach | None:
    return FALSE_SCHEMA


class _Compiler:
    """Implements `keywords.Compiler` for one document: a complete JSON Schema with all schemas in it. Each
    schema in the document is compiled once, even if references lead to it, so a schema may refer to itself.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._made: dict[int, Test] = {}
        self._patterns: dict[str, Pattern] = {}
        self.parts = 0
        self._patterns_left = _MOST_IN_PATTERNS
        self._anchors: dict[str, Any] | None = None
        # Up to draft 7, other keywords beside `$ref` are ignored.
        self._lone_refs = str(document.get("$schema", "")).rstrip("#").endswith(_LONE_REFS)

    def test(self, schema: Any, path: str) -> Test:
        if type(schema) is bool:
            return passes if schema else _never
        if type(schema) is not dict:
            raise Unusable(path, "a schema must be an object or a boolean")
        if (made := self._made.get(id(schema))) is not None:
            return made
        if len(self._made) >= _MOST_SCHEMAS:
            many = f"schemas with more than {_MOST_SCHEMAS} parts are not supported"
            raise Unusable("", many, too_large=True)
        node = self._made[id(schema)] = _Node()
        for keyword, value in schema.items():
            if (kinds := _SHAPES.get(keyword)) is not None and type(value) not in kinds:
                raise Unusable(at(path, keyword), "has an invalid type")
        for keyword in _UNKNOWABLE & schema.keys():
            if schema[keyword] not in (True, {}):
                raise Unusable(at(path, keyword), f"'{keyword}' is not supported")
        if schema is not self._document and not str(schema.get("$id", "#")).startswith("#"):
            raise Unusable(at(path, "$id"), "subschemas with an '$id' are not supported")
        if self._lone_refs and "$ref" in schema:
            schema = {"$ref": schema["$ref"]}
        node.always = [make(self, schema, path) for word, make in ANY.items() if word in schema]
        node.typed = {
            kind: tests
            for kind, makers in TYPED.items()
            if (tests := [make(self, schema, path) for words, make in makers if not words.isdisjoint(schema)])
        }
        return node

    def tests(self, schemas: Sequence[Any], path: str) -> list[Test]:
        return [self.test(schema, f"{path}[{index}]") for index, schema in enumerate(schemas)]

    def named(self, schemas: Mapping[str, Any], path: str) -> dict[str, Test]:
        return {name: self.test(schema, at(path, name)) for name, schema in schemas.items()}

    def pattern(self, pattern: str, path: str) -> Pattern:
        if (known := self._patterns.get(pattern)) is not None:
            return known
        self._patterns_left -= len(pattern) + _EACH_PATTERN
        if self._patterns_left < 0:
            many = f"{_MOST_IN_PATTERNS} characters, with {_EACH_PATTERN} for each of them"
            raise Unusable(path, f"the patterns of a schema may have {many}", too_large=True)
        try:
            found = compiled(pattern, MOST_PARTS - self.parts)
        except ValueError as error:
            raise Unusable(path, str(error), too_large=isinstance(error, TooCostly)) from error
        self._patterns[pattern] = found
        self.parts += found.parts
        return found

    def ref(self, ref: str, path: str) -> Test:
        fragment = unquote(ref.removeprefix(_root_id(self._document)))
        if not fragment.startswith("#"):
            raise Unusable(path, "references to other schemas are not supported")
        target: Any = self._document
        if fragment.startswith("#/"):
            for step in fragment[2:].split("/"):
                target = _step(target, step.replace("~1", "/").replace("~0", "~"))
        elif fragment != "#":
            if self._anchors is None:
                self._anchors = {}
                for name, schema in _anchored(target):
                    self._anchors.setdefault(name, schema)
            target = self._anchors.get(fragment)
        if target is None:
            raise Unusable(path, f"{ref[:100]!r} does not exist in the schema")
        return self.test(target, fragment.removeprefix("#").replace("/", ".").removeprefix("."))


_LONE_REFS: Final = ("draft-03/schema", "draft-04/schema", "draft-06/schema", "draft-07/schema")
_MOST_SCHEMAS: Final = 10_000
"""The most schemas in one document, nested schemas included. Each takes ten microseconds to compile."""
_MOST_IN_PATTERNS: Final = 6_000
"""The most characters that all different patterns of a schema have together; each counts `_EACH_PATTERN`
more.
"""
_EACH_PATTERN: Final = 20
"""The characters that are counted for each pattern in addition, for the fixed cost of its compilation."""
_SHAPES: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("properties", "patternProperties"), (dict,)),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems", "enum"), (list,)),
    **dict.fromkeys(("$ref", "pattern"), (str,)),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), (int, float)),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), (int, float)),
    **dict.fromkeys(("minProperties", "maxProperties"), (int, float)),
}
"""The valid Python types of the values of some keywords. They are tested here too, because a `$ref` may lead
to a place that `mistake` has not checked.
"""
_UNKNOWABLE: Final = frozenset({"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"})


def _root_id(document: Mapping[str, Any]) -> str:
    identity = document.get("$id")
    return identity.rstrip("#") if isinstance(identity, str) else ""


_INDEX: Final = re.compile(r"[0-9]{1,9}")


def _step(target: Any, name: str) -> Any:
    if isinstance(target, dict):
        return target.get(name)
    if isinstance(target, list) and _INDEX.fullmatch(name) and int(name) < len(target):
        return target[int(name)]
    return None


def _anchored(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        if isinstance(anchor := node.get("$anchor"), str):
            yield f"#{anchor}", node
        if isinstance(identity := node.get("$id"), str) and identity.startswith("#"):
            yield identity, node
        for inner in node.values():
            yield from _anchored(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _anchored(inner)


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is not valid JSON")
