"""Fills the request fields that a client leaves out with the defaults that the configuration states for a
model or alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import MADE, WireRequest

_WHOLE = frozenset({"dialect", "model", "messages", "system", "sampling", "stream", "extra", "forms"})
_BESIDE = ("modalities", "audio", "verbosity")
"""The fields of `ir.Output` that do not belong to the form of the answer."""
_FORM = tuple(field for field in ir.Output.__struct_fields__ if field not in _BESIDE)


def with_defaults(request: ir.Request, defaults: Mapping[str, Any], system_prompt: str | None) -> ir.Request:
    """Return the request with the configured defaults in the fields of `ir.Request` and `ir.Sampling` that
    are None, and with the defaults that have no field in the IR as members of `extra`. A value that the
    client stated is never replaced. A group of settings other than `sampling` and `output` (`reasoning`, for
    example) counts as one field. In `output`, the form of the answer (`response_format`) counts as one field;
    the client has stated it unless `kind` is "text", and `form` and `extra` are empty.

    defaults: members of an OpenAI chat body; a model, messages and `stream` are ignored. For a client of
    another protocol than chat, reasoning, a form of the answer and a service tier that come from here are
    marked by `MADE`. system_prompt: becomes the request's system text, unless the client sent system text
    itself (`opens_with_system`); None = no default.
    """
    changes: dict[str, Any] = {}
    if defaults:
        given = CHAT.request.decode(WireRequest("chat", {"model": "", "messages": [], **defaults}))
        if request.dialect != CHAT.name:
            given = _made(given)
        changes = _absent(request, given, ir.Request.__struct_fields__)
        sampling = _absent(request.sampling, given.sampling, ir.Sampling.__struct_fields__)
        if sampling:
            changes["sampling"] = msgspec.structs.replace(request.sampling, **sampling)
        if request.output is not None and given.output is not None:
            changes["output"] = _output(request.output, given.output)
        if "tier" in changes and request.dialect != CHAT.name:  # its word is OpenAI's
            changes["forms"] = {**(request.forms or {}), "tier": MADE}
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


def _output(stated: ir.Output, given: ir.Output) -> ir.Output:
    """Return the client's settings of the answer (`stated`), with the defaults (`given`) in place of the
    settings that the client left out; `with_defaults` says when the form of the answer is left out.
    """
    fields = _absent(stated, given, _BESIDE)
    if stated.kind == "text" and stated.form is None and not stated.extra:
        fields.update({field: getattr(given, field) for field in _FORM})
    return msgspec.structs.replace(stated, **fields) if fields else stated


def _absent(request: Any, given: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    return {
        field: value
        for field in fields
        if field not in _WHOLE
        and (value := getattr(given, field)) is not None
        and getattr(request, field) is None
    }
