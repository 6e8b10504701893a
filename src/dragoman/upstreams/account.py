"""One credential of a provider, as each request needs it: headers, and which parts of them are secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from dragoman import ir
from dragoman.upstreams.credential import Credential, Lease
from dragoman.wire.json import reworded

_SHORTEST_SECRET = 8
"""Characters. A shorter secret, as of a header ("eu"), is not hidden, because many words contain it."""
_MOST_SECRETS = 64
"""Secrets of one account that are hidden, those of replaced credentials included."""
_WITHOUT_PROVIDER_TEXT = frozenset({"kind", "blame"})
"""Fields of a fault whose text is never a provider's."""


class Renewal(msgspec.Struct, frozen=True, eq=False):
    """How an account follows a credential that changes. lease: the state of the credential for which the
    account was made. account: makes the account for another lease.
    """

    credential: Credential
    lease: Lease
    account: Callable[[Lease], Account]


class Account(msgspec.Struct, frozen=True):
    """One credential of a provider. headers: those of every request, with the credential. tail: the key's
    last characters, for people to read; None = there is no key. secrets: parts of the headers that must not
    be shown. id: stays the same as long as the credential does, and does not reveal it. renewal: None = the
    credential never changes. source: where the key came from, for people to read. own: a tenant has brought
    the key. lent: it is the client's own credential, for one request.
    """

    headers: Mapping[str, str]
    tail: str | None = None
    secrets: tuple[str, ...] = ()
    id: str = ""
    renewal: Renewal | None = None
    source: str = ""
    own: bool = False
    lent: bool = False

    def succeeding(self, before: Account) -> Account:
        """This account, with the secrets of `before`, which it replaces: late answers may repeat them."""
        retired = [one for one in before.secrets if one not in self.secrets]
        return msgspec.structs.replace(self, secrets=(*self.secrets, *retired)[:_MOST_SECRETS])

    def discreet(self, fault: ir.Fault, more: Iterable[str] = ()) -> ir.Fault:
        """The fault with `[redacted]` for each secret, except very short ones. more: further secrets."""
        secrets = [one for one in (*self.secrets, *more) if len(one) >= _SHORTEST_SECRET]

        def hide(text: str) -> str:
            for secret in secrets:
                text = text.replace(secret, "[redacted]")
            return text

        told = {
            name: reworded(getattr(fault, name), hide)
            for name in fault.__struct_fields__
            if name not in _WITHOUT_PROVIDER_TEXT
        }
        return msgspec.structs.replace(fault, **told)
