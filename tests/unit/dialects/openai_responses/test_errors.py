"""Errors: every form that they come in, and the face's own."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from dragoman.dialects.openai_responses.errors import decode_error, encode_error, error_event, fault_of
from dragoman.ir import STATUS, Fault, Kind


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "unsupported_value", "message": "no"}, "unsupported"),
        (400, {"code": "context_length_exceeded", "message": "no"}, "context_length"),
        (400, {"message": "Your input exceeds the context window of this model."}, "context_length"),
        (400, {"code": "model_not_found", "message": "no"}, "model_not_found"),
        (400, {"code": "previous_response_not_found", "message": "no"}, "not_found"),
        (400, {"type": "insufficient_quota", "message": "no"}, "quota"),
        (401, {"code": "invalid_api_key", "message": "no"}, "authentication"),
        (404, {"code": "DeploymentNotFound", "message": "no"}, "model_not_found"),
        (429, {"code": "rate_limit_exceeded", "message": "no"}, "rate_limit"),
        (429, {"message": "You exceeded your current quota"}, "quota"),
        (429, {"code": "slow_down", "message": "no"}, "rate_limit"),
        (500, {"code": "server_error", "message": "no"}, "upstream"),
        (503, {"message": "no"}, "overloaded"),
    ],
)
def test_status_first_then_codes_then_words(status: int, error: dict[str, Any], kind: Kind) -> None:
    fault = decode_error(status, {"retry-after": "3"}, json.dumps({"error": error}).encode())
    assert (fault.kind, fault.status, fault.retry_after) == (kind, status, 3.0)


FLAT = {
    "type": "error",
    "sequence_number": 4,
    "code": "server_is_overloaded",
    "message": "busy",
    "param": None,
}
NESTED = {
    "type": "error",
    "sequence_number": 4,
    "error": {"type": "server_error", **{k: FLAT[k] for k in ("code", "message")}},
}


@pytest.mark.parametrize("event", [FLAT, NESTED])
def test_events_are_flat_or_nested(event: dict[str, Any]) -> None:
    fault = fault_of(event)
    assert (fault.kind, fault.message, fault.code) == ("overloaded", "busy", "server_is_overloaded")
    assert fault.type != "error"


def test_a_sockets_event_states_its_status() -> None:
    fault = fault_of(
        {"type": "error", "status": 404, "error": {"code": "previous_response_not_found", "message": "m"}}
    )
    assert (fault.kind, fault.status) == ("not_found", 404)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_faces_own_errors_are_read_as_the_same_kind(kind: Kind) -> None:
    status, headers, body = encode_error(Fault(kind, "what happened", param="input"), "req-1")
    assert (status, headers["x-request-id"]) == (STATUS[kind], "req-1")
    error = json.loads(body)["error"]
    assert error.pop("error_id") == "req-1"
    assert error.keys() == {"message", "type", "param", "code"}
    assert decode_error(status, headers, body).kind == kind
    assert fault_of({"type": "error", **error_event(Fault(kind, "what happened"))}).kind == kind


def test_credentials_are_removed() -> None:
    _, _, body = encode_error(Fault("upstream", "key sk-abcdef1234567890 is bad"), None)
    assert b"sk-abcdef" not in body
