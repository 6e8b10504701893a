"""What kind of failure an error is: by its status first, then by its codes, then by its words."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.diagnosis import CODES, keeps_code, kind_of
from dragoman.dialects.failure import read_body
from dragoman.ir import STATUS, Fault, Kind

LONG = "This model's maximum context length is 8192 tokens."


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        # without a status: a code that says something, then the words, then any code
        (None, {"code": "rate_limit_exceeded", "message": "no"}, "rate_limit"),
        (None, {"code": "invalid_request_error", "message": LONG}, "context_length"),
        (None, {"code": "server_error", "message": LONG}, "context_length"),
        (None, {"type": "invalid_request_error", "message": "no"}, "invalid_request"),
        (None, {"message": "no"}, "upstream"),
        # a code refines a status of its own family, and no other
        (400, {"code": "invalid_api_key", "message": "no"}, "authentication"),
        (429, {"code": "insufficient_quota", "message": "no"}, "quota"),
        (500, {"code": "invalid_api_key", "message": "no"}, "upstream"),
        (403, {"code": "context_length_exceeded", "message": "no"}, "permission"),
        # words matter where a status stands for many things
        (400, {"message": LONG}, "context_length"),
        (500, {"message": LONG}, "upstream"),
        # a spent quota is told by its words, unless the code says that it is a rate
        (429, {"message": "You exceeded your current quota."}, "quota"),
        (429, {"code": "rate_limit_exceeded", "message": "You exceeded your current quota."}, "rate_limit"),
        # what a router says of its provider
        (502, {"message": "no", "metadata": {"error_type": "provider_unavailable"}}, "unavailable"),
    ],
)
def test_status_then_codes_then_words(status: int | None, error: dict[str, Any], kind: Kind) -> None:
    assert kind_of(read_body({"error": error}), status) == kind


def test_every_code_is_written_as_it_is_looked_up() -> None:
    assert all(code == code.lower() for code in CODES)
    assert set(CODES.values()) <= set(STATUS)


@pytest.mark.parametrize(
    ("kind", "code", "kept"),
    [
        ("rate_limit", "slow_down", True),
        ("rate_limit", "a_code_of_a_vendor", True),
        ("context_length", "invalid_request_error", True),
        ("rate_limit", "invalid_api_key", False),
        ("untranslatable", "unsupported_value", True),
    ],
)
def test_a_code_stays_unless_it_says_another_kind(kind: Kind, code: str, kept: bool) -> None:
    assert keeps_code(Fault(kind, "no", code=code)) is kept
