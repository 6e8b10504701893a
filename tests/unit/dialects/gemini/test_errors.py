"""Google's errors, and ours for its clients."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from google.genai import errors as official

from dragoman import ir
from dragoman.dialects.gemini.errors import decode_error, encode_error, fault_of

RPC = "type.googleapis.com/google.rpc."


def error(code: int, status: str, message: str = "It failed.", *details: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "message": message, "status": status}
    return {"error": body | ({"details": list(details)} if details else {})}


def decoded(code: int, status: str, message: str = "It failed.", *details: dict[str, Any]) -> ir.Fault:
    return decode_error(code, {}, json.dumps(error(code, status, message, *details)).encode())


def info(reason: str, **more: Any) -> dict[str, Any]:
    return {"@type": RPC + "ErrorInfo", "reason": reason, "domain": "googleapis.com", **more}


def quota(name: str, **more: Any) -> dict[str, Any]:
    return {"@type": RPC + "QuotaFailure", "violations": [{"quotaId": name, **more}]}


RETRY = {"@type": RPC + "RetryInfo", "retryDelay": "37s"}
PER_DAY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
PER_MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
KINDS: list[tuple[ir.Kind, str, tuple[Any, ...]]] = [
    ("invalid_request", "client", (400, "INVALID_ARGUMENT", "Please use a valid role: user, model.")),
    ("authentication", "gateway", (400, "INVALID_ARGUMENT", "Invalid.", info("API_KEY_INVALID"))),
    (
        "authentication",
        "gateway",
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    ),
    ("authentication", "gateway", (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.")),
    ("authentication", "gateway", (401, "UNAUTHENTICATED", "Request had invalid credentials.")),
    ("authentication", "gateway", (401, "UNAUTHENTICATED", "x", info("ACCESS_TOKEN_EXPIRED"))),
    ("authentication", "gateway", (403, "PERMISSION_DENIED", "Your API key was reported as leaked.")),
    ("context_length", "client", (400, "INVALID_ARGUMENT", TOO_LONG)),
    (
        "permission",
        "gateway",
        (400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    ),
    ("invalid_request", "client", (400, "FAILED_PRECONDITION", "The File is not in an ACTIVE state.")),
    ("quota", "gateway", (400, "FAILED_PRECONDITION", "Please enable billing on project.")),
    ("permission", "gateway", (403, "PERMISSION_DENIED", "x", info("SERVICE_DISABLED"))),
    ("quota", "gateway", (403, "PERMISSION_DENIED", "x", info("BILLING_DISABLED"))),
    ("model_not_found", "gateway", (404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta")),
    (
        "model_not_found",
        "gateway",
        (404, "NOT_FOUND", "Publisher Model `projects/p/models/gemini-9` not found."),
    ),
    ("not_found", "gateway", (404, "NOT_FOUND", "CachedContent not found.")),
    ("conflict", "client", (409, "ABORTED")),
    ("rate_limit", "upstream", (429, "RESOURCE_EXHAUSTED", "Resource exhausted.")),
    (
        "rate_limit",
        "upstream",
        (429, "RESOURCE_EXHAUSTED", "Check your plan and billing.", PER_MINUTE, RETRY),
    ),
    ("quota", "gateway", (429, "RESOURCE_EXHAUSTED", "x", PER_DAY, RETRY)),
    ("quota", "gateway", (429, "RESOURCE_EXHAUSTED", "x", quota("PerMinute", quotaValue="0"))),
    ("quota", "gateway", (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted.")),
    ("quota", "gateway", (429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap.")),
    ("cancelled", "client", (499, "CANCELLED")),
    ("upstream", "upstream", (500, "INTERNAL", "An internal error has occurred.")),
    ("overloaded", "upstream", (503, "UNAVAILABLE", "The model is overloaded. Please try again later.")),
    ("timeout", "upstream", (504, "DEADLINE_EXCEEDED")),
]


@pytest.mark.parametrize(("kind", "blame", "said"), KINDS, ids=lambda value: str(value)[:40])
def test_kinds(kind: ir.Kind, blame: str, said: tuple[Any, ...]) -> None:
    fault = decoded(*said)
    assert (fault.kind, fault.blame, fault.status, fault.type) == (kind, blame, *said[:2])
    inside = fault_of(error(*said))
    assert (inside.kind, inside.status) == (kind, None)


@pytest.mark.parametrize("body", [[error(503, "UNAVAILABLE")], error(503, "UNAVAILABLE")])
def test_an_error_may_be_in_a_list(body: Any) -> None:
    assert fault_of(json.dumps(body).encode()).kind == "overloaded"
    assert decode_error(503, {}, json.dumps(body).encode()).message == "It failed."


def test_an_error_in_a_stream_may_state_a_word_alone() -> None:
    assert fault_of({"error": {"status": "DEADLINE_EXCEEDED", "message": "x"}}).kind == "timeout"
    assert fault_of({"error": {"message": "x"}}).kind == "upstream"


@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", b"[]", b"7", b'{"error": {"details": 7}}', b'{"error": 7}']
)
def test_a_body_that_says_nothing(body: bytes) -> None:
    assert decode_error(502, {}, body).kind == "upstream"


@pytest.mark.parametrize(
    ("message", "details", "headers", "seconds"),
    [
        ("x", [RETRY], {}, 37.0),
        ("x", [{**RETRY, "retryDelay": "34.4s"}], {}, 34.4),
        ("Please retry in 48.939935699s.", [], {}, 48.939935699),
        ("Please retry in 1h2m3.5s.", [], {}, 3723.5),
        ("Please retry in 850ms.", [], {}, 0.85),
        ("x", [RETRY], {"retry-after": "5"}, 5.0),
        ("x", [{**RETRY, "retryDelay": "soon"}], {}, None),
        ("x", [{**RETRY, "retryDelay": "1.2.3s"}], {}, None),
        ("x", [{**RETRY, "retryDelay": f"{'9' * 400}.0s"}], {}, None),
        ("x", [{**RETRY, "retryDelay": 37}], {}, None),
        ("Try again.", [], {}, None),
    ],
)
def test_when_to_come_back(
    message: str, details: list[Any], headers: dict[str, str], seconds: float | None
) -> None:
    body = json.dumps(error(429, "RESOURCE_EXHAUSTED", message, *details)).encode()
    assert decode_error(429, headers, body).retry_after == seconds


def test_the_field_at_fault() -> None:
    violations = {
        "@type": RPC + "BadRequest",
        "fieldViolations": [{"description": "x"}, {"field": "contents[0]"}],
    }
    assert decoded(400, "INVALID_ARGUMENT", "x", violations).param == "contents[0]"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ((429, "RESOURCE_EXHAUSTED"), "rate_limit_exceeded"),
        ((429, "RESOURCE_EXHAUSTED", "x", PER_DAY), "insufficient_quota"),
        ((400, "INVALID_ARGUMENT", TOO_LONG), "context_length_exceeded"),
        ((400, "INVALID_ARGUMENT", "x", info("UNSUPPORTED_THING")), "unsupported_thing"),
        ((400, "INVALID_ARGUMENT"), None),
    ],
)
def test_codes(said: tuple[Any, ...], code: str | None) -> None:
    assert decoded(*said).code == code


def test_credentials_and_accounts_stay_here() -> None:
    key = "AIza" + "Sy0123456789abcdefghijklmnopqrstu"
    details = (
        info("API_KEY_INVALID", metadata={"consumer": "projects/123456"}),
        {"@type": RPC + "DebugInfo", "detail": f"Invalid API key: {key}"},
        {"@type": RPC + "LocalizedMessage", "message": key},
        PER_DAY,
    )
    fault = decoded(400, "INVALID_ARGUMENT", f"API key not valid: {key}", *details)
    assert key not in fault.message
    assert fault.extra == {"gemini": {"details": [PER_DAY]}}
    assert key.encode() not in encode_error(fault, None)[2]


# --- Our face ------------------------------------------------------------------------------------


def encoded(fault: ir.Fault, request_id: str | None = None) -> tuple[int, dict[str, str], dict[str, Any]]:
    status, headers, body = encode_error(fault, request_id)
    value = json.loads(body)
    raised = official.APIError(status, value)
    assert (raised.code, raised.status) == (status, value["error"]["status"])
    # What most clients show of an error: the field that it is about belongs to it.
    shown: str = value["error"]["message"]
    assert raised.message == shown
    assert shown.endswith(fault.message)
    assert (fault.param or "") in shown
    return status, headers, value


STATUSES: dict[ir.Kind, tuple[int, str]] = {
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
    "upstream": (502, "INTERNAL"),
    "unavailable": (503, "UNAVAILABLE"),
    "not_implemented": (501, "UNIMPLEMENTED"),
    "internal": (500, "INTERNAL"),
}


@pytest.mark.parametrize("kind", get_args(ir.Kind))
def test_every_kind_is_read_back(kind: ir.Kind) -> None:
    fault = ir.Fault(kind, "It failed.", code="the_code", param="contents[0].parts", retry_after=2.5)
    status, headers, body = encoded(fault)
    assert (status, body["error"]["status"]) == STATUSES[kind]
    again = decode_error(status, headers, json.dumps(body).encode())
    assert (again.kind, again.message, again.code, again.param) == (
        kind,
        "It failed.",
        "the_code",
        "contents[0].parts",
    )
    inside = fault_of(body)
    assert (inside.kind, inside.code, inside.retry_after) == (kind, "the_code", 2.5)


def test_the_whole_error() -> None:
    fault = ir.Fault(
        "invalid_request", "must be a string", code="invalid_type", param="contents[0].parts[0].text"
    )
    assert encoded(fault, "req-1") == (
        400,
        {},
        {
            "error": {
                "code": 400,
                "message": "contents[0].parts[0].text: must be a string",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": RPC + "ErrorInfo",
                        "reason": "INVALID_TYPE",
                        "domain": "dragoman",
                        "metadata": {"kind": "invalid_request", "code": "invalid_type"},
                    },
                    {
                        "@type": RPC + "BadRequest",
                        "fieldViolations": [
                            {"field": "contents[0].parts[0].text", "description": "must be a string"}
                        ],
                    },
                    {"@type": RPC + "RequestInfo", "requestId": "req-1"},
                ],
            }
        },
    )


def test_a_message_that_names_its_field_names_it_once() -> None:
    fault = ir.Fault("invalid_request", "'contents' is required.", param="contents")
    _, _, body = encoded(fault)
    assert body["error"]["message"] == "'contents' is required."


def test_a_kind_that_is_not_a_text_decides_nothing() -> None:
    details = info("ANY", domain="dragoman", metadata={"kind": ["quota"]})
    assert decoded(429, "RESOURCE_EXHAUSTED", "x", details).kind == "rate_limit"


def test_no_code_is_no_code() -> None:
    _, _, body = encoded(ir.Fault("overloaded", "x"))
    assert body["error"]["details"][0]["reason"] == "OVERLOADED"
    assert fault_of(body).code is None


def test_delays() -> None:
    status, headers, body = encoded(ir.Fault("rate_limit", "x", retry_after=0.2))
    assert (status, headers) == (429, {"retry-after": "1"})
    assert body["error"]["details"][-1] == {"@type": RPC + "RetryInfo", "retryDelay": "0.2s"}
    assert encoded(ir.Fault("quota", "x"))[1] == {"x-should-retry": "false"}


def test_an_error_of_google_keeps_its_word_and_what_may_be_shown() -> None:
    fault = decoded(400, "FAILED_PRECONDITION", "The File is not in an ACTIVE state.", PER_MINUTE)
    status, _, body = encoded(fault)
    assert (status, body["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert PER_MINUTE in body["error"]["details"]


def test_another_dialects_type_is_no_word_of_ours() -> None:
    assert (
        encoded(ir.Fault("overloaded", "x", type="overloaded_error"))[2]["error"]["status"] == "UNAVAILABLE"
    )
