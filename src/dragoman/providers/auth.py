"""Puts together the headers of a request to a provider, with the credential. Pure.

A key is bound to the origin (`scheme://host[:port]`) that its provider has in the configuration. A request to
another origin never gets the key, whatever caused the other origin: a client, a redirect or a mistake of
ours.
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
    """Return the names (lower case) of the headers that may hold a credential. Headers of a client with these
    names are not passed on to a provider together with the client's other headers.
    """
    return _ALWAYS.union(key_headers(), OF_GATEWAYS)


_ALWAYS: Final = frozenset(
    {"api-key", "authorization", "cookie", "proxy-authorization", "x-dragoman-key", "xi-api-key"}
)
OF_GATEWAYS: Final = frozenset({"x-litellm-api-key", "x-portkey-api-key", "x-bf-vk"})
"""The headers in which clients of LiteLLM, Portkey and Bifrost send the key of their gateway. A provider may
be such a gateway, so an operator may configure one of these headers for it.
"""


class Credential(msgspec.Struct, frozen=True):
    """A key and the only origin (`scheme://host[:port]`, in the form that `address.origin` returns) to which
    the key may be sent.

    secret: the key. source: the place where the key was found, so that people can tell keys apart without
    seeing them ("OPENAI_API_KEY_2", "dragoman.yaml:12").
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
    """Return the headers to send to `url`, as a new dict. The names in all three mappings must be in lower
    case, and so are those of the result.

    They come from four sources; a later source replaces headers of the same name. 1. fixed: headers that the
    dialect requires (`anthropic-version`). 2. headers: those of the request; headers that may hold a
    credential (`credential_headers`) are left out. 3. extra: those that the operator configured. 4.
    credential: the provider's key, in the header that `scheme` names; None = no key is sent. Raises
    DragomanError if `url` is not at the credential's origin.
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
    """Whether `url` is at `origin`. Neither `https://a.example.evil` nor `https://a.example@evil` is at the
    origin `https://a.example`.
    """
    return url.startswith(origin) and url[len(origin) : len(origin) + 1] in {"", "/", "?"}
