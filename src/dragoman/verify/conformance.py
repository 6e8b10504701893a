"""Whether a JSON value is valid against a JSON Schema, at a bounded cost, and where it first is not.

A schema is compiled once into tests that call each other; a value is judged by walking it, every step
counted (`bounds`). No reference ever leads out of the schema. `format` is a remark, as the specification has
it. What cannot be judged (`unevaluatedProperties`, dynamic references, other documents) is refused when the
schema is compiled: a keyword is never skipped.

Spec: https://json-schema.org/draft/2020-12/json-schema-validation, and drafts 4 to 2019-09 where a schema
names one or is written like one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from dragoman.dialects.schema import mistake
from dragoman.verify.bounds import Budget, Exhausted, compiled
from dragoman.verify.keywords import ANY, TYPED, Breach, Test, Unusable, at, passes


def parsed(text: str) -> Any:
    """JSON text as a value whose whole numbers are integers. Raises ValueError, RecursionError."""
    return json.loads(text, parse_float=_number, parse_constant=_no_json)


def compile_schema(schema: Mapping[str, Any]) -> Test:
    """The test of a schema. Raises Unusable."""
    if (found := mistake(schema)) is not None:
        raise Unusable(found.path, found.message)
    try:
        test = _Compiler(schema).test(schema, "")
        test(None, Budget(lambda: 0.0, _TRIAL))
    except (Exhausted, RecursionError):
        raise Unusable("", "the schema refers to itself without end, or is too large") from None
    return test


_TRIAL: Final = 20_000
"""Steps for null, which a schema that has an end soon judges."""


class _Node:
    """One schema: the tests for every value, and those for values of one type."""

    __slots__ = ("always", "typed")

    def __init__(self) -> None:
        self.always: Sequence[Test] = ()
        self.typed: Mapping[type, Sequence[Test]] = {}

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
    return Breach("false schema")


class _Compiler:
    """Makes the tests of one document. Each schema in it is made once, so that it may refer to itself."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._made: dict[int, Test] = {}
        self._anchors: dict[str, Any] | None = None
        # Until draft 7 nothing beside a reference counted.
        self._lone_refs = str(document.get("$schema", "")).rstrip("#").endswith(_LONE_REFS)

    def test(self, schema: Any, path: str) -> Test:
        if type(schema) is bool:
            return passes if schema else _never
        if type(schema) is not dict:
            raise Unusable(path, "a schema must be an object or a boolean")
        if (made := self._made.get(id(schema))) is not None:
            return made
        if len(self._made) >= _MOST_SCHEMAS:
            raise Unusable("", f"a schema with more than {_MOST_SCHEMAS} parts is not checked")
        node = self._made[id(schema)] = _Node()
        for keyword in _UNKNOWABLE & schema.keys():
            if schema[keyword] not in (True, {}):
                raise Unusable(at(path, keyword), f"'{keyword}' cannot be checked")
        if schema is not self._document and not str(schema.get("$id", "#")).startswith("#"):
            raise Unusable(at(path, "$id"), "a schema inside of another with an '$id' cannot be checked")
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

    def pattern(self, pattern: str, path: str) -> Any:
        try:
            return compiled(pattern)
        except ValueError as error:
            raise Unusable(path, str(error)) from error

    def ref(self, ref: str, path: str) -> Test:
        fragment = unquote(ref.removeprefix(_root_id(self._document)))
        if not fragment.startswith("#"):
            raise Unusable(path, "a reference may not lead out of the schema")
        target: Any = self._document
        if fragment.startswith("#/"):
            for step in fragment[2:].split("/"):
                target = _step(target, step.replace("~1", "/").replace("~0", "~"))
        elif fragment != "#":
            target = self._anchored(fragment)
        if target is None:
            raise Unusable(path, f"{ref[:100]!r} leads nowhere")
        return self.test(target, fragment.removeprefix("#").replace("/", ".").removeprefix("."))

    def _anchored(self, fragment: str) -> Any:
        """The schema that has this anchor, None where there is none."""
        if self._anchors is None:  # the document is walked once, however many references it has
            self._anchors = {}
            for name, schema in _anchors(self._document):
                self._anchors.setdefault(name, schema)
        return self._anchors.get(fragment)


_LONE_REFS: Final = ("draft-03/schema", "draft-04/schema", "draft-06/schema", "draft-07/schema")
_MOST_SCHEMAS: Final = 20_000
_UNKNOWABLE: Final = frozenset({"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"})


def _root_id(document: Mapping[str, Any]) -> str:
    identity = document.get("$id")
    return identity.rstrip("#") if isinstance(identity, str) else ""


def _step(target: Any, name: str) -> Any:
    if isinstance(target, dict):
        return target.get(name)
    if isinstance(target, list) and name.isascii() and name.isdigit() and int(name) < len(target):
        return target[int(name)]
    return None


def _anchors(node: Any) -> Iterator[tuple[str, Any]]:
    """The anchors of a document (`#name`), each with its schema, in their order."""
    if isinstance(node, dict):
        if isinstance(anchor := node.get("$anchor"), str):
            yield f"#{anchor}", node
        if isinstance(identity := node.get("$id"), str):  # before 2019-09
            yield identity, node
        for inner in node.values():
            yield from _anchors(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _anchors(inner)


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
