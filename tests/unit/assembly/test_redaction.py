"""No secret is shown: neither a known one nor what looks like one."""

from __future__ import annotations

import pytest

from dragoman.assembly.redaction import Redaction

KNOWN = "a-secret-without-any-form"


@pytest.mark.parametrize(
    "text",
    [
        "the key sk-proj-abcdefgh0123456789",
        "sk-ant-api03-abcdefgh0123456789_-xyz",
        "AIzaSyD-abcdefghijklmnopqrstuv0123456",
        "ghp_abcdefghijklmnop0123456789abcdefghij",
        "glpat-abcdefghijklmnop0123",
        "xoxb-123456789012-abcdefghijklmnop",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "Authorization: Bearer abcdef0123456789",
        '{"api_key": "hunter2hunter2"}',
        r'{"arguments": "{\"password\": \"hunter2hunter2\"}"}',
        "https://ann:hunter2@host.example/path",
        "https://host.example/v1?key=hunter2hunter2&a=b",
        "-----BEGIN RSA PRIVATE KEY-----\nabcdef\n-----END RSA PRIVATE KEY-----",
        f"before {KNOWN} after",
    ],
)
def test_what_is_a_secret_is_hidden(text: str) -> None:
    shown = Redaction([KNOWN]).text(text)
    assert "[redacted]" in shown
    parts = ("hunter2", "0123456789", "EXAMPLE", "abcdef", "c2lnbmF0dXJl", "abcdefghijklmnop", KNOWN)
    assert [part for part in parts if part in shown] == []


@pytest.mark.parametrize(
    "text",
    [
        "req_44f962aaaae21616ca210f5a43b5030a",
        "ex_44f962aaaae21616ca210f5a43b5030a-1",
        "openai/gpt-4o-2024-08-06",
        "anthropic/claude-sonnet-4-5-20250929",
        "upstream/first_byte/rate_limit_exceeded",
        "2026-11-23T09:16:53.071Z",
        "What is the secret of a good bread?",
        "$.tools[3].function.parameters: the Messages API has no such member",
        "https://host.example/a/path?page=2",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert Redaction([KNOWN]).text(text) == text


def test_the_longest_of_several_goes_as_a_whole() -> None:
    assert Redaction(["abcdefgh", "abcdefgh-more"]).text("abcdefgh-more") == "[redacted]"


def test_very_short_ones_are_words() -> None:
    assert Redaction(["eu"]).text("neutral") == "neutral"


def test_all_texts_of_a_value() -> None:
    shown = Redaction([KNOWN]).value({"a": [KNOWN, 1, None, {"b": (KNOWN,)}], KNOWN: True})
    assert shown == {"a": ["[redacted]", 1, None, {"b": ["[redacted]"]}], KNOWN: True}


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijkl0123456789",
        "authorization: Bearer abcdefgh12345678",
        '"api key" : "abcdefgh12345678"',
        "password = abcdefgh12345678",
        "basic abcdefgh12345678",
        "https://ann:abcdefgh12345678@host/",
    ],
)
def test_a_long_text_is_searched_in_pieces_and_no_secret_is_cut(secret: str) -> None:
    """Wherever the secret stands, it is found; the other words stay as they are."""
    rests: list[int] = []
    redaction = Redaction(rest=lambda: rests.append(1))
    hidden = Redaction().text(secret)
    assert "[redacted]" in hidden
    for place in range(3940, 4012, 3):
        before = ("word, and more. " * 300)[:place]
        after = " the end of it" * 400
        assert redaction.text(f"{before} {secret}{after}") == f"{before} {hidden}{after}", place
    assert len(rests) >= 2 * 24


def test_a_text_without_spaces_is_searched_as_a_whole() -> None:
    assert Redaction().text("QUJDRA9x" * 9000) == Redaction().text("QUJDRA9x" * 9000)
    assert Redaction().text("," * 5000 + "sk-proj-abcdefghijkl0123456789") == "," * 5000 + "[redacted]"
