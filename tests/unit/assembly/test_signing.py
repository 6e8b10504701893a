"""Access keys: what signs, for which region, and that the secret is in no header."""

from __future__ import annotations

import pytest

from dragoman.assembly.providers import accounts_of
from dragoman.assembly.signing import FixedCredential, SigningCredential, flaw_of_key, signed, signing_key
from dragoman.config.resolve import provider_of
from dragoman.config.settings import Provider as Settings
from dragoman.errors import DragomanError
from dragoman.providers.provider import Provider
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Lease, Prepared, Refreshing

KEY = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
OTHER = "ASIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY:FwoGZXIvYXdzEBYa"
REQUEST = Prepared("POST", "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse", {}, b"{}")


def bedrock(*keys: str, region: str | None = None) -> Provider:
    return provider_of("bedrock", Settings(keys=tuple(map(Secret, keys)), region=region), {})


def test_only_an_access_key_of_such_a_protocol_signs() -> None:
    assert signing_key(bedrock(), KEY) is not None
    assert signing_key(bedrock(), "bedrock-api-key-abc") is None
    assert signing_key(provider_of("openai", Settings(), {}), KEY) is None


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "not written `ID:SECRET`"),
        ("AKIAIOSFODNN7EXAMPLE:short", "not written `ID:SECRET`"),
        (KEY, "states none: set `region`"),
        ("bedrock-api-key-abc", None),
    ],
)
def test_what_is_no_key_of_a_provider(key: str, words: str | None) -> None:
    url = "https://proxy.example"
    proxy = provider_of("a", Settings(catalog="bedrock", base_url=url, keys=(Secret("b" * 9),)), {})
    flaw = flaw_of_key(proxy, key)
    assert flaw is None if words is None else words in str(flaw)
    assert flaw_of_key(bedrock(region="eu-west-1"), KEY) is None
    assert flaw_of_key(provider_of("openai", Settings(), {}), key) is None


def test_a_lease_signs_for_the_region() -> None:
    lease = signed(bedrock(region="eu-west-1"), Lease(Secret(KEY)), lambda: 1_785_000_000.0)
    assert lease.sign is not None
    told = lease.sign(REQUEST)
    assert told["x-amz-date"] == "20260725T172000Z"
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20260725/eu-west-1/bedrock/aws4_request," in told["authorization"]
    with pytest.raises(DragomanError, match="cannot be signed"):
        lease.sign(Prepared("POST", REQUEST.url, {}, None))
    plain = Lease(Secret("bedrock-api-key-abc"))
    assert signed(bedrock(), plain, lambda: 0.0) is plain


def test_the_accounts_of_a_provider() -> None:
    provider = bedrock(KEY, OTHER, "bedrock-api-key-abc")
    accounts = accounts_of(provider, provider.apis[0])
    assert ["authorization" in account.headers for account in accounts] == [False, False, True]
    assert [account.tail for account in accounts[:2]] == ["MPLE", "MPLE"]
    assert len({account.id for account in accounts}) == 3
    assert "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" in accounts[0].secrets
    assert "FwoGZXIvYXdzEBYa" in accounts[1].secrets
    assert accounts[2].renewal is None


async def test_a_credential_that_never_changes() -> None:
    lease = Lease(Secret(KEY))
    one = FixedCredential("id", lease)
    assert await one.current() is lease
    assert await one.refused(lease) is False
    assert one.state.id == "id"


async def test_a_key_in_a_file_signs_with_its_present_text() -> None:
    texts = [KEY, OTHER]

    async def fetch(lease: Lease) -> Lease:
        return Lease(Secret(texts[1]))

    inner = Refreshing("id", "bedrock", Lease(Secret(KEY)), fetch, lambda: 0.0)
    provider = bedrock(KEY)
    one = SigningCredential(inner, lambda lease: signed(provider, lease, lambda: 1_785_000_000.0))
    first = await one.current()
    assert first is one.lease
    followed: list[Lease] = []
    one.follow("bedrock", followed.append)
    assert await one.refused(first) is True
    second = await one.current()
    assert followed == [second]
    assert second.sign is not None
    assert second.sign(REQUEST)["x-amz-security-token"] == "FwoGZXIvYXdzEBYa"
    assert one.state.tail == inner.state.tail
    one.leave()
