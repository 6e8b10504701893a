"""Finds the kind of a failure in error responses of OpenAI's, Mistral's, Cohere's and Ollama's protocols,
including those of compatible vendors, of services such as Deepgram, and of servers that imitate Anthropic's.

The HTTP status decides first. Codes in the body may make the kind more exact (`_REFINES`). Fragments of the
message decide only in three cases: a status with many meanings (400, 413, 422) if no code has made its kind
more exact, a 429 that means a used-up quota, and an error without a status. No function here raises: every
error gets a kind. `keeps_code` says whether a client may get the provider's code for a failure.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from typing import Final

from dragoman.dialects.failure import Body, kind_of_status
from dragoman.ir import Fault, Kind

CODES: Final[dict[str, Kind]] = {
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
    "bio_policy": "content_policy",
    "cyber_policy": "content_policy",
    "misalignment_policy_violation": "content_policy",
    "image_content_policy_violation": "content_policy",
    "invalid_api_key": "authentication",
    "invalidapikey": "authentication",
    "invalid_authentication_error": "authentication",
    "incorrect_api_key_error": "authentication",
    "authentication_error": "authentication",
    "insufficient_permissions": "permission",
    "permission_error": "permission",
    "unsupported_country_region_territory": "permission",
    "data_residency_mismatch": "permission",
    "insufficient_quota": "quota",
    "exceeded_current_quota_error": "quota",
    "credit_balance_exhausted": "quota",
    "billing_hard_limit_reached": "quota",
    "arrearage": "quota",
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
    "rate_limit_reached_error": "rate_limit",
    "too_many_requests_error": "rate_limit",
    "ratelimitreached": "rate_limit",
    "too_many_requests": "rate_limit",
    "slow_down": "rate_limit",
    "dynamic_request_limited": "overloaded",
    "dynamic_token_limited": "overloaded",
    "server_is_overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "engine_overloaded_error": "overloaded",
    "provider_overloaded": "overloaded",
    "capacity_exceeded": "overloaded",
    "service_unavailable_error": "overloaded",
    "timeout": "timeout",
    "vector_store_timeout": "timeout",
    "request_cancelled": "cancelled",
    "upstream_error": "upstream",
    "server_error": "upstream",
    "model_error": "upstream",
    "provider_unavailable": "unavailable",
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
"""Code or type in an error body, in lower case -> kind. Codes make the kind of a status more exact
(`_REFINES`), and decide the kind of an error without a status."""

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
"""Kind of a status -> the more exact kinds by which a code in the body may replace it."""
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
    ("longer than the model's context length", "context_length"),
    ("context window exceeds limit", "context_length"),
    ("exceeded model token limit", "context_length"),
    ("exceeded max context length", "context_length"),
    ("exceeds the maximum allowed input length", "context_length"),
    ("range of input length should be", "context_length"),
    ("too many tokens", "context_length"),
    ("incorrect api key provided", "authentication"),
    ("api key not valid", "authentication"),
    ("credit balance is too low", "quota"),
    ("exceeded your current quota", "quota"),
)
"""(lower-case fragment of an error message, its kind), for the statuses in `_VAGUE` and for errors without a
status."""
_SPENT: Final = (
    *("used all available credits", "monthly spending limit", "exceeded your current quota"),
    *("insufficient balance", "余额不足"),
)
"""Lower-case fragments of messages of 429s that mean a used-up quota."""
_VAGUE: Final = frozenset({400, 413, 422})
_GENERAL: Final = frozenset({"invalid_request", "upstream"})
"""Kinds whose codes vendors use for any error. Without a status, the message decides before such a code."""


def kind_of(said: Body, status: int | None) -> Kind:
    """Return the kind of the failure that an error body (`said`) and its status describe. status: the HTTP
    status; None = the error came without one.

    With a status, the result is the status's kind, unless a code or the message in the body shows a more
    exact kind. Without a status, the body alone decides; "upstream" if nothing in it shows a kind.
    """
    metadata = said.rest.get("metadata")
    words = (said.code, said.type, metadata.get("error_type") if isinstance(metadata, dict) else None)
    named = [kind for word in words if isinstance(word, str) and (kind := CODES.get(word.lower()))]
    text = said.message.lower()
    if status is None:
        specific = next((kind for kind in named if kind not in _GENERAL), None)
        return specific or _by_text(text) or (named[0] if named else "upstream")
    kind = kind_of_status(status)
    refined = next((found for found in named if found in _REFINES.get(kind, ())), None)
    if refined is not None:
        return refined
    if status in _VAGUE:
        return _by_text(text) or kind
    limited = CODES.get((said.code or "").lower()) == "rate_limit"
    if kind == "rate_limit" and not limited and any(fragment in text for fragment in _SPENT):
        return "quota"
    return kind


def _by_text(text: str) -> Kind | None:
    return next((kind for fragment, kind in _TEXTS if fragment in text), None)


def keeps_code(fault: Fault) -> bool:
    """Whether a client may get a fault's code unchanged. True if the fault's kind is "untranslatable", or if
    its code is missing, is not in `CODES`, or stands there for this kind or for "invalid_request".
    """
    said = CODES.get((fault.code or "").lower(), fault.kind)
    return fault.kind == "untranslatable" or said in {fault.kind, "invalid_request"}
