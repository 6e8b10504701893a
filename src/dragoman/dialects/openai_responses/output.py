"""`text`: the form of the answer, both directions.

`Output.form`: "format" where plain text was asked for in so many words, "native" for a format that is no
known one and rides whole in `extra`, "bare" for a `text` that says nothing.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.openai_chat.strictness import strictness
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.terms import NAME, leftovers, restore
from dragoman.errors import WireError

_TEXT: Final = frozenset({"format", "verbosity"})
_SCHEMA: Final = frozenset({"type", "name", "description", "schema", "strict"})
_TYPE: Final = frozenset({"type"})


def decode_output(text: dict[str, Any]) -> ir.Output:
    """The member `text`."""
    wanted, verbosity = text.get("format"), text.get("verbosity")
    extra = leftovers(text, _TEXT)
    if wanted is None:
        form = None if verbosity is not None or extra is not None else "bare"
        return ir.Output(verbosity=verbosity, extra=extra, form=form)
    kind = wanted.get("type")
    if kind == "json_schema":
        return ir.Output(
            "schema",
            wanted.get("schema"),
            wanted.get("name"),
            wanted.get("description"),
            wanted.get("strict"),
            verbosity=verbosity,
            extra=ir.merge(extra, leftovers(wanted, _SCHEMA, "format")),
        )
    if kind in {"json_object", "text"}:
        extra = ir.merge(extra, leftovers(wanted, _TYPE, "format"))
        if kind == "json_object":
            return ir.Output("json", verbosity=verbosity, extra=extra)
        return ir.Output(verbosity=verbosity, extra=extra, form="format")
    return ir.Output(verbosity=verbosity, extra=ir.merge(extra, {NAME: {"format": wanted}}), form="native")


def encode_output(body: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    """Write `text`. Raises WireError for sound, which no answer of this protocol holds."""
    text: dict[str, Any] = {}
    if output.kind == "schema":
        _encode_schema(text, output, draft)
    elif output.kind == "json":
        text["format"] = {"type": "json_object"}
    elif draft.own and output.form == "format":
        text["format"] = {"type": "text"}
    if output.verbosity is not None:
        text["verbosity"] = output.verbosity
    if output.extra is not None:
        restore(text, output.extra, draft.report, "output")
    if text or (draft.own and output.form == "bare"):
        body["text"] = text
    _encode_modalities(body, output, draft)


def _encode_schema(text: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    if draft.facts.structured is False:
        draft.report.lose("output.schema", "the model cannot be held to a schema", "meaning")
        return
    wanted: dict[str, Any] = {"type": "json_schema"}
    if output.name is not None:
        wanted["name"] = output.name
    elif not draft.own:
        wanted["name"] = "answer"
        draft.report.add("text.format.name", "a schema must have a name")
    strict = strictness(output, draft.report, own=draft.own)
    stated = {"description": output.description, "schema": output.schema, "strict": strict}
    wanted |= {member: value for member, value in stated.items() if value is not None}
    text["format"] = wanted


def _encode_modalities(body: dict[str, Any], output: ir.Output, draft: Draft) -> None:
    for kind in output.modalities or ():
        if kind == "image":
            body.setdefault("tools", []).append({"type": "image_generation"})
            draft.report.change("output.modalities", "tools", "pictures are made by a tool here")
        elif kind != "text":
            raise WireError(f"answers cannot hold {kind} here", "output.modalities", "unsupported_modality")
    if output.audio is not None:
        draft.report.lose("output.audio", "answers hold no sound here")
