"""Mistral's errors, in all their shapes, and the errors of our face."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.mistral import DIALECT
from dragoman.dialects.mistral.errors import fault_of

ORDER = "Unexpected role 'user' after role 'tool'"
WINDOW = (
    "Prompt contains 40123 tokens and 0 draft tokens, too large for model with 32768 maximum context length"
)
CAPACITY = "Service tier capacity exceeded for this model."


def error(message: Any, type: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": type, "param": None, "code": code}


def decode(status: int, body: Any, **headers: str) -> ir.Fault:
    return DIALECT.errors.decode(status, headers, msgspec.json.encode(body))


FAULTS: list[tuple[int, dict[str, Any], ir.Kind, str]] = [
    (400, error(ORDER, "invalid_request_message_order", "3230"), "invalid_request", "client"),
    (400, error("Bad id.", "invalid_function_call", "3280"), "invalid_request", "client"),
    (400, error("Invalid model: x", "invalid_model", "1500"), "model_not_found", "gateway"),
    (400, error("Invalid model: x"), "model_not_found", "gateway"),
    (404, error("No such model.", "invalid_model"), "model_not_found", "gateway"),
    (400, error(WINDOW, "invalid_request_error", "3051"), "context_length", "client"),
    (422, error({"detail": [{"loc": ["body", "store"], "msg": "Extra"}]}), "invalid_request", "client"),
    (401, {"detail": "Unauthorized"}, "authentication", "gateway"),
    (401, {"message": "Unauthorized"}, "authentication", "gateway"),
    (402, {"message": "Pay."}, "quota", "gateway"),
    (403, error("Not you."), "permission", "gateway"),
    (429, error("Rate limit exceeded", "rate_limited", "1300"), "rate_limit", "upstream"),
    (429, {"message": "Requests rate limit exceeded"}, "rate_limit", "upstream"),
    (429, error(CAPACITY, "invalid_request_error"), "overloaded", "upstream"),
    (429, error("Full.", "service_tier_capacity_exceeded", "3505"), "overloaded", "upstream"),
    (503, error(CAPACITY), "overloaded", "upstream"),
    (500, error("Service unavailable.", "internal_server_error", "1000"), "upstream", "upstream"),
    (504, {}, "timeout", "upstream"),
]


@pytest.mark.parametrize(("status", "body", "kind", "blame"), FAULTS)
def test_what_mistral_answers(status: int, body: dict[str, Any], kind: str, blame: str) -> None:
    fault = decode(status, body)
    assert (fault.kind, fault.blame, fault.status) == (kind, blame, status)


def test_numbers_of_errors_are_kept_for_its_own_clients() -> None:
    fault = decode(400, error(ORDER, "invalid_request_message_order", "3230"))
    assert (fault.code, fault.type, fault.extra) == (
        None,
        "invalid_request_message_order",
        {"mistral": {"code": "3230"}},
    )
    status, _, body = DIALECT.errors.encode(fault, None)
    assert (status, msgspec.json.decode(body)) == (400, error(ORDER, "invalid_request_message_order", "3230"))


def test_a_validation_error_names_its_place() -> None:
    detail = {
        "detail": [{"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required"}]
    }
    fault = decode(422, detail)
    assert (fault.param, fault.message) == ("messages[0].content", "body.messages.0.content: Field required")
    assert decode(422, {"detail": []}).param is None
    assert decode(422, {"detail": ["x"]}).param is None


def test_how_long_to_wait() -> None:
    fault = decode(429, error("Rate limit exceeded"), **{"retry-after": "7"})
    assert fault.retry_after == 7
    assert DIALECT.errors.encode(fault, "r-1")[1] == {"x-request-id": "r-1", "retry-after": "7"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (error("Rate limit exceeded", "rate_limited", "1300"), "rate_limit"),
        (error("x", "invalid_request_message_order", "3230"), "invalid_request"),
        (error("Service unavailable.", "internal_server_error", "1000"), "upstream"),
        (error(CAPACITY), "overloaded"),
        (error(WINDOW, "invalid_request_error"), "context_length"),
        (error("Something."), "upstream"),
        ({**error("Gone."), "raw_status_code": 503}, "overloaded"),
        ({**error("Gone."), "raw_status_code": "503"}, "upstream"),
        ({"error": {"message": "Overloaded", "type": "overloaded_error"}}, "overloaded"),
    ],
)
def test_errors_inside_an_answer(body: dict[str, Any], kind: str) -> None:
    assert fault_of(body).kind == kind


@pytest.mark.parametrize("kind", ir.STATUS)
def test_every_kind_reads_back_as_itself(kind: ir.Kind) -> None:
    status, headers, body = DIALECT.errors.encode(ir.Fault(kind, "Words."), None)
    again = DIALECT.errors.decode(status, headers, body)
    assert (status, again.kind, again.message) == (ir.STATUS[kind], kind, "Words.")


@pytest.mark.parametrize(
    ("kind", "type", "code"),
    [
        ("rate_limit", "rate_limited", "1300"),
        ("overloaded", "service_tier_capacity_exceeded", "3505"),
        ("model_not_found", "invalid_model", "1500"),
        ("authentication", "invalid_request_error", "invalid_api_key"),
        ("context_length", "invalid_request_error", "context_length_exceeded"),
    ],
)
def test_our_words(kind: ir.Kind, type: str, code: str) -> None:
    _, _, body = DIALECT.errors.encode(ir.Fault(kind, "Words.", param="messages"), None)
    assert msgspec.json.decode(body) == {
        "object": "error",
        "message": "Words.",
        "type": type,
        "param": "messages",
        "code": code,
    }


def test_credentials_are_cut_out() -> None:
    _, _, body = DIALECT.errors.encode(ir.Fault("authentication", "Bad key sk-abcdef123456."), None)
    assert b"abcdef123456" not in body
