"""A configured account at a vendor, ready to be called: data, not code. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.providers import address
from dragoman.providers.auth import Credential, Scheme
from dragoman.providers.catalog import APPENDING, BASE_PATHS, CHAT_PATHS, DialectName, Vendor
from dragoman.seams.secret import Secret


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol that a provider can be asked in.

    chat_url, stream_url: the address of the chat endpoint, whole and for streams, perhaps with `{model}` in
    it. bases: what the paths of operations lie below, by operation, where that does not follow from the
    address of chat. auth: how a key travels. fixed: headers that the dialect insists on. models: patterns of
    the only names that it serves, None = all.
    """

    dialect: DialectName
    chat_url: str
    stream_url: str
    auth: Scheme
    fixed: Mapping[str, str] = {}
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None
    bases: Mapping[str, str] = {}


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests go, in which dialect, with which keys.

    name: as in configuration, and the first part of `provider/model`. vendor: its catalogue row, None
    for a server that the catalogue does not know. base_url: in normal form. chat_path: below it, with
    `{model}` where the model's name belongs; stream_path: the same for streams.
    credentials: its keys, each bound to this origin; empty for a server without keys. fixed: headers
    that the dialect insists on. headers: the operator's, lower-case names, possibly secret. body: JSON
    merged into every request. models: the model names that it takes, None = any. further: what it speaks
    beside its dialect, the best first.
    """

    name: str
    vendor: Vendor | None
    dialect: DialectName
    base_url: str
    chat_path: str
    stream_path: str
    auth: Scheme
    credentials: tuple[Credential, ...] = ()
    fixed: Mapping[str, str] = {}
    headers: Mapping[str, Secret] = {}
    body: Mapping[str, Any] = {}
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None
    further: tuple[Api, ...] = ()

    @property
    def apis(self) -> tuple[Api, ...]:
        """Every protocol that it can be asked in, its own dialect first."""
        own = Api(
            dialect=self.dialect,
            chat_url=self.chat_url,
            stream_url=self.base_url + self.stream_path,
            auth=self.auth,
            fixed=self.fixed,
            quirks=self.quirks,
            bases=self._bases,
        )
        return (own, *self.further)

    @property
    def chat_url(self) -> str:
        """The address of the chat endpoint, perhaps with `{model}` in it."""
        return self.base_url + self.chat_path

    @property
    def _bases(self) -> Mapping[str, str]:
        """Beside the vendor's own path: a proxy that serves it below a path of its own keeps that path."""
        vendor = self.vendor
        if vendor is None or not vendor.bases:
            return {}
        own = self.base_url.endswith(vendor.path)
        root = self.base_url.removesuffix(vendor.path) if own else self.origin
        return {operation: root + path for operation, path in vendor.bases.items()}

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`, what its keys are bound to."""
        return address.origin(self.base_url)

    def takes(self, model: str) -> bool:
        """Whether `provider/model` is forwarded for this model name."""
        return self.models is None or model in self.models

    def owns(self, model: str) -> bool:
        """Whether a bare `model` is this vendor's own by the catalogue's patterns, and is taken."""
        return self.vendor is not None and self.vendor.owns(model) and self.takes(model)


def base_url(
    vendor: Vendor | None,
    dialect: DialectName,
    spelled: str | None,
    base_path: str | None = None,
    chat_path: str = "",
) -> str:
    """The normal form of a provider's base URL.

    vendor, dialect: what decides the path that is expected. spelled: what the operator wrote, None =
    the vendor's own. base_path, chat_path: as `address.base_url`. Raises ValueError with a sentence.
    """
    if spelled is None:
        if vendor is None:
            raise ValueError("this is not a known provider: set base_url")
        spelled = vendor.base_url
    return address.base_url(
        spelled,
        path=vendor.path if vendor else BASE_PATHS[dialect],
        appends=vendor.appends if vendor else dialect in APPENDING,
        endpoint=chat_path or CHAT_PATHS[dialect],
        base_path=base_path,
    )
