"""A configured account at a vendor, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.dialects.access import Scheme
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.table import DIALECTS
from dragoman.providers import address
from dragoman.providers.auth import Credential
from dragoman.providers.catalog import Vendor
from dragoman.seams.secret import Secret


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol that a provider speaks.

    chat_url, stream_url: the URLs of the chat endpoint for whole answers and for streams; may contain
    `{model}`. bases: by operation, the URL below which its path lies, where that is not the chat endpoint's
    base. auth: how a key is sent. fixed: headers that the dialect requires. models: patterns of the only
    models that it serves in chat, None = all.
    """

    dialect: str
    chat_url: str
    stream_url: str
    auth: Scheme
    fixed: Mapping[str, str] = {}
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None
    bases: Mapping[str, str] = {}


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One configured account: its address, dialects and keys.

    name: as in configuration, and the first part of `provider/model`. vendor: its catalogue row, None if it
    has none. base_url: in normal form. chat_path, stream_path: the chat endpoint below it for whole answers
    and for streams, with `{model}` in place of the model's name. credentials: its keys, each bound to this
    origin; empty for a server without keys. fixed: headers that the dialect requires. headers: the
    operator's, lower-case names, possibly secret. body: JSON that is merged into each request for a model.
    models: the model names that it serves, None = any. further: its protocols besides `dialect`, best first.
    """

    name: str
    vendor: Vendor | None
    dialect: str
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
        """Every protocol of the provider, its own dialect first."""
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
        """The URL of the chat endpoint; may contain `{model}`."""
        return self.base_url + self.chat_path

    @property
    def _bases(self) -> Mapping[str, str]:
        """By operation, the base URL of each that lies beside the vendor's own path (`Vendor.bases`).

        Of a base URL that ends in that path, all before it stays (a proxy's path); of another, the origin.
        """
        vendor = self.vendor
        if vendor is None or not vendor.bases:
            return {}
        own = self.base_url.endswith(vendor.path)
        root = self.base_url.removesuffix(vendor.path) if own else self.origin
        return {operation: root + path for operation, path in vendor.bases.items()}

    @property
    def origin(self) -> str:
        """The `scheme://host[:port]` to which its keys are bound."""
        return address.origin(self.base_url)

    def takes(self, model: str) -> bool:
        """Whether it serves the model with this name, written without the provider's."""
        return self.models is None or model in self.models

    def owns(self, model: str) -> bool:
        """Whether a model name without a provider fits the vendor's patterns and the provider serves it."""
        return self.vendor is not None and self.vendor.owns(model) and self.takes(model)


def base_url(
    vendor: Vendor | None,
    dialect: str,
    spelled: str | None,
    base_path: str | None = None,
    chat_path: str = "",
) -> str:
    """The normal form of a provider's base URL. Raises ValueError if there is none, or an invalid one.

    vendor: its catalogue row, None = unknown; then `dialect` decides which path is expected. spelled: the
    operator's text, None = the vendor's URL. base_path: the operator's path, added instead of the expected
    one. chat_path: the endpoint's path, which `spelled` may end in, "" = the dialect's.
    """
    if spelled is None:
        if vendor is None:
            raise ValueError("this is not a known provider: set base_url")
        spelled = vendor.base_url
    paths = DIALECTS[dialect].paths
    return address.base_url(
        spelled,
        path=vendor.path if vendor else paths.base,
        appends=vendor.appends if vendor else paths.appends,
        endpoint=chat_path or paths.chat,
        base_path=base_path,
    )
