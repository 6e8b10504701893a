"""Fills the request fields that a client leaves out with the defaults that the configuration states for a
model or alias.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import LEFT_OUT, MADE, WireRequest

_WHOLE = frozenset({"dialect", "model", "messages", "system", "sampling", "stream", "extra", "forms"})
_BESIDE = ("modalities", "audio", "verbosity")
"""The fields of `ir.Output` that do not belong to the form of the answer."""
_FORM = tuple(field for field in ir.Output.__struct_fields__ if field not in _BESIDE)


def with_defaults(request: ir.Request, defaults: Mapping[str, Any], system_prompt: str | None) -> ir.Request:
    """Return the request with the configured defaults in the fields that the client left out. A group of
    settings other than `sampling` and `output` counts as one field, and so does the form of the answer
    (`response_format`). Defaults that have no field in the IR become members of `extra`, unless the client
    stated them.

    If the client speaks another protocol than chat, the names of the filled fields are marked in the
    request's `forms` (`MADE`), so that an encoder of its own protocol adapts these values to what the API
    accepts.

    defaults: members of an OpenAI chat body; a model, messages and `stream` are ignored. system_prompt:
    becomes the request's system text, unless the client sent system text itself (`opens_with_system`); None =
    no default.
    """
    changes: dict[str, Any] = {}
    if defaults:
        given = CHAT.request.decode(WireRequest("chat", {"model": "", "messages": [], **defaults}))
        if request.dialect != CHAT.name:
            given = _made(given)
        left_out = [field for field, form in (request.forms or {}).items() if form == LEFT_OUT]
        changes = _absent(request, given, ir.Request.__struct_fields__, left_out)
        filled = list(changes)
        sampling = _absent(request.sampling, given.sampling, ir.Sampling.__struct_fields__)
        if sampling:
            changes["sampling"] = msgspec.structs.replace(request.sampling, **sampling)
            filled += [f"sampling.{field}" for field in sampling]
        if given.output is not None:
            beside = _absent(request.output or ir.Output(), given.output, _BESIDE)
            filled += [f"output.{field}" for field in beside]
            if request.output is not None:
                changes["output"] = _output(request.output, given.output, beside)
        if filled and request.dialect != CHAT.name:  # their words are chat's
            changes["forms"] = {**(request.forms or {}), **dict.fromkeys(filled, MADE)}
        if given.extra:
            changes["extra"] = ir.merge(given.extra, request.extra)
    if system_prompt is not None and not opens_with_system(request):
        # Not as a message, because losses name messages by their position in the client's request.
        changes["system"] = (ir.Text(system_prompt),)
    return msgspec.structs.replace(request, **changes) if changes else request


def _made(given: ir.Request) -> ir.Request:
    """Return the defaults (`given`) for a client of another protocol than chat: `reasoning`, and an `output`
    that is not text, get the form `MADE`. Their values are chat's, so an encoder of the client's own protocol
    must not write them as if the client had stated them (`thinkingLevel: MAX`).
    """
    changes: dict[str, Any] = {}
    if given.reasoning is not None:
        changes["reasoning"] = msgspec.structs.replace(given.reasoning, form=MADE)
    if given.output is not None and given.output.kind != "text":
        changes["output"] = msgspec.structs.replace(given.output, form=MADE)
    return msgspec.structs.replace(given, **changes) if changes else given


def opens_with_system(request: ir.Request) -> bool:
    """Whether the request has system text, or its first message is a system or developer message."""
    return bool(request.system) or (
        bool(request.messages) and request.messages[0].role in ("system", "developer")
    )


def _output(stated: ir.Output, given: ir.Output, beside: Mapping[str, Any]) -> ir.Output:
    """Return the client's settings of the answer (`stated`), with the defaults (`given`) in place of the
    settings that the client left out. beside: those defaults of the fields in `_BESIDE` that the client left
    out.
    """
    fields = dict(beside)
    if stated.kind == "text" and stated.form is None and not stated.extra:
        fields.update({field: getattr(given, field) for field in _FORM})
    return msgspec.structs.replace(stated, **fields) if fields else stated


def _absent(
    request: Any, given: Any, fields: tuple[str, ...], left_out: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values of these fields in `given`, except those that are None, that `request` states, or
    that stand in `_WHOLE`. left_out: fields that count as absent whatever their value is.
    """
    return {
        field: value
        for field in fields
        if field not in _WHOLE
        and (value := getattr(given, field)) is not None
        and (getattr(request, field) is None or field in left_out)
    }
