"""Who may administer without a key: never a page, another machine or a proxy's client."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.server.admin.access import refusal
from dragoman.server.head import Head
from dragoman.wire.headers import HeaderMap

OWN = "127.0.0.1:8080"
LOCAL = ("127.0.0.1", 4)


def head(version: str = "1.1", peer: Any = LOCAL, **headers: str) -> Head:
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    more: Any = (version, peer, None, {}, "openai_chat", b"", "/admin", (), None, None, None)
    return Head("POST", "/admin", None, "", HeaderMap(fields), fields, *more)


@pytest.mark.parametrize(
    "one",
    [
        head(host=OWN),
        head(host=OWN, sec_fetch_site="none"),
        head(host=OWN, origin=f"http://{OWN}", sec_fetch_site="same-origin"),
        head(host=OWN, peer=("::1", 4)),
        head(host=OWN, peer=None),
    ],
)
def test_a_program_of_this_machine_may_and_so_may_a_page_of_the_gateway(one: Head) -> None:
    assert refusal(one) is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:3000",
        "http://127.0.0.1:8081",
        "null",
        "",
        "vscode-webview://x",
    ],
)
def test_a_page_of_any_other_origin_may_not(origin: str) -> None:
    refused = refusal(head(host=OWN, origin=origin))
    assert refused is not None
    assert (refused.kind, refused.code) == ("permission", "origin_not_allowed")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "?"])
def test_what_a_browser_says_of_the_site_counts_without_an_origin(site: str) -> None:
    assert refusal(head(host=OWN, sec_fetch_site=site)) is not None


@pytest.mark.parametrize(
    "one",
    [
        head(host=OWN, peer=("192.0.2.7", 4)),
        head(host=OWN, x_forwarded_for="192.0.2.7"),
        head(host=OWN, forwarded="for=192.0.2.7"),
        head(host=OWN, via="1.1 nginx"),
        head("1.0", host=OWN),
    ],
)
def test_other_machines_and_clients_of_a_proxy_need_a_key(one: Head) -> None:
    refused = refusal(one)
    assert refused is not None
    assert refused.code == "insufficient_scope"
