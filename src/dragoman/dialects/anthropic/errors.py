"""Decodes errors of Anthropic and compatible servers, and encodes the gateway's errors for clients of this
dialect.

https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from dragoman.dialects import diagnosis
from dragoman.dialects.anthropic.terms import NAME, THREADS
from dragoman.dialects.failure import (
    CODES_OF_KINDS,
    KIND_WORDS,
    Body,
    blame_of,
    kind_of_status,
    read_body,
    retry_after,
    retry_headers,
)
from dragoman.ir import STATUS, Fault, Kind

_KINDS: dict[str, Kind] = {
    "invalid_request_error": "invalid_request",
    "authentication_error": "authentication",
    "billing_error": "quota",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "conflict_error": "conflict",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "timeout_error": "timeout",
    "api_error": "upstream",
    "overloaded_error": "overloaded",
}
"""`error.type` -> kind. Only used for errors without an HTTP status of at least 400."""
_DETAILS: dict[str, Kind] = {
    "enforced_spend_limit_reached": "quota",
    "contract_spend_limit_reached": "quota",
    "linked_organization_spend_limit_reached": "quota",
    "linked_organization_billing_unavailable": "quota",
    "organization_on_hold": "permission",
}
"""`error.details.error_code` -> kind. These kinds are more exact than those of the status and of
`error.type`."""
_TEXTS: tuple[tuple[str, Kind], ...] = (
    ("reached your specified api usage limits", "quota"),
    ("invalid x-api-key", "authentication"),
)
"""(fragment of an error message in lower case, its kind). Only used for the statuses in `_VAGUE`, and for the
kinds in `_GENERAL` without a status. `diagnosis` has further fragments, also those of compatible servers."""
SECOND = "The provider started a second response in one stream."
_VAGUE = frozenset({400, 413, 422})
_GENERAL = frozenset({"invalid_request", "upstream"})
_LONG_CONTEXT = "extra usage is required for long context"


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of an error response. Credentials that `redact` recognises are removed from its texts.
    Never raises: for a body of unknown form, the HTTP status decides.
    """
    read = read_body(body, f"The provider answered with status {status}.")
    return _fault(read, status, retry_after(headers))


def fault_of(value: dict[str, Any] | bytes) -> Fault:
    """Return the fault of an error that came inside an answer or a stream, so without an HTTP status of its
    own. Credentials that `redact` recognises are removed from its texts. value: the body or the event,
    decoded or as bytes. Never raises.
    """
    return _fault(read_body(value), None, None)


def broken(message: str) -> Fault:
    """Return the fault, with this message, for a provider's stream that broke off or breaks the protocol's
    rules.
    """
    return Fault("upstream", message, "stream_broken", type="api_error", blame="upstream")


def _fault(body: Body, status: int | None, wait: float | None) -> Fault:
    kind = _kind(body, status)
    detail = _detail(body)
    kept = {key: value for key, value in body.rest.items() if value is not None}
    if kept.get("details") == {"error_code": kind}:  # another gateway's word for the kind
        del kept["details"]
    if (request_id := body.outer.get("request_id")) is not None:
        kept["request_id"] = request_id
    return Fault(
        kind,
        _plain(body),
        code=CODES_OF_KINDS.get(kind) or body.code or (detail if detail not in KIND_WORDS else "") or None,
        param=body.param,
        type=body.type,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
        extra={NAME: kept} if kept else None,
    )


def _kind(body: Body, status: int | None) -> Kind:
    named = _KINDS.get(body.type or "")
    if status is None or status < 400:
        kind: Kind = named or "upstream"
    else:
        kind = kind_of_status(status)
    detail = _detail(body)
    if detail in _DETAILS:
        return _DETAILS[detail]
    if detail in KIND_WORDS:
        return cast("Kind", detail)
    text = body.message.lower()
    if kind == "rate_limit":
        return "quota" if _LONG_CONTEXT in text else kind
    if kind == "not_found" and text.startswith("model:"):
        return "model_not_found"
    if status in _VAGUE or (status is None and kind in _GENERAL):
        told = next((found for fragment, found in _TEXTS if fragment in text), None)
        return told or diagnosis.kind_of(body, status)
    return kind


def _detail(body: Body) -> str:
    """Return `error.details.error_code`; "" = there is none or it is not a text. Another Dragoman gateway
    writes the kind of its fault there, if no `error.type` expresses this kind.
    """
    details = body.rest.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return code if isinstance(code, str) else ""


def _plain(body: Body) -> str:
    """Return the error's message without the words that another Dragoman gateway has added to it
    (`_message`): the suffix " (prompt is too long)", and "PARAM: " in front, where PARAM is the body's
    `param`.
    """
    message = body.message.removesuffix(_SUFFIX)
    return message if body.param is None else message.removeprefix(f"{body.param}: ")


# --- Our face ------------------------------------------------------------------------------------

_FACE: dict[Kind, tuple[int, str]] = {
    "invalid_request": (400, "invalid_request_error"),
    "unsupported": (400, "invalid_request_error"),
    "untranslatable": (400, "invalid_request_error"),
    "context_length": (400, "invalid_request_error"),
    "content_policy": (400, "invalid_request_error"),
    "authentication": (401, "authentication_error"),
    "quota": (402, "billing_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "model_not_found": (404, "not_found_error"),
    "method_not_allowed": (405, "invalid_request_error"),
    "conflict": (409, "conflict_error"),
    "too_large": (413, "request_too_large"),
    "media_type": (415, "invalid_request_error"),
    "rate_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "timeout": (504, "timeout_error"),
}
_OTHER_TYPES: dict[str, frozenset[Kind]] = {
    "invalid_request_error": frozenset({"quota"}),
    "rate_limit_error": frozenset({"quota"}),
    "permission_error": frozenset({"quota"}),
}
"""`error.type` -> the kinds that it stands for in addition to those in `_FACE`."""
_INEXPRESSIBLE: frozenset[Kind] = frozenset(
    {
        *("unsupported", "untranslatable", "content_policy", "model_not_found", "internal", "unavailable"),
        *("cancelled", "not_implemented", "media_type", "method_not_allowed"),
    }
)
"""Kinds of faults that no `error.type` expresses. The kind's name is written into `error.details.error_code`,
unless the message about an unknown model is in the API's own words, or the fault has other `details`."""
_TOO_LONG = ("prompt is too long", "exceed context limit")
_SUFFIX = f" ({_TOO_LONG[0]})"


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers, body) of an error for a client. The headers say whether and when to retry.
    request_id: the id of the request, which is written into the header `request-id` and into the body. None =
    the header is not written, and the id in the body is that of `error_body`.
    """
    status, _ = _status(fault)
    headers = retry_headers(fault)
    if request_id is not None:
        headers["request-id"] = request_id
    return status, headers, msgspec.json.encode(error_body(fault.known_as(request_id)))


def error_body(fault: Fault) -> dict[str, Any]:
    """Return the body of an error for a client, which is also the data of an `error` event. Its `request_id`
    is the fault's `error_id` or, without one, the id that a provider of this dialect has stated. Without
    both, there is no `request_id`.
    """
    _, kind = _status(fault)
    error: dict[str, Any] = {"type": kind, "message": _message(fault)}
    kept = (fault.extra or {}).get(NAME, {})
    if fault.param is not None:
        error["param"] = fault.param
    names_model = fault.message.lower().startswith("model:")  # the API's own message about an unknown model
    if fault.kind in _INEXPRESSIBLE and not (fault.kind == "model_not_found" and names_model):
        error["details"] = {"error_code": fault.kind}
    if fault.code == THREADS:
        error["details"] = {"error_code": THREADS, "unsupported": [fault.param]}
    error.update((key, value) for key, value in kept.items() if key != "request_id")
    out: dict[str, Any] = {"type": "error", "error": error}
    if (named := kept.get("request_id") if fault.error_id is None else fault.error_id) is not None:
        out["request_id"] = named
    return out


def _status(fault: Fault) -> tuple[int, str]:
    """Return (status, `error.type`) for a client: those of the fault's kind (`_FACE`, else `STATUS` and
    "api_error"). A fault whose own type is the type of its kind, or stands for this kind in `_OTHER_TYPES`,
    keeps its type, and also its status, if this is from 400 to 599.
    """
    status, kind = _FACE.get(fault.kind, (STATUS[fault.kind], "api_error"))
    if fault.type is None or (fault.type != kind and fault.kind not in _OTHER_TYPES.get(fault.type, ())):
        return status, kind
    stated = fault.status
    return stated if stated is not None and 400 <= stated <= 599 else status, fault.type


def _message(fault: Fault) -> str:
    """Return the fault's message for a client. `PARAM: ` is put in front, where PARAM is the fault's `param`,
    unless the message begins with that name. The message for "context_length" gets the API's words for a long
    prompt at its end, unless it has them.
    """
    text = fault.message
    if fault.kind == "context_length" and not any(words in text.lower() for words in _TOO_LONG):
        text += _SUFFIX
    if fault.param is not None and not text.startswith(fault.param):
        text = f"{fault.param}: {text}"
    return text
