"""Makes a value for a JSON Schema from random numbers. Pure.

Not followed: the keywords in `_UNFOLLOWED`, for example not, if, contains and pattern (the string is an
arbitrary word). If a part for which a value is made has such a keyword, some values are drawn, and the first
valid one is taken; if none is valid, an invalid one. The first value is taken unchecked if the package
`regex`, which the check needs, is not installed, or if the check does not support the schema. A value whose
check takes too long counts as valid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

import msgspec

from dragoman.dialects.schema_budget import STEPS, SchemaBudget, size, too_complex
from dragoman.dialects.schema_references import SchemaReferences
from dragoman.dialects.schema_values import IS_OF_TYPE
from dragoman.dialects.typed import OF_ANOTHER_SHAPE
from dragoman.errors import WireError
from dragoman.upstreams.simulate.merging import Contradiction, both
from dragoman.upstreams.simulate.words import Draw, word
from dragoman.verify.bounds import Budget, Exhausted, available
from dragoman.verify.conformance import compile_schema, parsed
from dragoman.verify.keywords import Test, Unusable

_SHALLOW: Final = 4
"""From this depth on, only the properties and items that are needed are made, so that recursive schemas end.
Following a reference, an `allOf` or an alternative counts as one level, too.
"""
_DEEPEST: Final = 60
"""The greatest depth, counted as for `_SHALLOW`. A schema that needs a greater depth is refused as too
complex.
"""
_LETTERS: Final = 4
"""The number of letters of the value that take one step of the budget."""
_COMPARED: Final = 32
"""The number of comparisons of array items that take one step of the budget."""
_EXACT: Final = 1e15
"""Up to this number a double holds the decimals that a schema usually states."""
_FAILED: Final = 20
"""The steps of the budget that an alternative without a value takes."""
_MERGED: Final = 5
"""The steps of the budget that a merge of schemas takes, in addition to those for their members."""
_TRIES: Final = 8
"""The most values that are drawn for one schema."""
_UNFOLLOWED: Final = frozenset(
    {
        *("not", "if", "then", "else", "pattern", "patternProperties", "propertyNames", "contains"),
        *("dependentRequired", "dependentSchemas", "dependencies", "minContains", "maxContains"),
        *("unevaluatedItems", "unevaluatedProperties", "additionalItems", "$dynamicRef", "$recursiveRef"),
    }
)
_CHECK_STEPS: Final = 50_000


def example(schema: Any, draw: Draw, budget: SchemaBudget | None = None) -> Any:
    """Return a value for the schema. The value may be invalid (see the module). draw: the random numbers.
    budget: bounds the work and the size of the value; None = a new budget. Raises WireError if it is used up,
    if a part of the schema that is read is malformed, if a reference leads nowhere, and if no value is found.
    """
    budget = budget or SchemaBudget("schema")
    try:
        return _drawn(schema, draw, budget)
    except OF_ANOTHER_SHAPE as error:
        what = "the schema, or a part that a reference names, is not well-formed"
        raise WireError(what, budget.path, "invalid_value") from error
    except _TooDeep as error:
        raise too_complex(budget.path) from error
    except (Contradiction, RecursionError) as error:
        what = "no value was found that this schema allows"
        raise WireError(what, budget.path, "invalid_json_schema") from error


def _drawn(schema: Any, draw: Draw, budget: SchemaBudget) -> Any:
    examples = _Examples(schema, draw, budget)
    value = first = examples.of(schema, 0)
    if not examples.unsure or (test := _test(schema)) is None:
        return value
    budget = SchemaBudget(budget.path, STEPS // 4)  # for all further values together
    for _ in range(_TRIES - 1):
        if _passes(test, value):
            return value
        try:
            value = _Examples(schema, draw, budget).of(schema, 0)
        except Contradiction:
            continue
        except WireError:  # the budget is used up
            break
    if _passes(test, value):
        return value
    if examples.unfollowed:
        return first
    raise Contradiction


def _test(schema: Any) -> Test | None:
    """Return the check of values against the schema; None = the schema cannot be checked, for example because
    the package `regex` is not installed.
    """
    if not isinstance(schema, dict) or not available():
        return None
    try:
        return compile_schema(schema).test
    except Unusable:
        return None


def _passes(test: Test, value: Any) -> bool:
    try:
        # As a client reads it: a whole number of any form is an integer.
        return test(parsed(msgspec.json.encode(value).decode()), Budget(lambda: 0.0, _CHECK_STEPS)) is None
    except (Exhausted, RecursionError):
        return True


class _TooDeep(Contradiction):
    """No value was found up to the depth `_DEEPEST`."""


class _Examples:
    """Makes values for the parts of one schema. unsure: True = a value may be invalid, because a keyword is
    not followed, alternatives of a `oneOf` may exclude each other, or a listed value (`const`, `enum`) may
    break other keywords. unfollowed: True = a keyword is not followed. Both are set while values are made.
    """

    def __init__(self, root: Any, draw: Draw, budget: SchemaBudget) -> None:
        self.unsure = False
        self.unfollowed = False
        self._references = SchemaReferences(root)
        self._draw = draw
        self._budget = budget

    def of(self, schema: Any, depth: int) -> Any:
        """Return a value for a part of the schema. depth: how many levels (`_SHALLOW`) lead to this part; 0 =
        the complete schema. Raises Contradiction if no value is found, WireError if the budget is used up or
        a reference leads nowhere.
        """
        self._budget.spend(1 + size(schema))
        if schema is False:
            raise Contradiction
        if depth > _DEEPEST:
            raise _TooDeep
        if not isinstance(schema, Mapping):
            return word(self._draw)
        if not _UNFOLLOWED.isdisjoint(schema):
            self.unsure = self.unfollowed = True
        if "$ref" in schema:
            own = {key: value for key, value in schema.items() if key != "$ref"}
            return self.of(self._both(self._referred(schema["$ref"]), own), depth + 1)
        if schema.get("allOf"):
            own = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                own = self._both(own, part)
            return self.of(own, depth + 1)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._alternative(schema, key, depth)
        if "const" in schema or "enum" in schema:
            return self._listed(schema)
        return self._first(self._types(schema, depth), lambda kind: _MAKE[kind](self, schema, depth))

    def _first(self, options: Iterable[Any], make: Callable[[Any], Any]) -> Any:
        """Return `make(option)` for the first option for which it does not raise Contradiction. If it raises
        Contradiction for every option, or there is no option, raise Contradiction.
        """
        failed = Contradiction()
        for option in options:
            try:
                return make(option)
            except Contradiction as error:
                failed = error
                self._budget.spend(_FAILED)
        raise failed

    def _referred(self, reference: str) -> Any:
        self._budget.spend(len(reference) // 16)
        if (found := self._references.target(reference)) is None:
            what = f"{reference[:100]!r} is not in the schema, and other documents are not read"
            raise WireError(what, f"{self._budget.path}.$ref", "invalid_json_schema")
        return found[0]

    def _both(self, first: Any, second: Any) -> dict[str, Any]:
        for schema in (first, second):
            if isinstance(schema, Mapping):
                self._budget.spend(sum(map(size, schema.values())))
        self._budget.spend(_MERGED)
        merged = both(first, second)
        if merged is False:
            raise Contradiction
        return {} if merged is True else merged

    def _alternative(self, schema: Mapping[str, Any], key: str, depth: int) -> Any:
        own = {name: value for name, value in schema.items() if name != key}
        options = schema[key]
        self._budget.spend(len(options))
        if key == "oneOf" and len(options) > 1:
            self.unsure = True
        if depth >= _SHALLOW:
            options = sorted(options, key=_weight)
        elif options:
            options = self._turned(options)
        return self._first(options, lambda option: self.of(self._both(own, option), depth + 1))

    def _turned(self, options: list[Any]) -> list[Any]:
        """Return the options, beginning with one that is drawn."""
        start = self._draw.below(len(options))
        return [*options[start:], *options[:start]]

    def _listed(self, schema: Mapping[str, Any]) -> Any:
        """Return one of the values that the schema lists in `const`, or without it in `enum`. The value meets
        the schema's `type`, and its bounds of numbers and of the lengths of strings; `unsure` becomes True if
        another keyword may exclude it. Raises Contradiction if no listed value is left.
        """
        values = schema["enum"] if "const" not in schema else [schema["const"]]
        if "const" in schema and "enum" in schema:
            self.unsure = True
        if "type" in schema:
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            values = [value for value in values if any(IS_OF_TYPE[kind](value) for kind in kinds)]
        values = [value for value in values if _within(value, schema)]
        if not _RESTRICTING.isdisjoint(schema):
            self.unsure = True
        if not values:
            raise Contradiction
        value = self._draw.one(values)
        self._budget.spend(len(msgspec.json.encode(value)) // _LETTERS)
        return value

    def _types(self, schema: Mapping[str, Any], depth: int) -> list[str]:
        stated = schema.get("type")
        if isinstance(stated, list) and stated:
            kinds = [str(kind) for kind in stated]
            return sorted(kinds, key=_SIMPLE_FIRST.index) if depth >= _SHALLOW else self._turned(kinds)
        if isinstance(stated, str) and stated in _MAKE:
            return [stated]
        # A value of another type meets the keywords, too.
        implied = [kind for key, kind in _IMPLIED.items() if key in schema]
        return list(dict.fromkeys([*implied, "string", "null"]))

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = dict.fromkeys(schema.get("required", ()))
        least, most = int(schema.get("minProperties", 0)), schema.get("maxProperties", math.inf)
        others = schema.get("additionalProperties", {})
        self._budget.spend(len(properties) + len(required))
        if len(required) > most:
            raise Contradiction
        made = {name: self._member(name, properties.get(name, others), depth) for name in required}
        for name, inner in properties.items():
            if name in made or len(made) >= most:
                continue
            # Below, and where its text would be arbitrary, a property is made only if it must be.
            idle = depth >= _SHALLOW or (isinstance(inner, Mapping) and "pattern" in inner)
            if idle and least <= len(made):
                continue
            try:
                made[name] = self._member(name, inner, depth)
            except Contradiction:
                continue
        for number in range(least - len(made)):
            self._budget.spend()
            name = f"{word(self._draw)}_{number}"
            made[name] = self._member(name, others, depth)
        if not least <= len(made) <= most:
            raise Contradiction
        order = [*required, *(name for name in properties if name not in required)]
        return {name: made[name] for name in dict.fromkeys([*order, *made]) if name in made}

    def _member(self, name: str, schema: Any, depth: int) -> Any:
        self._budget.spend(len(name) // _LETTERS)
        return self.of(schema, depth + 1)

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first, items = schema.get("prefixItems", []), schema.get("items", {})
        if isinstance(items, list):  # before the version 2020-12
            first, items = items, {}
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", math.inf), math.inf if items is not False else len(first))
        if least > most:
            raise Contradiction
        usual = least if depth >= _SHALLOW else max(least, len(first) or 1 + self._draw.below(2))
        self._budget.spend(int(least))  # in addition to the steps for each item
        made: list[Any] = []
        while len(made) < min(usual, most):
            try:
                made.append(
                    self._item(schema, first[len(made)] if len(made) < len(first) else items, made, depth)
                )
            except Contradiction:
                if len(made) >= least:
                    break
                raise
        return made

    def _item(self, array: Mapping[str, Any], schema: Any, made: list[Any], depth: int) -> Any:
        """Return the next item of an array. array: the schema of the array. schema: that of the item. made:
        the items before it. Raises Contradiction if no value is found, or if the items must differ
        (`uniqueItems`) and a hundred drawn values are all in `made`.
        """
        if not array.get("uniqueItems"):
            return self.of(schema, depth + 1)
        for _ in range(100):
            value = self.of(schema, depth + 1)
            self._budget.spend(len(made) // _COMPARED)
            if value not in made:
                return value
        raise Contradiction

    def _number(self, schema: Mapping[str, Any], _depth: int) -> float:
        low, high = _bounds(schema)
        self._budget.spend(_digits(low) + _digits(high))
        if "multipleOf" in schema:
            return self._multiple(low, high, _exact(schema["multipleOf"]), schema)
        drawn: float = low
        if not _digits(low) + _digits(high):  # no integer beyond the range of a double
            drawn = low + (high - low) * (1 + self._draw.below(998)) / 1000
        for value in (round(drawn, 2) if abs(drawn) < 1e15 else drawn, drawn, low, high, (low + high) // 2):
            if _allowed(value, schema):
                return value
        raise Contradiction

    def _integer(self, schema: Mapping[str, Any], _depth: int) -> int:
        low, high = _bounds(schema)
        self._budget.spend(_digits(low) + _digits(high))
        step = _exact(schema["multipleOf"]).numerator if "multipleOf" in schema else 1
        return int(self._multiple(low, high, step, schema))

    def _multiple(self, low: float, high: float, step: Fraction | int, schema: Mapping[str, Any]) -> float:
        """Return a multiple of `step` within the bounds of the schema. Raises Contradiction if none is found,
        WireError for a `step` that is not above 0.
        """
        if step <= 0:
            raise WireError("multipleOf must be above 0", self._budget.path, "invalid_json_schema")
        if all(type(number) is int for number in (low, high, step)):
            first, last = int(-(-low // step)), int(high // step)
        else:
            step = Fraction(step)
            if max(abs(low), abs(high)) > _EXACT:
                step = Fraction(step.numerator)  # as a double, a large multiple with a fraction is none
            first, last = math.ceil(Fraction(low) / step), math.floor(Fraction(high) / step)
        if first * step == schema.get("exclusiveMinimum"):
            first += 1
        if last * step == schema.get("exclusiveMaximum"):
            last -= 1
        if first > last:
            raise Contradiction
        number = (first + self._draw.below(last - first + 1)) * step
        return number.numerator if number.denominator == 1 else float(number)

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength", math.inf)
        if least > most:
            raise Contradiction
        if (form := _FORMATS.get(schema.get("format", ""))) is not None:
            text = form(self._draw)
            if least <= len(text) <= most:
                return text
        text = word(self._draw)
        self._budget.spend(least // _LETTERS)
        while len(text) < least:
            text += f" {word(self._draw)}"
        return text if len(text) <= most else text[: int(most)]


_RESTRICTING: Final = frozenset(
    {
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties", "items"),
        *("prefixItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "minimum"),
        *("maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)
"""Keywords that may exclude a value that the schema lists."""
_MAKE: Final[dict[str, Callable[[_Examples, Mapping[str, Any], int], Any]]] = {
    "object": _Examples._object,
    "array": _Examples._array,
    "number": _Examples._number,
    "integer": _Examples._integer,
    "string": _Examples._string,
    "boolean": lambda made, _schema, _depth: made._draw.below(2) == 1,
    "null": lambda _made, _schema, _depth: None,
}
_SIMPLE_FIRST: Final = ("null", "boolean", "integer", "number", "string", "array", "object")
_IMPLIED: Final = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minimum": "number",
    "maximum": "number",
    "multipleOf": "number",
}
_FORMATS: Final[dict[str, Callable[[Draw], str]]] = {
    "date": lambda draw: f"20{10 + draw.below(20)}-{1 + draw.below(12):02}-{1 + draw.below(28):02}",
    "time": lambda draw: f"{draw.below(24):02}:{draw.below(60):02}:00Z",
    "date-time": lambda draw: f"{_FORMATS['date'](draw)}T{_FORMATS['time'](draw)}",
    "duration": lambda draw: f"PT{1 + draw.below(59)}M",
    "email": lambda draw: f"{word(draw)}@example.com",
    "hostname": lambda draw: f"{word(draw)}.example.com",
    "uri": lambda draw: f"https://example.com/{word(draw)}",
    "ipv4": lambda draw: f"192.0.2.{1 + draw.below(254)}",
    "ipv6": lambda draw: f"2001:db8::{1 + draw.below(65_535):x}",
    "uuid": lambda draw: f"{draw.hex(8)}-{draw.hex(4)}-4{draw.hex(3)}-a{draw.hex(3)}-{draw.hex(12)}",
}


def _exact(number: float) -> Fraction:
    """Return the number as it is written in the schema: 0.1 is a tenth."""
    return Fraction(number if isinstance(number, int) else str(number))


def _allowed(number: float, schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("minimum", -math.inf) <= number <= schema.get("maximum", math.inf)
        and not number <= schema.get("exclusiveMinimum", -math.inf)
        and not number >= schema.get("exclusiveMaximum", math.inf)
    )


def _within(value: Any, schema: Mapping[str, Any]) -> bool:
    """Return whether a number is within the schema's bounds, and the length of a string within its lengths.
    True for any other value.
    """
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf))
    return not IS_OF_TYPE["number"](value) or _allowed(value, schema)


def _far(number: float, distance: int) -> float:
    """Return `number + distance`. From 2**53 on it may be a number farther away, because the sum could equal
    `number` as a float.
    """
    if abs(number) < 1 << 53:
        return number + distance
    least = abs(int(number)) >> 40
    return int(number) + (max(distance, least) if distance > 0 else min(distance, -least))


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float]:
    """Return (least, greatest) value of a number. An exclusive bound is returned as if it were inclusive. A
    bound that the schema does not state is made up. Raises Contradiction if the least value is above the
    greatest.
    """
    low = max((schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema), default=None)
    high = min((schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema), default=None)
    wide = 100 + abs(int(schema.get("multipleOf", 0)))  # at least one multiple
    if low is None:
        low = 0 if high is None or high > 0 else _far(high, -wide)
    if high is None:
        high = _far(low, wide)
    if low > high:
        raise Contradiction
    return low, high


def _digits(number: float) -> int:
    """Return how many steps of the budget the writing of a number takes. For an integer of more than 1,000
    bits it is a quarter of the bits; for any other number 0.
    """
    return number.bit_length() // 4 if isinstance(number, int) and number.bit_length() > 1000 else 0


def _weight(option: Any) -> int:
    """Return the rank of an alternative, by which alternatives are sorted, the simplest first. It is 0 for a
    schema with `enum` or `const` and for the schemas `true` and `false`, else the place of the schema's
    `type` in `_SIMPLE_FIRST`. A schema without one known type, such as a reference, gets the highest rank.
    """
    if not isinstance(option, Mapping) or "enum" in option or "const" in option:
        return 0
    stated = option.get("type")
    return _SIMPLE_FIRST.index(stated) if stated in _SIMPLE_FIRST else len(_SIMPLE_FIRST)
