"""Decodes and encodes errors in OpenAI's form, which chat, the operations beside chat, and Responses share.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

import msgspec

from dragoman.dialects.diagnosis import keeps_code, kind_of
from dragoman.dialects.failure import (
    Body,
    blame_of,
    read_body,
    retry_after,
    retry_headers,
    stated_status,
)
from dragoman.dialects.openai.terms import NAME
from dragoman.ir import STATUS, Fault, Kind

Words = Mapping[Kind, tuple[str, str | None]]
"""Kind of fault -> (`type`, `code`) of an error object; a code of None is null. The status is in
`ir.STATUS`."""

WORDS: Final[Words] = {
    "invalid_request": ("invalid_request_error", None),
    "unsupported": ("invalid_request_error", "unsupported_value"),
    "untranslatable": ("invalid_request_error", "untranslatable"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_policy": ("invalid_request_error", "content_filter"),
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "permission": ("permission_error", "insufficient_permissions"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "not_found": ("invalid_request_error", "not_found"),
    "model_not_found": ("invalid_request_error", "model_not_found"),
    "method_not_allowed": ("invalid_request_error", "method_not_allowed"),
    "conflict": ("invalid_request_error", "conflict"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "media_type": ("invalid_request_error", "unsupported_media_type"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "overloaded": ("service_unavailable_error", "server_is_overloaded"),
    "timeout": ("server_error", "timeout"),
    "cancelled": ("server_error", "request_cancelled"),
    "upstream": ("server_error", "upstream_error"),
    "unavailable": ("service_unavailable_error", "service_unavailable"),
    "not_implemented": ("server_error", "not_implemented"),
    "internal": ("server_error", "internal_error"),
}
"""The types and codes of the chat API."""


def decode_fault(dialect: str, said: Body, message: str, status: int | None, wait: float | None) -> Fault:
    """Return the fault for a provider's error. The code, the type, the message and the status decide its kind
    (`kind_of`). A code of only digits is not kept.

    dialect: the dialect whose leftovers the unknown members of the error object become. said: the error's
    body, as `failure.read_body` has read it. message: the fault's message, used instead of `said.message`.
    status: the HTTP status; None = not stated. wait: the seconds to wait before the next attempt; None = not
    stated.
    """
    kind = kind_of(said, status)
    return Fault(
        kind,
        message,
        code=None if said.code is None or said.code.isdigit() else said.code,
        param=said.param,
        type=said.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
        extra={dialect: said.rest} if said.rest else None,
    )


def encode_fault(fault: Fault, words: Words) -> dict[str, Any]:
    """Return OpenAI's error object for a fault: `message`, `type`, `param`, `code`, and `error_id` if the
    fault has one (OpenAI's clients accept further members).

    words: kind of fault -> (type, code). The fault's own code is written instead of this code, unless it is a
    known code of another kind of fault (`keeps_code`).
    """
    kind, code = words[fault.kind]
    error = {
        "message": fault.message,
        "type": kind,
        "param": fault.param,
        "code": fault.code if fault.code is not None and keeps_code(fault) else code,
    }
    return error if fault.error_id is None else {**error, "error_id": fault.error_id}


def encode_answer(
    fault: Fault, request_id: str | None, member: Callable[[Fault], dict[str, Any]]
) -> tuple[int, dict[str, str], bytes]:
    """Return (status, extra headers, body) of an error response. The status is that of the fault's kind
    (`ir.STATUS`). The extra headers say when to retry, if the fault does, and the request's id.

    request_id: stands in the header `x-request-id`, and in the body as `error_id` if `member` writes it; None
    = the request has no id. member: makes the error object from the fault.
    """
    headers = retry_headers(fault)
    if request_id is not None:
        headers["x-request-id"] = request_id
    error = member(fault.known_as(request_id))
    return STATUS[fault.kind], headers, msgspec.json.encode({"error": error})


_SHOWN: Final = frozenset({"innererror", "content_filters", "failed_generation"})
"""Further members of an error object that clients read: Azure's filter results, Groq's failed output."""
_SPOKEN: Final = (NAME, "openai_responses")
"""The protocols whose error objects may have these members."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of a provider's error response. If the body cannot be read, the status determines the
    kind. The delay before a retry comes from the headers or, without one there, from the body (Google's
    `RetryInfo`).
    """
    said = read_body(body, f"The provider answered with status {status}.")
    wait = retry_after(headers)
    wait = _stated_delay(said) if wait is None else wait
    return decode_fault(NAME, said, _message(said), status, wait)


def fault_of(frame: dict[str, Any]) -> Fault:
    """Return the fault of an error inside a response with status 200, or inside a stream event. frame: the
    JSON object that has the error in its member `error`, or that is the error itself. The fault's status is
    one that the error states itself, otherwise None.
    """
    said = read_body(frame)
    return decode_fault(NAME, said, _message(said), stated_status(said), None)


def _message(said: Body) -> str:
    """Return the error's message. If `metadata.raw` is a text, the message in this text is appended, unless
    the error's message contains it already. A router such as OpenRouter puts the error of its own provider
    there.
    """
    metadata = said.rest.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw:
        return said.message
    inner = read_body(raw.encode(), "").message
    return f"{said.message}: {inner}" if inner and inner not in said.message else said.message


def _stated_delay(said: Body) -> float | None:
    """Return the seconds to wait that Google's `RetryInfo` in the body states; None if there is none."""
    details = said.rest.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                seconds = float(delay[:-1])
            except ValueError:
                continue
            if 0 <= seconds < inf:
                return seconds
    return None


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, extra headers, body) of an error response in OpenAI's form. The extra headers say when
    to retry, if the fault does, and the request's id. request_id: stands in the header `x-request-id` and in
    the body as `error_id`; None = the request has no id.
    """
    return encode_answer(fault, request_id, error_member)


def error_member(fault: Fault) -> dict[str, Any]:
    """Return the error object for a response body or a stream event, in OpenAI's form, with those further
    members of the provider's error object that OpenAI's clients read (`shown_members`).
    """
    return encode_fault(fault, WORDS) | shown_members(fault)


def shown_members(fault: Fault) -> dict[str, Any]:
    """Return the further members of a provider's error object that clients of OpenAI's protocols read:
    `innererror`, `content_filters`, `failed_generation`. {} if there are none, or if the error did not come
    in OpenAI's chat or Responses protocol.
    """
    kept = [(fault.extra or {}).get(name, {}) for name in _SPOKEN]
    return {key: value for one in kept for key, value in one.items() if key in _SHOWN}
