"""Errors in Azure's form: OpenAI's members, with Azure's codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.dialects.openai.azure import ERRORS
from dragoman.ir import Fault


def told(fault: Fault) -> tuple[int, dict[str, Any]]:
    status, headers, body = ERRORS.encode(fault, "req_1")
    assert headers["x-request-id"] == "req_1"
    error: dict[str, Any] = json.loads(body)["error"]
    assert error.pop("error_id") == "req_1"
    return status, error


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("model_not_found", "No.", code="model_not_found"), 404, "DeploymentNotFound"),
        (Fault("authentication", "No.", code="invalid_api_key"), 401, "401"),
        (Fault("rate_limit", "No.", code="requests_per_minute", retry_after=2.0), 429, "429"),
        (Fault("invalid_request", "No.", code="invalid_value", param="n"), 400, "invalid_value"),
        (Fault("context_length", "No."), 400, "context_length_exceeded"),
    ],
)
def test_codes(fault: Fault, status: int, code: str) -> None:
    seen, error = told(fault)
    assert (seen, error["code"]) == (status, code)
    assert (error["message"], error["param"]) == ("No.", fault.param)
    assert error.keys() == {"message", "type", "param", "code"}


def test_the_wait_is_told() -> None:
    _, headers, _ = ERRORS.encode(Fault("rate_limit", "No.", retry_after=2.0), None)
    assert headers["retry-after"] == "2"


def test_the_filter_says_what_it_found_or_that_it_filtered() -> None:
    found = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
    status, error = told(Fault("content_policy", "No.", extra={"openai_chat": {"innererror": found}}))
    assert (status, error["status"], error["code"]) == (400, 400, "content_filter")
    assert error["innererror"] == found
    _, error = told(Fault("content_policy", "No."))
    assert error["innererror"] == {"code": "ResponsibleAIPolicyViolation"}


def test_azures_own_errors_are_read() -> None:
    body = b'{"error":{"code":"DeploymentNotFound","message":"The API deployment does not exist."}}'
    assert ERRORS.decode(404, {}, body).kind == "model_not_found"
    body = b'{"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."}'
    fault = ERRORS.decode(401, {}, body)
    assert (fault.kind, fault.message) == (
        "authentication",
        "Unauthorized. Access token is missing or invalid.",
    )
