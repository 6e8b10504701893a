"""Which headers pass between a client and a provider of its own protocol, and that no other does."""

from __future__ import annotations

import pytest

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.table import DIALECTS

RESPONSE = {
    "openai_chat": {
        "openai-processing-ms",
        "openai-version",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
    },
    "anthropic": {
        "request-id",
        "retry-after",
        "x-should-retry",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    },
}
REQUEST = {
    "openai_chat": {"openai-beta", "x-client-request-id"},
    "anthropic": {"anthropic-version", "anthropic-beta"},
}
OURS_OR_SECRET = ("set-cookie", "openai-organization", "content-length", "content-encoding", "authorization")


@pytest.mark.parametrize("dialect", [DIALECTS[name] for name in RESPONSE], ids=list(RESPONSE))
def test_a_client_sees_the_headers_that_its_protocol_documents(dialect: Dialect) -> None:
    documented = dict.fromkeys(RESPONSE[dialect.name], "7")
    passed = dialect.headers.passed({**documented, **dict.fromkeys(OURS_OR_SECRET, "no")})
    assert sorted(passed) == sorted((name.encode(), b"7") for name in documented)


@pytest.mark.parametrize("dialect", [DIALECTS[name] for name in REQUEST], ids=list(REQUEST))
def test_a_provider_sees_no_headers_but_these(dialect: Dialect) -> None:
    assert dialect.headers.request == REQUEST[dialect.name]
