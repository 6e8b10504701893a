"""Credentials that change while the gateway runs: keys in files that rotate, tokens that expire, signatures
of each request.

A credential has a lease: what it is at present. A key that never changes needs none of this: its account
holds the headers that were made when the gateway started (`wire.Account`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeAlias

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.seams.secret import Secret
from dragoman.seams.tasks import spawn

log = logging.getLogger("dragoman.upstreams.credential")

_AGAIN: Final = 1.0
"""Seconds after a refresh that has failed, in which no other one begins."""


class Prepared(msgspec.Struct, frozen=True):
    """A request that only lacks its signature. headers: with lower-case names. body: None = it is sent in
    pieces, so that it cannot be signed.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Lease(msgspec.Struct, frozen=True, eq=False):
    """What a credential is at present. secret: the key or token, which is put into each request as the
    provider's protocol says; None = there is none. expires: Unix seconds, None = unknown or never. sign:
    returns further headers for one request, such as a signature; None = there are none.
    """

    secret: Secret | None
    expires: float | None = None
    sign: Callable[[Prepared], Mapping[str, str]] | None = None


class State(msgspec.Struct, frozen=True):
    """How a credential is, for people. id: of the credential, the same whatever it is at present. tail: the
    secret's last characters, None = there is no secret. expires: as for `Lease`. error: why the last refresh
    has failed, None = it has not.
    """

    id: str
    tail: str | None
    expires: float | None
    error: str | None


Follower: TypeAlias = Callable[[Lease], None]


class Credential(Protocol):
    """A credential that changes."""

    @property
    def lease(self) -> Lease:
        """What it is at present, which may have expired."""

    def follow(self, name: str, follower: Follower) -> None:
        """Call `follower` with each new lease, after the earlier ones. It replaces one of the same name."""

    def leave(self) -> None:
        """Forget all followers: nobody uses the credential any more."""

    async def current(self) -> Lease:
        """A lease for a request, refreshed if it has to be. Raises RequestFailed if there is no valid one."""

    async def refused(self, lease: Lease) -> bool:
        """Look for a new lease, because the provider has refused this one. Returns whether there is one."""

    @property
    def state(self) -> State: ...


class NotRenewed(Exception):
    """A credential could not be refreshed. The text says why, without the secret."""


class Refreshing:
    """A credential that is refreshed before it expires, by one refresh for all requests that wait.

    id: of the credential. provider: its name, for errors. fetch: returns a lease in place of the one that it
    is given, or the same if nothing has changed; raises NotRenewed. now: Unix seconds. early: seconds before
    its end in which a lease is refreshed, while requests still use it. every: seconds after which `fetch` is
    called though nothing expires, None = never.
    """

    def __init__(
        self,
        id_: str,
        provider: str,
        lease: Lease,
        fetch: Callable[[Lease], Awaitable[Lease]],
        now: Callable[[], float],
        *,
        early: float = 60.0,
        every: float | None = None,
    ) -> None:
        self.lease = lease
        self._id = id_
        self._provider = provider
        self._fetch = fetch
        self._now = now
        self._early = early
        self._every = every
        self._followers: dict[str, Follower] = {}
        self._refresh: asyncio.Task[None] | None = None
        self._error: str | None = None
        self._looked = now()
        """When the latest refresh has ended."""

    def follow(self, name: str, follower: Follower) -> None:
        """See `Credential`."""
        self._followers[name] = follower

    def leave(self) -> None:
        """See `Credential`."""
        self._followers.clear()

    @property
    def state(self) -> State:
        """See `Credential`."""
        secret = self.lease.secret
        return State(self._id, None if secret is None else secret.tail, self.lease.expires, self._error)

    async def current(self) -> Lease:
        """See `Credential`. Waits only if the lease has expired."""
        now = self._now()
        if self._expired(now):
            if self._error is None or now - self._looked >= _AGAIN or self._refresh is not None:
                await self._refreshed()
            if self._expired(self._now()):
                raise RequestFailed(self._expiry())
        elif self._due(now):
            self._begin()
        return self.lease

    async def refused(self, lease: Lease) -> bool:
        """See `Credential`."""
        if lease is self.lease:
            ran = self._refresh is not None
            await self._refreshed()
            # A refresh that already ran may have looked before the credential was replaced.
            if ran and lease is self.lease:
                await self._refreshed()
        return lease is not self.lease

    def _expired(self, now: float) -> bool:
        return self.lease.expires is not None and self.lease.expires <= now

    def _due(self, now: float) -> bool:
        since = now - self._looked
        if self._error is not None and since < _AGAIN:
            return False
        if self.lease.expires is not None and self.lease.expires - self._early <= now:
            return True
        return self._every is not None and since >= self._every

    def _begin(self) -> asyncio.Task[None]:
        """The refresh that runs, which begins now if none does."""
        if self._refresh is None:
            self._refresh = spawn(self._run(), f"refreshing the credential of {self._provider}")
        return self._refresh

    async def _refreshed(self) -> None:
        """Wait for the refresh that runs, or for a new one. Who stops waiting does not stop it."""
        await asyncio.shield(self._begin())

    async def _run(self) -> None:
        try:
            lease = await self._fetch(self.lease)
        except NotRenewed as error:
            if str(error) != self._error:
                log.warning("%s: the credential was not refreshed: %s", self._provider, error)
            self._error = str(error)
        else:
            self._error = None
            if lease is not self.lease:
                self.lease = lease
                log.info("%s: uses the new credential …%s", self._provider, self.state.tail or "")
                for follower in list(self._followers.values()):
                    follower(lease)
        finally:
            self._looked = self._now()
            self._refresh = None

    def _expiry(self) -> ir.Fault:
        text = f"The gateway's credential for the provider {self._provider!r} has expired."
        if self._error is not None:
            text += f" It was not refreshed: {self._error}."
        return ir.Fault("unavailable", text, code="credential_expired", blame="gateway")
