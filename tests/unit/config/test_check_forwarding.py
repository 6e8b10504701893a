"""Providers that get their clients' credentials, and cannot have them."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Load, Mistakes

SIGNING = "AKIAEXAMPLE000000000:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ROW = "dialect: anthropic, base_url: 'http://127.0.0.1:9', credential: client"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"a: {{{ROW}, check: 30s}}", "providers.a.check: a check has no client, and so no credential"),
        (
            "a: {dialect: bedrock, region: eu-central-1, base_url: 'http://127.0.0.1:9', credential: client}",
            "providers.a.credential: its requests are signed, which only the owner of a key can do",
        ),
        (
            f"a: {{catalog: bedrock, region: eu-central-1, keys: ['{SIGNING}'], paths: [GET /a]}}",
            "providers.a.paths: its key signs whole bodies, and those of listed paths stream",
        ),
        (
            "a: {catalog: bedrock, region: eu-central-1, credential: aws, paths: [GET /a]}",
            "providers.a.paths: its key signs whole bodies, and those of listed paths stream",
        ),
        (
            f"a: {{{ROW}}}, b: {{{ROW}}}",
            "providers.b.credential: a credential of a client that speaks anthropic could be meant for a or",
        ),
    ],
)
def test_what_is_refused(mistakes: Mistakes, text: str, problem: str) -> None:
    (found,) = mistakes(f"providers: {{{text}}}")
    assert f": {problem}" in found


def test_what_fits(loaded: Load) -> None:
    other = ROW.replace("anthropic", "gemini")
    found = loaded(f"providers: {{a: {{{ROW}}}, b: {{{other}}}, c: {{{ROW}, enabled: false}}}}")
    assert {name: (one.forwards, one.credentials) for name, one in found.providers.items()} == {
        "a": (True, ()),
        "b": (True, ()),
    }


def test_keys_that_nobody_uses(loaded: Load) -> None:
    found = loaded(f"providers: {{a: {{{ROW}, keys: [sk-1]}}}}")
    assert found.providers["a"].credentials == ()
    assert any("these keys are not" in str(warning) for warning in found.warnings)
