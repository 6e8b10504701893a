"""Decodes and encodes the output format, and reduces its schema to what the API accepts.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.terms import NAME, leftovers, restore
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.schema import MADE, describe
from dragoman.dialects.schema_budget import place_in
from dragoman.errors import WireError

_CONFIG = frozenset({"effort", "format"})
_FORMAT = {"type", "schema"}
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_KEPT = frozenset({"type", "title", "description", "enum", "const", "default", "required", "$ref", "pattern"})
_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "allOf")


def decode_output(config: Any, old_format: Any) -> ir.Output | None:
    """Decode the answer's format: from `output_config`, or from the older `old_format` if `output_config` is
    None.

    None = `output_config` states only an effort, which is no part of the format, or null.
    """
    form = None
    if config is None:
        config, form = {"format": old_format}, "output_format"
    wanted = config.get("format")
    extra = leftovers(config, _CONFIG)
    if wanted is None:
        return ir.Output(extra=extra) if extra is not None or not config else None
    if wanted.keys() == _FORMAT and wanted["type"] == "json_schema":
        return ir.Output("schema", wanted["schema"], strict=True, extra=extra, form=form)
    return ir.Output("text", form=form, extra=ir.merge(extra, {NAME: {"format": wanted}}))


def encode_output(request: ir.Request, target: Target, body: dict[str, Any], config: dict[str, Any]) -> None:
    """Write the format into `config` (`output_config`), or into `body` if the client used `output_format`.

    Losses are reported. Raises WireError if the answer is to hold media.
    """
    output, report = request.output, target.report
    if output is None:
        return
    for kind in output.modalities or ():
        if kind != "text":
            why = f"responses of the Messages API cannot contain {kind}"
            raise WireError(why, "output.modalities", "unsupported_modality")
    if output.kind == "schema" and output.schema is not None:
        if target.facts.structured is False:
            report.lose("output.schema", "the model does not support structured output", "meaning")
        else:
            config["format"] = {"type": "json_schema", "schema": _schema(output, request, report)}
    elif output.kind == "json":
        report.lose("output", "the Messages API has no JSON mode without a schema", "meaning")
    if output.audio is not None:
        report.lose("output.audio", "the Messages API has no audio output")
    if output.verbosity is not None:
        report.lose("output.verbosity", "the Messages API has no verbosity")
    restore(config, output.extra, report, "output")
    if output.form == "output_format" and request.dialect == NAME and "format" in config:
        body["output_format"] = config.pop("format")


def _schema(output: ir.Output, request: ir.Request, report: Report) -> dict[str, Any]:
    schema = output.schema or {}
    if request.dialect == NAME and output.form != MADE:
        return schema
    written = _Cleaner(report).clean(schema, "output.schema")
    describe(written, output, "output_config.format.schema", report)
    if written != schema:
        report.change(
            "output.schema", "output_config.format.schema", "the schema is adapted to what the API accepts"
        )
    return written


class _Cleaner:
    """Copies a schema in the form that the API accepts. Objects get `additionalProperties: false`, and
    `oneOf` becomes `anyOf`.

    Other refused keywords are written as text into the `description` of the schema object that states them,
    as the official clients do, and reported as losses; `$schema` and `$id` are only left out.
    """

    def __init__(self, report: Report) -> None:
        self.report = report

    def clean(self, schema: Any, where: str) -> dict[str, Any]:
        if not isinstance(schema, dict):
            self.report.lose(where, "the Messages API has no schemas that are true or false", "quality")
            return {}
        out: dict[str, Any] = {}
        refused: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _KEPT:
                out[key] = value
            elif key in _NAMED and isinstance(value, dict):
                out[key] = {
                    name: self.clean(one, place_in(place_in(where, key), name)) for name, one in value.items()
                }
            elif key in _LISTED and isinstance(value, list):
                out[key] = [self.clean(one, f"{place_in(where, key)}[{i}]") for i, one in enumerate(value)]
            elif key == "items" and isinstance(value, dict):
                out[key] = self.clean(value, place_in(where, "items"))
            else:
                self._other(key, value, out, refused, where)
        if out.get("type") == "object" or "properties" in out:
            self._close(schema, out, where)
        if refused:
            self._tell(refused, out, where)
        return out

    def _other(self, key: str, value: Any, out: dict[str, Any], refused: dict[str, Any], where: str) -> None:
        if key == "oneOf" and isinstance(value, list):
            out["anyOf"] = [
                self.clean(one, f"{place_in(where, 'oneOf')}[{i}]") for i, one in enumerate(value)
            ]
            self.report.change(f"{where}.oneOf", "anyOf", "the Messages API rejects oneOf")
        elif (key == "minItems" and value in (0, 1)) or (key == "format" and str(value) in _FORMATS):
            out[key] = value
        elif key not in {"additionalProperties", "$schema", "$id"}:
            refused[key] = value

    def _close(self, schema: dict[str, Any], out: dict[str, Any], where: str) -> None:
        stated = schema.get("additionalProperties")
        out["additionalProperties"] = False
        place, why = f"{where}.additionalProperties", "the Messages API requires additionalProperties: false"
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
