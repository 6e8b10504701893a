"""No schema makes a codec fail, however malformed it is: it is written, or refused with a WireError.

What checks refuse may still arrive: a reference names parts of a schema that no check has seen, and hooks
change requests after the checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.closed_schema import ClosedSchema
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.gemini.openapi import read_openapi, write_openapi
from dragoman.dialects.gemini.schema import clean_schema
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target
from dragoman.dialects.schema import mistake, strict_mistake
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.local.grammar import CallableTool, call_grammar, json_grammar
from dragoman.upstreams.simulate.example import example
from dragoman.upstreams.simulate.words import Draw
from dragoman.verify.bounds import available
from dragoman.verify.check import form_of

KEYWORDS = (
    *(
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "prefixItems",
        "enum",
        "const",
        "$ref",
    ),
    *("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$defs", "definitions", "patternProperties"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *(
        "pattern",
        "format",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "default",
    ),
    *("nullable", "title", "description", "$id", "$anchor", "contains", "propertyNames", "dependentSchemas"),
)
WORDS = (
    *("", "a", "object", "string", "array", "null", "#", "#/$defs/a", "#/anyOf/0", "#/anyOf/²", "#/default"),
    *("#/anyOf/" + "1" * 5000, "#/properties/a", "(", "^a+$", "date-time"),
)
SIMPLE: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from([None, True, False, 0, 1, -1, 2.5, 1e300, 10**30]),
    st.just([]),
    st.just({}),
)
VALUES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
        st.dictionaries(st.sampled_from(("a", "b", "")), inner, max_size=3),
    ),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(st.sampled_from(KEYWORDS), VALUES, min_size=1, max_size=5)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
USER = (ir.Message("user", (ir.Text("x"),)),)
FACTS = (
    UNKNOWN,
    Facts(structured=False),
    Facts(tools=False),
    Facts(tool_mode="xml"),
    Facts(forced_tool=False),
)
SAID = ("<f><a>1</a><b>[1]</b></f>", "<f>\n<a><b>x</b></a></f>", '<tool_call>{"name":"f"}</tool_call>')


def written(write: Callable[[], Any]) -> Any:
    with suppress(WireError, RequestFailed):
        return write()
    return None


@MANY
@given(SCHEMAS)
def test_no_converter_fails(schema: dict[str, Any]) -> None:
    json.dumps(written(lambda: ClosedSchema(Report("x"), "X").copy(schema, "s")))
    json.dumps(written(lambda: clean_schema(schema, Report("x"), "s")))
    write_openapi(*read_openapi(schema))
    if mistake(schema) is None:
        strict_mistake(schema)
    written(lambda: json_grammar(schema, "s"))
    written(lambda: call_grammar([CallableTool("f", schema, "t")], (schema, "s")))
    json.dumps(written(lambda: example(schema, Draw(b"k"))))
    if available():
        written(lambda: form_of(ir.Output("schema", schema)))
    for notation in NOTATIONS.values():
        for text in SAID:
            reader = notation.reader({"f": schema}, single=False)()
            reader.feed(text)
            reader.close()


@MANY
@given(SCHEMAS, st.sampled_from(sorted(DIALECTS)), st.sampled_from(FACTS), st.booleans())
def test_no_encoder_fails(schema: dict[str, Any], name: str, facts: Facts, forced: bool) -> None:
    target = DIALECTS[name]
    tools = (ir.Function("f", parameters=schema, strict=True), ir.Function("g", parameters=schema))
    choice = ir.ToolChoice("any") if forced else None
    for dialect in ("elsewhere", name):
        for request in (
            ir.Request(dialect, "m", USER, output=ir.Output("schema", schema, strict=True)),
            ir.Request(dialect, "m", USER, tools=tools, tool_choice=choice),
        ):

            def write(request: ir.Request = request) -> Any:
                report = Report(name)
                emulated = emulate(request, target.abilities, facts, STANDARD, report).request
                return target.request.encode(emulated, Target(report, "m", facts=facts)).body

            json.dumps(written(write))
