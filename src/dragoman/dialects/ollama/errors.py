"""Decodes and encodes errors in Ollama's form, `{"error": "text"}`.

A client gets the text and the status. If the text and the status do not show the kind of the failure (a line
of a stream has no status), the gateway adds the kind as `code`. If the fault has an id for the client, the
gateway adds it as `error_id`. Ollama's clients ignore both members.

Specification: https://docs.ollama.com/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from dragoman.dialects.diagnosis import kind_of
from dragoman.dialects.failure import (
    Body,
    blame_of,
    read_body,
    retry_after,
    retry_headers,
    stated_status,
)
from dragoman.ir import STATUS, Fault, Kind

_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_TEXTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("input length exceeds the context length", "context_length"),
    ("exceeds the context length", "context_length"),
    ("maximum pending requests exceeded", "overloaded"),
    ("unexpectedly stopped", "upstream"),
)
"""(fragment of an error's text in lower case, its kind). Used for the statuses in `_VAGUE`, and for errors
without a status."""
_VAGUE: Final = frozenset({400, 413, 422, 500, 503})
_NO_MODEL: Final = ("model ", " not found")


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of an error response. Its kind is the body's `code`, if that is the name of a kind (a
    gateway has written it); otherwise the text and the status decide.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    return _fault(said, status, retry_after(headers))


def fault_of(frame: dict[str, Any] | bytes) -> Fault:
    """Return the fault of an error inside a response with status 200 or inside a stream. The fault's status
    is the one that the error itself states; None = it states none. frame: the body or line, decoded or as
    bytes.
    """
    said = read_body(frame)
    return _fault(said, stated_status(said), None)


def _fault(said: Body, status: int | None, wait: float | None) -> Fault:
    kind = _KINDS.get(said.code or "") or _kind(said, status)
    return Fault(
        kind,
        said.message,
        code=None if said.code in _KINDS else said.code,
        param=said.param,
        type=said.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
    )


def _kind(said: Body, status: int | None) -> Kind:
    text = said.message.lower()
    if status is None or status in _VAGUE:
        told: Kind | None = next((kind for fragment, kind in _TEXTS if fragment in text), None)
        if told is not None:
            return told
    begin, end = _NO_MODEL
    if status in {None, 404} and text.startswith(begin) and end in text:
        return "model_not_found"
    return kind_of(said, status)


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, extra headers, body) of an error response. request_id: written into the header
    `x-request-id` and into the body; None = the header is not written, and the body has the fault's own
    `error_id`, if the fault has one.
    """
    headers = retry_headers(fault)
    if request_id is not None:
        headers["x-request-id"] = request_id
    status = STATUS[fault.kind]
    return status, headers, msgspec.json.encode(error_members(fault.known_as(request_id), status))


def _placed(fault: Fault) -> str:
    if fault.code != "invalid_value" or not fault.param or fault.param.rpartition(".")[2] in fault.message:
        return fault.message
    return f"{fault.param}: {fault.message}"


def error_members(fault: Fault, status: int | None = None) -> dict[str, Any]:
    """Return the error as a JSON object: `error` (the text), and `error_id` if the fault has one. If the text
    and the status do not show the fault's kind, the kind is written as `code`. status: the HTTP status of the
    response; None = the error is in a stream.
    """
    out: dict[str, Any] = {"error": _placed(fault)}
    if _kind(read_body(out), status) != fault.kind:
        out["code"] = fault.kind
    if fault.error_id is not None:
        out["error_id"] = fault.error_id
    return out
