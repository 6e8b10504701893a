"""Decodes errors of the Responses API and compatible servers, and encodes errors for clients in the same
form.

https://www.openresponses.org/specification#errors, https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.diagnosis import CODES
from dragoman.dialects.failure import read_body, retry_after, stated_status
from dragoman.dialects.openai.errors import (
    WORDS,
    Words,
    decode_fault,
    encode_answer,
    encode_fault,
    shown_members,
)
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.ir import STATUS, Fault


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of a provider's error response. If the body cannot be read, the status determines the
    kind.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    return decode_fault(NAME, said, said.message, status, retry_after(headers))


def fault_of(value: dict[str, Any] | bytes) -> Fault:
    """Return the fault of an error inside an answer or a stream. value: the body or the `error` event,
    decoded or as JSON bytes; bytes that are not JSON give a fault, too. An HTTP status that the error states
    (on a WebSocket it does) also determines the fault's kind.
    """
    if isinstance(value, dict) and value.get("type") == "error":
        value = {key: kept for key, kept in value.items() if key not in {"type", "sequence_number"}}
    said = read_body(value)
    return decode_fault(NAME, said, said.message, stated_status(said), None)


def broken(message: str) -> Fault:
    """Return the fault of a provider's stream that ended too early. message: the fault's message."""
    return Fault("upstream", message, "stream_broken", type="server_error", blame="upstream")


# --- Our face ------------------------------------------------------------------------------------

_WORDS: Final[Words] = {
    **WORDS,
    "authentication": ("authentication_error", "invalid_api_key"),
    "not_found": ("not_found", "not_found"),
    "model_not_found": ("not_found", "model_not_found"),
    "rate_limit": ("too_many_requests", "rate_limit_exceeded"),
    "overloaded": ("server_error", "server_is_overloaded"),
    "unavailable": ("server_error", "service_unavailable"),
}


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, extra headers, body) of an error response for a client. request_id: written into the
    header `x-request-id` and, as `error_id`, into the body; None = the header is not written, and the body
    has the fault's own `error_id`, if the fault has one.
    """
    return encode_answer(fault, request_id, error_member)


def error_member(fault: Fault) -> dict[str, Any]:
    """Return the error object for a client: the member `error` of an error body."""
    return encode_fault(fault, _WORDS) | shown_members(fault)


def error_event(fault: Fault) -> dict[str, Any]:
    """Return the members of an `error` event that state the error. The code, the message and the parameter
    are stated twice: in an object `error`, for clients of Open Responses, and as members of the event, for
    OpenAI's clients. The members `type` and `sequence_number` are not in the result.
    """
    member = error_member(fault)
    flat = {key: member[key] for key in ("code", "message", "param")}
    return {**flat, "error": member}


def failure_member(fault: Fault) -> dict[str, Any]:
    """Return the member `error` of a response object that failed: a code, the message, and the fault's
    `error_id`, if there is one. The code is that of `error_member` if a failed response may state it
    (`CODES`, `_FAILURES`), otherwise "server_error".
    """
    member = error_member(fault)
    code = member["code"]
    known = code in CODES and (STATUS[fault.kind] < 500 or code in _FAILURES)
    error = {"code": code if known else "server_error", "message": member["message"]}
    return error if fault.error_id is None else {**error, "error_id": fault.error_id}


_FAILURES: Final = frozenset({"server_error", "vector_store_timeout", "server_is_overloaded", "slow_down"})
"""The codes that a failed response object may state for a fault whose status is 500 or more."""
