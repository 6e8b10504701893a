"""Reduces a JSON Schema to the keywords that Claude's structured outputs accept. In the reduced schema, each
schema of an object is closed: it permits only the properties that it names.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs, and the same at Amazon Bedrock:
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html, read in 2026-11. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.dialects.loss import Report
from dragoman.dialects.schema_budget import place_in
from dragoman.dialects.schema_references import SchemaReferences, key_of

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_KEPT = frozenset({"type", "title", "description", "enum", "const", "default", "required", "$ref", "pattern"})
_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "allOf")
_DROPPED = frozenset({"additionalProperties", "$schema", "$id", "$anchor"})


class _Written(SchemaReferences):
    """Rewrites the references (`$ref`) inside one schema for its reduced copy."""

    __slots__ = ("_known",)

    def __init__(self, schema: Any) -> None:
        super().__init__(schema)
        self._known: dict[str, str] = {}

    def written(self, reference: str) -> str:
        """Return the reference to the same part in the copy: a JSON pointer with `anyOf` for each `oneOf`
        that the copy renames. An unknown anchor, and a reference to another document, is returned unchanged.
        """
        known = self._known.get(reference)
        if known is None:
            pointer = self.pointer(reference)
            known = self._known[reference] = reference if pointer is None else self._renamed(pointer)
        return known

    def _renamed(self, pointer: str) -> str:
        steps = pointer.split("/")
        part, at = self._schema, 1
        while at < len(steps) and isinstance(part, dict):
            key = key_of(steps[at])
            inside = part.get(key)
            if key == "oneOf" and _becomes_any_of(part):
                steps[at] = "anyOf"
            elif key != "items" and key not in _NAMED and key not in _LISTED:
                break  # the rest leads into data, or into a keyword that the copy does not have
            at += 1
            if key != "items" and at < len(steps):
                found = SchemaReferences(inside).target(f"#/{steps[at]}")
                inside, at = found and found[0], at + 1
            part = inside
        return "/".join(steps)


def _becomes_any_of(schema: dict[str, Any]) -> bool:
    """Whether the copy has this schema's `oneOf` under the name `anyOf`. False if `oneOf` is not a list, or
    if the schema has an `anyOf` of its own.
    """
    return isinstance(schema.get("oneOf"), list) and "anyOf" not in schema


def _accepted(key: str, value: Any) -> bool:
    if key == "minItems":
        return type(value) is int and value in (0, 1)
    return key == "format" and str(value) in _FORMATS


class ClosedSchema:
    """Makes copies of schemas in the form that the API accepts. The schema itself is not changed.

    A schema of an object (with the type "object" or with `properties`) gets `additionalProperties: false`.
    This is reported as an addition, or as a loss if the schema stated another value. `oneOf` becomes `anyOf`,
    also in references, unless the same schema object has an `anyOf`. `$schema`, `$id` and `$anchor` are left
    out and not reported; a reference by an anchor gets the anchor's JSON pointer.

    All other keywords that the API refuses, or whose value it refuses (`minItems: 2`), are removed and
    reported as losses. Their values are written as text into the `description` of the same schema object.

    report: gets the changes and losses. api: the name of the API, for the loss reasons that clients read.
    """

    def __init__(self, report: Report, api: str) -> None:
        self.report = report
        self.api = api

    def copy(self, schema: Any, where: str) -> dict[str, Any]:
        """Return the reduced copy of a schema. A schema that is not an object (true or false) becomes {}, and
        a loss is reported. where: the schema's IR path, for the report.
        """
        return self._copy(schema, where, _Written(schema))

    def _copy(self, schema: Any, where: str, references: _Written) -> dict[str, Any]:
        if not isinstance(schema, dict):
            self.report.lose(where, f"{self.api} has no schemas that are true or false", "quality")
            return {}
        out: dict[str, Any] = {}
        refused: dict[str, Any] = {}
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                out[key] = references.written(value)
            elif key in _KEPT:
                out[key] = value
            elif key in _NAMED and isinstance(value, dict):
                out[key] = {
                    name: self._copy(one, place_in(place_in(where, key), name), references)
                    for name, one in value.items()
                }
            elif key in _LISTED and isinstance(value, list):
                out[key] = self._copies(value, place_in(where, key), references)
            elif key == "items" and isinstance(value, dict):
                out[key] = self._copy(value, place_in(where, "items"), references)
            elif key == "oneOf" and _becomes_any_of(schema):
                place = place_in(where, "oneOf")
                out["anyOf"] = self._copies(value, place, references)
                self.report.change(place, "anyOf", f"{self.api} rejects oneOf")
            elif _accepted(key, value):
                out[key] = value
            elif key not in _DROPPED:
                refused[key] = value
        self._finish(schema, out, refused, where)
        return out

    def _copies(self, schemas: list[Any], where: str, references: _Written) -> list[dict[str, Any]]:
        return [self._copy(one, f"{where}[{index}]", references) for index, one in enumerate(schemas)]

    def _finish(
        self, schema: dict[str, Any], out: dict[str, Any], refused: dict[str, Any], where: str
    ) -> None:
        kind = out.get("type")
        if kind == "object" or "properties" in out or (isinstance(kind, list) and "object" in kind):
            self._close(schema, out, where)
        elif "additionalProperties" in schema:
            refused["additionalProperties"] = schema["additionalProperties"]
        if refused:
            self._tell(refused, out, where)

    def _close(self, schema: dict[str, Any], out: dict[str, Any], where: str) -> None:
        stated = schema.get("additionalProperties")
        out["additionalProperties"] = False
        place, why = f"{where}.additionalProperties", f"{self.api} requires additionalProperties: false"
        if stated is None:
            self.report.add(place, why)
        elif stated is not False:
            self.report.lose(place, why, "quality")

    def _tell(self, refused: dict[str, Any], out: dict[str, Any], where: str) -> None:
        words = ", ".join(f"{key}: {msgspec.json.encode(value).decode()}" for key, value in refused.items())
        said = out.get("description")
        out["description"] = f"{said}\n\n{{{words}}}" if said else f"{{{words}}}"
        for key in refused:
            self.report.lose(
                place_in(where, key), "it is not enforced, only described to the model", "quality"
            )
