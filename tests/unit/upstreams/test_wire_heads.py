"""The head of a call to a provider: written once, and never with a header of another request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dragoman.dialects.loss import Report
from dragoman.dialects.table import DIALECTS
from dragoman.net.client import Head
from dragoman.net.transport import Transport
from dragoman.upstreams.account import Account
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import WireUpstream

VERSION = "anthropic-version"
ACCOUNT = Account({"x-api-key": "ours", VERSION: "old"})


class Sending:
    """Keeps the heads that it is to send, and all headers of each request."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.headers: list[dict[str, str]] = []

    def send(self, head: Head, body: bytes, timers: object, added: Mapping[str, str] | None = None) -> None:
        assert not {name.lower() for name in added or {}} & {name.lower() for name in head.headers}
        self.heads.append(head)
        self.headers.append({**head.headers, **(added or {})})


def upstream(url: str = "https://up.example/v1/messages") -> tuple[WireUpstream, Sending]:
    """An upstream with two accounts, in whose requests a client's version replaces its own."""
    sending = Sending()
    up = WireUpstream(
        "up",
        DIALECTS["anthropic"],
        cast("Transport", sending),
        chat_url=url,
        accounts=[ACCOUNT, Account({"x-api-key": "second", VERSION: "old"})],
        yields=[VERSION],
    )
    return up, sending


def call(model: str = "m", **more: Any) -> Call:
    return Call("ex-1", model, Report("anthropic"), Stopwatch(lambda: 0.0), **more)


def test_calls_of_one_model_and_account_share_a_head() -> None:
    up, sending = upstream("https://up.example/{model}")
    for one in (call(), call(), call("n"), call(account=1), call(headers={"x-more": "1"})):
        up.send(b"{}", one)
    assert sending.heads[0] is sending.heads[1]
    assert len(set(sending.heads)) == 4
    assert [head.url.path for head in sending.heads] == ["/m", "/m", "/n", "/m", "/m"]
    assert [headers["x-api-key"] for headers in sending.headers] == ["ours"] * 3 + ["second", "ours"]
    assert [headers.get("x-more") for headers in sending.headers] == [None] * 4 + ["1"]


def test_a_clients_headers_belong_to_its_request_alone() -> None:
    up, sending = upstream()
    up.send(b"{}", call(), {"anthropic-beta": "b", VERSION: "old", "x-api-key": "theirs"})
    up.send(b"{}", call(), {VERSION: "new"})
    up.send(b"{}", call())
    assert sending.heads[0] is sending.heads[2]
    assert [headers.get("anthropic-beta") for headers in sending.headers] == ["b", None, None]
    assert [headers[VERSION] for headers in sending.headers] == ["old", "new", "old"]
    assert {headers["x-api-key"] for headers in sending.headers} == {"ours"}


def test_what_is_configured_for_a_model_counts_more_than_what_the_client_says() -> None:
    up, sending = upstream()
    fixed = {"Anthropic-Version": "fixed", "x-api-key": "models"}
    up.send(b"{}", call(headers=fixed), {VERSION: "new", "anthropic-beta": "b"})
    head = sending.heads[0].headers
    assert (head[VERSION], head["x-api-key"], sending.headers[0]["anthropic-beta"]) == (
        "fixed",
        "models",
        "b",
    )
    assert len(head.getall(VERSION)) == 1
