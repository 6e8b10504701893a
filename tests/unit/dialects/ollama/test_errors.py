"""Errors: what a kind is told as, and what is read from it."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from dragoman.dialects.ollama.errors import decode_error, encode_error, error_members, fault_of
from dragoman.ir import STATUS, Fault, Kind


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (404, "model 'x:1b' not found", "model_not_found"),
        (404, 'model "x" not found, try pulling it first', "model_not_found"),
        (404, "page not found", "not_found"),
        (400, '"llama3" does not support thinking', "invalid_request"),
        (400, "the input length exceeds the context length", "context_length"),
        (400, "prompt too long; exceeded max context length by 5 tokens", "context_length"),
        (401, "unauthorized", "authentication"),
        (500, "model runner has unexpectedly stopped", "upstream"),
        (503, "server busy, please try again.  maximum pending requests exceeded", "overloaded"),
        (499, "client closed request", "cancelled"),
    ],
)
def test_what_the_server_says(status: int, text: str, kind: str) -> None:
    fault = decode_error(status, {}, json.dumps({"error": text}).encode())
    assert (fault.kind, fault.message, fault.status) == (kind, text, status)


def test_bodies_of_others() -> None:
    assert decode_error(502, {}, b"<html>Bad Gateway</html>").message == "Bad Gateway"
    assert decode_error(500, {}, b"").kind == "upstream"
    assert decode_error(429, {"Retry-After": "7"}, b"{}").retry_after == 7


@pytest.mark.parametrize(
    ("text", "kind"),
    [("model 'x' not found", "model_not_found"), ("unexpected EOF", "upstream")],
)
def test_an_error_without_a_status(text: str, kind: str) -> None:
    assert fault_of({"error": text}).kind == kind
    assert fault_of(json.dumps({"error": text}).encode()).kind == kind


@pytest.mark.parametrize("kind", get_args(Kind))
def test_each_kind_comes_back(kind: Any) -> None:
    fault = Fault(kind, "Something happened.", retry_after=2.0)
    status, headers, body = encode_error(fault, "request-1")
    assert status == STATUS[kind]
    assert (headers["retry-after"], headers["x-request-id"]) == ("2", "request-1")
    assert decode_error(status, headers, body).kind == kind
    assert fault_of(error_members(fault)).kind == kind


def test_the_text_is_all_where_it_tells_enough() -> None:
    assert json.loads(encode_error(Fault("authentication", "No."), None)[2]) == {"error": "No."}
    assert error_members(Fault("upstream", "It broke.")) == {"error": "It broke."}
    assert error_members(Fault("rate_limit", "Slow.")) == {"error": "Slow.", "code": "rate_limit"}


def test_a_wrong_value_is_named_by_its_place() -> None:
    """The envelope is one text, so that it has to say where."""
    fault = Fault("invalid_request", "Invalid value: 'x'.", "invalid_value", "messages[0].role")
    assert error_members(fault)["error"] == "messages[0].role: Invalid value: 'x'."
    named = Fault("invalid_request", 'The "role" is wrong.', "invalid_value", "messages[0].role")
    assert error_members(named)["error"] == 'The "role" is wrong.'
