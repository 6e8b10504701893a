"""Puts together the headers of a request to a provider, with the credential. Pure.

A key is bound to the origin (`scheme://host[:port]`) that its provider has in the configuration. The key is
never added to a request for another origin, whatever a request, a redirect or a mistake of ours asks for.
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
    """The names (lower case) of the headers that may hold a credential. If a client sends such a header, it
    is never passed on to a provider.
    """
    return _ALWAYS.union(key_headers())


_ALWAYS: Final = frozenset(
    {
        *("api-key", "authorization", "cookie", "proxy-authorization", "x-dragoman-key", "xi-api-key"),
        "x-litellm-api-key",
    }
)


class Credential(msgspec.Struct, frozen=True):
    """A key and the one origin (`scheme://host[:port]`, as `address.origin` returns it) to which the key may
    be sent.

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
    """The headers to send to `url`, with lower-case names, as a new dict.

    They come from four sources; a later source replaces headers of the same name. 1. fixed: headers that the
    dialect requires (`anthropic-version`). 2. headers: the request's own, with lower-case names; those that
    may hold a credential are left out. 3. extra: the operator's. 4. credential: the provider's key, in the
    header that `scheme` says; None = no key. Raises DragomanError if `url` is not at the credential's origin.
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
    """Whether `url` is at `origin`. For the origin `https://a.example`, neither `https://a.example.evil` nor
    `https://a.example@evil` is.
    """
    return url.startswith(origin) and url[len(origin) : len(origin) + 1] in {"", "/", "?"}
