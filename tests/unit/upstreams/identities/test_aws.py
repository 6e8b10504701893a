"""AWS's own library against the endpoints that hand out access keys."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from dragoman.providers.identity import Identity
from dragoman.providers.sigv4 import access_key
from dragoman.upstreams.credential import NotRenewed
from tests.unit.upstreams.identities.conftest import Cloud

aws = pytest.importorskip("dragoman.upstreams.identities.aws", reason="needs the extra `aws`")

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": SECRET,
    "Token": "a-session-token==",
    "Expiration": "2100-01-01T00:00:00Z",
    "LastUpdated": "2026-01-01T00:00:00Z",
}
ASSUMED = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/dragoman</Arn><AssumedRoleId>x</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAASSUMEDEXAMPLE01</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>
<SessionToken>of-the-role</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
WEB = ASSUMED.replace("AssumeRole", "AssumeRoleWithWebIdentity")


def instance(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{cloud.url}/")
    cloud.answers["/latest/api/token"] = lambda *_: (200, "the-imds-token")
    cloud.answers["/latest/meta-data/iam/security-credentials/the-role"] = lambda *_: (200, KEY)
    cloud.answers["/latest/meta-data/iam/security-credentials/"] = lambda *_: (200, "the-role")


def test_the_role_of_an_instance(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    instance(cloud, monkeypatch)
    found = aws.token(Identity(kind="aws"))
    assert found.expires == 4102444800.0
    key = access_key(found.text)
    assert key is not None
    assert (key.id, key.secret, key.token) == ("ASIAIOSFODNN7EXAMPLE", SECRET, "a-session-token==")
    assert cloud.count("/latest/meta-data/iam/security-credentials/the-role") == 1
    assert cloud.asked[-1][3]["x-aws-ec2-metadata-token"] == "the-imds-token"


def test_the_role_of_a_container(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-the-pod")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{cloud.url}/v1/credentials")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    cloud.answers["/v1/credentials"] = lambda *_: (200, KEY)
    assert aws.token(Identity(kind="aws")).text.startswith("ASIAIOSFODNN7EXAMPLE:")
    assert [one[3]["authorization"] for one in cloud.asked] == ["of-the-pod"]


def test_a_web_identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "oidc").write_text("of-the-service-account")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "oidc"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.url)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    cloud.answers["/"] = lambda *_: (200, WEB)
    found = aws.token(Identity(kind="aws"))
    assert found.text == f"ASIAASSUMEDEXAMPLE01:{SECRET}:of-the-role"
    assert found.expires == 4102444800.0
    assert [parse_qs(one[2])["WebIdentityToken"] for one in cloud.asked] == [["of-the-service-account"]]


def test_a_role_that_is_assumed_with_a_profile(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[work]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", cloud.url)
    plain = aws.token(Identity(kind="aws", profile="work"))
    assert (plain.text, plain.expires) == (f"AKIAIOSFODNN7EXAMPLE:{SECRET}", None)
    assert cloud.asked == []

    cloud.answers["/"] = lambda *_: (200, ASSUMED)
    role = Identity(kind="aws", profile="work", role="arn:aws:iam::1:role/r", external_id="e-1")
    assert aws.token(role, "eu-west-1").text == f"ASIAASSUMEDEXAMPLE01:{SECRET}:of-the-role"
    ((_, _, body, headers),) = cloud.asked
    form = parse_qs(body)
    assert (form["RoleArn"], form["ExternalId"]) == (["arn:aws:iam::1:role/r"], ["e-1"])
    assert "AKIAIOSFODNN7EXAMPLE" in headers["authorization"]
    assert "/eu-west-1/sts/" in headers["authorization"]


def test_no_credentials_and_no_profile(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(NotRenewed, match="found no credentials"):
        aws.token(Identity(kind="aws"))
    with pytest.raises(NotRenewed, match="profile"):
        aws.token(Identity(kind="aws", profile="none-such"))
    assert cloud.asked == []
