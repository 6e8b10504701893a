"""An alias's defaults: request fields in the chat dialect's words, for fields that a client left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import WireRequest

_WHOLE = frozenset({"dialect", "model", "messages", "system", "sampling", "stream", "extra", "forms"})


def with_defaults(request: ir.Request, defaults: Mapping[str, Any], system_prompt: str | None) -> ir.Request:
    """The request with what it leaves open filled in; what the client stated always wins.

    system_prompt comes first, unless the client's own messages begin with a system or developer
    message or it uses a top-level system field.
    """
    changes: dict[str, Any] = {}
    if defaults:
        given = CHAT.request.decode(WireRequest("chat", {"model": "", "messages": [], **defaults}))
        changes = _absent(request, given, ir.Request.__struct_fields__)
        sampling = _absent(request.sampling, given.sampling, ir.Sampling.__struct_fields__)
        if sampling:
            changes["sampling"] = msgspec.structs.replace(request.sampling, **sampling)
        if given.extra:
            changes["extra"] = ir.merge(given.extra, request.extra)
    if system_prompt is not None and not opens_with_system(request):
        # Not a message of its own: places in messages stay those that the client wrote.
        changes["system"] = (ir.Text(system_prompt),)
    return msgspec.structs.replace(request, **changes) if changes else request


def opens_with_system(request: ir.Request) -> bool:
    """Whether the client says itself who the model is to be."""
    return bool(request.system) or (
        bool(request.messages) and request.messages[0].role in ("system", "developer")
    )


def _absent(request: Any, given: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    return {
        field: value
        for field in fields
        if field not in _WHOLE
        and (value := getattr(given, field)) is not None
        and getattr(request, field) is None
    }
