"""Puts together the headers of every request to a provider, with the credential. Pure.

A key is bound to the origin of its provider's configuration. It is never added to a request for another
origin, whatever a request, a redirect or a mistake of ours asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from dragoman.dialects.access import Scheme, key_header
from dragoman.dialects.table import key_headers
from dragoman.errors import DragomanError
from dragoman.seams.secret import Secret


def credential_headers() -> frozenset[str]:
    """The headers (lower case) that may hold a credential. A client's own are never sent upstream."""
    return _ALWAYS.union(key_headers())


_ALWAYS: Final = frozenset({"api-key", "authorization", "cookie", "proxy-authorization"})


class Credential(msgspec.Struct, frozen=True):
    """A key and the one origin to which it may be sent, in the form of `address.origin`.

    source: where the key was found, so that people can tell keys apart without seeing them
    ("OPENAI_API_KEY_2", "dragoman.yaml:12").
    """

    secret: Secret
    origin: str
    source: str = ""


def sign(
    url: str,
    headers: Mapping[str, str],
    *,
    credential: Credential | None,
    scheme: Scheme,
    fixed: Mapping[str, str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The headers to send to `url`: names in lower case, a new dict.

    headers: the request's own, lower-case names; those that may hold a credential are dropped. fixed: the
    dialect's (`anthropic-version`); the request's override them. extra: the operator's, which override both.
    credential: its header overrides all; None = no key. Raises DragomanError if `url` is not at its origin.
    """
    signed, secret = dict(fixed), credential_headers()
    signed.update((name, value) for name, value in headers.items() if name not in secret)
    signed.update(extra)
    if credential is not None:
        if not _within(url, credential.origin):
            raise DragomanError(
                f"the API key belongs to {credential.origin} and is not sent to another address"
            )
        name, value = key_header(scheme, credential.secret.reveal())
        signed[name] = value
    return signed


def _within(url: str, origin: str) -> bool:
    """Whether `url` is at `origin`; `https://a.example.evil` and `https://a.example@evil` are not at
    a.example.
    """
    return url.startswith(origin) and url[len(origin) : len(origin) + 1] in {"", "/", "?"}
