"""Signature Version 4: an example of AWS's test suite, and botocore's judgement where it is installed."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest

from dragoman.providers.sigv4 import AccessKey, access_key, is_broken, region_in, signature_headers

ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEBYaDHqa0AP//example=="
NOW = 1_785_000_000.0
KEYS = [AccessKey(ID, SECRET), AccessKey("ASIAIOSFODNN7EXAMPLE", SECRET, TOKEN)]
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/mi1dadi0g15f",
    "arn:aws:sagemaker:us-east-1:000000000000:endpoint/endpoint-quick-start",
    "a b",
    "100%",
    "%3A",
    "ä~(1)!*'+@,;=$&",
]


def test_the_example_of_the_suite() -> None:
    """`post-vanilla` of the signature's own test suite, by AWS."""
    key = AccessKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    told = signature_headers(
        "POST",
        "https://example.amazonaws.com/",
        {},
        b"",
        key=key,
        region="us-east-1",
        service="service",
        now=1_440_938_160,
    )
    assert told == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    }


def ours(url: str, headers: dict[str, str], body: bytes, key: AccessKey) -> dict[str, str]:
    return signature_headers(
        "POST", url, headers, body, key=key, region="us-east-1", service="bedrock", now=NOW
    )


def botocores(
    url: str, headers: dict[str, str], body: bytes, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    auth = pytest.importorskip("botocore.auth", reason="botocore is not installed")
    requests = pytest.importorskip("botocore.awsrequest", reason="botocore is not installed")
    credentials = pytest.importorskip("botocore.credentials", reason="botocore is not installed")
    moment = dt.datetime.fromtimestamp(NOW, dt.UTC).replace(tzinfo=None)
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_, **__: moment)
    request = requests.AWSRequest("POST", url, data=body, headers=headers)
    auth.SigV4Auth(credentials.Credentials(key.id, key.secret, key.token), "bedrock", "us-east-1").add_auth(
        request
    )
    return {name.lower(): value for name, value in request.headers.items()}


URLS = [
    *(f"{HOST}/model/{quote(model, safe='')}/converse" for model in MODELS),
    f"{HOST}:443/model/x%3A0/../y//z/?b=2&a=1&a=%20x&c",
    "http://127.0.0.1:8080/model/x/converse-stream",
    "https://[::1]:9000/a/./b/",
    "https://h.example",
]


@pytest.mark.parametrize("key", KEYS, ids=["permanent", "temporary"])
@pytest.mark.parametrize("url", URLS)
def test_the_judgement_of_botocore(url: str, key: AccessKey, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"content-type": "application/json", "x-amz-meta": "  two   blanks "}
    for body in (b"", b"{}", '{"text":"é"}'.encode()):
        told = botocores(url, dict(headers), body, key, monkeypatch)
        for name, value in ours(url, headers, body, key).items():
            assert told[name] == value, name


def test_other_headers_are_not_signed() -> None:
    bare = ours(HOST, {"content-type": "application/json"}, b"{}", KEYS[0])
    more = {"content-type": "application/json", "user-agent": "x", "accept": "*/*", "authorization": "old"}
    assert ours(HOST, more, b"{}", KEYS[0]) == bare
    assert "SignedHeaders=content-type;host;x-amz-date," in bare["authorization"]


def test_an_access_key_is_known_by_its_form() -> None:
    assert access_key(f"{ID}:{SECRET}") == KEYS[0]
    assert access_key(f"ASIAIOSFODNN7EXAMPLE:{SECRET}:{TOKEN}") == KEYS[1]
    for other in (
        "bedrock-api-key-abc",
        "sk-1",
        ID,
        f"{ID}:short",
        "user:password-of-sixteen",
        f"{ID}:{SECRET}:",
    ):
        assert access_key(other) is None, other


def test_an_access_key_does_not_show_its_secret() -> None:
    assert SECRET not in repr(KEYS[1])
    assert TOKEN not in repr(KEYS[1])


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (HOST, "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com/x", "eu-central-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("http://127.0.0.1:8080", None),
        ("https://proxy.example/bedrock-runtime.us-east-1.x", None),
    ],
)
def test_the_region_of_a_host(url: str, region: str | None) -> None:
    assert region_in(url) == region


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("AKIAIOSFODNN7EXAMPLE", True),
        ("AKIAIOSFODNN7EXAMPLE:short", True),
        ("ASIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCY:a:b", True),
        ("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCY", False),
        ("bedrock-api-key-example", False),
    ],
)
def test_a_broken_access_key_is_known(text: str, broken: bool) -> None:
    assert is_broken(text) is broken
