"""Which web pages may call."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

import pytest

from dragoman.providers.paths import METHODS
from dragoman.server.admin.operation import Method
from dragoman.server.origins import Origins

LOCAL = [
    "http://localhost",
    "http://localhost:3000",
    "https://LOCALHOST:8443",
    "http://127.0.0.1:5173",
    "http://[::1]:80",
    "https://tauri.localhost",
    "http://a.b.localhost:1",
    "vscode-webview://1a2b3c",
    "app://obsidian.md",
    "tauri://localhost",
    "file://",
]
FOREIGN = [
    "null",
    "",
    "https://evil.example",
    "https://localhost.evil.example",
    "http://evillocalhost",
    "http://localhost:3000.evil.example",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.2",
    "http://localhost@evil.example",
    "http://evil.example/localhost",
    "HTTPS://evil.example",
    "http://192.168.1.4:3000",
    "app://x y",
    "app:",
]
LISTED = ["https://a.example"]


def allowed(origins: Origins, origin: str) -> str | None:
    value = dict(origins.headers(origin)).get(b"access-control-allow-origin")
    assert (value is None) == (
        b"access-control-allow-methods" not in dict(origins.preflight(origin, "content-type"))
    )
    return None if value is None else value.decode()


@pytest.mark.parametrize("origin", LOCAL)
def test_an_open_gateway_serves_the_pages_of_this_machine(origin: str) -> None:
    assert allowed(Origins(None, keyed=False), origin) == origin
    assert Origins(None, keyed=False).admits(origin)


@pytest.mark.parametrize("origin", FOREIGN)
def test_an_open_gateway_serves_no_other_pages(origin: str) -> None:
    origins = Origins(None, keyed=False)
    assert not origins.admits(origin)
    assert allowed(origins, origin) is None
    assert origins.headers(origin) == ((b"vary", b"origin"),)


@pytest.mark.parametrize("origin", [*LOCAL, *FOREIGN])
@pytest.mark.parametrize(
    ("configured", "keyed"),
    [(None, True), (("*",), False), (("*",), True), (("https://a.example", "*"), False)],
)
def test_all_pages_where_a_key_is_needed_or_the_operator_says_so(
    configured: Collection[str] | None, keyed: bool, origin: str
) -> None:
    origins = Origins(configured, keyed=keyed)
    assert allowed(origins, origin) == "*"
    assert b"vary" not in dict(origins.headers(origin))


@pytest.mark.parametrize("keyed", [False, True])
def test_a_list_is_obeyed_to_the_letter(keyed: bool) -> None:
    origins = Origins(LISTED, keyed=keyed)
    assert allowed(origins, "https://a.example") == "https://a.example"
    assert dict(origins.headers("https://a.example"))[b"vary"] == b"origin"
    for origin in (*LOCAL, *FOREIGN):
        assert allowed(origins, origin) is None
    assert allowed(Origins((), keyed=keyed), "http://localhost") is None


def test_what_no_browser_asks_has_no_headers() -> None:
    assert Origins(None, keyed=False).headers(None) == ()
    assert dict(Origins(None, keyed=True).preflight(None, "*")) == {
        b"allow": b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    }


def test_a_page_may_use_every_method_that_a_path_has() -> None:
    said = dict(Origins(("*",), keyed=False).preflight("https://a.example", "if-match"))
    allowed = said[b"access-control-allow-methods"].decode().split(", ")
    assert {*get_args(Method), *METHODS} <= {*allowed}


def test_the_headers_that_a_page_would_send_are_allowed_as_far_as_they_can_be_said() -> None:
    found = dict(Origins(("*",), keyed=False).preflight("https://a.example", "x-a, x-b\x01"))
    assert found[b"access-control-allow-headers"] == b"x-a, x-b%01"


def test_whoever_is_no_browser_may_open_a_socket() -> None:
    assert Origins((), keyed=False).admits(None)
    assert not Origins((), keyed=True).admits("http://localhost")
    assert Origins(("*",), keyed=False).admits("https://evil.example")
    assert Origins(None, keyed=True).admits("https://evil.example")
    assert Origins(LISTED, keyed=True).admits(LISTED[0])


def test_pages_of_others_may_call_once_keys_are_needed() -> None:
    """After a reload."""
    origins = Origins(None, keyed=False)
    assert not origins.admits("https://page.example")
    origins.renew(keyed=True)
    assert origins.admits("https://page.example")
    stated = Origins(["https://only.example"], keyed=False)
    stated.renew(keyed=True)
    assert not stated.admits("https://page.example")
