"""The keywords of JSON Schema. A maker is a function that compiles one keyword, or some related keywords,
into one test. A test (`Test`) gets a JSON value and the budget of the check. It returns the first violation
that it finds, None if the value is valid; it raises Exhausted if the budget is used up.

Spec: https://json-schema.org/draft/2020-12/json-schema-validation, and the differing forms of earlier drafts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from dragoman.verify.bounds import Budget
from dragoman.verify.patterns import Pattern


class Breach(NamedTuple):
    """A place where a value violates the schema. keyword: the violated keyword. If the schema at the place is
    `false`, the keyword is "additionalProperties" for a field of an object, otherwise "false schema". path:
    the names and indexes that lead from the tested value to the place; () = the tested value itself. If a
    required field is missing, the path ends with the field's name.
    """

    keyword: str
    path: tuple[str | int, ...] = ()

    def below(self, step: str | int) -> Breach:
        """Return the same breach for the value that contains the tested one at `step` (a name or an index):
        its path begins with `step`.
        """
        return Breach(self.keyword, (step, *self.path))


FALSE_SCHEMA: Final = Breach("false schema")
"""The breach of the schema `false`, at the place of this schema itself."""


class Unusable(ValueError):
    """A schema that cannot be compiled.

    path: the place inside the schema ("properties.name.type"), "" = the whole schema. message: what is wrong
    there. too_large: True = the schema would take more memory or time than allowed, or it refers to itself
    endlessly.
    """

    def __init__(self, path: str, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.too_large = too_large


Test: TypeAlias = Callable[[Any, Budget], Breach | None]


class Compiler(Protocol):
    """Compiles the schemas and patterns that a keyword's value contains: one schema (`test`), a list of them
    (`tests`), an object of them (`named`), the schema to which a `$ref` leads (`ref`), or a regular
    expression (`pattern`). path: the place of the value in the complete schema, for errors. All methods raise
    Unusable for what cannot be compiled.
    """

    def test(self, schema: Any, path: str) -> Test: ...
    def tests(self, schemas: Sequence[Any], path: str) -> list[Test]: ...
    def named(self, schemas: Mapping[str, Any], path: str) -> dict[str, Test]: ...
    def ref(self, ref: str, path: str) -> Test: ...
    def pattern(self, pattern: str, path: str) -> Pattern: ...


def at(path: str, keyword: str) -> str:
    """Return the path of a keyword, or of a name, in the schema at `path`, for example
    "properties.name.type". The new part is cut after `_LONGEST_NAME` characters. If `path` has more than
    `_LONGEST_PATH` characters, it is returned unchanged.
    """
    if len(path) > _LONGEST_PATH:
        return path
    return f"{path}.{keyword[:_LONGEST_NAME]}" if path else keyword[:_LONGEST_NAME]


_LONGEST_PATH: Final = 1_000
"""A schema path with more characters is not extended. Each part of a schema has its own path, so long ones
cost memory.
"""
_LONGEST_NAME: Final = 100
"""The most characters of one name in a schema path, because clients choose the names."""


def passes(_value: Any, _budget: Budget) -> Breach | None:
    """Return None: this is the test of the schema `true`, for which every value is valid."""
    return None


def _plain(value: Any) -> Any:
    """Return a copy of a value from the schema, in which floats with a whole value (1.0) are `int`. `parsed`
    does the same to an answer, so that the two can be compared.
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


_write: Final = json.JSONEncoder(sort_keys=True).encode
"""Writes a value as canonical JSON: equal values have equal texts."""


def _written(value: Any, budget: Budget) -> str:
    text = _write(value)
    budget.spend(3 + len(text) // 32)
    return text


# --- Keywords for every value -------------------------------------------------------------------------------

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _ref(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    return compiler.ref(schema["$ref"], at(path, "$ref"))


def _type(_compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    stated = schema["type"]
    names = stated if isinstance(stated, list) else [stated]
    unknown = [name for name in names if not isinstance(name, str) or name not in _TYPES]
    if unknown:
        raise Unusable(at(path, "type"), "is not a JSON type")
    kinds = frozenset(kind for name in names for kind in _TYPES[name])
    breach = Breach("type")
    return lambda value, _budget: None if type(value) in kinds else breach


def _enum(_compiler: Compiler, schema: Mapping[str, Any], _path: str) -> Test:
    return _one_among(schema["enum"], Breach("enum"))


def _const(_compiler: Compiler, schema: Mapping[str, Any], _path: str) -> Test:
    return _one_among([schema["const"]], Breach("const"))


def _one_among(allowed: Sequence[Any], breach: Breach) -> Test:
    plain = [_plain(value) for value in allowed]
    simple = {kind: frozenset(value for value in plain if type(value) is kind) for kind in (str, int)}
    others = frozenset(_write(value) for value in plain if type(value) not in simple)

    def test(value: Any, budget: Budget) -> Breach | None:
        if (values := simple.get(type(value))) is not None:
            return None if value in values else breach
        return None if others and _written(value, budget) in others else breach

    return test


def _all_of(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    tests = compiler.tests(schema["allOf"], at(path, "allOf"))

    def test(value: Any, budget: Budget) -> Breach | None:
        return next((found for one in tests if (found := one(value, budget)) is not None), None)

    return test


def _any_of(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    tests = compiler.tests(schema["anyOf"], at(path, "anyOf"))

    def test(value: Any, budget: Budget) -> Breach | None:
        near: list[Breach] = []
        for one in tests:
            found = one(value, budget)
            if found is None:
                return None
            if found != _OTHER_TYPE:
                near.append(found)
        return near[0] if len(near) == 1 else Breach("anyOf")

    return test


_OTHER_TYPE: Final = Breach("type")
"""The breach of a schema for another type than the value's. `anyOf` disregards it when it chooses the breach
to report.
"""


def _one_of(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    tests = compiler.tests(schema["oneOf"], at(path, "oneOf"))

    def test(value: Any, budget: Budget) -> Breach | None:
        return None if sum(one(value, budget) is None for one in tests) == 1 else Breach("oneOf")

    return test


def _not(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    inner = compiler.test(schema["not"], at(path, "not"))
    return lambda value, budget: Breach("not") if inner(value, budget) is None else None


def _if(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    condition = compiler.test(schema["if"], at(path, "if"))
    then = compiler.test(schema.get("then", True), at(path, "then"))
    otherwise = compiler.test(schema.get("else", True), at(path, "else"))

    def test(value: Any, budget: Budget) -> Breach | None:
        return (then if condition(value, budget) is None else otherwise)(value, budget)

    return test


# --- Keywords for one type ----------------------------------------------------------------------------------


def _numeric(schema: Mapping[str, Any], keyword: str, path: str) -> Any:
    value = schema[keyword]
    if type(value) not in (int, float):
        raise Unusable(at(path, keyword), "must be a number")
    return value


def _bounds(_compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = -math.inf, math.inf
    if schema.get("exclusiveMinimum") is True:  # draft 4
        above = low
    elif schema.get("exclusiveMinimum", False) is not False:
        above = _numeric(schema, "exclusiveMinimum", path)
    if schema.get("exclusiveMaximum") is True:
        below = high
    elif schema.get("exclusiveMaximum", False) is not False:
        below = _numeric(schema, "exclusiveMaximum", path)

    def test(value: Any, _budget: Budget) -> Breach | None:
        if value < low or value > high:
            return Breach("minimum" if value < low else "maximum")
        if value <= above != -math.inf or value >= below != math.inf:
            return Breach("exclusiveMinimum" if value <= above else "exclusiveMaximum")
        return None

    return test


def _multiple(_compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    if not _numeric(schema, "multipleOf", path) > 0:
        raise Unusable(at(path, "multipleOf"), "must be greater than 0")
    step, parts = _ratio(schema["multipleOf"])
    length = step.bit_length() + parts.bit_length()

    def test(value: Any, budget: Budget) -> Breach | None:
        if isinstance(value, float) and not math.isfinite(value):
            return Breach("multipleOf")
        whole, below = _ratio(value)
        budget.spend(3 + (length + whole.bit_length()) // 128)  # the cost of the multiplications and division
        return Breach("multipleOf") if whole * parts % (step * below) else None

    return test


def _ratio(number: float) -> tuple[int, int]:
    """Return (numerator, denominator) of a number, as its decimal text states it: (1, 10) for 0.1. number:
    finite.
    """
    return (number, 1) if isinstance(number, int) else Decimal(str(number)).as_integer_ratio()


def _counted(low: str, high: str) -> Callable[[Compiler, Mapping[str, Any], str], Test]:
    """Return the maker of a test for the length of a value: its characters, items or fields. low, high: the
    keywords with the limits ("minItems", "maxItems"), which are inclusive.
    """

    def make(_compiler: Compiler, schema: Mapping[str, Any], _path: str) -> Test:
        least, most = schema.get(low, 0), schema.get(high, math.inf)

        def test(value: Any, _budget: Budget) -> Breach | None:
            if least <= len(value) <= most:
                return None
            return Breach(low if len(value) < least else high)

        return test

    return make


def _pattern(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    pattern = compiler.pattern(schema["pattern"], at(path, "pattern"))
    return lambda value, budget: None if budget.search(pattern, value) else Breach("pattern")


def _required(_compiler: Compiler, schema: Mapping[str, Any], _path: str) -> Test:
    stated = schema["required"]
    # In draft 3 `required` is a boolean.
    names = [name for name in stated if isinstance(name, str)] if isinstance(stated, list) else []

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend(len(names) // 8)
        return next((Breach("required", (name,)) for name in names if name not in value), None)

    return test


def _properties(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    named = compiler.named(schema.get("properties", {}), at(path, "properties"))
    place = at(path, "patternProperties")
    matched = [
        (compiler.pattern(pattern, place), compiler.test(inner, at(place, pattern)))
        for pattern, inner in schema.get("patternProperties", {}).items()
    ]
    others = compiler.test(schema.get("additionalProperties", True), at(path, "additionalProperties"))

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend(len(value) // 4)
        for name, inner in value.items():
            own = named.get(name)
            tests = [] if own is None else [own]
            if matched:
                tests += [one for pattern, one in matched if budget.search(pattern, name)]
            for one in tests or (others,):
                if (found := one(inner, budget)) is not None:
                    if found == FALSE_SCHEMA:  # of this field, not of a place inside its value
                        found = Breach("additionalProperties")
                    return found.below(name)
        return None

    return test


def _property_names(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    inner = compiler.test(schema["propertyNames"], at(path, "propertyNames"))

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend(len(value) // 4)
        bad = next((name for name in value if inner(name, budget) is not None), None)
        return None if bad is None else Breach("propertyNames", (bad,))

    return test


def _dependencies(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    names: dict[str, Sequence[str]] = {}
    schemas: dict[str, Test] = {}
    for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
        place, stated = at(path, keyword), schema.get(keyword, {})
        if not isinstance(stated, dict):
            raise Unusable(place, "must be an object")
        for name, wanted in stated.items():
            if isinstance(wanted, list):
                names[name] = [*names.get(name, ()), *map(str, wanted)]
            else:
                schemas[f"{keyword} {name}"] = compiler.test(wanted, at(place, name))

    named = sum(len(wanted) + 4 for wanted in names.values())

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend((named + len(schemas)) // 8)
        for name, wanted in names.items():
            missing = next((one for one in wanted if name in value and one not in value), None)
            if missing is not None:
                return Breach("dependentRequired", (missing,))
        for name, one in schemas.items():
            if name.partition(" ")[2] in value and (found := one(value, budget)) is not None:
                return found
        return None

    return test


def _items(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    # Up to 2019-09, `prefixItems` was called `items`, and `items` was called `additionalItems`.
    listed = isinstance(schema.get("items"), list)
    first, rest = ("items", "additionalItems") if listed else ("prefixItems", "items")
    heads = compiler.tests(schema.get(first, ()), at(path, first))
    others = compiler.test(schema.get(rest, True), at(path, rest))

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend(len(value) // 4)
        for index, inner in enumerate(value):
            one = heads[index] if index < len(heads) else others
            if (found := one(inner, budget)) is not None:
                return found.below(index)
        return None

    return test


def _contains(compiler: Compiler, schema: Mapping[str, Any], path: str) -> Test:
    inner = compiler.test(schema["contains"], at(path, "contains"))
    least = _numeric(schema, "minContains", path) if "minContains" in schema else 1
    most = _numeric(schema, "maxContains", path) if "maxContains" in schema else math.inf

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend(len(value) // 4)
        count = sum(inner(item, budget) is None for item in value)
        if least <= count <= most:
            return None
        return Breach("contains" if count < least else "maxContains")

    return test


def _unique(_compiler: Compiler, schema: Mapping[str, Any], _path: str) -> Test:
    if schema["uniqueItems"] is not True:
        return passes

    def test(value: Any, budget: Budget) -> Breach | None:
        budget.spend(len(value))
        seen: set[str] = set()
        for index, item in enumerate(value):
            written = _written(item, budget)
            if written in seen:
                return Breach("uniqueItems", (index,))
            seen.add(written)
        return None

    return test


Maker: TypeAlias = Callable[[Compiler, Mapping[str, Any], str], Test]

ANY: Final[Mapping[str, Maker]] = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}
_NUMBER: Final[tuple[tuple[frozenset[str], Maker], ...]] = (
    (frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}), _bounds),
    (frozenset({"multipleOf"}), _multiple),
)
TYPED: Final[Mapping[type, tuple[tuple[frozenset[str], Maker], ...]]] = {
    str: (
        (frozenset({"minLength", "maxLength"}), _counted("minLength", "maxLength")),
        (frozenset({"pattern"}), _pattern),
    ),
    int: _NUMBER,
    float: _NUMBER,
    dict: (
        (frozenset({"required"}), _required),
        (frozenset({"properties", "patternProperties", "additionalProperties"}), _properties),
        (frozenset({"propertyNames"}), _property_names),
        (frozenset({"minProperties", "maxProperties"}), _counted("minProperties", "maxProperties")),
        (frozenset({"dependentRequired", "dependentSchemas", "dependencies"}), _dependencies),
    ),
    list: (
        (frozenset({"minItems", "maxItems"}), _counted("minItems", "maxItems")),
        (frozenset({"prefixItems", "items", "additionalItems"}), _items),
        (frozenset({"contains"}), _contains),
        (frozenset({"uniqueItems"}), _unique),
    ),
}
