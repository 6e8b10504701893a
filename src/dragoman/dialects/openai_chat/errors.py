"""Errors: what OpenAI and its compatible vendors answer with, and what our face answers with.

https://platform.openai.com/docs/guides/error-codes. Status first, then the body's own codes, message
patterns only where a status stands for many things.
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
from dragoman.dialects.openai_chat.terms import NAME
from dragoman.ir import STATUS, Fault, Kind

_CODES: Final[dict[str, Kind]] = {
    "unsupported_parameter": "unsupported",
    "unsupported_value": "unsupported",
    "unsupported_modality": "unsupported",
    "untranslatable": "untranslatable",
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",
    "token_limit_exceeded": "context_length",
    "max_tokens_exceeded": "context_length",
    "content_filter": "content_policy",
    "content_policy_violation": "content_policy",
    "moderation_blocked": "content_policy",
    "invalid_prompt": "content_policy",
    "data_inspection_failed": "content_policy",
    "refusal": "content_policy",
    "invalid_api_key": "authentication",
    "invalidapikey": "authentication",
    "authentication_error": "authentication",
    "insufficient_permissions": "permission",
    "permission_error": "permission",
    "unsupported_country_region_territory": "permission",
    "insufficient_quota": "quota",
    "credit_balance_exhausted": "quota",
    "billing_hard_limit_reached": "quota",
    "arrearage": "quota",
    "not_found": "not_found",
    "model_not_found": "model_not_found",
    "deploymentnotfound": "model_not_found",
    "method_not_allowed": "method_not_allowed",
    "conflict": "conflict",
    "request_too_large": "too_large",
    "unsupported_media_type": "media_type",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "too_many_requests_error": "rate_limit",
    "slow_down": "rate_limit",
    "ratelimitreached": "rate_limit",
    "dynamic_request_limited": "overloaded",
    "dynamic_token_limited": "overloaded",
    "server_is_overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "provider_overloaded": "overloaded",
    "capacity_exceeded": "overloaded",
    "timeout": "timeout",
    "request_cancelled": "cancelled",
    "upstream_error": "upstream",
    "server_error": "upstream",
    "provider_unavailable": "unavailable",
    "service_unavailable": "unavailable",
    "not_implemented": "not_implemented",
    "internal_error": "internal",
    "invalid_request_error": "invalid_request",
}
"""Codes and types, lower case. They refine a status of the same family (`_REFINES`) and stand alone where
there is no status."""

_REFINES: Final[dict[Kind, frozenset[Kind]]] = {
    "invalid_request": frozenset(
        {
            *("unsupported", "untranslatable", "context_length", "content_policy", "authentication"),
            *("permission", "quota", "model_not_found"),
        }
    ),
    "permission": frozenset({"content_policy", "quota"}),
    "not_found": frozenset({"model_not_found"}),
    "too_large": frozenset({"context_length"}),
    "rate_limit": frozenset({"quota", "overloaded"}),
    "quota": frozenset(),
    "overloaded": frozenset({"unavailable"}),
    "upstream": frozenset({"internal", "overloaded", "timeout", "unavailable"}),
}

_TEXTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("maximum context length", "context_length"),
    ("exceeds the context window", "context_length"),
    ("longer than the maximum model length", "context_length"),
    ("prompt is too long", "context_length"),
    ("exceed context limit", "context_length"),
    ("reduce the length of the messages", "context_length"),
    ("current length is", "context_length"),
    ("inputs tokens + max_new_tokens", "context_length"),
    ("maximum prompt length is", "context_length"),
    ("exceeds the available context size", "context_length"),
    ("greater than the context length", "context_length"),
    ("range of input length should be", "context_length"),
    ("too many tokens", "context_length"),
    ("incorrect api key provided", "authentication"),
    ("api key not valid", "authentication"),
    ("credit balance is too low", "quota"),
)
"""Fragments of messages, lower case, for the statuses in `_VAGUE`."""
_SPENT: Final = ("used all available credits", "monthly spending limit", "exceeded your current quota")
"""Fragments that tell a spent quota, which waiting does not mend, from a rate limit."""
_VAGUE: Final = frozenset({400, 413, 422})

_SHOWN: Final = frozenset({"innererror", "failed_generation"})
"""Members beside the usual four that clients read: Azure's filter results, Groq's failed output."""


# --- Upstream errors ---------------------------------------------------------------------------


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault of an error answer. Never fails: whatever the body is, the status says something."""
    said = read_body(body, f"The provider answered with status {status}.")
    wait = retry_after(headers)
    return _fault(said, status, wait if wait is not None else _stated_delay(said))


def failure(body: dict[str, Any]) -> dict[str, Any] | None:
    """The error body inside an answer or a chunk, in any vendor's form; None where it tells no failure.

    An `error` member, `object: "error"`, an error in a choice, or an error's members and no answer.
    """
    if body.get("error") or body.get("object") == "error":
        return body
    choices = body.get("choices")
    if choices:
        error = choices[0].get("error")
        return {"error": error} if error else None
    told = choices is None and "usage" not in body and (body.get("message") or body.get("detail"))
    return body if told else None


def fault_of(frame: dict[str, Any]) -> Fault:
    """The fault of an error inside an answer or a stream; a number in `code` is its status."""
    said = read_body(frame)
    stated = (said.code, said.rest.get("status_code"), said.rest.get("status"), said.outer.get("status_code"))
    numbers = (int(text) for value in stated if (text := str(value)).isdigit())
    status = next((number for number in numbers if 400 <= number <= 599), None)
    return _fault(said, status, None)


def _fault(said: Body, status: int | None, wait: float | None) -> Fault:
    kind = kind_of(said, status)
    return Fault(
        kind,
        _message(said),
        code=None if said.code is None or said.code.isdigit() else said.code,
        param=said.param,
        type=said.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
        extra={NAME: said.rest} if said.rest else None,
    )


def kind_of(said: Body, status: int | None) -> Kind:
    """The kind of a failure by its status, codes and words. status: None where the error came without one."""
    metadata = said.rest.get("metadata")
    words = (said.code, said.type, metadata.get("error_type") if isinstance(metadata, dict) else None)
    named = [kind for word in words if isinstance(word, str) and (kind := _CODES.get(word.lower()))]
    text = said.message.lower()
    if status is None:
        specific = next((kind for kind in named if kind != "invalid_request"), None)
        stated = specific or _by_text(text) or (named[0] if named else None)
        return stated or "upstream"
    kind = kind_of_status(status)
    refined = next((found for found in named if found in _REFINES.get(kind, ())), None)
    if refined is not None:
        return refined
    if status in _VAGUE:
        return _by_text(text) or kind
    limited = _CODES.get((said.code or "").lower()) == "rate_limit"
    if kind == "rate_limit" and not limited and any(fragment in text for fragment in _SPENT):
        return "quota"
    return kind


def _by_text(text: str) -> Kind | None:
    return next((kind for fragment, kind in _TEXTS if fragment in text), None)


def _message(said: Body) -> str:
    """The message; a router's general one with what its provider really said."""
    metadata = said.rest.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw:
        return said.message
    inner = read_body(raw.encode(), "").message
    return f"{said.message}: {inner}" if inner and inner not in said.message else said.message


def _stated_delay(said: Body) -> float | None:
    """Seconds to wait, where a body states them: Google's `RetryInfo`."""
    details = said.rest.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                return float(delay[:-1])
            except ValueError:
                continue
    return None


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
"""Type and code of each kind; the status is the kind's own."""


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error answer."""
    headers = retry_headers(fault)
    if request_id is not None:
        headers["x-request-id"] = request_id
    return STATUS[fault.kind], headers, msgspec.json.encode({"error": error_member(fault)})


def error_member(fault: Fault) -> dict[str, Any]:
    """The error object of an answer, a whole body or a stream's frame."""
    kind, code = _FACE[fault.kind]
    error: dict[str, Any] = {
        "message": redact(fault.message),
        "type": kind,
        "param": fault.param,
        "code": fault.code if fault.code is not None and _keeps(fault) else code,
    }
    kept = (fault.extra or {}).get(NAME, {})
    error.update({key: value for key, value in kept.items() if key in _SHOWN})
    return error


def _keeps(fault: Fault) -> bool:
    """Whether the fault's own code says the same kind or a closer one, or leaves it to the status."""
    said = _CODES.get((fault.code or "").lower(), fault.kind)
    return fault.kind == "untranslatable" or said in {fault.kind, "invalid_request"}
