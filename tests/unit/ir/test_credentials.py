"""Credentials are cut out of texts by their form, and other words stay."""

from __future__ import annotations

import pytest

from dragoman.ir.credentials import redact


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key provided: sk-proj-****abcd", "Incorrect API key provided: [redacted]"),
        ("sk-ant-api03-AbCdEf_12-x is bad", "[redacted] is bad"),
        ("Bearer abcdefgh12345= is bad", "Bearer [redacted] is bad"),
        ("gsk_abcdef1234 AIzaSyA1234567890abcdefghijk dgm_0123456789", "[redacted] [redacted] [redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[redacted]"),
        ("key 0123456789abcdef0123456789abcdef", "key [redacted]"),
        ("organization org-AbCdEf123456", "organization [redacted]"),
        ("(org: 0137b15c-16bf-490d-9f90-8cfd7e325ec0)", "(org: [redacted])"),
        # What only looks long.
        ("toolu_01H51YYF9DTtdAHfcxxTs1NV", "toolu_01H51YYF9DTtdAHfcxxTs1NV"),
        (
            "model anthropic.claude-3-5-sonnet-20241022-v2:0",
            "model anthropic.claude-3-5-sonnet-20241022-v2:0",
        ),
        ("internationalizationinternationalization", "internationalizationinternationalization"),
        ("use sk-learn and key-value-pairs", "use sk-learn and key-value-pairs"),
        ("123456789012345678901234567890123456", "123456789012345678901234567890123456"),
    ],
)
def test_credentials_are_cut_out_and_nothing_else(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert redact(clean) == clean


def test_several_forms_in_one_text() -> None:
    assert redact("sk-proj-12345678 eyJhbGciOiJIUzI1NiJ9.e30.c2ln AKIAIOSFODNN7EXAMPLE, no key") == (
        "[redacted] [redacted] [redacted], no key"
    )
