"""Reads the bodies of Ollama's clients, who write "" or null for unset members; sends lines of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed, WireError
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import HttpRequest
from dragoman.wire.json import decode_head, decode_object, encode, refuse_many_values
from dragoman.wire.ndjson import line

STREAM_TYPE: Final = b"application/x-ndjson"
_EMPTY: Final = frozenset({b"", b"null", b'""', b"[]"})
_LONGEST_EMPTY: Final = 64
_SPACE: Final = b" \t\r\n"


def members(gateway: Core, request: HttpRequest) -> dict[str, Any]:
    """The JSON object in a request's body, decoded. Raises RequestFailed (400)."""
    settings = gateway.config.server
    try:
        _present(request.body)
        refuse_many_values(request.body, settings.max_values)
        return decode_object(request.body, settings.max_depth)
    except WireError as error:
        raise RequestFailed(odd(error)) from error


def head(gateway: Core, request: HttpRequest) -> dict[str, msgspec.Raw]:
    """The members of the JSON object in a request's body, undecoded. Raises RequestFailed (400)."""
    try:
        _present(request.body)
        return decode_head(request.body, gateway.config.server.max_depth)
    except WireError as error:
        raise RequestFailed(odd(error)) from error


def _present(body: bytes) -> None:
    if not body.strip():
        raise WireError("missing request body")


def odd(error: WireError) -> ir.Fault:
    """The fault (400) for a WireError in a client's body."""
    return ir.Fault("invalid_request", error.message, error.code, error.path or None)


def is_empty(raw: msgspec.Raw | None) -> bool:
    """Whether a JSON value is missing (None), null, [], or "" also with some white space in it."""
    if raw is None:
        return True
    return len(raw) <= _LONGEST_EMPTY and bytes(raw).translate(None, _SPACE) in _EMPTY


def value(raw: msgspec.Raw | None) -> Any:
    """A JSON value, decoded; None if it is missing (None), null or invalid (which the engine refuses)."""
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def text(body: Mapping[str, Any], *names: str) -> str:
    """The first of these members that is not null or ""; "" = none. Raises RequestFailed (400: no string)."""
    for name in names:
        stated = body.get(name)
        if stated is None or stated == "":
            continue
        if not isinstance(stated, str):
            raise RequestFailed(odd(WireError(f"'{name}' must be a string", name, "invalid_type")))
        return stated
    return ""


def needed(body: Mapping[str, Any], *names: str) -> str:
    """As `text`, but raises RequestFailed (400) also if there is no value."""
    if stated := text(body, *names):
        return stated
    error = WireError(f"{names[0]} is required", names[0], "missing_required_parameter")
    raise RequestFailed(odd(error))


async def tell(client: HttpClient, body: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """Send `lines`, each as a line of JSON; only the last one if the request has `stream: false`."""
    if body.get("stream") is False:
        await client.answer(200, (), encode(lines[-1]))
        return
    client.streaming = Streaming(STREAM_TYPE)
    await client.begin(200, ())
    await client.end(b"".join([line(encode(one)) for one in lines]))
