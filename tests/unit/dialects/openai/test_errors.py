"""Errors: every vendor's body as a fault, and a fault as our body."""

from __future__ import annotations

from typing import Any

import msgspec
import openai
import pytest

from dragoman import ir
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.table import DIALECTS


def fault(status: int, body: Any, **headers: str) -> ir.Fault:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return DIALECT.errors.decode(status, named, raw)


def error(message: str = "No.", **members: Any) -> dict[str, Any]:
    return {"error": {"message": message, **members}}


KINDS: list[tuple[int, Any, ir.Kind]] = [
    # The status alone
    (400, error(), "invalid_request"),
    (401, error(), "authentication"),
    (402, error(), "quota"),
    (403, error(), "permission"),
    (404, error(), "not_found"),
    (408, b"upstream request timeout", "timeout"),
    (413, b"length limit exceeded", "too_large"),
    (422, b"Failed to deserialize", "invalid_request"),
    (429, error(code="RateLimitReached"), "rate_limit"),
    (498, error(code="capacity_exceeded"), "overloaded"),
    (500, error(), "upstream"),
    (502, b"<html><body>Bad gateway</body></html>", "upstream"),
    (503, error(), "overloaded"),
    (504, b"", "timeout"),
    (524, b"", "timeout"),
    (529, error(), "overloaded"),
    # The body's code
    (400, error(code="unsupported_parameter"), "unsupported"),
    (400, error(code="context_length_exceeded"), "context_length"),
    (400, error(code="content_filter"), "content_policy"),
    (400, error(code="invalid_prompt"), "content_policy"),
    (400, error(code="data_inspection_failed"), "content_policy"),
    (400, error(code="Arrearage"), "quota"),
    (400, error(code="invalid_api_key"), "authentication"),
    (400, error(type="exceed_context_size_error", code=400), "context_length"),
    (404, error(code="model_not_found"), "model_not_found"),
    (404, error(code="DeploymentNotFound"), "model_not_found"),
    (429, error(code="insufficient_quota", type="insufficient_quota"), "quota"),
    (429, error(code="credit_balance_exhausted"), "quota"),
    (429, error(code="slow_down"), "rate_limit"),
    (429, {"error": {"message": "No.", "error_type": "x", "type": "dynamic_request_limited"}}, "overloaded"),
    (500, error(type="server_error"), "upstream"),
    (403, error(metadata={"error_type": "content_policy_violation"}), "content_policy"),
    (400, error(metadata={"error_type": "max_tokens_exceeded"}), "context_length"),
    (502, error(metadata={"error_type": "provider_overloaded"}), "overloaded"),
    # A code never turns a status into another family
    (401, error(code="invalid_request_error", type="authentication_error"), "authentication"),
    (401, error(code="model_not_found"), "authentication"),
    (429, error(code="context_length_exceeded"), "rate_limit"),
    (500, error(code="invalid_api_key"), "upstream"),
    # The message, where the status says too little
    (400, error("This model's maximum context length is 65536 tokens."), "context_length"),
    (400, error("Range of input length should be [1, 30720]"), "context_length"),
    (413, error("Please reduce the length of the messages or completion."), "context_length"),
    (422, error("Inputs tokens + max_new_tokens must be <= 8193"), "context_length"),
    (
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: x"},
        "authentication",
    ),
    (429, error("You have used all available credits or reached its monthly spending limit."), "quota"),
    (500, error("maximum context length is 5"), "upstream"),
]


@pytest.mark.parametrize(("status", "body", "kind"), KINDS)
def test_a_failure_is_classified_by_status_then_code_then_words(
    status: int, body: Any, kind: ir.Kind
) -> None:
    found = fault(status, body)
    assert (found.kind, found.status) == (kind, status)


BODIES: list[tuple[Any, str]] = [
    (error("No."), "No."),
    ([error("No.")], "No."),
    ({"error": "No."}, "No."),
    ({"message": "No.", "type": "too_many_requests_error", "code": "request_quota_exceeded"}, "No."),
    ({"object": "error", "message": "No.", "code": 400}, "No."),
    ({"detail": "No."}, "No."),
    ({"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, "body.model: field required"),
    ("No.", "No."),
    (b"<html><style>x</style><h1>Bad gateway</h1></html>", "Bad gateway"),
    (b"", "The provider answered with status 500."),
    (
        error("Provider returned error", metadata={"raw": '{"error":{"message":"Too long."}}'}),
        "Provider returned error: Too long.",
    ),
    (error("Provider returned error", metadata={"raw": "Slow down."}), "Provider returned error: Slow down."),
]


@pytest.mark.parametrize(("body", "message"), BODIES)
def test_every_vendors_body_is_read(body: Any, message: str) -> None:
    assert fault(500, body).message == message


def test_what_the_error_states_is_kept() -> None:
    body = error(code="tool_use_failed", type="invalid_request_error", param="tools", failed_generation="{")
    assert fault(400, body) == ir.Fault(
        "invalid_request",
        "No.",
        code="tool_use_failed",
        param="tools",
        type="invalid_request_error",
        status=400,
        blame="client",
        extra={"openai_chat": {"failed_generation": "{"}},
    )


@pytest.mark.parametrize("code", [429, "429", None])
def test_a_number_is_no_code(code: Any) -> None:
    assert fault(429, error(code=code)).code is None


@pytest.mark.parametrize(
    ("kind", "blame"),
    [(400, "client"), (401, "gateway"), (404, "gateway"), (429, "upstream"), (500, "upstream")],
)
def test_who_has_to_mend_it(kind: int, blame: str) -> None:
    assert fault(kind, error()).blame == blame


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry_after": "-1"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert fault(429, error(), **headers).retry_after == seconds


def test_a_delay_in_the_body_counts_where_no_header_states_one() -> None:
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
    body = [error(details=["odd", {"retryDelay": "soon"}, {"retryDelay": 5}, delay])]
    assert fault(429, body).retry_after == 37.5
    assert fault(429, body, retry_after="2").retry_after == 2.0


def test_no_credential_passes() -> None:
    found = fault(401, error("Incorrect API key provided: sk-abcdef1234567890abcdef."))
    assert "abcdef" not in found.message
    _, _, body = DIALECT.errors.encode(ir.Fault("internal", "key sk-abcdef1234567890abcdef"), None)
    assert b"abcdef" not in body


# --- Inside an answer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (error(code=429), "rate_limit", 429),
        (error(code="503"), "overloaded", 503),
        (error(status_code=400), "invalid_request", 400),
        ({**error(), "status_code": 413}, "too_large", 413),
        (error(code=200), "upstream", None),
        (error(code="context_length_exceeded"), "context_length", None),
        (error(type="invalid_request_error"), "invalid_request", None),
        (error(type="invalid_request_error", code="tool_use_failed"), "invalid_request", None),
        (error("maximum context length is 5", type="invalid_request_error"), "context_length", None),
        (error(), "upstream", None),
    ],
)
def test_a_number_in_the_body_is_the_status_where_there_is_none(
    body: dict[str, Any], kind: ir.Kind, status: int | None
) -> None:
    found = fault_of(body)
    assert (found.kind, found.status) == (kind, status)


@pytest.mark.parametrize(
    "body",
    [{"choices": []}, {"choices": None, "usage": {}, "message": "x"}, {"error": None, "choices": [{}]}, {}],
)
def test_an_answer_is_no_failure(body: dict[str, Any]) -> None:
    assert failure(body) is None


# --- Our face ------------------------------------------------------------------------------------

FACE: list[tuple[ir.Fault, int, str, str | None]] = [
    (ir.Fault("invalid_request", "No."), 400, "invalid_request_error", None),
    (ir.Fault("invalid_request", "No.", code="invalid_type"), 400, "invalid_request_error", "invalid_type"),
    (ir.Fault("context_length", "No."), 400, "invalid_request_error", "context_length_exceeded"),
    (ir.Fault("authentication", "No."), 401, "invalid_request_error", "invalid_api_key"),
    (ir.Fault("permission", "No."), 403, "permission_error", "insufficient_permissions"),
    (ir.Fault("model_not_found", "No."), 404, "invalid_request_error", "model_not_found"),
    (ir.Fault("rate_limit", "No."), 429, "rate_limit_error", "rate_limit_exceeded"),
    (ir.Fault("quota", "No."), 429, "insufficient_quota", "insufficient_quota"),
    (ir.Fault("overloaded", "No.", status=529), 503, "service_unavailable_error", "server_is_overloaded"),
    (ir.Fault("upstream", "No."), 502, "server_error", "upstream_error"),
    (ir.Fault("timeout", "No."), 504, "server_error", "timeout"),
    (ir.Fault("internal", "No."), 500, "server_error", "internal_error"),
    # A code that says another kind would be read as that kind
    (ir.Fault("upstream", "No.", code="invalid_api_key"), 502, "server_error", "upstream_error"),
]


@pytest.mark.parametrize(("found", "status", "kind", "code"), FACE)
def test_a_fault_is_told_in_openais_envelope(
    found: ir.Fault, status: int, kind: str, code: str | None
) -> None:
    told, _, body = DIALECT.errors.encode(found, None)
    assert told == status
    assert msgspec.json.decode(body) == {
        "error": {"message": "No.", "type": kind, "param": None, "code": code}
    }


def test_headers_tell_clients_when_to_try_again() -> None:
    _, headers, _ = DIALECT.errors.encode(ir.Fault("rate_limit", "No.", retry_after=0.2), "req-1")
    assert headers == {"x-request-id": "req-1", "retry-after": "1"}
    _, headers, _ = DIALECT.errors.encode(ir.Fault("quota", "No."), None)
    assert headers == {"x-should-retry": "false"}


@pytest.mark.parametrize("face", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize("asked", ["openai_chat", "openai_responses"])
def test_what_clients_read_beside_the_message_passes(face: str, asked: str) -> None:
    kept = {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "metadata": {"raw": "x"}}
    found = ir.Fault("content_policy", "No.", extra={asked: kept, "elsewhere": {"odd": 1}})
    told = msgspec.json.decode(DIALECTS[face].errors.encode(found, None)[2])["error"]
    assert told["innererror"] == kept["innererror"]
    assert told.keys() == {"message", "type", "param", "code", "innererror"}


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("invalid_request", openai.BadRequestError),
        ("authentication", openai.AuthenticationError),
        ("permission", openai.PermissionDeniedError),
        ("model_not_found", openai.NotFoundError),
        ("conflict", openai.ConflictError),
        ("rate_limit", openai.RateLimitError),
        ("upstream", openai.InternalServerError),
        ("overloaded", openai.InternalServerError),
    ],
)
def test_the_official_client_has_a_class_for_the_status(
    kind: ir.Kind, raised: type[openai.APIStatusError]
) -> None:
    status, _, _ = DIALECT.errors.encode(ir.Fault(kind, "No."), None)
    assert (getattr(raised, "status_code", None) or 500) == min(status, 500)


def test_a_delay_that_is_no_number_is_none() -> None:
    for odd in ("s", "nans", "infs", "-5s"):
        assert fault(429, error(details=[{"retryDelay": odd}])).retry_after is None
