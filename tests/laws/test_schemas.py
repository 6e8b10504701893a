"""No schema costs more than a moment, whatever it stands for: every dialect, the embedded model, the
simulator and the checks of answers, each with every schema of an attacker.

A few hundred bytes stand for 2**60 values, for lists of a billion items, for names as long as a body. What
they cost is measured in this process's own seconds; many of them took minutes before there was a bound. A
schema is written, or refused with its place; no other error will do.
"""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.local.grammar import CallableTool, call_grammar, json_grammar
from dragoman.upstreams.simulate.example import example
from dragoman.upstreams.simulate.words import Draw
from dragoman.verify.bounds import available
from dragoman.verify.check import form_of

Schema: TypeAlias = dict[str, Any]

SECONDS = 3.0
"""Of this process. What is slowest takes a quarter of a second on a machine of today."""
LONGEST = 3000
"""Characters of a refusal's place."""
LARGEST = 10
"""Times its size that a schema may have when it is written, beside what is written once."""
MANY = 10_000


def to(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def closed(**properties: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


STRING: Schema = {"type": "string"}

TWICE: dict[str, Callable[[Schema], Schema]] = {
    "allOf": lambda one: {"allOf": [one, one]},
    "allOf inside of allOf": lambda one: {"allOf": [one, {"allOf": [one]}], "description": "d"},
    "allOf of properties": lambda one: {"allOf": [{"properties": {"a": one}}, {"properties": {"a": one}}]},
    "anyOf": lambda one: {"anyOf": [one, {**one, "title": "t"}]},
    "anyOf beside properties": lambda one: {
        "type": "object",
        "properties": {"p": STRING},
        "anyOf": [one, one],
    },
    "oneOf": lambda one: {"oneOf": [one, one]},
    "properties": lambda one: closed(a=one, b=one),
    "prefixItems": lambda one: {"type": "array", "prefixItems": [one, one], "items": False, "minItems": 2},
    "items": lambda one: {"type": "array", "items": one, "minItems": 2},
    "older items": lambda one: {"type": "array", "items": [one, one], "minItems": 2},
    "patternProperties": lambda one: {"type": "object", "patternProperties": {"a": one, "b": one}},
    "additionalProperties": lambda one: {"type": "object", "additionalProperties": one, "minProperties": 2},
    "if": lambda one: {"if": one, "then": one, "else": one},
    "not": lambda one: {"not": {"allOf": [one, one]}},
    "dependentSchemas": lambda one: {"type": "object", "dependentSchemas": {"a": one, "b": one}},
}
"""Ways in which one schema says another one twice."""


def shared(levels: int, twice: Callable[[Schema], Schema], innermost: Schema) -> Schema:
    """A schema whose size is that of its levels, and that stands for two to the power of them."""
    definitions = {f"a{level}": twice(to(f"a{level - 1}")) for level in range(1, levels + 1)}
    return {**closed(x=to(f"a{levels}")), "$defs": {"a0": innermost, **definitions}}


def nested(levels: int, around: Callable[[Schema], Schema], innermost: Schema = STRING) -> Schema:
    for _ in range(levels):
        innermost = around(innermost)
    return closed(x=innermost)


def chain(links: int, link: Callable[[Schema], Schema]) -> Schema:
    definitions = {f"a{at}": link(to(f"a{at + 1}")) for at in range(links)}
    return {**closed(x=to("a0")), "$defs": {**definitions, f"a{links}": STRING}}


def meshed(each: Callable[[list[Schema]], Schema], size: int = 100) -> Schema:
    every = [to(f"a{at}") for at in range(size)]
    return {**closed(x=to("a0")), "$defs": {f"a{at}": each(every) for at in range(size)}}


def numbered(count: int, each: Callable[[int], Any]) -> dict[str, Any]:
    return {f"p{at}": each(at) for at in range(count)}


NAME = "n" * 500_000
LARGE = closed(**numbered(500, lambda _: {"type": "string", "minLength": 2}))

ATTACKS: dict[str, Callable[[], Schema]] = {
    **{
        f"{levels} shared levels of {name} around {inner}": lambda levels=levels, twice=twice, of=of: shared(  # type: ignore[misc]
            levels, twice, of
        )
        for levels in (18, 60)
        for name, twice in TWICE.items()
        for inner, of in (("a string", STRING), ("an object", closed(q=STRING)))
    },
    **{f"9 levels of {name}": lambda twice=twice: nested(9, twice) for name, twice in TWICE.items()},  # type: ignore[misc]
    "required twice": lambda: nested(40, lambda one: {**closed(a=one), "required": ["a", "a"], "not": {}}),
    "itself": lambda: closed(x={"$ref": "#"}),
    "itself at once": lambda: {**closed(x=to("a")), "$defs": {"a": {"allOf": [to("a"), to("a")]}}},
    "itself as an alternative": lambda: {**closed(x=to("a")), "$defs": {"a": {"anyOf": [to("a"), to("a")]}}},
    "itself 50 times": lambda: {
        **closed(x=to("a")),
        "$defs": {"a": closed(**numbered(50, lambda _: to("a")))},
    },
    "each other": lambda: {
        **closed(x=to("a")),
        "$defs": {"a": closed(b=to("b"), c=to("b")), "b": closed(a=to("a"), d=to("a"))},
    },
    "a chain": lambda: chain(MANY, lambda one: one),
    "a chain of allOf": lambda: chain(MANY, lambda one: {"allOf": [one], "description": "d"}),
    "a chain of properties": lambda: chain(3000, lambda one: closed(y=one)),
    "pointers to pointers": lambda: closed(**numbered(5000, lambda at: {"$ref": f"#/properties/p{at + 1}"})),
    "anchors": lambda: {
        **closed(**numbered(2000, lambda at: {"$ref": f"#a{at}"})),
        "$defs": numbered(2000, lambda at: {"$anchor": f"a{at}", "type": "string"}),
    },
    "a mesh of properties": lambda: meshed(
        lambda every: closed(**{f"p{at}": one for at, one in enumerate(every)})
    ),
    "a mesh of allOf": lambda: meshed(lambda every: {"allOf": every}),
    "a mesh of anyOf": lambda: meshed(lambda every: {"anyOf": every, "description": "d"}),
    "a large one many times": lambda: {
        **closed(**numbered(500, lambda _: {"allOf": [to("large"), {"title": "t"}]})),
        "$defs": {"large": LARGE},
    },
    "alternatives beside a large one": lambda: {
        **closed(x={"properties": {"a": STRING}, "anyOf": [to("large")] * 500}),
        "$defs": {"large": LARGE},
    },
    "very many properties": lambda: closed(**numbered(3 * MANY, lambda _: STRING)),
    "very many optional properties": lambda: {
        "type": "object",
        "properties": numbered(MANY, lambda _: STRING),
    },
    "deep and wide": lambda: nested(
        60, lambda one: closed(a=one), closed(**numbered(3000, lambda _: {"type": "string", "minLength": 1}))
    ),
    "very many values": lambda: closed(x={"enum": list(range(10 * MANY))}),
    "very many types": lambda: closed(x={"type": ["string"] * MANY}),
    "types of types": lambda: closed(
        x={"allOf": [{"type": ["string", "null"] * 4000}, {"type": ["null", "string", "integer"] * 4000}]}
    ),
    "allOf of many properties": lambda: closed(
        x={"allOf": [{"properties": {f"p{at}": STRING}, "required": [f"p{at}"]} for at in range(MANY)]}
    ),
    "allOf of one property": lambda: closed(
        x={"allOf": [{"properties": {"p": {"minLength": at}}} for at in range(MANY)]}
    ),
    "allOf of items": lambda: closed(x={"allOf": [{"items": {"minLength": at}} for at in range(MANY)]}),
    "allOf of names": lambda: closed(x={"allOf": [{"required": [f"p{at}"]} for at in range(MANY)]}),
    "oneOf many constants": lambda: closed(x={"oneOf": [closed(k={"const": at}) for at in range(3000)]}),
    "oneOf many lists": lambda: closed(
        x={"oneOf": [{"enum": [f"{at}-{one}" for one in range(100)]} for at in range(100)]}
    ),
    "many items": lambda: closed(x={"type": "array", "minItems": 10**9}),
    "many letters": lambda: closed(x={"type": "string", "minLength": 10**10}),
    "many names": lambda: closed(x={"type": "object", "minProperties": 10**9}),
    "up to many": lambda: closed(
        x={"type": "array", "maxItems": 1e300},
        y={"type": "string", "maxLength": 10**10},
        z={"maxProperties": 1e9},
    ),
    "more than a double": lambda: closed(x={"type": "array", "minItems": 1e300}),
    "many of many": lambda: nested(12, lambda one: {"type": "array", "items": one, "minItems": 900}),
    "none twice": lambda: closed(
        x={"type": "array", "uniqueItems": True, "minItems": 5000, "items": {"type": "boolean"}}
    ),
    "many long texts": lambda: closed(
        **numbered(2000, lambda at: {"minLength": 900, "maxLength": 990 + at % 10})
    ),
    "long numbers": lambda: closed(
        x={"type": "integer", "minimum": int("1" * 4000), "maximum": int("9" * 4200)}
    ),
    "longer numbers": lambda: closed(
        x={"type": "number", "minimum": -int("1" * 4000), "maximum": int("9" * 4200)}
    ),
    "many long numbers": lambda: closed(
        **numbered(500, lambda at: {"type": "integer", "minimum": int("1" * 300) + at, "maximum": 10**310})
    ),
    "multiples of nothing": lambda: closed(x={"type": "number", "multipleOf": 0}),
    "a long name": lambda: closed(
        **{NAME: closed(**numbered(2000, lambda _: {"minLength": 5, "pattern": "x"}))}
    ),
    "long names": lambda: nested(
        40, lambda one: closed(**{"k" * 20_000: one, "z": {"not": {}, "pattern": "x"}})
    ),
    "a long reference": lambda: closed(x={"$ref": "#" + "/a" * 500_000}),
    "long references": lambda: closed(**numbered(1000, lambda _: {"$ref": "#" + "/properties/p1" * 60})),
    "definitions of one name": lambda: {
        **closed(x=STRING),
        "$defs": numbered(3000, lambda at: {"$defs": {"a": {"minLength": at}}}),
    },
    "definitions of odd names": lambda: {
        **closed(x=STRING),
        "$defs": {"!" * (at % 60) + "?" * (at // 60) + " ": {"minLength": at} for at in range(3000)},
    },
    "a long description": lambda: closed(x={"pattern": "x" * 500_000, "description": "y" * 500_000}),
}


class Late(BaseException):
    """What was to be bounded was not."""


@contextmanager
def in_time() -> Iterator[None]:
    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Late

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    except Late:
        pytest.fail(f"takes more than {SECONDS} s")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def written(write: Callable[[], Any]) -> Any:
    """What is written in time; None for a refusal, which has a place."""
    try:
        with in_time():
            return write()
    except WireError as error:
        place: str | None = error.path
    except RequestFailed as failed:
        place = failed.fault.param
    assert place
    assert len(place) < LONGEST
    return None


MESSAGES = [{"role": "user", "content": "Hello"}]


def asking(schema: Schema, *, strict: bool) -> dict[str, Any]:
    form = {"name": "n", "schema": schema, "strict": strict}
    return {
        "model": "m",
        "messages": MESSAGES,
        "response_format": {"type": "json_schema", "json_schema": form},
    }


def offering(schema: Schema) -> dict[str, Any]:
    function = {"name": "f", "parameters": schema}
    return {"model": "m", "messages": MESSAGES, "tools": [{"type": "function", "function": function}]}


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_request_is_written(attack: str, target: str) -> None:
    schema = ATTACKS[attack]()
    largest = 1_000_000 + LARGEST * len(msgspec.json.encode(schema))

    def write(body: dict[str, Any], facts: Facts) -> Callable[[], Any]:
        source: Dialect = DIALECTS["openai_chat"]
        return lambda: translated(body, source, DIALECTS[target], facts=facts)

    for strict in (False, True):
        for facts in (UNKNOWN, Facts(structured=False)):
            out = written(write(asking(schema, strict=strict), facts))
            assert out is None or len(msgspec.json.encode(out)) < largest
    out = written(write(offering(schema), UNKNOWN))
    assert out is None or len(msgspec.json.encode(out)) < largest


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_request_in_the_older_form_is_read(attack: str) -> None:
    dialect, schema = DIALECTS["gemini"], ATTACKS[attack]()
    declared = [{"name": "f", "parameters": schema}]
    body = {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "tools": [{"functionDeclarations": declared}],
    }
    wire = WireRequest("chat", body, path=dialect.paths.chat, params={"model": "m"})
    written(lambda: dialect.request.check(wire))
    written(lambda: translated(body, dialect, dialect))


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_embedded_models_grammar_is_written(attack: str) -> None:
    schema = ATTACKS[attack]()
    grammar = written(lambda: json_grammar(schema, "output.schema"))
    assert grammar is None or len(grammar) < 3_000_000
    calls = [CallableTool(f"f{at}", schema, f"tools[{at}].parameters") for at in range(20)]
    written(lambda: call_grammar(calls, (schema, "output.schema")))  # one budget for all of them


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_simulator_makes_an_example(attack: str) -> None:
    schema = ATTACKS[attack]()
    made = written(lambda: example(schema, Draw(b"k")))
    assert len(json.dumps(made)) < 1_000_000


@pytest.mark.skipif(not available(), reason="the extra `schema` is not installed")
@pytest.mark.parametrize("attack", ATTACKS)
def test_answers_can_be_checked_or_not(attack: str) -> None:
    schema = ATTACKS[attack]()
    written(lambda: form_of(ir.Output("schema", schema)))


def test_what_takes_too_long_is_found() -> None:
    with pytest.raises(pytest.fail.Exception, match="takes more than"):
        written(lambda: [_ for _ in itertools.count() if _ < 0])
