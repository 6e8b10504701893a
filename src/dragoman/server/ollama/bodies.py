"""Reads the bodies of Ollama's clients, and sends answers as lines of JSON. These clients write "" or null
for fields that are not set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed, WireError
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import HttpRequest
from dragoman.wire.json import UNDECODABLE, decode_head, decode_object, encode, refuse_many_values
from dragoman.wire.ndjson import line

STREAM_TYPE: Final = b"application/x-ndjson"
_EMPTY: Final = frozenset({b"", b"null", b'""', b"[]"})
_LONGEST_EMPTY: Final = 64
_SPACE: Final = b" \t\r\n"


def members(gateway: Core, request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in a request's body, decoded. Raises RequestFailed (400) if the body is empty or
    not one JSON object, if the JSON has too many levels or values (`max_depth` and `max_values` of the
    configuration's section `server`), or if a number is too large.
    """
    settings = gateway.config.server
    try:
        _present(request.body)
        refuse_many_values(request.body, settings.max_values)
        return decode_object(request.body, settings.max_depth)
    except WireError as error:
        raise RequestFailed(odd(error)) from error


def head(gateway: Core, request: HttpRequest) -> dict[str, msgspec.Raw]:
    """Return the fields of the JSON object in a request's body; each value is still JSON, as the client wrote
    it. Raises RequestFailed (400) if the body is empty or not one JSON object, or if the JSON has too many
    levels (`server.max_depth`) or values.
    """
    try:
        _present(request.body)
        return decode_head(request.body, gateway.config.server.max_depth)
    except WireError as error:
        raise RequestFailed(odd(error)) from error


def _present(body: bytes) -> None:
    if not body.strip():
        raise WireError("missing request body")


def odd(error: WireError) -> ir.Fault:
    """Return the fault (400) for a WireError that a client's body has caused."""
    return ir.Fault("invalid_request", error.message, error.code, error.path or None)


def is_empty(raw: msgspec.Raw | None) -> bool:
    """Whether a field is missing (None), or its JSON value is null, [], or a string with nothing but spaces
    in it. False for a value of more than `_LONGEST_EMPTY` bytes. raw: the value as JSON.
    """
    if raw is None:
        return True
    return len(raw) <= _LONGEST_EMPTY and bytes(raw).translate(None, _SPACE) in _EMPTY


def value(raw: msgspec.Raw | None) -> Any:
    """Return a JSON value, decoded. None = the value is missing (`raw` is None), null, or invalid JSON; the
    engine refuses invalid JSON later. raw: a value that `head` has returned, so its nesting is limited.
    """
    try:
        return None if raw is None else msgspec.json.decode(raw)
    except UNDECODABLE:
        return None


def text(body: Mapping[str, Any], *names: str) -> str:
    """Return the value of the first of these fields that is neither missing, null nor ""; "" = there is none.
    Raises RequestFailed (400) if this value is not a string.
    """
    for name in names:
        stated = body.get(name)
        if stated is None or stated == "":
            continue
        if not isinstance(stated, str):
            raise RequestFailed(odd(WireError(f"'{name}' must be a string", name, "invalid_type")))
        return stated
    return ""


def needed(body: Mapping[str, Any], *names: str) -> str:
    """Return the value of the first of these fields that is neither missing, null nor "". Raises
    RequestFailed (400) if there is none, or if this value is not a string.
    """
    if stated := text(body, *names):
        return stated
    error = WireError(f"{names[0]} is required", names[0], "missing_required_parameter")
    raise RequestFailed(odd(error))


async def tell(client: HttpClient, body: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """Send `lines` as a stream, each as a line of JSON. If the request has `stream: false`, send only the
    last line, as a complete answer. lines: at least one. body: the decoded body of the request.
    """
    if body.get("stream") is False:
        await client.answer(200, (), encode(lines[-1]))
        return
    client.streaming = Streaming(STREAM_TYPE)
    await client.begin(200, ())
    await client.end(b"".join([line(encode(one)) for one in lines]))
