"""Errors: what the Responses API and its compatible servers answer with, and what our face answers with.

https://www.openresponses.org/specification#errors, https://platform.openai.com/docs/guides/error-codes.
Status first, then the body's own codes, message patterns only where a status stands for many things.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.failure import (
    Body,
    blame_of,
    kind_of_status,
    read_body,
    redact,
    retry_after,
    retry_headers,
)
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.ir import STATUS, Fault, Kind

_CODES: Final[dict[str, Kind]] = {
    "unsupported_parameter": "unsupported",
    "unsupported_value": "unsupported",
    "unsupported_modality": "unsupported",
    "untranslatable": "untranslatable",
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "content_filter": "content_policy",
    "content_policy_violation": "content_policy",
    "moderation_blocked": "content_policy",
    "invalid_prompt": "content_policy",
    "bio_policy": "content_policy",
    "cyber_policy": "content_policy",
    "misalignment_policy_violation": "content_policy",
    "image_content_policy_violation": "content_policy",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "insufficient_permissions": "permission",
    "permission_error": "permission",
    "unsupported_country_region_territory": "permission",
    "data_residency_mismatch": "permission",
    "insufficient_quota": "quota",
    "credit_balance_exhausted": "quota",
    "billing_hard_limit_reached": "quota",
    "not_found": "not_found",
    "previous_response_not_found": "not_found",
    "model_not_found": "model_not_found",
    "deploymentnotfound": "model_not_found",
    "method_not_allowed": "method_not_allowed",
    "conflict": "conflict",
    "request_too_large": "too_large",
    "unsupported_media_type": "media_type",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "too_many_requests": "rate_limit",
    "slow_down": "overloaded",
    "server_is_overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "service_unavailable_error": "overloaded",
    "timeout": "timeout",
    "vector_store_timeout": "timeout",
    "request_cancelled": "cancelled",
    "upstream_error": "upstream",
    "server_error": "upstream",
    "model_error": "upstream",
    "service_unavailable": "unavailable",
    "not_implemented": "not_implemented",
    "internal_error": "internal",
    "invalid_request_error": "invalid_request",
    "invalid_request": "invalid_request",
    "invalid_image": "invalid_request",
    "invalid_image_format": "invalid_request",
    "invalid_base64_image": "invalid_request",
    "invalid_image_url": "invalid_request",
    "image_too_large": "invalid_request",
    "image_too_small": "invalid_request",
    "image_parse_error": "invalid_request",
    "invalid_image_mode": "invalid_request",
    "image_file_too_large": "invalid_request",
    "unsupported_image_media_type": "invalid_request",
    "empty_image_file": "invalid_request",
    "failed_to_download_image": "invalid_request",
    "image_file_not_found": "invalid_request",
}
"""Codes and types, lower case. They refine a status of the same family (`_REFINES`) and stand alone where
there is no status."""

_REFINES: Final[dict[Kind, frozenset[Kind]]] = {
    "invalid_request": frozenset(
        {
            *("unsupported", "untranslatable", "context_length", "content_policy", "authentication"),
            *("permission", "quota", "not_found", "model_not_found"),
        }
    ),
    "permission": frozenset({"content_policy", "quota"}),
    "not_found": frozenset({"model_not_found"}),
    "too_large": frozenset({"context_length"}),
    "rate_limit": frozenset({"quota", "overloaded"}),
    "overloaded": frozenset({"unavailable"}),
    "upstream": frozenset({"internal", "overloaded", "timeout", "unavailable"}),
}

_TEXTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("maximum context length", "context_length"),
    ("exceeds the context window", "context_length"),
    ("prompt is too long", "context_length"),
    ("maximum prompt length is", "context_length"),
    ("exceeds the available context size", "context_length"),
    ("greater than the context length", "context_length"),
    ("incorrect api key provided", "authentication"),
    ("exceeded your current quota", "quota"),
)
"""Fragments of messages, lower case, for the statuses in `_VAGUE`."""
_SPENT: Final = ("used all available credits", "monthly spending limit", "exceeded your current quota")
"""Fragments that tell a spent quota, which waiting does not mend, from a rate limit."""
_VAGUE: Final = frozenset({400, 413, 422})


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault of an error answer. Never fails: whatever the body is, the status says something."""
    said = read_body(body, f"The provider answered with status {status}.")
    return _fault(said, status, retry_after(headers))


def fault_of(value: dict[str, Any] | bytes) -> Fault:
    """The fault inside an answer or a stream, as a whole body or as an `error` event.

    The event is flat ({type: "error", code, message, param}) or holds an `error` object; its own `type` is
    no type of an error. A socket's event has the status beside it.
    """
    if isinstance(value, dict) and value.get("type") == "error":
        value = {key: kept for key, kept in value.items() if key not in {"type", "sequence_number"}}
    said = read_body(value)
    stated = said.outer.get("status")
    return _fault(said, stated if type(stated) is int and 400 <= stated <= 599 else None, None)


def broken(message: str) -> Fault:
    """The fault of a stream that is no stream of this protocol."""
    return Fault("upstream", message, type="server_error", blame="upstream")


def _fault(said: Body, status: int | None, wait: float | None) -> Fault:
    kind = _kind(said, status)
    return Fault(
        kind,
        said.message,
        code=None if said.code is None or said.code.isdigit() else said.code,
        param=said.param,
        type=said.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
        extra={NAME: said.rest} if said.rest else None,
    )


def _kind(said: Body, status: int | None) -> Kind:
    """The kind of a failure by its status, codes and words. status: None where the error came without one."""
    named = [kind for word in (said.code, said.type) if word and (kind := _CODES.get(word.lower()))]
    text = said.message.lower()
    by_text = next((found for fragment, found in _TEXTS if fragment in text), None)
    if status is None:
        vague = {"invalid_request", "upstream"}
        specific = next((kind for kind in named if kind not in vague), None)
        return specific or by_text or (named[0] if named else "upstream")
    kind = kind_of_status(status)
    refined = next((found for found in named if found in _REFINES.get(kind, ())), None)
    if refined is not None:
        return refined
    if status in _VAGUE:
        return by_text or kind
    limited = _CODES.get((said.code or "").lower()) == "rate_limit"
    if kind == "rate_limit" and not limited and any(fragment in text for fragment in _SPENT):
        return "quota"
    return kind


# --- Our face ------------------------------------------------------------------------------------

_FACE: Final[dict[Kind, tuple[str, str | None]]] = {
    "invalid_request": ("invalid_request_error", None),
    "unsupported": ("invalid_request_error", "unsupported_value"),
    "untranslatable": ("invalid_request_error", "untranslatable"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "content_policy": ("invalid_request_error", "content_filter"),
    "authentication": ("invalid_request_error", "invalid_api_key"),
    "permission": ("permission_error", "insufficient_permissions"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "not_found": ("not_found", "not_found"),
    "model_not_found": ("not_found", "model_not_found"),
    "method_not_allowed": ("invalid_request_error", "method_not_allowed"),
    "conflict": ("invalid_request_error", "conflict"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "media_type": ("invalid_request_error", "unsupported_media_type"),
    "rate_limit": ("too_many_requests", "rate_limit_exceeded"),
    "overloaded": ("server_error", "server_is_overloaded"),
    "timeout": ("server_error", "timeout"),
    "cancelled": ("server_error", "request_cancelled"),
    "upstream": ("server_error", "upstream_error"),
    "unavailable": ("server_error", "service_unavailable"),
    "not_implemented": ("server_error", "not_implemented"),
    "internal": ("server_error", "internal_error"),
}
"""Type and code of each kind; the status is the kind's own."""


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error answer."""
    headers = retry_headers(fault)
    if request_id is not None:
        headers["x-request-id"] = request_id
    return STATUS[fault.kind], headers, msgspec.json.encode({"error": error_member(fault)})


def error_member(fault: Fault) -> dict[str, Any]:
    """The error object of an error answer."""
    kind, code = _FACE[fault.kind]
    return {
        "message": redact(fault.message),
        "type": kind,
        "param": fault.param,
        "code": fault.code if fault.code is not None and _keeps(fault) else code,
    }


def error_event(fault: Fault) -> dict[str, Any]:
    """The members of an `error` event: nested for Open Responses, flat for OpenAI's own clients."""
    member = error_member(fault)
    flat = {key: member[key] for key in ("code", "message", "param")}
    return {**flat, "error": member}


def failure_member(fault: Fault) -> dict[str, Any]:
    """The `error` of a response that failed. Its code is one that agents decide by, and never null."""
    member = error_member(fault)
    code = member["code"]
    known = code in _CODES and (STATUS[fault.kind] < 500 or code in _FAILURES)
    return {"code": code if known else "server_error", "message": member["message"]}


_FAILURES: Final = frozenset({"server_error", "vector_store_timeout", "server_is_overloaded", "slow_down"})
"""The codes of failures that are the server's. Whatever else broke there is a `server_error` to a client."""


def _keeps(fault: Fault) -> bool:
    """Whether the fault's own code says the same kind or a closer one, or leaves it to the status."""
    said = _CODES.get((fault.code or "").lower(), fault.kind)
    return fault.kind == "untranslatable" or said in {fault.kind, "invalid_request"}
