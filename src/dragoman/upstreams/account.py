"""Accounts. An account is one credential of a provider in the form that requests need: headers, and the texts
that are secret. An account also removes its secrets from faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec

from dragoman import ir
from dragoman.errors import WireError
from dragoman.routing.outcome import Whose
from dragoman.upstreams.credential import Credential, Lease
from dragoman.wire.hidden import without_beginnings
from dragoman.wire.json import decode_object, encode, reworded

_SHORTEST_SECRET = 8
"""Characters. A shorter secret is not hidden, because many words contain it. A header's value such as "eu" is
an example.
"""
_MOST_SECRETS = 64
"""The most secrets of an account that has replaced another one, including those of replaced credentials."""
_REDACTED: Final = "[redacted]"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
"""Matches characters that no encoder of JSON escapes."""
_LIKE_KEY: Final = re.compile(r"(?:\w+ )?\S{16,}")
"""Matches what looks like a key: 16 characters or more without a blank, perhaps after a word (`Bearer`)."""
_ANY: Final = "surrogateescape"
"""The error handler that decodes any bytes, and encodes the text to the same bytes."""
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
    (`succeeding`). configured: those of the `secrets` that are values of configured headers, and need not be
    secret. id: identifies the credential without revealing it; all credentials that clients send have
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
    configured: tuple[str, ...] = ()

    @property
    def whose(self) -> Whose:
        """Whose credential this is."""
        if not self.own:
            return "gateway"
        return "client" if self.lent else "tenant"

    def succeeding(self, before: Account) -> Account:
        """Return a copy of this account whose `secrets` and `configured` also contain those of `before`, the
        account that this account replaces, because late answers may still repeat them. The copy has at most
        64 secrets: first those of this account, then those of `before`.
        """
        retired = [one for one in before.secrets if one not in self.secrets]
        configured = dict.fromkeys((*self.configured, *before.configured))
        return msgspec.structs.replace(
            self,
            secrets=(*self.secrets, *retired)[:_MOST_SECRETS],
            configured=tuple(configured)[:_MOST_SECRETS],
        )

    def discreet(self, fault: ir.Fault, more: Iterable[str] = ()) -> ir.Fault:
        """Return a copy of the fault with `[redacted]` in place of each secret, in all its fields except
        `kind` and `blame`. Secrets of fewer than 8 characters are not replaced. more: secrets to hide in
        addition to those of the account.
        """
        hide = self.redaction(more).text
        told = {
            name: reworded(getattr(fault, name), hide)
            for name in fault.__struct_fields__
            if name not in _WITHOUT_PROVIDER_TEXT
        }
        return fault.changed(**told)

    def redaction(self, more: Iterable[str] = ()) -> Redaction:
        """Return a `Redaction` for the secrets of this account: an object that replaces them by `[redacted]`
        in texts and WebSocket messages. more: values of configured headers to hide in addition to the secrets
        of the account.
        """
        further = tuple(more)
        return Redaction((*self.secrets, *further), (*self.configured, *further))


class Redaction:
    """Replaces secrets by `[redacted]`. secrets: those of fewer than 8 characters are not replaced.
    configured: those of the `secrets` that need not be secret, such as the name of an application. In
    WebSocket messages, which may have any words, they are replaced only if they look like a key
    (`_LIKE_KEY`).
    """

    def __init__(self, secrets: Iterable[str], configured: Collection[str] = ()) -> None:
        hidden = {one for one in secrets if len(one) >= _SHORTEST_SECRET}
        self._secrets = sorted(hidden, key=len, reverse=True)  # one secret may begin with another
        self._keys = [one for one in self._secrets if one not in configured or _LIKE_KEY.fullmatch(one)]
        self._marks = sorted({max(_PLAIN.findall(one), key=len, default=one) for one in self._keys})
        """For each secret its longest part that stands in a JSON text as it is."""
        self._binary_marks = [one.encode() for one in self._marks]

    def text(self, text: str) -> str:
        """Return the text with `[redacted]` in place of each secret."""
        return _without(text, self._secrets)

    def body(self, body: bytes, *, whole: bool) -> bytes:
        """Return the bytes of a body with `[redacted]` in place of each secret. whole: False = the body was
        cut off; then the beginning of a secret at its end is left out.
        """
        if not whole:
            body = without_beginnings(body, self._secrets, _SHORTEST_SECRET)
        for secret in self._secrets:
            body = body.replace(secret.encode("utf-8", "replace"), _REDACTED.encode())
        return body

    def message(self, message: str | bytes) -> str | bytes:
        """Return a WebSocket message with `[redacted]` in place of each secret (see `configured`), also where
        JSON has escaped some of the secret's characters (`+`, `/`, …). A message without a secret is returned
        as it is. A JSON message with a secret may come back in another layout.
        """
        if isinstance(message, str):
            for mark in self._marks:
                if mark in message:
                    return self._hidden(message)
            return message
        for mark in self._binary_marks:
            if mark in message:
                return self._hidden(message.decode("utf-8", _ANY)).encode("utf-8", _ANY)
        return message

    def _hidden(self, message: str) -> str:
        try:
            event = decode_object(message.encode("utf-8", _ANY))
        except WireError:
            return _without(message, self._keys)
        told = reworded(event, lambda text: _without(text, self._keys))
        return _without(message, self._keys) if told == event else encode(told).decode()


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _REDACTED)
    return text
