"""The accounts of providers with identities: no token at first, then the same account with each token."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.assembly import identities
from dragoman.assembly.identities import identity_of
from dragoman.assembly.providers import accounts_of, described
from dragoman.config.credential import Credential
from dragoman.config.resolve import provider_of
from dragoman.config.settings import Provider as Settings
from dragoman.errors import ConfigError
from dragoman.providers.identity import Identity
from dragoman.providers.provider import Provider
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.credential import Lease, Prepared
from dragoman.upstreams.identities.token import Token

KEY = "ASIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:of-the-session"


def provider(name: str, **settings: Any) -> Provider:
    return provider_of(name, Settings(**settings), {})


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> list[Token]:
    """The tokens that the clouds hand out."""
    given: list[Token] = []
    monkeypatch.setattr(identities, "_token", lambda *_: given.pop(0))
    monkeypatch.setattr(identities, "find_spec", lambda _: True)
    return given


async def test_a_bearer_token_for_every_protocol(tokens: list[Token]) -> None:
    vertex = provider("vertex", project="p")
    assert vertex.identity is not None
    credential = identity_of(vertex, vertex.identity, SYSTEM)
    tokens += [Token("the-first-token", 1.0e12), Token("the-second-token", 1.0e12)]
    accounts = [accounts_of(vertex, api, [credential])[0] for api in vertex.apis]
    assert len(accounts) == 3
    for account in accounts:
        assert not {"authorization", "x-goog-api-key", "x-api-key"} & account.headers.keys()
        assert (account.tail, account.source) == (None, "google")
    first = await credential.current()
    for account in accounts:
        assert account.renewal is not None
        after = account.renewal.account(first)
        assert after.headers["authorization"] == "Bearer the-first-token"
        assert (after.id, after.tail) == (account.id, "oken")
        assert "the-first-token" in after.secrets
    assert await credential.refused(first)
    assert accounts[0].renewal is not None
    assert accounts[0].renewal.account(credential.lease).id == accounts[0].id


async def test_an_access_key_signs_and_is_not_sent(tokens: list[Token]) -> None:
    bedrock = provider("bedrock", region="eu-west-1", credential=Credential(kind="aws"))
    assert bedrock.identity is not None
    (account,) = accounts_of(bedrock, bedrock.apis[0], [identity_of(bedrock, bedrock.identity, SYSTEM)])
    assert account.renewal is not None
    tokens.append(Token(KEY, 1.0e12))
    lease = await account.renewal.credential.current()
    assert lease.sign is not None
    signed = lease.sign(Prepared("POST", bedrock.chat_url, {}, b"{}"))
    assert "Credential=ASIAIOSFODNN7EXAMPLE/" in signed["authorization"]
    assert signed["x-amz-security-token"] == "of-the-session"
    after = account.renewal.account(lease)
    assert "authorization" not in after.headers
    assert after.id == account.id
    assert "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" in after.secrets
    assert isinstance(lease, Lease)


@pytest.mark.parametrize(("kind", "extra"), [("google", "google"), ("entra", "azure"), ("aws", "aws")])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, kind: Any, extra: str) -> None:
    monkeypatch.setattr(identities, "find_spec", lambda _: None)
    vertex = provider("vertex", project="p")
    with pytest.raises(ConfigError, match=rf"providers\.vertex\.credential: needs the extra `{extra}`"):
        identity_of(vertex, Identity(kind=kind), SYSTEM)


def test_the_provider_says_how_it_signs_in() -> None:
    class Up:
        name = "vertex"

    assert described(Up(), provider("vertex", project="p")) == "vertex signs in by google"  # type: ignore[arg-type]
