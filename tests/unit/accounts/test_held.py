"""No form of a header hides a key of the gateway."""

from __future__ import annotations

import base64

import pytest

from dragoman.accounts import minting
from dragoman.accounts.held import holds_key

OWN = "an operator's key=1:2"
MINTED = minting.minted(bytes(range(32)))
KNOWN = {minting.digest(OWN), minting.digest("plain-key-of-ours")}


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("key", [OWN, MINTED, "plain-key-of-ours"])
@pytest.mark.parametrize(
    "form",
    ["{}", "Bearer {}", "bearer   {} ", "Bearer\t{}", "Token {}", "Basic {}", "Token\t {}", " {}"],
)
def test_whatever_the_scheme(key: str, form: str) -> None:
    assert holds_key(form.format(key), KNOWN.__contains__)


@pytest.mark.parametrize("key", ["plain-key-of-ours", MINTED])
@pytest.mark.parametrize("form", ['Token token="{}", x=1', "a=1; key={}", "Bearer other, Bearer {}", "{}="])
def test_as_a_parameter_or_a_word(key: str, form: str) -> None:
    assert holds_key(form.format(key), KNOWN.__contains__)


@pytest.mark.parametrize("key", [OWN, MINTED, "plain-key-of-ours"])
@pytest.mark.parametrize("form", ["{}:", "user:{}", "{}:pass", "{}"])
def test_as_user_name_or_password(key: str, form: str) -> None:
    for scheme in ("Basic", "basic ", "BASIC\t", "authorization=Basic", 'a="x", Basic'):
        assert holds_key(f"{scheme} {basic(form.format(key))}", KNOWN.__contains__)
        assert holds_key(f"{scheme} {basic(form.format(key)).rstrip('=')}", KNOWN.__contains__)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "Bearer", "Basic", "Basic !!", "Basic é", "Bearer sk-ant-1", "sk-1", "curl/8.1 (x; y=z)"),
        *("eyJhbGciOi.eyJzdWIi.xdgm_", f"Basic {basic('user:secret')}", "\udcff\udcfe", "a" * 100_000),
    ],
)
def test_other_credentials_pass(text: str) -> None:
    assert not holds_key(text, KNOWN.__contains__)


def test_a_revoked_or_mistyped_key_is_held_too() -> None:
    assert holds_key("Bearer dgm_old", lambda _digest: False)
    assert holds_key(f"Basic {basic('x:dgm_old')}", lambda _digest: False)
