"""One credential of a provider, in the form that each request needs: headers, and which parts of them are
secret. Also removes the secrets from faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from dragoman import ir
from dragoman.routing.outcome import Whose
from dragoman.upstreams.credential import Credential, Lease
from dragoman.wire.json import reworded

_SHORTEST_SECRET = 8
"""Characters. A shorter secret is not hidden, because many words contain it. A header's value such as "eu" is
an example.
"""
_MOST_SECRETS = 64
"""The most secrets of one account that are hidden, including those of replaced credentials."""
_WITHOUT_PROVIDER_TEXT = frozenset({"kind", "blame"})
"""The fields of a fault that never contain text of a provider."""


class Renewal(msgspec.Struct, frozen=True, eq=False):
    """How an account follows a credential that changes, or that signs requests. lease: the lease of the
    credential for which the account was made. account: makes the account for another lease.
    """

    credential: Credential
    lease: Lease
    account: Callable[[Lease], Account]


class Account(msgspec.Struct, frozen=True):
    """One credential of a provider. headers: the headers of every request. They include the credential,
    unless the credential signs each request. tail: the last characters of the key, for people to read; None =
    there is no key. secrets: texts that must not be shown, such as the key. They include secrets of replaced
    credentials (`succeeding`). id: identifies the credential without revealing it. renewal: None = the
    credential never changes, and does not sign requests. source: where the key came from, for people to read.
    own: True = the client's tenant has brought the key. lent: True = it is the client's own credential, for
    one request.
    """

    headers: Mapping[str, str]
    tail: str | None = None
    secrets: tuple[str, ...] = ()
    id: str = ""
    renewal: Renewal | None = None
    source: str = ""
    own: bool = False
    lent: bool = False

    @property
    def whose(self) -> Whose:
        """Whose credential this is."""
        if not self.own:
            return "gateway"
        return "client" if self.lent else "tenant"

    def succeeding(self, before: Account) -> Account:
        """Return a copy of this account that also has the secrets of `before`, so that they stay hidden: late
        answers may still repeat them. The copy has at most 64 secrets; those of the oldest accounts are left
        out first. before: the account that this account replaces.
        """
        retired = [one for one in before.secrets if one not in self.secrets]
        return msgspec.structs.replace(self, secrets=(*self.secrets, *retired)[:_MOST_SECRETS])

    def discreet(self, fault: ir.Fault, more: Iterable[str] = ()) -> ir.Fault:
        """Return the fault with `[redacted]` in place of each secret in its texts. Secrets of fewer than 8
        characters are not replaced. more: secrets to hide in addition to those of the account.
        """
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
