"""Makes a value for a JSON Schema from random numbers. Pure.

The value is valid for ordinary schemas. It may be invalid, for example if the schema uses an unsupported
keyword, combines keywords that restrict a string (`format` and `minLength`), or requires very deep nesting.
Not supported: not, if, dependent…, contains, patternProperties, pattern (the string is an arbitrary word).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.schema_budget import SchemaBudget, size
from dragoman.dialects.typed import OF_ANOTHER_SHAPE
from dragoman.errors import WireError
from dragoman.upstreams.simulate.words import Draw, word

_SHALLOW: Final = 4
"""From this depth on, only required properties and items are made, so that recursive schemas end. Following a
reference counts as one level, too.
"""
_DEEPEST: Final = 60
"""Below this depth every value is null, valid or not: a schema that requires itself has no valid value."""


_LETTERS: Final = 4
"""The number of letters of the value that take one step of the budget."""
_COMPARED: Final = 32
"""The number of comparisons of array items that take one step of the budget."""


def example(schema: Any, draw: Draw, budget: SchemaBudget | None = None) -> Any:
    """Return a value for the schema. Below the depth `_DEEPEST`, every value is null. draw: the random
    numbers. Raises WireError when `budget` is used up, and for a keyword whose value has the wrong type. The
    caller has checked the schema, except the parts that only a reference reaches.

    budget: None = a new budget. Each part and letter of the value, and each merge of schemas, takes steps
    from the budget.
    """
    budget = budget or SchemaBudget("schema")
    try:
        return _Examples(schema, draw, budget).of(schema, 0)
    except OF_ANOTHER_SHAPE as error:
        what = "the schema, or a part that a reference names, is not well-formed"
        raise WireError(what, budget.path, "invalid_value") from error


class _Examples:
    def __init__(self, root: Any, draw: Draw, budget: SchemaBudget) -> None:
        self._root = root
        self._draw = draw
        self._budget = budget

    def of(self, schema: Any, depth: int) -> Any:
        self._budget.spend(1 + size(schema))
        if not isinstance(schema, Mapping):
            return word(self._draw)
        if depth > _DEEPEST:
            return None
        if "const" in schema:
            return self._paid(schema["const"])
        if schema.get("enum"):
            return self._paid(self._draw.one(schema["enum"]))
        if "$ref" in schema:
            own = {key: value for key, value in schema.items() if key != "$ref"}
            return self.of(self._merged(self._referred(schema["$ref"]), own), depth + 1)
        for key in ("allOf", "anyOf", "oneOf"):
            if schema.get(key):
                return self.of(self._combined(schema, key, depth), depth + 1)
        return _MAKE[self._type(schema, depth)](self, schema, depth)

    def _referred(self, reference: str) -> Any:
        self._budget.spend(len(reference) // 16)
        node = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(key)] if key.isdecimal() and int(key) < len(node) else {}
            else:
                node = node.get(key, {}) if isinstance(node, Mapping) else {}
        return node

    def _combined(self, schema: Mapping[str, Any], key: str, depth: int) -> Any:
        own = {name: value for name, value in schema.items() if name != key}
        options = schema[key]
        self._budget.spend(len(options))
        if key != "allOf":
            options = [min(options, key=_weight) if depth >= _SHALLOW else self._draw.one(options)]
        for option in options:
            own = self._merged(own, option)
        return own

    def _merged(self, first: Any, second: Any) -> dict[str, Any]:
        for schema in (first, second):
            if isinstance(schema, Mapping):
                self._budget.spend(sum(map(size, schema.values())))
        return _merged(first, second)

    def _paid(self, value: Any) -> Any:
        """Return `value`, which the schema states (`const`, `enum`), unchanged. Take steps from the budget in
        proportion to the value's size.
        """
        self._budget.spend(len(msgspec.json.encode(value)) // _LETTERS)
        return value

    def _type(self, schema: Mapping[str, Any], depth: int) -> str:
        stated = schema.get("type")
        if isinstance(stated, list) and stated:
            kinds = [str(kind) for kind in stated]
            return min(kinds, key=_SIMPLE_FIRST.index) if depth >= _SHALLOW else self._draw.one(kinds)
        if isinstance(stated, str) and stated in _MAKE:
            return stated
        return next((kind for key, kind in _IMPLIED.items() if key in schema), "string")

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = schema.get("required", ())
        self._budget.spend(len(properties) + len(required))
        wanted = dict.fromkeys(required)
        if depth < _SHALLOW:
            optional = [
                name
                for name, inner in properties.items()
                if name not in wanted and not (isinstance(inner, Mapping) and "pattern" in inner)
            ]
            room = schema.get("maxProperties", math.inf) - len(wanted)
            wanted.update(dict.fromkeys(name for place, name in enumerate(optional) if place < room))
        others = schema.get("additionalProperties", {})
        for number in range(int(schema.get("minProperties", 0)) - len(wanted)):
            self._budget.spend()
            wanted[f"{word(self._draw)}_{number}"] = None
        self._budget.spend(sum(map(len, wanted)) // _LETTERS)
        return {name: self.of(properties.get(name, others), depth + 1) for name in wanted}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        items = schema.get("items", {})
        least = schema.get("minItems", 0)
        usual = least if depth >= _SHALLOW else max(least, len(first) or 1 + self._draw.below(2))
        count = min(usual, schema.get("maxItems", math.inf), math.inf if items is not False else len(first))
        self._budget.spend(int(least))  # in addition to the steps for each item
        made: list[Any] = []
        while len(made) < count:
            value = self.of(first[len(made)] if len(made) < len(first) else items, depth + 1)
            for _ in range(100):
                if not schema.get("uniqueItems"):
                    break
                self._budget.spend(len(made) // _COMPARED)
                if value not in made:
                    break
                value = self.of(items, depth + 1)
            made.append(value)
        return made

    def _number(self, schema: Mapping[str, Any], _depth: int) -> float:
        low, high = _bounds(schema)
        self._budget.spend(_digits(low) + _digits(high))
        if "multipleOf" in schema:
            return self._multiple(low, high, schema["multipleOf"], schema)
        if _digits(low) + _digits(high):  # an integer beyond the range of a double
            return low
        drawn = low + (high - low) * (1 + self._draw.below(998)) / 1000
        return rounded if low < (rounded := round(drawn, 2)) < high else drawn

    def _integer(self, schema: Mapping[str, Any], _depth: int) -> int:
        low, high = _bounds(schema)
        self._budget.spend(_digits(low) + _digits(high))
        return int(self._multiple(low, high, schema.get("multipleOf", 1), schema))

    def _multiple(self, low: float, high: float, step: float, schema: Mapping[str, Any]) -> float:
        try:
            first, last = math.ceil(low / step), math.floor(high / step)
        except (ArithmeticError, ValueError):  # a number beyond a double's range, or a step of 0
            return low
        if first * step == schema.get("exclusiveMinimum"):
            first += 1
        if last * step == schema.get("exclusiveMaximum"):
            last -= 1
        number = first + self._draw.below(max(1, last - first + 1))
        return number * step if isinstance(step, int) else round(number * step, 10)

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        form = _FORMATS.get(schema.get("format", ""))
        if form is not None:
            return form(self._draw)
        text = word(self._draw)
        self._budget.spend(int(schema.get("minLength", 0)) // _LETTERS)
        while len(text) < schema.get("minLength", 0):
            text += f" {word(self._draw)}"
        return text[: int(schema.get("maxLength", len(text)))]


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


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float]:
    """Return (least, greatest) value of a number. An exclusive bound is returned as if it were inclusive. A
    bound that the schema does not state is made up.
    """
    low = max((schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema), default=None)
    high = min((schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema), default=None)
    if low is None:
        low = 0 if high is None or high > 0 else high - 100
    return low, low + 100 if high is None else high


def _digits(number: float) -> int:
    """Return how many steps of the budget the writing of a number takes. For an integer of more than 1,000
    bits it is a quarter of the bits; for any other number 0.
    """
    return number.bit_length() // 4 if isinstance(number, int) and number.bit_length() > 1000 else 0


def _weight(option: Any) -> int:
    """Return the rank of an alternative by its type: null has 0, then boolean, integer, number, string, array
    and object. A `const`, an `enum`, and an alternative that is not an object have 0. Without one known type,
    for example for a reference, the rank is the highest.
    """
    if not isinstance(option, Mapping) or "enum" in option or "const" in option:
        return 0
    stated = option.get("type")
    return _SIMPLE_FIRST.index(stated) if stated in _SIMPLE_FIRST else len(_SIMPLE_FIRST)


def _merged(first: Any, second: Any) -> dict[str, Any]:
    """Return one schema made of two. It has the `properties` and `required` of both; for a property in both,
    the schema in `second` wins. It also has all other keywords of both; for a keyword in both, the value in
    `second` wins. A schema that is not an object counts as an empty schema.
    """
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return dict(first if isinstance(first, Mapping) else second if isinstance(second, Mapping) else {})
    both = {**first, **second}
    if "properties" in first and "properties" in second:
        both["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        both["required"] = list(dict.fromkeys([*first["required"], *second["required"]]))
    return both
