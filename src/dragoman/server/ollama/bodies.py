"""What stands in the bodies of Ollama's clients, and the lines that they get.

Clients write "" and null for what they do not say, and some of them `name` for `model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed, WireError
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Call
from dragoman.wire.json import decode_head, decode_object, encode, refuse_many_values
from dragoman.wire.ndjson import line

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

STREAM_TYPE: Final = b"application/x-ndjson"
_EMPTY: Final = frozenset({b"", b"null", b'""', b"[]"})
_LONGEST_EMPTY: Final = 64
_SPACE: Final = b" \t\r\n"


def members(gateway: Core, call: Call) -> dict[str, Any]:
    """The members of a body that asks no model. Raises RequestFailed (400, 413)."""
    settings = gateway.config.server
    try:
        _present(call.body)
        refuse_many_values(call.body, settings.max_values)
        return decode_object(call.body, settings.max_depth)
    except WireError as error:
        raise RequestFailed(odd(error)) from error


def head(gateway: Core, call: Call) -> dict[str, msgspec.Raw]:
    """The members of a body that asks a model, unread. Raises RequestFailed (400)."""
    try:
        _present(call.body)
        return decode_head(call.body, gateway.config.server.max_depth)
    except WireError as error:
        raise RequestFailed(odd(error)) from error


def _present(body: bytes) -> None:
    if not body.strip():
        raise WireError("missing request body")


def odd(error: WireError) -> ir.Fault:
    """What a client has to mend."""
    return ir.Fault("invalid_request", error.message, error.code, error.path or None)


def is_empty(raw: msgspec.Raw | None) -> bool:
    """Whether a member says nothing."""
    if raw is None:
        return True
    return len(raw) <= _LONGEST_EMPTY and bytes(raw).translate(None, _SPACE) in _EMPTY


def value(raw: msgspec.Raw | None) -> Any:
    """A member, read; None where there is none. What cannot be read is the engine's to refuse."""
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def text(body: Mapping[str, Any], *names: str) -> str:
    """A text under the first of these names that has one, "" where none has. Raises RequestFailed (400)."""
    for name in names:
        stated = body.get(name)
        if stated is None or stated == "":
            continue
        if not isinstance(stated, str):
            raise RequestFailed(odd(WireError(f"'{name}' must be a string", name, "invalid_type")))
        return stated
    return ""


def needed(body: Mapping[str, Any], *names: str) -> str:
    """The same, where there has to be one."""
    if stated := text(body, *names):
        return stated
    error = WireError(f"{names[0]} is required", names[0], "missing_required_parameter")
    raise RequestFailed(odd(error))


async def tell(client: AsgiClient, body: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """How a piece of work went, step by step; its last step alone to who wants no stream."""
    if body.get("stream") is False:
        await client.answer(200, (), encode(lines[-1]))
        return
    client.streams_as(STREAM_TYPE, b"", None)
    await client.begin(200, ())
    await client.end(b"".join([line(encode(one)) for one in lines]))
