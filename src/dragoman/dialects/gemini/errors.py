"""Decodes errors of Google, and encodes the gateway's errors for Google's clients.

    {"error": {"code": 429, "message": "…", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "…"}]}}

The HTTP status alone does not decide the kind: a bad key is a 400, and a 429 may be a limit per minute or per
day. Specification: https://ai.google.dev/gemini-api/docs/troubleshooting, https://google.aip.dev/193
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, cast

import msgspec

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
from dragoman.dialects.gemini.terms import NAME
from dragoman.ir import STATUS, Fault, Kind

_TYPE = "type.googleapis.com/google.rpc."
_OURS = "dragoman"
"""The `domain` of `ErrorInfo` in errors that a Dragoman gateway has written."""

_STATUSES: dict[str, Kind] = {
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "OUT_OF_RANGE": "invalid_request",
    "UNAUTHENTICATED": "authentication",
    "PERMISSION_DENIED": "permission",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "conflict",
    "ABORTED": "conflict",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "CANCELLED": "cancelled",
    "UNIMPLEMENTED": "not_implemented",
    "INTERNAL": "upstream",
    "UNKNOWN": "upstream",
    "DATA_LOSS": "upstream",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
}
"""Word in `error.status` -> kind. If there is an HTTP status or a number in `error.code`, it decides instead,
unless it means only "invalid_request", as 400 does."""
_REASONS: dict[str, Kind] = {
    "API_KEY_INVALID": "authentication",
    "API_KEY_EXPIRED": "authentication",
    "ACCESS_TOKEN_EXPIRED": "authentication",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": "authentication",
    "CREDENTIALS_MISSING": "authentication",
    "BILLING_DISABLED": "quota",
    "CONSUMER_SUSPENDED": "permission",
    "SERVICE_DISABLED": "permission",
    "USER_PROJECT_DENIED": "permission",
}
"""`ErrorInfo.reason` -> kind. These kinds are more exact than the kind of the status."""
_TEXTS: tuple[tuple[str, Kind], ...] = (
    ("api key not valid", "authentication"),
    ("api key expired", "authentication"),
    ("api key not found", "authentication"),
    ("reported as leaked", "authentication"),
    ("exceeds the maximum number of tokens allowed", "context_length"),
    ("input token count", "context_length"),
    ("user location is not supported", "permission"),
    ("enable billing", "quota"),
    ("prepayment credits are depleted", "quota"),
    ("spending cap", "quota"),
)
"""(fragment of an error message in lower case, its kind). Only used for the statuses in `_VAGUE`, and for
errors without a status. The status is the HTTP status or, without one, the number in `error.code`."""
_VAGUE = frozenset({400, 403, 422, 429})
_MODEL = re.compile(r"\bmodels?[ /`]")
_NOT_FOUND = re.compile(r"\bnot found\b")
_NOT_OFFERED = re.compile(r"is not supported for (stream)?generatecontent")
_DELAY = re.compile(r"retry in ((?:[\d.]++(?:h|ms|m|s))++)", re.IGNORECASE)
_DURATION = re.compile(r"(?<![\d.])([\d.]++)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SHOWN = frozenset({_TYPE + "QuotaFailure", _TYPE + "Help"})
"""The types of the provider's details that Google's clients get, cleaned of secrets. Of other details, only
what the fault's own fields hold is kept."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of an error response. Never raises: for a body of unknown form, the HTTP status
    decides the kind of the fault.
    """
    read = read_body(body, f"The provider answered with status {status}.")
    return _fault(read, status, retry_after(headers))


def fault_of(value: dict[str, Any] | bytes) -> Fault:
    """Return the fault of an error that came inside an answer or a stream, without an HTTP status of its own.
    value: the body or chunk, decoded or as bytes. Never raises.
    """
    return _fault(read_body(value), None, None)


def broken(message: str) -> Fault:
    """Return the fault for a provider's stream that broke off or breaks the protocol's rules. message: the
    text of the fault.
    """
    return Fault("upstream", message, "stream_broken", type="INTERNAL", blame="upstream")


def _fault(body: Body, status: int | None, wait: float | None) -> Fault:
    details = _objects(body.rest.get("details"))
    word = body.rest.get("status")
    word = word if isinstance(word, str) else None
    info = next(_of_type(details, "ErrorInfo"), {})
    ours = info.get("domain") == _OURS and isinstance(info.get("metadata"), dict)
    told: Mapping[str, Any] = info["metadata"] if ours else {}
    kind = _kind(body, status, word, info, details)
    if (stated := _text(told.get("kind"))) in KIND_WORDS:
        kind = cast("Kind", stated)
    reason = _text(info.get("reason"))
    code = _text(told.get("code")) if ours else CODES_OF_KINDS.get(kind) or (reason and reason.lower())
    shown = [one for one in details if str(one.get("@type")) in _SHOWN]
    param = _param(details)
    return Fault(
        kind,
        body.message.removeprefix(f"{param}: ") if ours else body.message,
        code=code,
        param=param,
        type=word,
        status=status,
        retry_after=wait if wait is not None else _wait(body, details),
        blame=blame_of(kind),
        extra={NAME: {"details": shown}} if shown else None,
    )


def _objects(listed: Any) -> list[dict[str, Any]]:
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _of_type(details: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    return (one for one in details if one.get("@type") == _TYPE + name)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _kind(
    body: Body, status: int | None, word: str | None, info: Mapping[str, Any], details: list[dict[str, Any]]
) -> Kind:
    """Return the kind of an error. If `_REASONS` has the reason in `info` (`ErrorInfo`), it decides.
    Otherwise the HTTP status does; in place of a `status` that is None or below 400, the number in
    `error.code` or, without a number, `word` (`error.status`). The message, `word` or a `QuotaFailure` in
    `details` may make the kind more exact. "upstream" if nothing shows a kind.
    """
    if status is None or status < 400:
        stated = body.code or ""  # Python refuses to convert thousands of digits to a number
        status = int(stated) if len(stated) < 9 and stated.isdecimal() else None
    named = _STATUSES.get(word or "")
    kind: Kind = (named or "upstream") if status is None else kind_of_status(status)
    if (told := _REASONS.get(_text(info.get("reason")) or "")) is not None:
        return told
    text = body.message.lower()
    if kind == "not_found":
        model = _MODEL.search(text)
        missing = model is not None and _NOT_FOUND.search(text, model.end()) is not None
        return "model_not_found" if missing or _NOT_OFFERED.search(text) else kind
    if kind == "rate_limit":
        if any(map(_lasting, _of_type(details, "QuotaFailure"))):
            return "quota"
    elif named is not None and status is not None and kind == "invalid_request":
        kind = named  # this kind is more exact than a 400
    if status in _VAGUE or status is None:
        return next((found for fragment, found in _TEXTS if fragment in text), kind)
    return kind


def _lasting(failure: Mapping[str, Any]) -> bool:
    """Whether a `QuotaFailure` names a quota per day or per month, or a quota whose value is 0. A short wait
    does not help against such a quota.
    """
    for violation in _objects(failure.get("violations")):
        name = str(violation.get("quotaId", ""))
        if "PerDay" in name or "PerMonth" in name or str(violation.get("quotaValue")) == "0":
            return True
    return False


def _param(details: list[dict[str, Any]]) -> str | None:
    for request in _of_type(details, "BadRequest"):
        for violation in _objects(request.get("fieldViolations")):
            if field := _text(violation.get("field")):
                return field
    return None


def _wait(body: Body, details: list[dict[str, Any]]) -> float | None:
    """Return the seconds to wait, from the text in `RetryInfo` (`"37s"`) or, without such a text, from the
    message. None = the text that was read states no time, or a number that is malformed or too large for
    a float.
    """
    stated = next((_text(one.get("retryDelay")) for one in _of_type(details, "RetryInfo")), None)
    if stated is None and (found := _DELAY.search(body.message)) is not None:
        stated = found[1]
    units = _DURATION.findall(stated or "")
    try:
        seconds = sum(float(count) * _SECONDS[unit] for count, unit in units)
    except ValueError:  # "1.2.3s"
        return None
    return seconds if units and seconds < inf else None


# --- Our face ------------------------------------------------------------------------------------

_FACE: dict[Kind, tuple[int, str]] = {
    "invalid_request": (400, "INVALID_ARGUMENT"),
    "unsupported": (400, "INVALID_ARGUMENT"),
    "untranslatable": (400, "INVALID_ARGUMENT"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "content_policy": (400, "INVALID_ARGUMENT"),
    "authentication": (401, "UNAUTHENTICATED"),
    "permission": (403, "PERMISSION_DENIED"),
    "quota": (429, "RESOURCE_EXHAUSTED"),
    "not_found": (404, "NOT_FOUND"),
    "model_not_found": (404, "NOT_FOUND"),
    "method_not_allowed": (405, "UNIMPLEMENTED"),
    "conflict": (409, "ABORTED"),
    "too_large": (413, "INVALID_ARGUMENT"),
    "media_type": (415, "INVALID_ARGUMENT"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "timeout": (504, "DEADLINE_EXCEEDED"),
    "cancelled": (499, "CANCELLED"),
    "unavailable": (503, "UNAVAILABLE"),
    "not_implemented": (501, "UNIMPLEMENTED"),
}


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers, body) of an error response for a client. request_id: written into the body;
    None = the body has the fault's own `error_id`, if the fault has one.
    """
    body = error_body(fault.known_as(request_id))
    headers = retry_headers(fault)
    return body["error"]["code"], headers, msgspec.json.encode(body)


def error_body(fault: Fault) -> dict[str, Any]:
    """Return the body of an error for a client. The same object is the last chunk of a failed stream. The
    message begins with the fault's `param`, unless the fault's message contains the `param` already. The
    fault's `error_id` is written in a `RequestInfo`.
    """
    status, word = _FACE.get(fault.kind, (STATUS[fault.kind], "INTERNAL"))
    if _STATUSES.get(fault.type or "") == fault.kind:
        word = cast("str", fault.type)  # the API's own word for the same kind
    details = list(_stated(fault))
    return {"error": {"code": status, "message": _message(fault), "status": word, "details": details}}


def _message(fault: Fault) -> str:
    text = fault.message
    return text if fault.param is None or fault.param in text else f"{fault.param}: {text}"


def _stated(fault: Fault) -> Iterator[dict[str, Any]]:
    told = {"kind": fault.kind} | ({} if fault.code is None else {"code": fault.code})
    reason = (fault.code or fault.kind).upper()
    yield {"@type": _TYPE + "ErrorInfo", "reason": reason, "domain": _OURS, "metadata": told}
    if fault.param is not None:
        violation = {"field": fault.param, "description": fault.message}
        yield {"@type": _TYPE + "BadRequest", "fieldViolations": [violation]}
    if fault.retry_after is not None:
        yield {"@type": _TYPE + "RetryInfo", "retryDelay": f"{fault.retry_after:g}s"}
    if fault.error_id is not None:
        yield {"@type": _TYPE + "RequestInfo", "requestId": fault.error_id}
    yield from (fault.extra or {}).get(NAME, {}).get("details", ())
