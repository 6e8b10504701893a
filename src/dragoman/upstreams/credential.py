"""Credentials that change while the gateway runs: keys in files that are replaced, tokens that expire,
signatures of each request.

A lease is the present value of such a credential, for example the token of this hour. A key that never
changes does not need this module: the headers with it are made once, when the gateway starts, and are stored
in its account (`account.Account`).
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
"""The seconds after a refresh that failed in which `Refreshing.current` starts no other one."""


class Prepared(msgspec.Struct, frozen=True):
    """A request that is complete except for its signature. headers: the names are in lower case. body: None =
    the body is sent in parts, so it cannot be signed.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Lease(msgspec.Struct, frozen=True, eq=False):
    """The present value of a credential. secret: the key or token, which is put into each request as the
    provider's protocol requires; None = there is none. expires: Unix seconds, None = unknown or never. sign:
    returns further headers for one request, such as a signature, and raises DragomanError if the request's
    `body` is None; None = requests are not signed.
    """

    secret: Secret | None
    expires: float | None = None
    sign: Callable[[Prepared], Mapping[str, str]] | None = None


class State(msgspec.Struct, frozen=True):
    """The condition of a credential, for people to read. id: identifies the credential; it stays the same
    when the secret changes. tail: the last characters of the secret, None = there is no secret. expires: as
    for `Lease`. error: why the latest refresh failed, None = it did not fail.
    """

    id: str
    tail: str | None
    expires: float | None
    error: str | None


Follower: TypeAlias = Callable[[Lease], None]


class Credential(Protocol):
    """A credential that changes while the gateway runs."""

    @property
    def lease(self) -> Lease:
        """The present value of the credential, which may have expired."""

    def follow(self, name: str, follower: Follower) -> None:
        """Call `follower` with each new lease from now on. An earlier follower of the same `name` is
        replaced, and is not called any more. Several followers are called in the order in which their names
        were first added.
        """

    def leave(self) -> None:
        """Remove all followers. This is called when nobody uses the credential any more."""

    async def current(self) -> Lease:
        """Return the lease to use for a request. If necessary, wait for a refresh first. Raises RequestFailed
        if there is no valid lease.
        """

    async def refused(self, lease: Lease) -> bool:
        """Look for a new lease, because the provider has refused `lease`. Return whether the present lease is
        now another one than `lease`.
        """

    @property
    def state(self) -> State: ...


class NotRenewed(Exception):
    """Raised if a credential could not be refreshed. The text of the exception says why, without a secret."""


class Refreshing:
    """A credential that `fetch` refreshes. There is no timer: a request starts the refresh, when it asks for
    the lease shortly before the lease expires or later, or when the provider has refused the lease. Requests
    that wait for a refresh at the same time wait for the same refresh.

    id_: identifies the credential. provider: the provider's name, for errors. lease: the first lease; it may
    have expired. fetch: takes the present lease, and returns a new lease, or the same object if nothing has
    changed; raises NotRenewed. now: returns Unix seconds. early: in this number of seconds before the lease
    expires, a request starts a refresh; requests use the present lease until the refresh has ended. every:
    for a lease without `expires`, the seconds after the latest refresh (or after the object was made) from
    which a request starts the next one, None = never.
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
        """When the latest refresh ended (at first: when this object was made), in Unix seconds."""

    def follow(self, name: str, follower: Follower) -> None:
        """Call `follower` with each new lease from now on. An earlier follower of this name is replaced."""
        self._followers[name] = follower

    def leave(self) -> None:
        """Remove all followers. This is called when nobody uses the credential any more."""
        self._followers.clear()

    @property
    def state(self) -> State:
        """The condition of the credential, for people to read."""
        secret = self.lease.secret
        return State(self._id, None if secret is None else secret.tail, self.lease.expires, self._error)

    async def current(self) -> Lease:
        """Return the present lease. If it has expired, first wait for a refresh, and raise RequestFailed if
        the lease is still expired then. If the lease has not expired but a refresh is due (`early`, `every`),
        start one, and return the present lease at once. No refresh is started within one second after a
        failed one.
        """
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
        """Wait for a refresh, because the provider has refused `lease`; do nothing if the present lease is
        already another one. Return whether the present lease is now another one than `lease`.
        """
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
        if since < _AGAIN and (self._error is not None or self.lease.expires is not None):
            return False  # the last refresh failed, or it brought the same lease again
        if self.lease.expires is not None and self.lease.expires - self._early <= now:
            return True
        return self.lease.expires is None and self._every is not None and since >= self._every

    def _begin(self) -> asyncio.Task[None]:
        """Return the task of the running refresh; if none runs, start one."""
        if self._refresh is None:
            self._refresh = spawn(self._run(), f"refreshing the credential of {self._provider}")
        return self._refresh

    async def _refreshed(self) -> None:
        """Wait until the running refresh has ended; if none runs, start one first. Cancelling the waiting
        task does not cancel the refresh.
        """
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
        """Return the fault for a request when there is no valid lease: 502, blamed on the gateway."""
        if self.lease.secret is None:
            text, code = f"The gateway cannot sign in to the provider {self._provider!r}", "sign_in_failed"
            text += "." if self._error is None else f": {self._error}."
        else:
            text = f"The gateway's credential for the provider {self._provider!r} has expired."
            code = "credential_expired"
            if self._error is not None:
                text += f" It was not refreshed: {self._error}."
        return ir.Fault("upstream", text, code=code, blame="gateway")
