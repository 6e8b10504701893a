"""What each vendor's headers say: forms from recorded answers and from the vendors' pages."""

from __future__ import annotations

import pytest

from dragoman.routing.ratelimits import (
    LONGEST,
    Quota,
    hints,
    quotas,
    rest,
    retry_after,
    seconds,
    spent,
)
from dragoman.wire.headers import HeaderMap

NOW = 1_763_587_140.0
"""2025-11-19T21:19:00Z"""

OPENAI = {
    "x-ratelimit-limit-requests": "3000",
    "x-ratelimit-limit-tokens": "250000",
    "x-ratelimit-remaining-requests": "2999",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-requests": "20ms",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2025-11-19T21:19:01Z",
    "anthropic-ratelimit-output-tokens-limit": "10000",
    "anthropic-ratelimit-output-tokens-remaining": "0",
    "anthropic-ratelimit-output-tokens-reset": "2025-11-19T21:19:45Z",
}
AZURE = {
    "x-ratelimit-limit-requests": "50",
    "x-ratelimit-remaining-requests": "-1",
    "x-ratelimit-renewalperiod-requests": "60",
    "x-ratelimit-reset-requests": "1",
    "x-ratelimit-key": "gpt-5-nano",
}
GROQ = {
    "x-ratelimit-limit-requests": "14400",
    "x-ratelimit-limit-tokens": "6000",
    "x-ratelimit-remaining-requests": "14399",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-requests": "6s",
    "x-ratelimit-reset-tokens": "2m59.56s",
}
CEREBRAS = {
    "x-ratelimit-limit-requests-day": "14400",
    "x-ratelimit-remaining-requests-day": "0",
    "x-ratelimit-reset-requests-day": "33011.382867",
    "x-ratelimit-limit-tokens-minute": "60000",
    "x-ratelimit-remaining-tokens-minute": "59000",
    "x-ratelimit-reset-tokens-minute": "11.38",
}
COHERE = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1763587200"}
OPENROUTER = {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1763587170000"}
TOGETHER = {
    "x-ratelimit": "false",
    "x-ratelimit-limit": "2",
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": "1",
}
MISTRAL = {
    "ratelimitbysize-limit": "500000",
    "ratelimitbysize-remaining": "0",
    "ratelimitbysize-reset": "46",
    "ratelimitbysize-query-cost": "32018",
    "x-ratelimit-limit-req-minute": "60",
    "x-ratelimit-remaining-req-minute": "58",
}
DRAFT = {"RateLimit": '"burst";r=0;t=30, "day";r=90;t=4000'}
FIRST_DRAFT = {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "0", "ratelimit-reset": "20"}

"""Headers as they were recorded, or as the vendor's page shows them, with other amounts left."""
OPENAI_IMAGES = {
    "x-ratelimit-limit-input-images": "250000",
    "x-ratelimit-limit-requests": "15000",
    "x-ratelimit-limit-tokens": "40000000",
    "x-ratelimit-remaining-input-images": "0",
    "x-ratelimit-remaining-requests": "14999",
    "x-ratelimit-remaining-tokens": "39999227",
    "x-ratelimit-reset-input-images": "9s",
    "x-ratelimit-reset-requests": "4ms",
    "x-ratelimit-reset-tokens": "1ms",
}
OPENAI_BY_USAGE = {
    "x-ratelimit-limit-tokens_usage_based": "250000",
    "x-ratelimit-remaining-tokens_usage_based": "0",
    "x-ratelimit-reset-tokens_usage_based": "36s",
}
ANTHROPIC_PLENTY = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2025-11-19T21:19:05Z",
    "retry-after": "55",
}
ANTHROPIC_PRIORITY = {
    "anthropic-priority-ratelimit-input-tokens-limit": "10000",
    "anthropic-priority-ratelimit-input-tokens-remaining": "0",
    "anthropic-priority-ratelimit-input-tokens-reset": "2025-11-19T21:19:45Z",
}
AZURE_CALM = {
    "x-ratelimit-abusepenalty-active": "False",
    "x-ratelimit-key": "gpt-5.2_2025-12-11",
    "x-ratelimit-limit-requests": "2500",
    "x-ratelimit-remaining-requests": "2499",
    "x-ratelimit-renewalperiod-requests": "60",
    "x-ratelimit-reset-requests": "0",
}
AZURE_SPENT = {**AZURE_CALM, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "17"}
AZURE_UNKNOWN = {"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "-1"}
MISTRAL_WITHOUT_RESET = {
    "x-ratelimit-limit-req-10-second": "60",
    "x-ratelimit-remaining-req-10-second": "0",
    "x-ratelimit-limit-tokens-month": "200000000000",
    "x-ratelimit-remaining-tokens-month": "199999999970",
    "x-ratelimit-tokens-query-cost": "10",
}
MISTRAL_OCR = {"x-ratelimit-remaining-ocr-pages-minute": "0", "x-ratelimit-reset-ocr-pages-minute": "20"}
TOGETHER_TOKENS = {
    "x-ratelimit": "false",
    "x-ratelimit-limit": "30",
    "x-ratelimit-remaining": "59",
    "x-ratelimit-reset": "2",
    "x-tokenlimit-limit": "3000",
    "x-tokenlimit-remaining": "0",
}
COHERE_PLENTY = {
    "x-ratelimit-limit": "10000000",
    "x-ratelimit-remaining": "9999993",
    "x-ratelimit-reset": "1763587200",
}
FIREWORKS = {
    "x-ratelimit-limit-tokens-prompt": "60000",
    "x-ratelimit-remaining-tokens-prompt": "0",
    "x-ratelimit-limit-tokens-generated": "600",
    "x-ratelimit-remaining-tokens-generated": "0",
    "x-ratelimit-over-limit": "yes",
}
XAI = {
    "x-ratelimit-limit-requests": "1800",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-limit-tokens": "10000000",
    "x-ratelimit-remaining-tokens": "10000000",
    "x-ratelimit-key": "grok-4-1-fast-non-reasoning",
}
HUGGING_FACE = {
    "x-ratelimit-remaining-requests-day": "2879999",
    "x-ratelimit-remaining-requests-minute": "0",
    "x-ratelimit-remaining-tokens-day": "9223372036854767616",
}
HUGGING_FACE_HUB = {"ratelimit": '"api";r=0;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}
CLOUDFLARE = {"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"burst";q=100;w=60'}
SAMBANOVA = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-requests-day": "1500",
    "x-ratelimit-remaining-requests-day": "0",
    "x-ratelimit-reset-requests-day": "4h17m",
}
MIDDLE_DRAFT = {"ratelimit": "limit=100, remaining=0, reset=50"}
NO_ALLOWANCE = {
    "x-ratelimit-limit-requests": "0",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "30s",
}
NONE_STATED = {"content-type": "application/json", "x-request-id": "0"}


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        (OPENAI, 360.0),
        (OPENAI_IMAGES, None),
        (OPENAI_BY_USAGE, 36.0),
        (ANTHROPIC, 45.0),
        (ANTHROPIC_PLENTY, None),
        (ANTHROPIC_PRIORITY, None),
        (AZURE, None),
        (AZURE_CALM, None),
        (AZURE_SPENT, 17.0),
        (AZURE_UNKNOWN, None),
        (GROQ, 179.56),
        (CEREBRAS, 33011.382867),
        (MISTRAL, 46.0),
        (MISTRAL_WITHOUT_RESET, None),
        (MISTRAL_OCR, None),
        (COHERE, 60.0),
        (COHERE_PLENTY, None),
        (OPENROUTER, 30.0),
        (TOGETHER, 1.0),
        (TOGETHER_TOKENS, 2.0),
        (FIREWORKS, None),
        (XAI, None),
        (HUGGING_FACE, None),
        (HUGGING_FACE_HUB, 55.0),
        (CLOUDFLARE, None),
        (SAMBANOVA, 15_420.0),
        (DRAFT, 30.0),
        (MIDDLE_DRAFT, 50.0),
        (FIRST_DRAFT, 20.0),
        (NO_ALLOWANCE, None),
        (NONE_STATED, None),
        ({}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "soon"}, None),
        ({"x-ratelimit-remaining-tokens": "none", "x-ratelimit-reset-tokens": "5s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-1"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2030-01-01T00:00:00Z"}, LONGEST),
    ],
)
def test_what_an_answer_forecasts(headers: dict[str, str], pause: float | None) -> None:
    assert spent(headers, NOW) == (None if pause is None else pytest.approx(pause))
    if pause is not None:
        assert hints({name.lower(): value for name, value in headers.items()})
        assert hints(HeaderMap([(name.lower().encode(), value.encode()) for name, value in headers.items()]))


def test_headers_without_a_plain_zero_are_not_read() -> None:
    for headers in (ANTHROPIC_PLENTY, COHERE_PLENTY, {}):
        assert not hints(headers)
        assert not hints(HeaderMap([(name.encode(), value.encode()) for name, value in headers.items()]))


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        (OPENAI, 360.0),
        (ANTHROPIC, 45.0),
        (AZURE, 1.0),
        (GROQ, 179.56),
        (CEREBRAS, 33011.382867),
        (COHERE, 60.0),
        (OPENROUTER, 30.0),
        (TOGETHER, 1.0),
        (MISTRAL, 46.0),
        (DRAFT, 30.0),
        (FIRST_DRAFT, 20.0),
    ],
    ids=[
        *("openai", "anthropic", "azure", "groq", "cerebras", "cohere", "openrouter", "together", "mistral"),
        *("draft", "first_draft"),
    ],
)
def test_how_long_a_key_rests(headers: dict[str, str], pause: float | None) -> None:
    assert rest(headers, NOW) == (None if pause is None else pytest.approx(pause))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12ms", 0.012),
        ("1s", 1.0),
        ("7.66s", 7.66),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("1d", 86_400.0),
        ("1s500ms", 1.5),
        ("0", 0.0),
        ("59", 59.0),
        ("1763587200", 60.0),
        ("1763587200.5", 60.5),
        ("1763587200000", 60.0),
        ("2025-11-19T21:19:05Z", 5.0),
        ("2025-11-19T22:19:05+01:00", 5.0),
        ("2025-11-19T21:18:00Z", 0.0),
        ("2030-01-01T00:00:00Z", LONGEST),
        ("9999999", LONGEST),
        ("-1", None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("2025-11-19T21:19:05", None),
        ("5 s", None),
        ("1e400", None),
    ],
)
def test_a_reset_is_told_by_its_value(value: str, expected: float | None) -> None:
    assert seconds(value, NOW) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5", **OPENAI}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Wed, 19 Nov 2025 21:19:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 19 Nov 2025 21:00:00 GMT"}, 0.0),
        ({"retry-after": "later", **COHERE}, 60.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, None),
        ({"x-ratelimit-reset": "5"}, 5.0),
        ({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "5"}, None),
    ],
)
def test_the_plainest_word_counts_first(headers: dict[str, str], pause: float | None) -> None:
    assert rest(headers, NOW) == (None if pause is None else pytest.approx(pause))


def test_of_what_is_not_used_up_the_scarce_counts_for_a_minute_at_most() -> None:
    headers = {**OPENAI, "x-ratelimit-remaining-tokens": "120"}  # the request needed more
    assert rest(headers, NOW) == 60.0
    assert rest({**headers, "x-ratelimit-reset-tokens": "12s"}, NOW) == 12.0


def test_a_limit_with_enough_left_rests_nobody() -> None:
    """As of a day: the refusal came from another limit, which the headers do not name."""
    assert rest({**CEREBRAS, "x-ratelimit-remaining-requests-day": "900"}, NOW) is None
    assert rest({**OPENAI, "x-ratelimit-remaining-tokens": "200000"}, NOW) is None


@pytest.mark.parametrize("header", ['"month";r=0;t=2592000', "limit=9, remaining=0, reset=2592000"])
def test_a_reset_of_the_drafts_counts_as_a_day_at_most(header: str) -> None:
    assert [quota.reset for quota in quotas({"ratelimit": header}, NOW).values()] == [LONGEST]
    assert spent({"ratelimit": header}, NOW) == rest({"ratelimit": header}, NOW) == LONGEST


def test_what_is_left_is_known_by_resource() -> None:
    found = quotas(OPENAI, NOW)
    assert found == {"requests": Quota(3000, 2999, 0.02), "tokens": Quota(250_000, 0, 360.0)}
    assert [round(quota.share or 0, 4) for quota in found.values()] == [0.9997, 0.0]
    assert quotas(ANTHROPIC, NOW)["output-tokens"] == Quota(10_000, 0, 45.0)
    assert quotas(MISTRAL, NOW)["ratelimitbysize"].share == 0.0
    assert quotas({"anthropic-priority-ratelimit-requests-remaining": "3"}, NOW) == {
        "priority-requests": Quota(None, 3.0)
    }
    assert Quota(remaining=4).share is None


def test_a_date_is_read_as_one() -> None:
    assert retry_after(None, NOW) is None
    assert retry_after("Wed, 99 Nov 2025", NOW) is None
