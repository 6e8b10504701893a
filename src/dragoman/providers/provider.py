"""A configured account at a vendor, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.dialects.access import Scheme
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.table import DIALECTS
from dragoman.providers import address, dated
from dragoman.providers.auth import Credential
from dragoman.providers.identity import Identity
from dragoman.providers.vendor import Vendor
from dragoman.seams.secret import Secret


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol that a provider speaks.

    chat_url, stream_url: the URLs of the chat endpoint for whole answers and for streams; they may contain
    `{model}`. bases: {operation: base URL} for the operations whose endpoints are not below the base URL of
    chat. auth: how a key is sent. fixed: headers that the dialect requires. models: patterns of names; only
    models with these names can chat in this protocol (`!` before a pattern: all but these), None = all.
    query: stands at the end of every URL ("?api-version=2024-10-21"). base_url: below which everything lies
    that belongs to no model, such as the list of models; None = as the chat endpoint says.
    """

    dialect: str
    chat_url: str
    stream_url: str
    auth: Scheme
    fixed: Mapping[str, str] = {}
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None
    bases: Mapping[str, str] = {}
    query: str = ""
    base_url: str | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One configured account: its address, protocols and keys.

    name: as in the configuration, and the first part of `provider/model`. vendor: its row in the catalogue,
    None if it has none. dialect: its first protocol. base_url: in normal form. chat_path, stream_path: the
    paths of the chat endpoint below `base_url` for whole answers and for streams, with `{model}` in place of
    the model's name. credentials: its keys, each bound to the origin of `base_url`; empty for a server
    without keys. fixed: headers that the dialect requires. headers: those that the operator configured, with
    lower-case names; their values may be secrets. body: JSON that is merged into the body of each request to
    a model. region: where it works, as the operator says; None = unstated. models: the model names that it
    serves, None = any. further: its other protocols, best first. api_version: the version of its API that
    every URL states, None = none. folder: the path between `base_url` and the paths of the first protocol,
    with `{model}`; "" = there is none. base_models: {name of a deployment: name of its model} where the first
    does not say what the second is. identity: signs in to the provider in place of `credentials`; None =
    nothing does. forwards: requests have the credential of their client, so there is none here.
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
    region: str | None = None
    further: tuple[Api, ...] = ()
    api_version: str | None = None
    folder: str = ""
    base_models: Mapping[str, str] = {}
    identity: Identity | None = None
    forwards: bool = False

    @property
    def apis(self) -> tuple[Api, ...]:
        """Every protocol of the provider, its own dialect first."""
        own = Api(
            dialect=self.dialect,
            chat_url=self.chat_url,
            stream_url=self.base_url + self.folder + self.stream_path,
            auth=self.auth,
            fixed=self.fixed,
            quirks=self.quirks,
            models=None if self.vendor is None else self.vendor.chats,
            bases=self._bases,
            query=dated.query(self.api_version),
            base_url=self.base_url if self.folder else None,
        )
        return (own, *self.further)

    @property
    def chat_url(self) -> str:
        """The URL of the chat endpoint without its query; may contain `{model}`."""
        return self.base_url + self.folder + self.chat_path

    @property
    def _bases(self) -> Mapping[str, str]:
        """The base URLs of operations for which the vendor has another path than its usual one
        (`Vendor.bases`), as {operation: URL}.

        If `base_url` ends in the vendor's usual path, the other path replaces it; what is before it (a
        proxy's path) stays. Otherwise the other path is added to the origin.
        """
        vendor = self.vendor
        if vendor is None or not vendor.bases:
            return {}
        own = self.base_url.endswith(vendor.path)
        root = self.base_url.removesuffix(vendor.path) if own else self.origin
        return {operation: root + path for operation, path in vendor.bases.items()}

    @property
    def origin(self) -> str:
        """The origin (`scheme://host[:port]`) to which the provider's keys are bound."""
        return address.origin(self.base_url)

    def takes(self, model: str) -> bool:
        """Whether the provider serves this model. model: its name without `provider/`."""
        return self.models is None or model in self.models

    def owns(self, model: str) -> bool:
        """Whether the provider serves the model, and the name fits the patterns of the provider's vendor.
        model: its name without `provider/`.
        """
        return self.vendor is not None and self.vendor.owns(model) and self.takes(model)


def base_url(
    vendor: Vendor | None,
    dialect: str,
    spelled: str | None,
    base_path: str | None = None,
    chat_path: str = "",
    *,
    path: str | None = None,
) -> str:
    """The normal form of a provider's base URL. Raises ValueError if there is none, or if it is invalid.

    vendor: its row in the catalogue, None = unknown; then `dialect` decides which path is expected. spelled:
    the URL that the operator wrote, None = the vendor's URL. base_path: the path that the operator
    configured, which is added instead of the expected path; None = there is none. chat_path: the path of the
    chat endpoint, which is removed if `spelled` ends in it; "" = the dialect's. path: the path that is
    expected instead of the vendor's; None = the vendor's.
    """
    if spelled is None:
        if vendor is None:
            raise ValueError("this is not a known provider: set base_url")
        if vendor.account:
            raise ValueError(f"set base_url: {vendor.base_url}, with your own {vendor.account}")
        spelled = vendor.base_url
    paths = DIALECTS[dialect].paths
    if path is None:
        path = vendor.path if vendor else paths.base
    return address.base_url(
        spelled,
        path=path,
        appends=vendor.appends if vendor else paths.appends,
        endpoint=chat_path or paths.chat,
        base_path=base_path,
    )
