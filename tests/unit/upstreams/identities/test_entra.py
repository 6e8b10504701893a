"""Microsoft's own library against endpoints for tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from dragoman.providers.identity import Identity
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import NotRenewed
from tests.unit.upstreams.identities.conftest import Cloud

entra = pytest.importorskip("dragoman.upstreams.identities.entra", reason="needs the extra `azure`")


def managed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """An App Service with an identity: https://learn.microsoft.com/azure/app-service/overview-managed-identity"""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "the-header")
    cloud.answers["/msi/token"] = lambda *_: (
        200,
        {"access_token": "eyJ.managed.token", "expires_on": "4102444800", "resource": "r"},
    )


@pytest.mark.parametrize("method", ["managed_identity", "default"])
def test_a_managed_identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    managed(cloud, monkeypatch)
    identity = Identity(kind="entra", method=method, client_id="user-assigned")  # type: ignore[arg-type]
    found = entra.token(identity)
    assert found.text == "eyJ.managed.token"
    assert found.expires == pytest.approx(4102444800, abs=5)
    (asked,) = cloud.asked
    query = parse_qs(urlsplit(asked[1]).query)
    assert query["resource"] == ["https://cognitiveservices.azure.com"]
    assert query["client_id"] == ["user-assigned"]
    assert asked[3]["x-identity-header"] == "the-header"


def test_each_call_asks_anew(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    managed(cloud, monkeypatch)
    identity = Identity(kind="entra", method="managed_identity", scope="https://ai.azure.com/.default")
    entra.token(identity)
    entra.token(identity)
    assert cloud.count("/msi/token") == 2
    assert parse_qs(urlsplit(cloud.asked[0][1]).query)["resource"] == ["https://ai.azure.com"]


def test_a_refusal_and_no_identity_at_all(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    managed(cloud, monkeypatch)
    cloud.answers["/msi/token"] = lambda *_: (400, {"statusCode": 400, "message": "no such identity"})
    with pytest.raises(NotRenewed):
        entra.token(Identity(kind="entra", method="managed_identity"))
    with pytest.raises(NotRenewed, match=r"tenant"):
        entra.token(Identity(kind="entra", method="workload_identity"))


class _Kept:
    """In place of the library's credential, which speaks only https: what it is made of."""

    made: ClassVar[list[tuple[tuple[object, ...], dict[str, object]]]] = []

    def __init__(self, *args: object, **named: object) -> None:
        self.made.append((args, named))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_token(self, scope: str) -> object:
        from azure.core.credentials import AccessToken

        return AccessToken(f"token-for-{scope}", 7)


def test_a_secret_in_a_file_is_read_for_each_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Kept.made.clear()
    monkeypatch.setattr(entra, "ClientSecretCredential", _Kept)
    file = tmp_path / "secret"
    file.write_text("first\n")
    identity = Identity(
        kind="entra",
        tenant="t",
        client_id="c",
        client_secret=Secret("first", file),
        authority="login.microsoftonline.us",
    )
    assert entra.token(identity).text == "token-for-https://cognitiveservices.azure.com/.default"
    file.write_text("second\n")
    entra.token(identity)
    assert [args for args, _ in _Kept.made] == [("t", "c", "first"), ("t", "c", "second")]
    assert _Kept.made[0][1] == {"authority": "login.microsoftonline.us"}
    file.unlink()
    with pytest.raises(NotRenewed, match="secret cannot be read"):
        entra.token(identity)


def test_an_application_with_a_secret_asks_its_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real credential, with a transport of ours under it: the requests that it sends."""
    from azure.core.pipeline.transport import RequestsTransport

    sent: list[tuple[str, str]] = []

    def send(_: object, request: object, **__: object) -> object:
        sent.append((request.url, str(getattr(request, "data", "") or "")))  # type: ignore[attr-defined]
        return _answer(request)

    monkeypatch.setattr(RequestsTransport, "send", send)
    identity = Identity(kind="entra", tenant="tenant-1", client_id="app", client_secret=Secret("shh"))
    assert entra.token(identity).text == "eyJ.app.token"
    assert sent[-1][0].startswith("https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token")
    assert sum("/token" in url for url, _ in sent) == 1


def _answer(request: object) -> object:
    import requests
    from azure.core.pipeline.transport._requests_basic import RequestsTransportResponse

    url = request.url  # type: ignore[attr-defined]
    host = "https://login.microsoftonline.com/tenant-1"
    if "openid-configuration" in url or "discovery" in url:
        told: object = {
            "authorization_endpoint": f"{host}/oauth2/v2.0/authorize",
            "token_endpoint": f"{host}/oauth2/v2.0/token",
            "issuer": f"{host}/v2.0",
            "tenant_discovery_endpoint": f"{host}/v2.0/.well-known/openid-configuration",
            "metadata": [],
        }
    else:
        told = {"access_token": "eyJ.app.token", "expires_in": 3599, "token_type": "Bearer"}
    response = requests.Response()
    response.status_code = 200
    response._content = json.dumps(told).encode()
    response.headers["content-type"] = "application/json"
    made: Any = RequestsTransportResponse
    found: object = made(request, response)
    return found
