"""Credentials that are replaced while calls run."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.table import DIALECTS
from dragoman.net.client import Head
from dragoman.routing.route import Timers
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Lease, Prepared, Refreshing
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import Account, Renewal, WireUpstream


def test_an_error_that_repeats_a_replaced_key_is_still_not_told() -> None:
    """A call that was sent with it may fail after its replacement."""
    account = Account({"authorization": "Bearer first-secret"}, "cret", ("first-secret",))
    for number in range(100):
        account = Account({}, None, (f"later-secret-{number}",)).succeeding(account)
    told = account.discreet(ir.Fault("upstream", "later-secret-99 and later-secret-90 are wrong"))
    assert told.message == "[redacted] and [redacted] are wrong"
    assert len(account.secrets) == 64


class _Sent:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.heads: list[Head] = []

    async def send(self, head: Head, *_: Any) -> None:
        self.heads.append(head)


def _upstream(lease: Lease) -> tuple[WireUpstream, Refreshing, _Sent]:
    async def fetch(_: Lease) -> Lease:
        return Lease(Secret("another-token-2222"), 300.0)

    def account(lease: Lease) -> Account:
        assert lease.secret is not None
        text = lease.secret.reveal()
        return Account({"authorization": f"Bearer {text}"}, lease.secret.tail, (text,), text)

    sent = _Sent()
    credential = Refreshing("up[0]", "up", lease, fetch, lambda: 200.0)
    first = msgspec.structs.replace(account(lease), renewal=Renewal(credential, lease, account))
    transport: Any = sent
    upstream = WireUpstream(
        "up", DIALECTS["openai_chat"], transport, chat_url="https://up.example/v1/chat", accounts=[first]
    )
    return upstream, credential, sent


def _call() -> Call:
    return Call("call-1", "m", Report("openai_chat"), Stopwatch(lambda: 0.0), Timers())


async def test_a_request_with_an_expired_token_waits_for_the_next_one() -> None:
    upstream, _, sent = _upstream(Lease(Secret("the-first-token-1111"), 100.0))
    await asyncio.gather(*(upstream.send(b"{}", _call()) for _ in range(20)))
    assert [head.headers["authorization"] for head in sent.heads] == ["Bearer another-token-2222"] * 20
    (account,) = upstream.accounts
    assert (account.tail, account.secrets) == ("2222", ("another-token-2222", "the-first-token-1111"))


async def test_a_signature_sees_the_whole_request() -> None:
    seen: list[Prepared] = []

    def sign(request: Prepared) -> dict[str, str]:
        seen.append(request)
        return {"x-signature": f"of {len(request.body or b'')} bytes"}

    upstream, _, sent = _upstream(Lease(Secret("the-first-token-1111"), 900.0, sign))
    for body in (b"{}", b'{"a": 1}'):
        await upstream.send(body, _call(), {"X-Own": "own"})
    assert [head.headers["x-signature"] for head in sent.heads] == ["of 2 bytes", "of 8 bytes"]
    assert (seen[0].method, seen[0].url, seen[0].body) == ("POST", "https://up.example/v1/chat", b"{}")
    assert seen[0].headers["authorization"] == "Bearer the-first-token-1111"
    assert seen[0].headers["x-own"] == "own"


async def test_accounts_that_were_replaced_follow_nothing_any_more() -> None:
    upstream, credential, _ = _upstream(Lease(Secret("the-first-token-1111"), 100.0))
    upstream.renew([Account({"authorization": "Bearer fixed"}, None, (), "fixed")])
    assert await credential.refused(credential.lease)
    assert [account.id for account in upstream.accounts] == ["fixed"]
