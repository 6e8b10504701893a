"""Decodes and encodes the output format, and reduces its schema to the keywords that the API accepts.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.terms import NAME, leftovers, restore
from dragoman.dialects.closed_schema import ClosedSchema
from dragoman.dialects.loss import Report
from dragoman.dialects.request import MADE, Target
from dragoman.dialects.schema import describe
from dragoman.errors import WireError

_CONFIG = frozenset({"effort", "format"})
_FORMAT = {"type", "schema"}


def decode_output(config: Any, old_format: Any) -> ir.Output | None:
    """Decode the format of the answer. config: the member `output_config`. old_format: the older
    `output_format`, which is read if `config` states no format. None = the member is missing; at least one is
    stated.

    A `json_schema` with a `schema` becomes an ir.Output of the kind "schema". Any other stated format becomes
    a leftover, with the kind "text"; unknown members become leftovers, too. If no format is stated, the
    result is None unless `config` is empty or has unknown members.
    """
    wanted, form = None if config is None else config.get("format"), None
    if wanted is None and old_format is not None:
        wanted, form = old_format, "output_format"
    extra = None if config is None else leftovers(config, _CONFIG)
    if wanted is None:
        return ir.Output(extra=extra) if extra is not None or not config else None
    if wanted.keys() >= _FORMAT and wanted["type"] == "json_schema":
        rest = {key: value for key, value in wanted.items() if key not in _FORMAT}
        extra = (
            ir.merge(extra, {NAME: {f"format.{key}": value for key, value in rest.items()}})
            if rest
            else extra
        )
        return ir.Output("schema", wanted["schema"], strict=True, extra=extra, form=form)
    return ir.Output("text", form=form, extra=ir.merge(extra, {NAME: {"format": wanted}}))


def encode_output(request: ir.Request, target: Target, body: dict[str, Any], config: dict[str, Any]) -> None:
    """Write the answer's format into `config` (`output_config`), or into `body` if a client of this dialect
    used `output_format`. Losses and changes are reported. Raises WireError if the client requests media in
    the answer.
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
    extra = output.extra
    if extra is not None and "format" not in config:  # the members of a format go with it
        extra = {
            name: {key: value for key, value in members.items() if not key.startswith("format.")}
            if name == NAME
            else members
            for name, members in extra.items()
        }
    restore(config, extra, report, "output")
    if output.form == "output_format" and request.dialect == NAME and "format" in config:
        body["output_format"] = config.pop("format")


def _schema(output: ir.Output, request: ir.Request, report: Report) -> dict[str, Any]:
    schema = output.schema or {}
    if request.dialect == NAME and output.form != MADE:
        return schema
    written = ClosedSchema(report, "the Messages API").copy(schema, "output.schema")
    describe(written, output, "output_config.format.schema", report)
    if written != schema:
        report.change(
            "output.schema", "output_config.format.schema", "the schema is adapted to what the API accepts"
        )
    return written
