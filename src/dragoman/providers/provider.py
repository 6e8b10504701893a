"""A provider: a configured account at a vendor, as data. Also finds the base URL of a provider. Pure."""

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

    chat_url, stream_url: the URLs of the chat endpoint for whole answers and for streams, without `query`;
    they may contain `{model}`, and in Gemini's protocol `stream_url` ends in a query of its own (`?alt=sse`).
    bases: {operation: base URL} for the operations whose endpoints are not below the base URL of chat; the
    operation `models` is the list of models. auth: how a key is sent. fixed: headers that the dialect
    requires, {name: value}. quirks: all deviations in this protocol. models: patterns of names; only models
    with these names can chat in this protocol, None = all models. If any pattern begins with `!`, only the
    patterns with `!` count, and all models except these can chat. query: the query at the end of every URL
    ("?api-version=2024-10-21"), "" = none. base_url: the base URL of everything that belongs to no model,
    such as the list of models; None = the chat URL without the protocol's chat path.
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
    """One configured account: its address, protocols and keys. "It" is always the provider.

    name: its name in the configuration, which is the first part of `provider/model`. vendor: the vendor's row
    in the catalogue, None = there is no such row. dialect: its first protocol. base_url: in normal form
    (`scheme://host[:port][/path]`, no slash at the end). chat_path, stream_path: the paths of the chat
    endpoint for whole answers and for streams, below `base_url` and `folder`; `{model}` stands for the
    model's name. auth: how a key is sent. credentials: its keys, each bound to the origin of `base_url`;
    empty for a server without keys. fixed: headers that the dialect requires, {name: value}. headers: headers
    that the operator configured, with lower-case names; the values may be secrets. body: JSON that is merged,
    at any depth, into the body of each request to a model. quirks: the deviations in its first protocol.
    models: the names of the models that it serves, None = any model. region: the region that the operator
    states, None = unstated. further: its other protocols, best first. api_version: the version of its API
    that every URL states, None = URLs state no version. folder: the path between `base_url` and the paths of
    the first protocol, which may contain `{model}`; "" = there is none. base_models: {name that requests use:
    name of the model}, where the first does not name the model (at Azure). identity: the identity in a cloud
    that signs in to it in place of `credentials`; None = there is none. forwards: True = each request is sent
    with the credential of its client, and `credentials` is empty.
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
        """The protocols of the provider: that of `dialect` first, then those of `further`."""
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

        If `base_url` ends in the vendor's usual path, the other path replaces it, and the part of the URL
        before it (such as a proxy's path) stays. Otherwise the other path is added to the origin.
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
        """Whether the provider serves this model, as far as `models` says. model: its name without
        `provider/`.
        """
        return self.models is None or model in self.models

    def owns(self, model: str) -> bool:
        """Whether the provider serves the model (see `takes`), and the model's name fits the patterns of the
        provider's vendor. False without a vendor in the catalogue, and for a name with a slash. model: its
        name without `provider/`.
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
    """Return the normal form of a provider's base URL: `scheme://host[:port][/path]`, without a slash at the
    end. Raises ValueError if the URL is invalid, or if `spelled` is None and there is no URL to use: the
    vendor is unknown, or its URL differs by account.

    vendor: its row in the catalogue, None = unknown. dialect: its first protocol. spelled: the URL that the
    operator wrote, None = the vendor's URL is used. chat_path: the path of the chat endpoint, which is
    removed if `spelled` ends in it; "" = the dialect's path. base_path: a path that the operator configured;
    it is added in place of the usual path, unless the URL ends in it already; None = none is configured.

    The usual path is `path`, or if `path` is None that of the vendor, or without a vendor that of the
    dialect. It is added to a URL without a path. If the vendor's clients (without a vendor, the dialect's)
    always add it, it is also added to a URL with a path, unless that path ends in it or in a version such as
    `/v1`.
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
