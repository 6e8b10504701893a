"""Translates JSON Schema (2020-12) to GBNF, the grammar format with which llama.cpp restricts a model's
output.

The law: every text that a grammar from here allows is JSON that is valid against its schema. A grammar may
allow less than the schema: no undeclared properties beside declared ones, declared properties only in their
order, one way of spacing, at most `MOST` repetitions if the schema states a maximum. A schema that no grammar
can enforce is refused with the path of the keyword. One known constraint may be ignored: a `format` other
than date, time, date-time and uuid, or one that is stated together with a length.

Spacing is fixed (`{"a": 1, "b": [1, 2]}`), because a weak model that may write spaces tends to write only
spaces. GBNF: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from dragoman.dialects.schema_budget import SchemaBudget, held_to_depth, place_in, too_complex
from dragoman.upstreams.local import numerals
from dragoman.upstreams.local.schemas import Flat, Reader, Schema, first_items, refused

MOST = 1000
"""The most repetitions that a grammar states. llama.cpp makes a rule for each repetition, and
refuses 2000.
"""
MOST_WAYS = 1000
"""The most ways in which a text may begin or continue at one place: enum values, alternatives, optional
properties. llama.cpp follows all of them with every token: 1,000 ways take about a second for each token, and
ways that multiply (30 levels of two alternatives each) kill the process.
"""
LARGEST_SCHEMA = 200_000
"""The most bytes of one schema as JSON without spaces: far more than fits into a model's context."""
_LONGEST_BOUND = 320
"""The most digits of a number's bound. The largest double has 309."""
_REPEATED = 4
"""The number of repetitions that take one step of the budget (`SchemaBudget`). Each repetition takes some of
llama.cpp's memory.
"""
_RULE = 5
"""The steps of the budget that finding the rule of a schema takes."""
_WRITTEN = 32
"""The number of characters of a schema that take one step of the budget: to find its rule, the schema is
written as text.
"""

_SHARED = {
    "value": 'object | array | string | number | boolean | "null"',
    "object": '"{" (pair (", " pair)*)? "}"',
    "pair": 'string ": " value',
    "array": '"[" (value (", " value)*)? "]"',
    "string": r'"\"" char* "\""',
    "char": r'[^"\\\x00-\x1F\x7F] | "\\" escape',
    # Half a surrogate pair is never allowed, because JSON readers disagree on it.
    "escape": r'["\\/bfnrt] | "u" ([0-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex)',
    "hex": "[0-9a-fA-F]",
    "boolean": '"true" | "false"',
    "integer": numerals.INTEGER,
    "number": numerals.NUMBER,
    "date": '[1-9] [0-9]{3} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])',
    "time": '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? offset',
    "offset": '"Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]',
    "uuid": 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
}
_FORMATS = {
    "date": r'"\"" date "\""',
    "time": r'"\"" time "\""',
    "date-time": r'"\"" date "T" time "\""',
    "uuid": r'"\"" uuid "\""',
}
"""The formats that are enforced, unless a length is stated too. The specification allows ignoring all
formats.
"""


class CallableTool(NamedTuple):
    """A tool that may be called. parameters: the JSON Schema of the arguments; None = the tool takes no
    arguments. path: the path of this schema, for errors.
    """

    name: str
    parameters: Schema | None
    path: str


def json_grammar(schema: Schema | None = None, path: str = "schema") -> str:
    """Return the GBNF grammar for one JSON value. schema: the schema of the value; None = any JSON
    object. (The schema True = any JSON value.) path: the schema's path, for errors. Raises WireError
    with a path for a schema that is invalid, nested too deeply, or refers to itself without end, for
    a keyword that cannot be enforced, and for a schema whose grammar would be too large.
    """
    return _render(*_value(schema, path, "answer", SchemaBudget(path)))


def call_grammar(calls: Sequence[CallableTool], answer: tuple[Schema | None, str] | None = None) -> str:
    """Return the GBNF grammar for one call of one of these tools, `{"name": "…", "arguments": {…}}`. Raises
    WireError for a schema that is invalid, cannot be enforced, or is too large, and if all schemas are too
    large together.

    answer: None = only a call is allowed; otherwise the (schema, path) of a JSON answer that is allowed
    instead of a call. The schema None = any JSON object.
    """
    roots: list[str] = []
    rules: dict[str, str] = {}
    budget = SchemaBudget("tools")  # shared, because a request may have many tools
    for index, (name, parameters, path) in enumerate(calls):
        body, more = ('"{}"', {}) if parameters is None else _value(parameters, path, f"tool{index}", budget)
        head = '{"name": ' + _json(name) + ', "arguments": '
        roots.append(f'{_literal(head)} {body} "}}"')
        rules |= more
    if answer is not None:
        body, more = _value(*answer, "answer", budget)
        roots.append(body)
        rules |= more
    return _render(" | ".join(roots), rules)


def _value(schema: Schema | None, path: str, prefix: str, budget: SchemaBudget) -> tuple[str, dict[str, str]]:
    if schema is None:
        return "object", {}
    if len(msgspec.json.encode(schema)) > LARGEST_SCHEMA:
        raise too_complex(path)
    budget.path = path
    compiler = _Compiler(schema, path, prefix, budget)
    root = held_to_depth(path, lambda: compiler.rule(schema, path))
    compiler.check_ends()
    return root, compiler.rules


def _render(root: str, rules: dict[str, str]) -> str:
    return "".join(f"{name} ::= {body}\n" for name, body in ({"root": root} | rules | _SHARED).items())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


class _Compiler:
    """Compiles the schemas of one document to GBNF rules. rules: {name: GBNF}; the names begin with `prefix`.
    Equal subschemas share one rule, which also makes recursion possible.
    """

    def __init__(self, document: Schema, path: str, prefix: str, budget: SchemaBudget) -> None:
        self.rules: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._ways: dict[str, int] = {}
        self._places: dict[str, str] = {}
        self._needs: list[tuple[str, set[str]]] = []
        """A pair for each alternative of each rule: (the rule, the rules that each text of this alternative
        contains)."""
        self._prefix = prefix
        self._budget = budget
        self._reader = Reader(document, path, budget)

    def rule(self, schema: Schema, path: str, begun: frozenset[str] = frozenset()) -> str:
        """Return the name of the rule for a schema. The rule is compiled if it does not exist yet. begun: the
        names of the rules that are being compiled and refer to this schema before any text. Raises WireError
        if the schema cannot be enforced, or if its own rule is in `begun`, because such a value would never
        end.
        """
        if schema is True or schema == {}:
            return "value"
        key = json.dumps(schema, sort_keys=True)
        self._budget.spend(_RULE + len(key) // _WRITTEN)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"{self._prefix}-{len(self._names)}"
            self._places[name] = path
            self.rules[name] = self._body(name, schema, path, begun | {name})
        elif name in begun:
            raise refused(path, "refers to itself endlessly")
        return name

    def check_ends(self) -> None:
        """Raise WireError if there is a rule whose texts never end, because each contains another text of
        the same rule. The error names the part of the schema that leads back.
        """
        unended = [len(needed) for _, needed in self._needs]
        containing: dict[str, list[int]] = {}
        for index, (_, needed) in enumerate(self._needs):
            for name in needed:
                containing.setdefault(name, []).append(index)
        ends = {"value", *(name for name, needed in self._needs if not needed)}
        waiting = list(ends)
        while waiting:
            for index in containing.get(waiting.pop(), ()):
                unended[index] -= 1
                name = self._needs[index][0]
                if not unended[index] and name not in ends:
                    ends.add(name)
                    waiting.append(name)
        for name in reversed(self._places):
            if name not in ends:
                raise refused(self._places[name], "refers to itself endlessly")

    def _begins(self, name: str, ways: int, path: str) -> None:
        """Store `ways`, the number of ways in which a text of the rule `name` may begin. Raises WireError if
        there are more than `MOST_WAYS`.
        """
        if ways > MOST_WAYS:
            raise too_complex(path)
        self._ways[name] = ways

    def _times(self, least: int, most: float) -> str:
        """Return the GBNF suffix for `least` to `most` repetitions, for example `{2,5}`. most: math.inf = no
        limit. The repetitions take steps from the budget; raises WireError if it is used up.
        """
        self._budget.spend(int(least if most == math.inf else most) // _REPEATED)
        if most == math.inf:
            return "*" if least == 0 else f"{{{least},}}"
        return f"{{{least},{most}}}"

    def _body(self, name: str, schema: Schema, path: str, begun: frozenset[str]) -> str:
        taken = self._reader.take_apart(schema, path)
        if not isinstance(taken, Flat):
            rules = dict.fromkeys(self.rule(option, where, begun) for option, where in taken)
            self._begins(name, sum(self._ways.get(rule, 1) for rule in rules), path)
            self._needs += [(name, {rule}) for rule in rules]
            return " | ".join(rules)
        if taken.literals is not None:
            self._needs.append((name, set()))
            self._begins(name, len(taken.literals), path)
            return " | ".join(_literal(_json(value)) for value in taken.literals)
        if taken.types is None:
            self._needs.append((name, {"value"}))
            return "value"
        written: list[str] = []
        for kind in taken.types:
            needed: set[str] = set()
            written.append(f"({_WRITE[kind](self, taken, needed)})")
            self._needs.append((name, needed))
        return " | ".join(written)

    def _object(self, flat: Flat, needed: set[str]) -> str:
        extra = flat.get("additionalProperties", True)
        declared = dict(flat.get("properties", {}))
        required = flat.get("required", [])
        if undeclared := [name for name in required if name not in declared]:
            if extra is False:
                raise flat.refused("required", f"requires {undeclared[0]!r}, which is not allowed")
            declared |= dict.fromkeys(undeclared, extra)
        least, most = flat.get("minProperties", 0), flat.get("maxProperties", math.inf)
        if declared:
            if least > len(required) or most < len(declared):
                raise flat.refused("minProperties" if least > len(required) else "maxProperties", _COUNTED)
            return self._record(flat, declared, set(required), needed)
        unnamed = "additionalProperties" in flat.keywords or "properties" not in flat.keywords
        if extra is False or not unnamed:
            most = 0
        if least > min(1, most):
            raise flat.refused("minProperties", _COUNTED)
        pair = ""
        if most:
            value = self.rule(extra, flat.at("additionalProperties"))
            pair = f'string ": " {value}'
            if least:
                needed.add(value)
        return f'"{{" {self._list([], pair, least, most)} "}}"'

    def _record(self, flat: Flat, declared: dict[str, Schema], required: set[str], needed: set[str]) -> str:
        """Return GBNF for an object with its declared properties in order. Properties that are not required
        may be left out. needed: the rules of the required properties are added to it. Raises WireError for
        more than `MOST_WAYS` properties that may be left out.

        The first property that is written has no comma before it. So there is one alternative for each
        property that may be the first; all alternatives share the rules for the properties that follow.
        """
        if len(declared) - len(required) > MOST_WAYS:
            raise too_complex(flat.at("properties"))
        ways: list[str] = []
        rest = '"}"'
        for name, schema in reversed(declared.items()):
            value = self.rule(schema, place_in(flat.at("properties"), name))
            pair = f"{_literal(_json(name) + ': ')} {value}"
            tail = self._named(rest)
            if name in required:
                needed.add(value)
                ways, rest = [f"{pair} {tail}"], f'", " {pair} {tail}'
            else:
                ways, rest = [f"{pair} {tail}", *ways], f'(", " {pair})? {tail}'
        if not required:
            ways.append('"}"')
        return f'"{{" ({" | ".join(ways)})'

    def _named(self, body: str) -> str:
        """Store `body` as a separate rule, and return the rule's name. Other rules contain this name instead
        of the complete text, so that the grammar's size stays linear.
        """
        name = f"{self._prefix}-end{len(self.rules)}"
        self.rules[name] = body
        return name

    def _array(self, flat: Flat, needed: set[str]) -> str:
        key, heads = first_items(flat.keywords)
        each: Schema = True if key == "items" else flat.get("items", True)
        least, most = flat.get("minItems", 0), flat.get("maxItems", math.inf)
        if each is False:
            most = min(most, len(heads))
        if least > min(most, MOST):
            raise flat.refused("minItems", f"requires {least} items, more than the model can generate")
        first = [
            self.rule(head, f"{flat.at(key)}[{i}]") for i, head in enumerate(heads[: int(min(most, MOST))])
        ]
        item = self.rule(each, flat.at("items")) if most > len(first) else ""
        needed.update(first)
        if least > len(first):
            needed.add(item)
        return f'"[" {self._list(first, item, least, most)} "]"'

    def _list(self, first: list[str], item: str, least: int, most: float) -> str:
        """Return GBNF for the inside of a list with `least` to `most` elements, separated by commas. first:
        the rules of the first elements, each of which is always written. item: the rule of each further
        element; at most `MOST` further elements are allowed if there is a limit. most: math.inf = no limit.
        """
        low = max(0, least - len(first))
        high = most - len(first) if most == math.inf else min(most - len(first), MOST)
        head = ' ", " '.join(first)
        if high <= 0:
            return head
        if head:
            return f'{head} (", " {item}){self._times(low, high)}'
        more = f'(", " {item}){self._times(max(0, low - 1), high - 1)}' if high > 1 else ""
        return f"{item} {more}" if low else f"({item} {more})?"

    def _string(self, flat: Flat, _needed: set[str]) -> str:
        least, most = flat.get("minLength", 0), flat.get("maxLength", math.inf)
        if least > min(most, MOST):
            raise flat.refused("minLength", f"requires {least} characters, more than the model can generate")
        if least or most != math.inf:
            return rf'"\"" char{self._times(least, most if most == math.inf else min(most, MOST))} "\""'
        return _FORMATS.get(flat.get("format", ""), "string")

    def _integer(self, flat: Flat, _needed: set[str]) -> str:
        low, high = _bound(flat, "minimum", math.ceil), _bound(flat, "maximum", math.floor)
        above = _bound(flat, "exclusiveMinimum", lambda bound: math.floor(bound) + 1)
        below = _bound(flat, "exclusiveMaximum", lambda bound: math.ceil(bound) - 1)
        low = max((bound for bound in (low, above) if bound is not None), default=None)
        high = min((bound for bound in (high, below) if bound is not None), default=None)
        if low is None and high is None:
            return "integer"
        self._budget.spend(_cost(low, high))
        written = numerals.integers(low, high)
        if written is None:
            raise refused(flat.path, "allows no value: no integer is within its bounds")
        return written

    def _number(self, flat: Flat, _needed: set[str]) -> str:
        low, high = _bound(flat, "minimum"), _bound(flat, "maximum")
        above, below = _bound(flat, "exclusiveMinimum"), _bound(flat, "exclusiveMaximum")
        if low is None and high is None and above is None and below is None:
            return "number"
        without_low = above is not None and (low is None or above >= low)
        without_high = below is not None and (high is None or below <= high)
        self._budget.spend(_cost(low, high, above, below))
        written = numerals.numbers(
            above if without_low else low,
            below if without_high else high,
            without_low=without_low,
            without_high=without_high,
        )
        if written is None:
            raise refused(flat.path, "allows no value: no number is within its bounds")
        return written


_COUNTED = "cannot be enforced by the embedded model's grammar"
_WRITE: dict[str, Callable[[_Compiler, Flat, set[str]], str]] = {
    "object": _Compiler._object,
    "array": _Compiler._array,
    "string": _Compiler._string,
    "integer": _Compiler._integer,
    "number": _Compiler._number,
    "boolean": lambda _compiler, _flat, _needed: "boolean",
    "null": lambda _compiler, _flat, _needed: '"null"',
}
"""{JSON type: the function that returns the GBNF for the values of this type}. The function adds to its set
the rule of each part that every such value has.
"""


def _cost(*bounds: int | None) -> int:
    return sum(bound.bit_length() ** 2 for bound in bounds if bound is not None) // 1000


def _bound(flat: Flat, keyword: str, rounded: Callable[[float], int] | None = None) -> int | None:
    """Return the bound `keyword` of a number as an integer; None if the schema does not state this bound.
    rounded: converts the bound to an integer that has the same effect on integers; None = a bound that is not
    a whole number raises WireError. A bound of more than 320 digits always raises WireError.
    """
    bound = flat.get(keyword, None)
    if bound is None:
        return None
    if abs(bound) >= 10**_LONGEST_BOUND:
        raise flat.refused(keyword, f"a bound of more than {_LONGEST_BOUND} digits cannot be enforced")
    if rounded is None and bound != int(bound):
        raise flat.refused(
            keyword, f"{bound} cannot be enforced as a bound of a number; only whole numbers can"
        )
    return int(bound) if rounded is None else rounded(bound)
