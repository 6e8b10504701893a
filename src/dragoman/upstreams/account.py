"""Accounts. An account is one credential of a provider in the form that requests need: headers, and the texts
that are secret. An account also removes its secrets from faults.
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
    """Connects an account to a credential that changes or that signs requests. credential: this credential.
    lease: the lease for which the account was made. account: a function that returns the account for another
    lease of the credential.
    """

    credential: Credential
    lease: Lease
    account: Callable[[Lease], Account]


class Account(msgspec.Struct, frozen=True):
    """One credential of a provider. A provider without keys also has an account. headers: the headers of
    every request. They contain the credential, unless there is none or the credential signs each request.
    tail: the last characters of the key, for people to read; None = there is no key. secrets: texts that must
    not be shown: the key, the values of configured headers, and the secrets of replaced credentials
    (`succeeding`). id: identifies the credential without revealing it; all credentials that clients send have
    the same id. renewal: None = the credential never changes, and does not sign requests. source: where the
    key came from, for people to read. own: True = the credential belongs to a tenant or to a client, not to
    the operator. lent: True = the client has sent the credential, for one request; then `own` is True, too.
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
        """Return a copy of this account whose `secrets` also contain the secrets of `before`, because late
        answers may still repeat those. The copy has at most 64 secrets: first those of this account, then
        those of `before`, in their order. before: the account that this account replaces.
        """
        retired = [one for one in before.secrets if one not in self.secrets]
        return msgspec.structs.replace(self, secrets=(*self.secrets, *retired)[:_MOST_SECRETS])

    def discreet(self, fault: ir.Fault, more: Iterable[str] = ()) -> ir.Fault:
        """Return a copy of the fault with `[redacted]` in place of each secret. Secrets of fewer than 8
        characters are not replaced. more: secrets to hide in addition to those of the account.
        """
        hide = self.concealed(more)
        told = {
            name: reworded(getattr(fault, name), hide)
            for name in fault.__struct_fields__
            if name not in _WITHOUT_PROVIDER_TEXT
        }
        return msgspec.structs.replace(fault, **told)

    def concealed(self, more: Iterable[str] = ()) -> Callable[[str], str]:
        """Return a function that replaces each secret in a text by `[redacted]`. Secrets of fewer than 8
        characters are not replaced. more: secrets to hide in addition to those of the account.
        """
        secrets = {one for one in (*self.secrets, *more) if len(one) >= _SHORTEST_SECRET}
        longest_first = sorted(secrets, key=len, reverse=True)  # one secret may begin with another

        def hide(text: str) -> str:
            for secret in longest_first:
                text = text.replace(secret, "[redacted]")
            return text

        return hide
