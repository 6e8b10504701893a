"""Google's own library against a token endpoint: what it asks, and how often."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dragoman.providers.identity import Identity
from dragoman.upstreams.credential import NotRenewed
from tests.unit.upstreams.identities.conftest import Cloud

google = pytest.importorskip("dragoman.upstreams.identities.google", reason="needs the extra `google`")

TOKEN = {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"}


def service_account(cloud: Cloud, file: Path, email: str = "sa@p.iam.gserviceaccount.com") -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": email,
        "token_uri": f"{cloud.url}/token",
    }
    file.write_text(json.dumps(info))
    return str(file)


def later() -> float:
    return datetime.now(UTC).timestamp()


def test_a_service_account_signs_for_its_token(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers["/token"] = lambda *_: (200, TOKEN)
    file = service_account(cloud, tmp_path / "sa.json")
    found = google.token(Identity(kind="google", file=file))
    assert found.text == "ya29.token"
    assert 3500 < found.expires - later() < 3600
    (method, path, body, _) = cloud.asked[0]
    assert (method, path, len(cloud.asked)) == ("POST", "/token", 1)
    form = parse_qs(body)
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    import jwt

    claims = jwt.decode(form["assertion"][0], options={"verify_signature": False})
    assert claims["iss"] == "sa@p.iam.gserviceaccount.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def test_a_replaced_file_is_read_again(cloud: Cloud, tmp_path: Path) -> None:
    import jwt

    cloud.answers["/token"] = lambda *_: (200, TOKEN)
    identity = Identity(kind="google", file=service_account(cloud, tmp_path / "sa.json", "a@p"))
    google.token(identity)
    service_account(cloud, tmp_path / "sa.json", "b@p")
    google.token(identity)
    issuers = [
        jwt.decode(parse_qs(body)["assertion"][0], options={"verify_signature": False})["iss"]
        for _, _, body, _ in cloud.asked
    ]
    assert issuers == ["a@p", "b@p"]


def test_the_default_credentials_are_those_of_the_environment(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.answers["/token"] = lambda *_: (200, TOKEN)
    file = service_account(cloud, tmp_path / "sa.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
    assert google.token(Identity(kind="google")).text == "ya29.token"
    assert cloud.count("/token") == 1


def test_the_machine_s_service_account(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.compute_engine import _metadata

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", cloud.host, raising=False)
    monkeypatch.setattr(_metadata, "_METADATA_ROOT", f"{cloud.url}/computeMetadata/v1/", raising=False)
    monkeypatch.setenv("GCE_METADATA_HOST", cloud.host)
    monkeypatch.setenv("GCE_METADATA_IP", cloud.host)
    monkeypatch.setattr(_metadata, "_METADATA_IP_ROOT", cloud.url, raising=False)
    base = "/computeMetadata/v1/"
    cloud.answers[f"{base}instance/service-accounts/default/token"] = lambda *_: (200, TOKEN)
    cloud.answers[f"{base}instance/service-accounts/default/"] = lambda *_: (
        200,
        {"email": "vm@p", "scopes": [google.SCOPE], "aliases": ["default"]},
    )
    cloud.answers[f"{base}project/project-id"] = lambda *_: (200, '"p"')
    cloud.answers["/"] = lambda *_: (200, "")
    assert google.token(Identity(kind="google")).text == "ya29.token"
    assert sum("/token" in path for _, path, _, _ in cloud.asked) == 1


def test_a_workload_identity_exchanges_its_token(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers["/sts"] = lambda *_: (200, {**TOKEN, "issued_token_type": "x"})
    (tmp_path / "oidc").write_text("the-token-of-the-pod")
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{cloud.url}/sts",
        "credential_source": {"file": str(tmp_path / "oidc")},
    }
    file = tmp_path / "wif.json"
    file.write_text(json.dumps(info))
    assert google.token(Identity(kind="google", file=str(file))).text == "ya29.token"
    assert parse_qs(cloud.asked[0][2])["subject_token"] == ["the-token-of-the-pod"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "sa.json has the unknown type None"),
        ("[]", "sa.json has the unknown type None"),
        ("no json", "Expecting value"),
        ('{"type": "service_account"}', "client_email"),
        (
            '{"type": "external_account", "credential_source": {"executable": {"command": "id"}}}',
            "sa.json names a program to run",
        ),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sa.json").write_text(text)
    with pytest.raises(NotRenewed, match=message):
        google.token(Identity(kind="google", file=str(tmp_path / "sa.json")))


def test_a_missing_file_and_a_refusal(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(NotRenewed, match="No such file"):
        google.token(Identity(kind="google", file=str(tmp_path / "none.json")))
    cloud.answers["/token"] = lambda *_: (400, {"error": "invalid_grant", "error_description": "gone"})
    with pytest.raises(NotRenewed, match="invalid_grant"):
        google.token(Identity(kind="google", file=service_account(cloud, tmp_path / "sa.json")))
