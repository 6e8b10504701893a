"""The requests to a provider: a head is written once, and has no header of another request; credentials may
change, or sign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from yarl import URL

from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Outgoing
from dragoman.net.client import Head
from dragoman.net.transport import Transport
from dragoman.seams.secret import Secret
from dragoman.upstreams import hops
from dragoman.upstreams.account import Account, Renewal
from dragoman.upstreams.address import Address
from dragoman.upstreams.credential import Follower, Lease, Prepared, State
from dragoman.upstreams.sender import Sender
from dragoman.upstreams.upstream import Call, Stopwatch

VERSION = "anthropic-version"
ACCOUNT = Account({"x-api-key": "ours", VERSION: "old"})
MESSAGES = Address("https://up.example/v1/messages")


class Sending:
    """Keeps the heads that it is to send, and all headers of each request."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.headers: list[dict[str, str]] = []

    async def send(
        self, head: Head, body: object, timers: object, added: Mapping[str, str] | None = None
    ) -> None:
        assert not {name.lower() for name in added or {}} & {name.lower() for name in head.headers}
        self.heads.append(head)
        self.headers.append({**head.headers, **(added or {})})


class Changing:
    """A credential whose lease a test replaces."""

    state = State("c", None, None, None)

    def __init__(self, sign: Callable[[Prepared], Mapping[str, str]] | None = None) -> None:
        self._followers: dict[str, Follower] = {}
        self.lease = Lease(Secret("key-1"), sign=sign)

    def follow(self, name: str, follower: Follower) -> None:
        self._followers[name] = follower

    def leave(self) -> None:
        self._followers.clear()

    def becomes(self, key: str) -> None:
        self.lease = Lease(Secret(key))
        for follower in self._followers.values():
            follower(self.lease)

    async def current(self) -> Lease:
        return self.lease

    async def refused(self, lease: Lease) -> bool:
        return False

    def account(self) -> Account:
        return self._account_of(self.lease)

    def _account_of(self, lease: Lease) -> Account:
        secret = "" if lease.secret is None else lease.secret.reveal()
        return Account(
            {"x-api-key": secret}, secrets=(secret,), renewal=Renewal(self, lease, self._account_of)
        )


def sender(*accounts: Account, **more: Any) -> tuple[Sender, Sending]:
    """A sender in whose requests a client's version replaces that of the account."""
    sending = Sending()
    made = Sender(cast("Transport", sending), accounts or (ACCOUNT,), "anthropic", yields=[VERSION], **more)
    return made, sending


def call(model: str = "m", **more: Any) -> Call:
    return Call("ex-1", model, Report("anthropic"), Stopwatch(lambda: 0.0), **more)


async def test_calls_of_one_model_and_account_share_a_head() -> None:
    up, sending = sender(ACCOUNT, Account({"x-api-key": "second", VERSION: "old"}))
    named = Address("https://up.example/{model}")
    for one in (call(), call(), call("n"), call(account=1), call(headers={"x-more": "1"})):
        await up.post(named, b"{}", one, {})
    assert sending.heads[0] is sending.heads[1]
    assert len(set(sending.heads)) == 4
    assert [head.url.path for head in sending.heads] == ["/m", "/m", "/n", "/m", "/m"]
    assert [headers["x-api-key"] for headers in sending.headers] == ["ours"] * 3 + ["second", "ours"]
    assert [headers.get("x-more") for headers in sending.headers] == [None] * 4 + ["1"]


async def test_the_heads_that_are_kept_are_bounded() -> None:
    up, sending = sender()
    for number in (*range(1024), 0, 1024, 0):
        await up.post(MESSAGES, b"{}", call(f"m{number}"), {})
    assert sending.heads[1024] is sending.heads[0]
    assert sending.heads[1026] is not sending.heads[0], "the 1,025th model has emptied the cache"


async def test_a_clients_headers_belong_to_its_request_alone() -> None:
    up, sending = sender()
    await up.post(MESSAGES, b"{}", call(), {"anthropic-beta": "b", VERSION: "old", "x-api-key": "theirs"})
    await up.post(MESSAGES, b"{}", call(), {VERSION: "new"})
    await up.post(MESSAGES, b"{}", call(), {})
    assert sending.heads[0] is sending.heads[2]
    assert [headers.get("anthropic-beta") for headers in sending.headers] == ["b", None, None]
    assert [headers[VERSION] for headers in sending.headers] == ["old", "new", "old"]
    assert {headers["x-api-key"] for headers in sending.headers} == {"ours"}


async def test_what_is_configured_for_a_model_counts_more_than_what_the_client_says() -> None:
    up, sending = sender()
    fixed = {"Anthropic-Version": "fixed", "x-api-key": "models"}
    await up.post(MESSAGES, b"{}", call(headers=fixed), {VERSION: "new", "anthropic-beta": "b"})
    head = sending.heads[0].headers
    assert (head[VERSION], head["x-api-key"], sending.headers[0]["anthropic-beta"]) == (
        "fixed",
        "models",
        "b",
    )
    assert len(head.getall(VERSION)) == 1


async def test_an_idempotency_key_is_sent_to_who_takes_it() -> None:
    for takes, told in ((True, "k"), (False, None)):
        up, sending = sender(idempotency_keys=takes)
        await up.post(MESSAGES, b"{}", call(once="k"), {})
        assert sending.headers[0].get("idempotency-key") == told


async def test_a_gateway_before_this_one_is_counted() -> None:
    up, sending = sender()
    await up.post(MESSAGES, b"{}", call(), {})
    assert hops.arrived("2") is None
    await up.post(MESSAGES, b"{}", call(), {})
    assert [headers[hops.HEADER] for headers in sending.headers] == ["1", "3"]


async def test_parameters_and_a_kind_of_body_are_those_of_one_request() -> None:
    up, sending = sender()
    address = Address("https://up.example/{model}/voices/{voice}")
    outgoing = Outgoing("", b"", {"voice": "a/b"}, {"form": "wav"})
    await up.post(address, b"x", call(), {}, outgoing=outgoing, kind="audio/wav")
    await up.post(address, b"{}", call(), {})
    first, second = sending.heads
    assert (str(first.url), first.headers["content-type"]) == (
        "https://up.example/m/voices/a%2Fb?form=wav",
        "audio/wav",
    )
    assert second.headers["content-type"] == "application/json"


async def test_requests_have_the_lease_that_is_valid_when_they_are_sent() -> None:
    credential = Changing()
    up, sending = sender(credential.account())
    await up.post(MESSAGES, b"{}", call(), {})
    credential.becomes("key-2")
    await up.post(MESSAGES, b"{}", call(), {})
    assert [headers["x-api-key"] for headers in sending.headers] == ["key-1", "key-2"]
    assert up.accounts[0].secrets == ("key-2", "key-1")
    up.leave()
    credential.becomes("key-3")
    await up.post(MESSAGES, b"{}", call(), {})
    assert sending.headers[2]["x-api-key"] == "key-2"


async def test_a_sender_with_other_accounts_has_its_own_heads() -> None:
    up, sending = sender()
    other = up.using((Account({"x-api-key": "theirs"}),))
    for one in (up, other, up):
        await one.post(MESSAGES, b"{}", call(), {})
    assert [headers["x-api-key"] for headers in sending.headers] == ["ours", "theirs", "ours"]
    assert sending.heads[0] is sending.heads[2]


async def test_a_signature_covers_the_request_as_it_is_sent() -> None:
    seen: list[Prepared] = []

    def sign(request: Prepared) -> Mapping[str, str]:
        seen.append(request)
        return {"authorization": "signed"}

    up, sending = sender(Changing(sign).account())
    outgoing = Outgoing("", b"", query={"a": "1"})
    await up.post(MESSAGES, b"{}", call(), {"X-Client": "c"}, outgoing=outgoing, kind="text/plain")
    (request,) = seen
    assert (request.method, request.url, request.body) == ("POST", f"{MESSAGES.of('m')}?a=1", b"{}")
    assert (request.headers["x-client"], request.headers["content-type"]) == ("c", "text/plain")
    assert sending.headers[0]["authorization"] == "signed"


async def test_a_list_may_be_asked_for_without_secrets() -> None:
    up, sending = sender(Account({"x-api-key": "sk-1", VERSION: "old"}, secrets=("sk-1",)))
    for signed in (True, False):
        await up.get(URL("https://up.example/v1/models"), call(), signed=signed)
    assert [(head.method, head.headers.get("content-type")) for head in sending.heads] == [("GET", None)] * 2
    assert [headers.get("x-api-key") for headers in sending.headers] == ["sk-1", None]
    assert [headers[VERSION] for headers in sending.headers] == ["old", "old"]


async def test_a_handshake_has_the_headers_of_a_request_and_more_in_its_url() -> None:
    up, sending = sender()
    live = Address("wss://up.example/v1/live?model=m")
    head = await up.handshake(live, call(), {"x-client": "c"}, "&intent=x")
    assert (head.method, str(head.url)) == ("GET", "wss://up.example/v1/live?model=m&intent=x")
    assert (head.headers["x-api-key"], head.headers["x-client"]) == ("ours", "c")
    assert not sending.heads
