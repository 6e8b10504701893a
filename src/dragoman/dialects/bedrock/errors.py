"""Decodes Bedrock's errors, and encodes errors.

A body is `{"message": …}` (sometimes `Message`). The header `x-amzn-errortype` names the exception; a colon
and a URL may follow the name: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html, read in
2026-11. For an exception in a stream, `wire.eventstream` makes one JSON object: the exception's body, with
the exception's name as `type`.

In the errors that it encodes, the gateway adds members that clients of AWS ignore: `code`, the kind of the
fault, if the error does not show it otherwise; `param`, the place in the request, if the fault states one;
and the gateway's `error_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from dragoman.dialects.bedrock.terms import NAME
from dragoman.dialects.failure import (
    CODES_OF_KINDS,
    Body,
    blame_of,
    kind_of_status,
    read_body,
    retry_after,
    retry_headers,
)
from dragoman.ir import STATUS, Fault, Kind

HEADER: Final = "x-amzn-errortype"
_KINDS: Final[dict[str, Kind]] = {
    "validationexception": "invalid_request",
    "servicequotaexceededexception": "quota",
    "accessdeniedexception": "permission",
    "unrecognizedclientexception": "authentication",
    "expiredtokenexception": "authentication",
    "expiredtoken": "authentication",
    "invalidsignatureexception": "authentication",
    "incompletesignature": "authentication",
    "missingauthenticationtokenexception": "authentication",
    "resourcenotfoundexception": "not_found",
    "modeltimeoutexception": "timeout",
    "modelerrorexception": "upstream",
    "modelstreamerrorexception": "upstream",
    "throttlingexception": "rate_limit",
    "modelnotreadyexception": "overloaded",
    "internalserverexception": "upstream",
    "internalfailure": "upstream",
    "serviceunavailableexception": "overloaded",
}
"""Name of an exception, in lower case -> kind of the fault. Sources: the exceptions of Bedrock Runtime in
botocore 1.44.5, and errors that all services of AWS have in common.
"""
_TEXTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("input is too long", "context_length"),
    ("input tokens exceeded", "context_length"),
    ("too many input tokens", "context_length"),
    ("prompt is too long", "context_length"),
    ("maximum context length", "context_length"),
    ("too many total text bytes", "context_length"),
    ("model identifier is invalid", "model_not_found"),
    ("on-demand throughput isn", "model_not_found"),
    ("end of its life", "model_not_found"),
    ("access to the model", "permission"),
    ("security token", "authentication"),
    ("request signature", "authentication"),
    ("signature expired", "authentication"),
    ("signature not yet current", "authentication"),
    ("authentication failed", "authentication"),
    ("bearer token", "authentication"),
    ("blocked by content filter", "content_policy"),
    ("tokens per day", "quota"),
)
"""(a part of the message, kind of the fault). Used if the exception or the status gives a kind of `_VAGUE`,
or if the status of the model behind the API is stated.
"""
_OWN_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}
"""The kinds that the gateway itself writes as `code`, to read them back."""
_VAGUE: Final = frozenset({"invalid_request", "permission", "not_found", "rate_limit"})
_ORIGINAL: Final = frozenset({408, 429, 503, 504, 529})
"""The statuses of the model behind the API (`originalStatusCode`) that decide the kind of a fault which would
otherwise be "upstream". Other statuses below 500 do not show that the request is invalid."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Return the fault of an error response. Never raises, also not for a body that cannot be read. The name
    of the exception is taken from the header `x-amzn-errortype` or, if it states no name, from the body.
    headers: by their names in lower case.
    """
    said = read_body(body, f"The provider answered with status {status}.")
    stated = headers.get(HEADER, "").partition(":")[0] or None
    return _fault(said, stated, status, retry_after(headers))


def fault_of(frame: bytes | dict[str, Any]) -> Fault:
    """Return the fault of an error object inside a response or a stream. Never raises. frame: the object, as
    JSON or decoded. The fault's status is the object's `originalStatusCode`.
    """
    said = read_body(frame)
    return _fault(said, None, _original(said), None)


def _original(said: Body) -> int | None:
    """Return the status with which the model behind the API answered (`originalStatusCode`). None = the error
    does not state it, or it is not an integer from 400 to 599.
    """
    status = said.rest.get("originalStatusCode")
    return status if type(status) is int and 400 <= status <= 599 else None


def _fault(said: Body, stated: str | None, status: int | None, wait: float | None) -> Fault:
    name = stated or said.type or _type_of(said)
    ours = _OWN_KINDS.get(said.code or "")
    message = said.message
    for member in ("Message", "originalMessage"):
        if type(text := said.rest.get(member)) is str and text and text not in message:
            message = text if member == "Message" else f"{message} {text}"
    kind = ours or _kind(name, message, status, _original(said))
    rest = {key: value for key, value in said.rest.items() if key not in {"Message", "__type"}}
    return Fault(
        kind,
        message,
        code=CODES_OF_KINDS.get(kind),
        param=said.param,
        type=name,
        status=status,
        retry_after=wait,
        blame=blame_of(kind),
        extra={NAME: rest} if rest else None,
    )


def _type_of(said: Body) -> str | None:
    """Return the exception's name from the member `__type`, in which the name of the service and `#` may
    precede it; None = there is none.
    """
    stated = said.rest.get("__type")
    return stated.rpartition("#")[2] or None if type(stated) is str else None


def _kind(name: str | None, message: str, status: int | None, original: int | None = None) -> Kind:
    """Return the kind of a fault. name: the exception's name, None = not stated. message: the error's text.
    status: that of the response; for an error inside a response or a stream, the same as `original`.
    original: the status of the model behind the API. None as a status = not stated.
    """
    kind = _KINDS.get((name or "").lower())
    if kind is None:
        kind = "upstream" if status is None else kind_of_status(status)
    if status == 424:
        kind = "upstream"
    if kind == "upstream" and original in _ORIGINAL:
        kind = kind_of_status(original)
    if kind not in _VAGUE and original is None:
        return kind
    text = message.lower()
    return next((found for fragment, found in _TEXTS if fragment in text), kind)


_NAMES: Final[dict[Kind, str]] = {
    "permission": "AccessDeniedException",
    "authentication": "UnrecognizedClientException",
    "not_found": "ResourceNotFoundException",
    "model_not_found": "ResourceNotFoundException",
    "quota": "ServiceQuotaExceededException",
    "rate_limit": "ThrottlingException",
    "timeout": "ModelTimeoutException",
    "overloaded": "ServiceUnavailableException",
    "unavailable": "ServiceUnavailableException",
    "upstream": "ModelErrorException",
    "internal": "InternalServerException",
}
"""Kind of a fault -> name of the exception to write, unless `_shown` keeps the fault's own exception. All
other kinds are a ValidationException.
"""
_STATUS: Final[dict[Kind, int]] = {"quota": 400, "timeout": 408, "upstream": 424, "authentication": 403}


def encode_error(fault: Fault, request_id: str | None) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers, body) of an error response. request_id: the id of the request, which
    is written into a header and, if it is not empty, as `error_id` into the body; None = no header
    with an id is written. If it is None or empty, the body has the fault's own `error_id`, if there
    is one.
    """
    status, name = _shown(fault)
    headers = {**retry_headers(fault), HEADER: name}
    if request_id is not None:
        headers["x-amzn-requestid"] = request_id
    return status, headers, msgspec.json.encode(_members(fault.known_as(request_id)))


def exception_of(fault: Fault) -> tuple[str, bytes]:
    """Return (the name, the payload as JSON) of the exception event that reports a failure inside a stream.
    The name begins with a small letter ("throttlingException").
    """
    name = _shown(fault)[1]
    if name == "ModelErrorException":
        name = "ModelStreamErrorException"
    return name[:1].lower() + name[1:], msgspec.json.encode(_members(fault))


def _shown(fault: Fault) -> tuple[int, str]:
    status, name = _STATUS.get(fault.kind, STATUS[fault.kind]), _NAMES.get(fault.kind, "ValidationException")
    if fault.extra is not None and NAME not in fault.extra:
        return status, name
    if fault.type is not None and _KINDS.get(fault.type.lower()) is not None and fault.status is not None:
        return fault.status, fault.type
    return status, name


def _members(fault: Fault) -> dict[str, Any]:
    text = fault.message
    status, name = _shown(fault)
    out: dict[str, Any] = {"message": text, **(fault.extra or {}).get(NAME, {})}
    if _kind(name, text, status) != fault.kind:
        out["code"] = fault.kind
    if fault.param is not None:
        out["param"] = fault.param
    return out if fault.error_id is None else {**out, "error_id": fault.error_id}
