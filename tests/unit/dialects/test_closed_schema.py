"""A schema of closed objects: what the API refuses is described to the model, and reported."""

from __future__ import annotations

from dragoman.dialects.closed_schema import ClosedSchema
from dragoman.dialects.loss import Report


def test_what_is_refused_is_described() -> None:
    report = Report("bedrock")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}},
        "additionalProperties": True,
    }
    assert ClosedSchema(report, "the API").copy(schema, "output.schema") == {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "integer", "description": "{minimum: 1}"}, {"type": "null"}]}
        },
        "additionalProperties": False,
    }
    assert {(loss.path, loss.reason) for loss in report.losses} == {
        ("output.schema.additionalProperties", "the API requires additionalProperties: false"),
        ("output.schema.properties.a.oneOf[0].minimum", "it is not enforced, only described to the model"),
    }
