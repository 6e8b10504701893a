"""A key goes to its own origin, in its vendor's own way, and nowhere else."""

import pytest

from dragoman.dialects.access import Scheme
from dragoman.errors import DragomanError
from dragoman.providers.auth import Credential, credential_headers, sign
from dragoman.seams.secret import Secret

KEY = "sk-0123456789abcdef"
ORIGIN = "https://api.example.com"
CREDENTIAL = Credential(Secret(KEY), ORIGIN, "EXAMPLE_API_KEY")
VERSION = {"anthropic-version": "2023-06-01"}


def signed(
    url: str = ORIGIN + "/v1/x", headers: dict[str, str] | None = None, **options: object
) -> dict[str, str]:
    defaults: dict[str, object] = {"credential": CREDENTIAL, "scheme": "bearer", "fixed": {}, "extra": {}}
    return sign(url, headers or {}, **(defaults | options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheme", "header", "value"),
    [
        ("bearer", "authorization", f"Bearer {KEY}"),
        ("x-api-key", "x-api-key", KEY),
        ("x-goog-api-key", "x-goog-api-key", KEY),
    ],
)
def test_the_key_travels_as_its_scheme_says(scheme: Scheme, header: str, value: str) -> None:
    assert signed(scheme=scheme) == {header: value}


@pytest.mark.parametrize(
    ("headers", "extra", "version"),
    [
        ({}, {}, "2023-06-01"),
        ({"anthropic-version": "2026-10-21"}, {}, "2026-10-21"),
        ({}, {"anthropic-version": "2026-10-21"}, "2026-10-21"),
        ({"anthropic-version": "2023-01-01"}, {"anthropic-version": "2026-10-21"}, "2026-10-21"),
    ],
)
def test_the_version_is_the_operators_else_the_requests_else_the_dialects(
    headers: dict[str, str], extra: dict[str, str], version: str
) -> None:
    assert signed(headers=headers, extra=extra, fixed=VERSION)["anthropic-version"] == version


@pytest.mark.parametrize("name", sorted(credential_headers()))
@pytest.mark.parametrize("credential", [CREDENTIAL, None])
def test_a_clients_own_credential_never_travels_on(name: str, credential: Credential | None) -> None:
    assert "client" not in "".join(signed(headers={name: "client"}, credential=credential).values())


def test_nothing_is_added_for_a_server_without_keys() -> None:
    assert signed(credential=None, headers={"a": "1"}) == {"a": "1"}


def test_the_given_headers_stay_as_they_are() -> None:
    headers = {"a": "1"}
    assert signed(headers=headers, extra={"b": "2"})["b"] == "2"
    assert headers == {"a": "1"}


@pytest.mark.parametrize("url", [ORIGIN, ORIGIN + "/", ORIGIN + "/v1/messages?beta=true", ORIGIN + "?x"])
def test_its_own_origin_gets_the_key(url: str) -> None:
    assert KEY in signed(url)["authorization"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "http://api.example.com/v1",
        "https://api.example.com.evil.example/v1",
        "https://api.example.com@evil.example/v1",
        "https://api.example.com:x@evil.example/v1",
        "https://api.example.com:8443/v1",
        "https://api.example.com\\@evil.example/v1",
        "https://api.example.com#@evil.example",
        "https://api.example.comx/v1",
        " https://api.example.com/v1",
        "//api.example.com/v1",
        "/v1",
        "",
    ],
)
@pytest.mark.parametrize("scheme", ["bearer", "x-api-key"])
def test_no_other_address_gets_the_key(url: str, scheme: Scheme) -> None:
    with pytest.raises(DragomanError, match=r"belongs to https://api\.example\.com") as refused:
        signed(url, scheme=scheme)
    assert KEY not in str(refused.value)
