"""Decodes and encodes errors in Mistral's form.

The members of an error stand at the top of the body. Validation errors (422) are lists of paths and messages.
A message about capacity decides the kind of a fault first, for some statuses (`_CAPACITY`). Otherwise, if the
status is missing or has several meanings (`_VAGUE`), Mistral's types, codes and messages decide it. If they
do not, the rules for all protocols do (`diagnosis`). https://docs.mistral.ai/api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.diagnosis import kind_of
from dragoman.dialects.failure import Body, blame_of, read_body, retry_after, retry_headers
from dragoman.dialects.mistral.terms import NAME
from dragoman.dialects.openai.errors import error_member as chat_member
from dragoman.ir import STATUS, Fault, Kind

_WORDS: Final[dict[str, Kind]] = {
    "rate_limited": "rate_limit",
    "1300": "rate_limit",
    "service_tier_capacity_exceeded": "overloaded",
    "3505": "overloaded",
    "invalid_model": "model_not_found",
    "1500": "model_not_found",
    "invalid_request_message_order": "invalid_request",
    "invalid_function_call": "invalid_request",
    "internal_server_error": "upstream",
}
"""Mistral's error type or code -> the kind of fault. Used for the statuses in `_VAGUE`, and without a status;
"invalid_request" is used only without a status."""
_TEXTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("too large for model", "context_length"),
    ("maximum context length", "context_length"),
    ("invalid model:", "model_not_found"),
)
_CAPACITY: Final = "capacity exceeded"
"""Part of the message of a backend without capacity (429, 503, no status). Such an error does not mean that
the account has reached a limit."""
_VAGUE: Final = frozenset({400, 404, 413, 422, 429})


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of a provider's error response. If the body cannot be read, the status determines the
    kind.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    return _fault(said, status, retry_after(headers))


def fault_of(frame: dict[str, Any]) -> Fault:
    """Return the fault of an error inside a response with status 200, or inside a stream event. frame: the
    JSON object that has the error as its member `error`, or that is the error itself. The fault's status is
    `raw_status_code` of the error, if that is an integer from 400 to 599; otherwise None.
    """
    said = read_body(frame)
    status = said.rest.get("raw_status_code")
    return _fault(said, status if isinstance(status, int) and 400 <= status <= 599 else None, None)


def _fault(said: Body, status: int | None, wait: float | None) -> Fault:
    kind = _kind(said, status)
    kept = {} if said.code is None else {"code": said.code}
    return Fault(
        kind,
        said.message,
        code=None if said.code is None or said.code.isdigit() else said.code,
        param=said.param or _place(said.rest.get("detail")),
        type=said.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
        extra={NAME: kept} if kept else None,
    )


def _kind(said: Body, status: int | None) -> Kind:
    text = said.message.lower()
    stated = _WORDS.get(said.type or "") or _WORDS.get(said.code or "")
    if _CAPACITY in text and status in {None, 429, 503}:
        return "overloaded"
    if status is not None and status not in _VAGUE:
        return kind_of(said, status)
    if stated is not None and stated != "invalid_request":
        return stated
    told: Kind | None = next((kind for fragment, kind in _TEXTS if fragment in text), None)
    if status is None:
        told = told or stated
    return told or kind_of(said, status)


def _place(detail: Any) -> str | None:
    """Return the path of the first wrong member in a validation error's `detail`, such as
    `messages[0].content`; None = not stated.
    """
    first = detail[0] if isinstance(detail, list) and detail else None
    steps = first.get("loc") if isinstance(first, dict) else None
    path = ""
    for step in steps if isinstance(steps, list) else ():
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".body").removeprefix(".") or None


_FACE: Final[dict[Kind, tuple[str, str]]] = {
    "rate_limit": ("rate_limited", "1300"),
    "overloaded": ("service_tier_capacity_exceeded", "3505"),
    "model_not_found": ("invalid_model", "1500"),
}
"""Kind of fault -> Mistral's error type and code. Other kinds have those of OpenAI's chat."""


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, extra headers, body) of an error response in Mistral's form. request_id: written into
    the header `x-request-id` and into the body; None = the header is not written, and the body has the
    fault's own `error_id`, if the fault has one.
    """
    headers = retry_headers(fault)
    if request_id is not None:
        headers["x-request-id"] = request_id
    return STATUS[fault.kind], headers, msgspec.json.encode(error_members(fault.known_as(request_id)))


def error_members(fault: Fault) -> dict[str, Any]:
    """Return the members of an error in Mistral's form. They are a whole error body, or the data of a stream
    event, or they are added to the body of an answer that has failed.
    """
    shown = chat_member(fault)
    kind, code = _FACE.get(fault.kind, (shown["type"], shown["code"]))
    own = (fault.extra or {}).get(NAME)
    if own is not None:
        kind, code = fault.type or kind, own.get("code", code)
    error = {
        "object": "error",
        "message": fault.message,
        "type": kind,
        "param": fault.param,
        "code": code,
    }
    return error if fault.error_id is None else {**error, "error_id": fault.error_id}
