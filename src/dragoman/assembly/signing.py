"""Access keys that sign each request instead of being sent with it, as AWS requires."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dragoman.dialects.table import DIALECTS
from dragoman.errors import DragomanError
from dragoman.providers.provider import Provider
from dragoman.providers.sigv4 import AccessKey, access_key, is_broken, region_in, signature_headers
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Credential, Follower, Lease, Prepared, State


def signing_key(provider: Provider, text: str) -> AccessKey | None:
    """Return the access key that a provider's key is, if the provider's first protocol can use signatures.
    None = the key is not an access key, or the protocol has no signatures; then the key itself is sent with
    each request. text: the provider's key.
    """
    return access_key(text) if DIALECTS[provider.dialect].keys.signs else None


def flaw_of_key(provider: Provider, text: str) -> str | None:
    """Return why a key cannot be used at this provider, as the rest of a sentence; None = no reason was
    found. Only keys for a protocol with signatures are checked. text: the key.
    """
    if not DIALECTS[provider.dialect].keys.signs:
        return None
    if is_broken(text):
        return "is an access key that is not written `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`"
    if access_key(text) is not None and _region(provider) is None:
        return "is an access key, which signs for a region, and the provider states none: set `region`"
    return None


def _region(provider: Provider) -> str | None:
    return provider.region or region_in(provider.base_url)


def signed(provider: Provider, lease: Lease, now: Callable[[], float]) -> Lease:
    """Return a copy of a lease that signs requests, if its secret is an access key; otherwise return `lease`
    itself. The provider must have a region (`flaw_of_key`). The copy raises DragomanError when it has to sign
    a request whose body is sent in pieces. now: returns Unix seconds.
    """
    key = None if lease.secret is None else signing_key(provider, lease.secret.reveal())
    if key is None:
        return lease
    region = _region(provider)
    assert region is not None, "the configuration was not checked"
    service = DIALECTS[provider.dialect].keys.signs

    def sign(request: Prepared) -> Mapping[str, str]:
        if request.body is None:
            raise DragomanError("a request that is sent in pieces cannot be signed")
        return signature_headers(
            request.method,
            request.url,
            request.headers,
            request.body,
            key=key,
            region=region,
            service=service,
            now=now(),
        )

    return msgspec.structs.replace(lease, sign=sign)


class FixedCredential:
    """A credential with one lease that never changes, for a key that signs requests."""

    def __init__(self, id_: str, lease: Lease) -> None:
        self.lease = lease
        self._id = id_

    def follow(self, name: str, follower: Follower) -> None:
        """Do nothing: there will be no other lease."""

    def leave(self) -> None:
        """Do nothing: there are no followers."""

    async def current(self) -> Lease:
        """Return the only lease."""
        return self.lease

    async def refused(self, lease: Lease) -> bool:
        """Return False: there is no other lease."""
        return False

    @property
    def state(self) -> State:
        """The condition of the credential, for people to read."""
        secret: Secret | None = self.lease.secret
        return State(self._id, None if secret is None else secret.tail, None, None)


class SigningCredential:
    """A credential that changes. Its leases sign requests if their secret is an access key.

    inner: the credential that has the secrets. signed: returns a lease that signs, made from a lease of
    `inner`.
    """

    def __init__(self, inner: Credential, signed: Callable[[Lease], Lease]) -> None:
        self._inner = inner
        self._signed = signed
        self._of: tuple[Lease, Lease] | None = None  # a lease of `inner`, and the one made of it

    @property
    def lease(self) -> Lease:
        """The present lease. It may have expired."""
        return self._made(self._inner.lease)

    def _made(self, lease: Lease) -> Lease:
        if self._of is None or self._of[0] is not lease:
            self._of = lease, self._signed(lease)
        return self._of[1]

    def follow(self, name: str, follower: Follower) -> None:
        """Call `follower` with each new lease from now on, in place of an earlier follower of the same
        `name`.
        """
        self._inner.follow(name, lambda lease: follower(self._made(lease)))

    def leave(self) -> None:
        """Remove all followers."""
        self._inner.leave()

    async def current(self) -> Lease:
        """Return the lease to use for a request. Raises RequestFailed if there is no valid lease."""
        return self._made(await self._inner.current())

    async def refused(self, lease: Lease) -> bool:
        """Look for a new lease, because the provider has refused `lease`. Return whether the present lease is
        now another one than `lease`.
        """
        known = self._of
        return await self._inner.refused(known[0] if known is not None and known[1] is lease else lease)

    @property
    def state(self) -> State:
        """The condition of the credential, for people to read."""
        return self._inner.state
