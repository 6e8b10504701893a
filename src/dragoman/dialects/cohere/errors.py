"""Errors in Cohere's form, `{"message": "text", "id": "…", "error_type": "WORD"}`, decoded and encoded.

Only `message` is always there. https://docs.cohere.com/reference/errors, read 2026-11; `error_type` and the
id as in recorded answers. The gateway adds the kind of the fault as `code` if `error_type`, message and
status do not show this kind. Cohere's clients ignore `code`.
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
    ("too many tokens", "context_length"),
    ("make sure the correct model id was used", "model_not_found"),
    # https://github.com/diegosouzapw/OmniRoute/issues/12252: a limit that lasts until the next month
    ("trial key, which is limited to", "quota"),
    ("blocked", "content_policy"),
)
"""(a part of the message, kind of the fault). Used for the statuses in `_VAGUE` and for errors without a
status.
"""
_VAGUE: Final = frozenset({400, 404, 422, 429, 498})
_WORDS: Final[dict[str, Kind]] = {"TOO_MANY_TOKENS": "context_length"}
"""`error_type` -> kind of the fault."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of an error response. Never raises: if the body shows no kind, the status decides the
    kind; without a message, the fault's message only names the status.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    return _fault(said, status, retry_after(headers))


def fault_of(frame: dict[str, Any] | bytes) -> Fault:
    """Return the fault of an error inside a response or a stream, which has no HTTP status of its own. frame:
    the error object, decoded or as bytes. Never raises.
    """
    said = read_body(frame)
    return _fault(said, stated_status(said), None)


def _fault(said: Body, status: int | None, wait: float | None) -> Fault:
    word = said.rest.get("error_type")
    kind = _KINDS.get(said.code or "") or _WORDS.get(str(word)) or _kind(said, status)
    return Fault(
        kind,
        said.message,
        code=None if said.code in _KINDS else said.code,
        param=said.param,
        type=word if type(word) is str else said.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
    )


def _kind(said: Body, status: int | None) -> Kind:
    if status is None or status in _VAGUE:
        text = said.message.lower()
        told: Kind | None = next((kind for fragment, kind in _TEXTS if fragment in text), None)
        if told is not None:
            return told
    return kind_of(said, status)


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers, body) of an error response. request_id: written as the header `x-request-id`,
    and as the body's `id`; None = there is no such header, and `id` is the fault's own `error_id`, if it has
    one.
    """
    headers = retry_headers(fault)
    if request_id is not None:
        headers["x-request-id"] = request_id
    status = STATUS[fault.kind]
    return status, headers, msgspec.json.encode(error_members(fault.known_as(request_id), status))


def error_members(fault: Fault, status: int | None = None) -> dict[str, Any]:
    """Return the error as a JSON object. Only `message` is always there:
    `code`, for example, is missing if the other members and the status already show the fault's kind.

    status: of the error response; None = the error is inside a stream.
    """
    out: dict[str, Any] = {"message": fault.message}
    if fault.type in _WORDS:
        out["error_type"] = fault.type
    if (_WORDS.get(fault.type or "") or _kind(read_body(out), status)) != fault.kind:
        out["code"] = fault.kind
    if fault.error_id is not None:
        out["id"] = fault.error_id
    return out
