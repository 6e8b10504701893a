"""Sends requests to a provider with the headers of an account. The credential of an account may change while
the gateway runs, or may sign each request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from copy import copy
from functools import partial
from typing import Any, Final

import msgspec
from multidict import CIMultiDict
from yarl import URL

from dragoman.dialects.operation import Outgoing
from dragoman.net.client import Head
from dragoman.net.transport import Answer, Transport
from dragoman.upstreams import hops
from dragoman.upstreams.account import Account
from dragoman.upstreams.address import Address
from dragoman.upstreams.credential import Credential, Lease, Prepared
from dragoman.upstreams.parameters import filled
from dragoman.upstreams.upstream import Call
from dragoman.version import __version__
from dragoman.wire.multipart import Pieces

_ONCE: Final = "idempotency-key"
_MOST_HEADS: Final = 1024
"""The most heads of requests (method, URL, headers) in the cache of a sender. The next one empties the cache.
"""


class Sender:
    """Sends the requests of one upstream: a provider in one dialect.

    transport: the connections. accounts: at least one; `Call.account` is the index of the account for a
    request. name: the dialect's name; each credential has at most one follower of this name. yields: names of
    headers for which the value in the request is used instead of the account's. idempotency_keys: the
    provider accepts the header `Idempotency-Key`.
    """

    def __init__(
        self,
        transport: Transport,
        accounts: tuple[Account, ...],
        name: str,
        *,
        yields: Collection[str] = (),
        idempotency_keys: bool = False,
    ) -> None:
        self.transport = transport
        self._name = name
        self._yields = frozenset(yields)
        self._idempotency_keys = idempotency_keys
        self._heads: dict[tuple[Any, ...], Head] = {}
        """{(address, model, account, headers that the call adds): the prepared head}."""
        self.use(accounts)

    def using(self, accounts: tuple[Account, ...]) -> Sender:
        """Return a copy of this sender that uses other accounts over the same connections."""
        other = copy(self)
        other.use(accounts)
        return other

    def use(self, accounts: tuple[Account, ...]) -> None:
        """Use these accounts from now on. If the credential of an account changes later, use each new lease
        of it, until `leave` or the next `use` replaces the account.
        """
        self.accounts = accounts
        self._headers = [_prepared(account.headers) for account in accounts]
        self._heads = {}
        self._changes = any(account.renewal is not None for account in accounts)
        """Whether any credential may change before a request, or signs requests."""
        for index, account in enumerate(accounts):
            if account.renewal is not None:
                credential = account.renewal.credential
                credential.follow(self._name, partial(self._follow, index, credential))

    def _follow(self, index: int, credential: Credential, lease: Lease) -> None:
        """Use a new lease for the account `index`, unless the account has another credential now."""
        before = self.accounts[index]
        if (renewal := before.renewal) is not None and renewal.credential is credential:
            renewal = msgspec.structs.replace(renewal, lease=lease)
            after = msgspec.structs.replace(renewal.account(lease), renewal=renewal).succeeding(before)
            self.accounts = (*self.accounts[:index], after, *self.accounts[index + 1 :])
            self._headers[index] = _prepared(after.headers)
            self._heads = {}

    def leave(self) -> None:
        """Stop following the credentials. All followers of these credentials are removed, also those of
        senders for the provider's other dialects.
        """
        for account in self.accounts:
            if account.renewal is not None:
                account.renewal.credential.leave()

    def post(
        self,
        address: Address,
        body: bytes | Pieces,
        call: Call,
        headers: Mapping[str, str],
        *,
        outgoing: Outgoing | None = None,
        kind: str | None = None,
    ) -> Awaitable[Answer]:
        """POST a body unchanged, and start `call.watch`. Return an answer of any status, which the caller
        must close. Raises RequestFailed if no answer comes, or no credential is valid, and DragomanError if
        the credential signs requests and the body is `Pieces`.

        headers: those of this request. The account's and the gateway's headers replace them, except those in
        `yields`; `call.headers` replace all others of the same name. outgoing: has the values for the
        placeholders in the URL and for its query, None = there are none. kind: the content type; None = JSON,
        unless the account's headers or `call.headers` state another one.
        """
        if self._changes and self.accounts[call.account].renewal is not None:
            return self._signed(address, body, call, headers, outgoing=outgoing, kind=kind)
        head, added = self._head(address, call, headers, outgoing=outgoing, kind=kind)
        call.watch.start()
        return self.transport.send(head, body, call.timers, added)

    async def _signed(
        self,
        address: Address,
        body: bytes | Pieces,
        call: Call,
        headers: Mapping[str, str],
        *,
        outgoing: Outgoing | None,
        kind: str | None,
    ) -> Answer:
        """As `post`, with a credential that may change or that signs: wait until the credential is valid,
        sign if it signs, and send.
        """
        lease = await self._valid(call)
        head, added = self._head(address, call, headers, outgoing=outgoing, kind=kind)
        if lease is not None and lease.sign is not None:
            lower = {name.lower(): value for name, value in (*head.headers.items(), *(added or {}).items())}
            whole = body if isinstance(body, bytes) else None
            head = _changed(head, lease.sign(Prepared(head.method, str(head.url), lower, whole)))
        call.watch.start()
        return await self.transport.send(head, body, call.timers, added)

    async def handshake(self, address: Address, call: Call, headers: Mapping[str, str], search: str) -> Head:
        """Return the request that opens a WebSocket, without sending or signing it. headers: those of this
        request; the account's and the gateway's headers replace them, except those in `yields`. search:
        appended to the URL ("&intent=…"). Raises RequestFailed without a valid credential.
        """
        await self._valid(call)
        head, added = self._head(address, call, headers)
        url = URL(f"{head.url}{search}", encoded=True)
        return Head("GET", url, CIMultiDict({**head.headers, **(added or {})}))

    async def get(self, url: URL, call: Call, *, signed: bool) -> Answer:
        """GET a URL with the account's headers. Return an answer of any status, which the caller must close.
        Raises RequestFailed if there is no answer, or no valid credential. signed: False = leave out the
        headers that contain a secret of the account, and do not wait for its credential. No signature is made
        in either case.
        """
        if signed:
            await self._valid(call)
        secrets = () if signed else self.accounts[call.account].secrets
        headers = CIMultiDict(
            (name, value)
            for name, value in self._headers[call.account].items()
            if name != "content-type" and not any(secret and secret in value for secret in secrets)
        )
        return await self.transport.send(Head("GET", url, headers), None, call.timers)

    async def _valid(self, call: Call) -> Lease | None:
        """Return the valid lease of the account's credential; None = the credential never changes. Raises
        RequestFailed if there is no valid lease.
        """
        renewal = self.accounts[call.account].renewal
        return None if renewal is None else await renewal.credential.current()

    def _head(
        self,
        address: Address,
        call: Call,
        headers: Mapping[str, str],
        *,
        outgoing: Outgoing | None = None,
        kind: str | None = None,
    ) -> tuple[Head, Mapping[str, str] | None]:
        """Return (the head of a request, headers to add to it; None = none). The arguments are those of
        `post`.
        """
        more = call.headers
        key: tuple[Any, ...] = (address, call.model, call.account)
        if more:
            key += tuple(more.items())
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            fixed = self._headers[call.account].copy()
            fixed.update(more or {})
            head = self._heads[key] = Head("POST", address.of(call.model), fixed)
        added: Mapping[str, str] | None = None
        if headers or call.once is not None or hops.passed():
            head, added = self._with(head, call, headers)
        if kind is not None:
            head = _changed(head, {"content-type": kind})
        if outgoing is not None and (outgoing.params or outgoing.query):
            head = Head(head.method, filled(head.url, outgoing), head.headers)
        return head, added

    def _with(self, head: Head, call: Call, headers: Mapping[str, str]) -> tuple[Head, Mapping[str, str]]:
        """Return (head, headers to add to it) for a request with these `headers`, the hop count and, if the
        provider accepts it, the idempotency key. If `head` already has a header, its value is kept, with two
        exceptions: a new hop count replaces it, and so does the value in `headers` if the name is in `yields`
        and not in `call.headers`.
        """
        fixed, added, changed = head.headers, {}, {}
        for name, value in headers.items():
            if name not in fixed:
                added[name] = value
            elif (
                name in self._yields and value != fixed[name] and name not in CIMultiDict(call.headers or ())
            ):
                changed[name] = value
        if passed := hops.passed():
            changed[hops.HEADER] = str(passed + 1)
        if call.once is not None and self._idempotency_keys and _ONCE not in fixed:
            added[_ONCE] = call.once
        return (_changed(head, changed) if changed else head), added


def _changed(head: Head, headers: Mapping[str, str]) -> Head:
    changed = head.headers.copy()
    changed.update(headers)
    return Head(head.method, head.url, changed)


def _prepared(headers: Mapping[str, str]) -> CIMultiDict[str]:
    fixed = {
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "identity",  # a compressed stream would arrive in large pieces
        "user-agent": f"dragoman/{__version__}",
        hops.HEADER: "1",
    }
    return CIMultiDict({**fixed, **headers})
