"""Errors of Anthropic and its imitators as faults, and faults in Anthropic's words."""

from __future__ import annotations

from typing import Any, get_args

import httpx2
import msgspec
import pytest
from anthropic import Anthropic, APIStatusError

from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.anthropic.errors import broken, error_body, fault_of
from dragoman.ir import Fault, Kind


def decoded(status: int, body: Any, headers: dict[str, str] | None = None) -> Fault:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return DIALECT.errors.decode(status, headers or {}, raw)


def error(kind: str, message: str, **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "blame"),
    [
        (400, error("invalid_request_error", "messages: at least one"), "invalid_request", None, "client"),
        (
            400,
            error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            "context_length",
            "context_length_exceeded",
            "client",
        ),
        (
            400,
            error("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
            "context_length",
            "context_length_exceeded",
            "client",
        ),
        (
            400,
            error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
            "quota",
            "insufficient_quota",
            "gateway",
        ),
        (
            400,
            error("invalid_request_error", "You have reached your specified API usage limits."),
            "quota",
            "insufficient_quota",
            "gateway",
        ),
        (
            401,
            error("authentication_error", "invalid x-api-key"),
            "authentication",
            "invalid_api_key",
            "gateway",
        ),
        (
            422,
            error("invalid_request_error", "prompt is too long"),
            "context_length",
            "context_length_exceeded",
            "client",
        ),
        (402, error("billing_error", "Pay."), "quota", "insufficient_quota", "gateway"),
        (403, error("permission_error", "No."), "permission", None, "gateway"),
        (404, error("not_found_error", "model: claude-9"), "model_not_found", "model_not_found", "gateway"),
        (404, error("not_found_error", "file gone"), "not_found", None, "gateway"),
        (408, error("timeout_error", "slow"), "timeout", None, "upstream"),
        (409, error("conflict_error", "x"), "conflict", None, "client"),
        (413, error("request_too_large", "32 MB"), "too_large", None, "client"),
        (
            413,
            error("request_too_large", "Prompt is too long"),
            "context_length",
            "context_length_exceeded",
            "client",
        ),
        (429, error("rate_limit_error", "slow down"), "rate_limit", "rate_limit_exceeded", "upstream"),
        (
            429,
            error("rate_limit_error", "spent", details={"error_code": "enforced_spend_limit_reached"}),
            "quota",
            "insufficient_quota",
            "gateway",
        ),
        (
            429,
            error("rate_limit_error", "Extra usage is required for long context requests"),
            "quota",
            "insufficient_quota",
            "gateway",
        ),
        (500, error("api_error", "Internal"), "upstream", None, "upstream"),
        (504, error("timeout_error", "slow"), "timeout", None, "upstream"),
        (529, error("overloaded_error", "Overloaded"), "overloaded", "server_is_overloaded", "upstream"),
        # The status decides, whatever words the body echoes.
        (500, error("api_error", "prompt is too long"), "upstream", None, "upstream"),
        (
            429,
            error("rate_limit_error", "credit balance is too low"),
            "rate_limit",
            "rate_limit_exceeded",
            "upstream",
        ),
        # Imitators and proxies.
        (401, {"error": "Unauthorized"}, "authentication", "invalid_api_key", "gateway"),
        (404, {"detail": "Not Found"}, "not_found", None, "gateway"),
        (502, b"<html><h1>Bad Gateway</h1></html>", "upstream", None, "upstream"),
        (503, b"", "overloaded", "server_is_overloaded", "upstream"),
        (418, b"{}", "invalid_request", None, "client"),
        (400, {"error": {"message": "x", "code": 1210}}, "invalid_request", "1210", "client"),
        (
            400,
            {"error": {"code": 400, "type": "exceed_context_size_error", "message": "x", "n_ctx": 8}},
            "context_length",
            "context_length_exceeded",
            "client",
        ),
    ],
)
def test_an_error_answer_is_a_fault(status: int, body: Any, kind: Kind, code: str | None, blame: str) -> None:
    fault = decoded(status, body)
    assert (fault.kind, fault.code, fault.blame, fault.status) == (kind, code, blame, status)
    assert fault.message


def test_what_an_error_says_besides() -> None:
    fault = decoded(
        429,
        {
            **error("rate_limit_error", "slow", details={"error_code": "ramp_limit_exceeded"}),
            "request_id": "req_1",
        },
        {"Retry-After": "7"},
    )
    assert fault == Fault(
        "rate_limit",
        "slow",
        code="rate_limit_exceeded",
        type="rate_limit_error",
        status=429,
        retry_after=7.0,
        blame="upstream",
        extra={"anthropic": {"details": {"error_code": "ramp_limit_exceeded"}, "request_id": "req_1"}},
    )


def test_credentials_and_accounts_are_cut_out() -> None:
    said = "key sk-ant-api03-AAAA1111bbbb is over the limit (org: 0137b15c-16bf-490d-9f90-8cfd7e325ec0)"
    assert decoded(429, error("rate_limit_error", said)).message == (
        "key [redacted] is over the limit (org: [redacted])"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (error("overloaded_error", "Overloaded"), "overloaded"),
        (error("invalid_request_error", "prompt is too long: 1 > 0"), "context_length"),
        (error("unheard_of", "x"), "upstream"),
        (error("BadRequestError", "This model's maximum context length is 8 tokens."), "context_length"),
        ({"error": "x"}, "upstream"),
        (b"no JSON", "upstream"),
    ],
)
def test_inside_a_stream_the_type_decides(value: Any, kind: Kind) -> None:
    fault = fault_of(value)
    assert (fault.kind, fault.status) == (kind, None)


OWN = [
    (400, error("invalid_request_error", "messages: at least one message is required")),
    (400, error("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")),
    (400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
    (401, error("authentication_error", "invalid x-api-key")),
    (404, error("not_found_error", "model: claude-9")),
    (429, error("rate_limit_error", "spent", details={"error_code": "contract_spend_limit_reached"})),
    (500, error("api_error", "Internal")),
    (529, error("overloaded_error", "Overloaded")),
]


@pytest.mark.parametrize(("status", "body"), OWN)
def test_an_own_error_comes_back_as_it_was(status: int, body: dict[str, Any]) -> None:
    again, _, raw = DIALECT.errors.encode(decoded(status, {**body, "request_id": "req_1"}), "req_1")
    assert (again, msgspec.json.decode(raw)) == (status, {**body, "request_id": "req_1"})


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("invalid_request", 400, "invalid_request_error"),
        ("unsupported", 400, "invalid_request_error"),
        ("untranslatable", 400, "invalid_request_error"),
        ("context_length", 400, "invalid_request_error"),
        ("content_policy", 400, "invalid_request_error"),
        ("authentication", 401, "authentication_error"),
        ("permission", 403, "permission_error"),
        ("quota", 402, "billing_error"),
        ("not_found", 404, "not_found_error"),
        ("model_not_found", 404, "not_found_error"),
        ("method_not_allowed", 405, "invalid_request_error"),
        ("conflict", 409, "conflict_error"),
        ("too_large", 413, "request_too_large"),
        ("media_type", 415, "invalid_request_error"),
        ("rate_limit", 429, "rate_limit_error"),
        ("overloaded", 529, "overloaded_error"),
        ("timeout", 504, "timeout_error"),
        ("cancelled", 499, "api_error"),
        ("upstream", 502, "api_error"),
        ("unavailable", 503, "api_error"),
        ("not_implemented", 501, "api_error"),
        ("internal", 500, "api_error"),
    ],
)
def test_every_kind_has_a_status_and_a_type_and_is_read_back(kind: Kind, status: int, type_: str) -> None:
    fault = Fault(kind, "It is so.")
    got, _, body = DIALECT.errors.encode(fault, None)
    assert (got, msgspec.json.decode(body)["error"]["type"]) == (status, type_)
    again = DIALECT.errors.decode(got, {}, body)
    assert (again.kind, again.message) == (kind, "It is so.")


def test_no_kind_was_forgotten() -> None:
    assert {DIALECT.errors.encode(Fault(kind, "x"), None)[0] // 100 for kind in get_args(Kind)} == {4, 5}


def test_another_provider_s_status_is_shown_only_where_the_type_agrees() -> None:
    assert (
        DIALECT.errors.encode(Fault("authentication", "x", type="invalid_request_error", status=401), None)[0]
        == 401
    )
    body = error_body(Fault("authentication", "x", type="invalid_request_error", status=401))
    assert body["error"]["type"] == "authentication_error"
    masked = Fault("upstream", "x", type="authentication_error", status=401)
    assert DIALECT.errors.encode(masked, None)[0] == 502
    assert (
        DIALECT.errors.encode(Fault("overloaded", "x", type="overloaded_error", status=503), None)[0] == 503
    )


def test_clients_find_the_words_they_look_for() -> None:
    fault = Fault("context_length", "This model's maximum context length is 8192 tokens.", param="messages")
    _, _, body = DIALECT.errors.encode(fault, None)
    message = msgspec.json.decode(body)["error"]["message"]
    assert message == ("messages: This model's maximum context length is 8192 tokens. (prompt is too long)")
    again = DIALECT.errors.decode(400, {}, body)
    assert (again.kind, again.message, again.param) == (fault.kind, fault.message, "messages")


def test_a_mistake_names_its_place() -> None:
    body = error_body(Fault("invalid_request", "must be a string", param="messages[0].content"))
    assert body["error"] == {
        "type": "invalid_request_error",
        "message": "messages[0].content: must be a string",
        "param": "messages[0].content",
    }


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        (Fault("rate_limit", "x", retry_after=0.2), {"retry-after": "1"}),
        (Fault("rate_limit", "x", retry_after=61.4), {"retry-after": "62"}),
        (Fault("rate_limit", "x"), {}),
        (Fault("quota", "x"), {"x-should-retry": "false"}),
    ],
)
def test_headers_tell_clients_what_to_do(fault: Fault, headers: dict[str, str]) -> None:
    assert DIALECT.errors.encode(fault, None)[1] == headers
    assert DIALECT.errors.encode(fault, "req_9")[1] == {"request-id": "req_9", **headers}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_official_client_raises_its_class(kind: Kind) -> None:
    status, headers, body = DIALECT.errors.encode(Fault(kind, "It is so."), "req_9")
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(
            status, headers={**headers, "content-type": "application/json"}, content=body
        )
    )
    client = Anthropic(
        api_key="k", base_url="http://test", max_retries=0, http_client=httpx2.Client(transport=transport)
    )
    with pytest.raises(APIStatusError) as caught:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.status_code == status
    assert caught.value.request_id == "req_9"
    assert "It is so." in str(caught.value)
    client.close()


def test_a_broken_stream_is_the_upstream_s() -> None:
    fault = broken("It ended.")
    assert (fault.code, fault.blame) == ("stream_broken", "upstream")
    assert fault_of(error_body(fault)) == msgspec.structs.replace(fault, code=None)  # there are no codes


def test_a_message_without_a_param_keeps_its_beginning() -> None:
    assert decoded(400, error("invalid_request_error", "None: not a model")).message == "None: not a model"


def test_details_beside_another_gateways_word_are_kept() -> None:
    details = {"error_code": "model_not_found", "unsupported": ["m"]}
    fault = decoded(404, error("not_found_error", "no such model", details=details))
    assert (fault.kind, fault.extra) == ("model_not_found", {"anthropic": {"details": details}})
    assert error_body(fault)["error"]["details"] == details
    bare = decoded(404, error("not_found_error", "no", details={"error_code": "model_not_found"}))
    assert bare.extra is None
