"""Errors: the exception's name decides; vague ones are told apart by their words."""

from __future__ import annotations

import json

import pytest

from dragoman.dialects.bedrock.errors import decode_error, encode_error, exception_of, fault_of
from dragoman.ir import STATUS, Fault, Kind


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (400, "ValidationException", "The provided model identifier is invalid.", "model_not_found"),
        (400, "ValidationException", "Input is too long for requested model.", "context_length"),
        (400, "ValidationException", "Something is wrong.", "invalid_request"),
        (400, "ServiceQuotaExceededException", "No more.", "quota"),
        (403, "AccessDeniedException", "You don't have access to the model.", "permission"),
        (403, "UnrecognizedClientException", "The security token is invalid.", "authentication"),
        (403, "", "The security token included in the request is expired", "authentication"),
        (
            404,
            "ResourceNotFoundException",
            "This model version has reached the end of its life.",
            "model_not_found",
        ),
        (
            400,
            "ValidationException",
            "messages.1: Invalid `signature` in `thinking` block",
            "invalid_request",
        ),
        (403, "", "The request signature we calculated does not match", "authentication"),
        (403, "AccessDeniedException", "Authentication failed: your API Key is invalid.", "authentication"),
        (403, "", "Bearer Token has expired", "authentication"),
        (429, "ThrottlingException", "Too many tokens per day, please wait.", "quota"),
        (408, "ModelTimeoutException", "Too slow.", "timeout"),
        (424, "ModelErrorException", "The model failed.", "upstream"),
        (429, "ThrottlingException", "Too many requests.", "rate_limit"),
        (429, "ModelNotReadyException", "Not yet.", "overloaded"),
        (503, "ServiceUnavailableException", "Busy.", "overloaded"),
        (500, "", "Oh.", "upstream"),
    ],
)
def test_kinds(status: int, name: str, message: str, kind: str) -> None:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/"} if name else {}
    fault = decode_error(status, headers, json.dumps({"message": message}).encode())
    assert (fault.kind, fault.message, fault.type, fault.status) == (kind, message, name or None, status)


@pytest.mark.parametrize(
    ("original", "message", "kind"),
    [
        (400, "Bad sequence.", "upstream"),
        (400, "prompt is too long: 9 tokens > 8 maximum", "context_length"),
        (400, "This model's maximum context length is 8 tokens.", "context_length"),
        (408, "Slow.", "timeout"),
        (429, "Too many.", "rate_limit"),
        (429, "Too many tokens per day.", "quota"),
        (500, "Oh.", "upstream"),
        (529, "Overloaded", "overloaded"),
        ("?", "Odd.", "upstream"),
        ([], "Odd.", "upstream"),
    ],
)
def test_the_status_of_the_model_behind_the_api(original: object, message: str, kind: str) -> None:
    told = {"message": message, "originalStatusCode": original}
    whole = decode_error(424, {"x-amzn-errortype": "ModelErrorException"}, json.dumps(told).encode())
    assert (whole.kind, whole.status) == (kind, 424)
    assert fault_of({**told, "type": "modelStreamErrorException"}).kind == kind


def test_other_spellings() -> None:
    fault = decode_error(400, {}, b'{"__type":"com.amazon#ThrottlingException","Message":"Slow down"}')
    assert (fault.kind, fault.type, fault.message) == ("rate_limit", "ThrottlingException", "Slow down")
    assert decode_error(502, {}, b"<html>Bad gateway</html>").kind == "upstream"


def test_an_exception_of_a_stream() -> None:
    frame = {"type": "modelStreamErrorException", "message": "It broke.", "originalStatusCode": 500}
    fault = fault_of(frame)
    assert (fault.kind, fault.status, fault.extra) == (
        "upstream",
        500,
        {"bedrock": {"originalStatusCode": 500}},
    )


def test_faults_for_clients() -> None:
    status, headers, body = encode_error(Fault("rate_limit", "Slow down", param="messages"), "req-1")
    assert status == 429
    assert headers == {"x-amzn-errortype": "ThrottlingException", "x-amzn-requestid": "req-1"}
    assert json.loads(body) == {"message": "Slow down", "param": "messages", "error_id": "req-1"}
    assert exception_of(Fault("upstream", "It broke"))[0] == "modelStreamErrorException"
    assert exception_of(Fault("invalid_request", "Odd")) == ("validationException", b'{"message":"Odd"}')


@pytest.mark.parametrize("kind", STATUS)
def test_a_clients_gateway_knows_the_kind_again(kind: Kind) -> None:
    """Bedrock has fewer exceptions than there are kinds; the kind that they do not show is a member."""
    before = Fault(kind, "What went wrong.", param="messages[0]")
    after = decode_error(*encode_error(before, None))
    assert (after.kind, after.message, after.param) == (kind, "What went wrong.", "messages[0]")
