"""Errors, both ways."""

from __future__ import annotations

import json

import pytest

from dragoman import ir
from dragoman.dialects.cohere.errors import decode_error, encode_error
from dragoman.ir import STATUS, Kind


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "invalid api token", "authentication"),
        (402, "Please add or update your payment method", "quota"),
        (404, "model 'x' not found, make sure the correct model ID was used", "model_not_found"),
        (400, "too many tokens: size limit exceeded by 9 tokens.", "context_length"),
        (422, "unknown field: parameter 'x' is not a valid field", "invalid_request"),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month", "quota"),
        (429, "You are past the per minute request limit", "rate_limit"),
        (498, "blocked input", "content_policy"),
        (499, "request cancelled", "cancelled"),
        (503, "service unavailable", "overloaded"),
    ],
)
def test_kinds(status: int, message: str, kind: Kind) -> None:
    fault = decode_error(status, {}, json.dumps({"message": message, "id": "e"}).encode())
    assert (fault.kind, fault.message, fault.status) == (kind, message, status)


def test_a_word_for_the_kind() -> None:
    body = b'{"error_type": "TOO_MANY_TOKENS", "id": "e", "message": "no"}'
    fault = decode_error(400, {"retry-after": "3"}, body)
    assert (fault.kind, fault.type, fault.retry_after) == ("context_length", "TOO_MANY_TOKENS", 3)
    assert json.loads(encode_error(fault, None)[2]) == {"message": "no", "error_type": "TOO_MANY_TOKENS"}


@pytest.mark.parametrize("kind", STATUS)
def test_every_kind_comes_back(kind: Kind) -> None:
    status, headers, body = encode_error(ir.Fault(kind, "what went wrong"), "request-1")
    assert decode_error(status, headers, body).kind == kind
    assert headers["x-request-id"] == "request-1"
