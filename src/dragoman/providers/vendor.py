"""What is stated of a known vendor: its addresses, its API's paths and names, and its deviations from the
protocol that it speaks.

A row holds facts, each from the vendor's page or client, recorded traffic or a cited issue; no code branches
on a vendor's name. A row whose address depends on the account (a resource, a workspace) has a placeholder in
it: the operator configures `base_url`. The rows are in `providers.vendors`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

import msgspec

from dragoman.dialects.access import ModelList, Scheme
from dragoman.dialects.quirks import STANDARD, Quirks, Wider
from dragoman.dialects.request import Operation
from dragoman.providers.identity import Kind


class ApiRow(msgspec.Struct, frozen=True, kw_only=True):
    """A protocol that a vendor speaks besides its first one, at the same address and with the same keys.

    path: the chat endpoint below the base URL, None = the dialect's usual path. stream: the endpoint of
    streams, None = the dialect's, or `path`. drops: text that is removed
    from the end of the base URL before `path` is added. swaps: {text of the base URL: what replaces it}.
    auth: how a key is sent, None = as in the vendor's first protocol. models: patterns of names; only models
    with these names can chat in this protocol, None = all.
    """

    path: str | None = None
    stream: str | None = None
    drops: str = ""
    swaps: Mapping[str, str] = MappingProxyType({})
    auth: Scheme | None = None
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None


USUAL: Final = ApiRow()
"""A further protocol without deviations, at its usual paths."""
UNLINKED: Final[tuple[Wider, ...]] = ("call_ids",)
"""The vendor also takes calls that no result answers, and results of no call (`Quirks.widens`)."""
ENDLESS: Final[tuple[Wider, ...]] = ("max_tokens",)
"""The vendor takes a token limit of -1, which means none (`Quirks.widens`)."""


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API lies if a request states the date of its version (`?api-version=2024-10-21`).

    path: replaces `Vendor.path`. folders: {dialect: what is put between the base URL and the dialect's paths,
    with `{model}` for the model's name}. flat: the end of base URLs below which there are no such folders,
    because the body names the model; there, only the first protocol is spoken, in every version. until:
    {date: quirks of the versions before this date, by name}. since: {dialect: the date of the first version
    that speaks it}.
    """

    path: str
    folders: Mapping[str, str]
    flat: str
    since: Mapping[str, str] = MappingProxyType({})
    until: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    def deviations(self, version: str) -> dict[str, Any]:
        """The quirks of a version (`2024-10-21`, `2024-10-01-preview`), by name."""
        found: dict[str, Any] = {}
        for date, quirks in self.until.items():
            if version[: len(date)] < date:
                found.update(quirks)
        return found

    def speaks(self, version: str, dialect: str) -> bool:
        """Whether a version has the endpoints of a protocol."""
        since = self.since.get(dialect, "")
        return version[: len(since)] >= since


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API lies if its addresses name an account's project and a location.

    host: the host in a location, with `{region}`. hosts: {location: its host} where it is another one.
    folder: the path of a project in a location, with `{project}` and `{region}`, between the version of the
    API and `publisher`. publisher: the end of the path. version: the version at the beginning of the path.
    region: the usual location. With an API key, the usual location has the path without `folder`, too.
    """

    host: str
    hosts: Mapping[str, str]
    folder: str
    publisher: str
    version: str
    region: str

    def base_url(self, spelled: str | None, project: str | None, region: str | None, *, keyed: bool) -> str:
        """The base URL. spelled: what the operator wrote: an origin, with or without a version, or the whole;
        None = the vendor's own. keyed: API keys are configured; they need no project. Raises ValueError if
        the project is missing, or if it or the region can be no part of a URL.
        """
        region = (region or self.region).lower()
        if _LOCATION.fullmatch(region) is None:
            raise ValueError(f"{region!r} is no name of a location")
        if project and _PROJECT.fullmatch(project) is None:
            raise ValueError(f"{project!r} is no name of a project")
        if spelled is None:
            spelled = "https://" + self.host_in(region if project else self.region)
        root, publishers, _ = spelled.strip().rstrip("/").partition("/publishers/")
        if publishers or "/projects/" in root:
            return root + self.publisher
        if not project and not keyed:
            raise ValueError("set `project` to the id of your project")
        if not _VERSION.search(root):
            root += self.version
        return root + (self.folder.format(project=project, region=region) if project else "") + self.publisher

    def host_in(self, region: str) -> str:
        """The vendor's host for a location."""
        return self.hosts.get(region) or self.host.format(region=region)


_VERSION: Final = re.compile(r"/v\d[a-z0-9]*\Z")
_LOCATION: Final = re.compile(r"[a-z0-9-]+")
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[A-Za-z0-9-]+")
"""The id or the number of a project. Old projects of a domain have the domain before their id."""


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One known vendor.

    name: the vendor's name in the configuration. title: its name for people. dialect: its first protocol.
    also: {dialect: row} of its other protocols, best first. path: the path at the end of `base_url`; it is
    added to a configured base URL that has no path. appends: whether the vendor's own clients add `path` to
    every base URL. keys: environment variables; the first that is set holds the key, and those with `_2` to
    `_10` at the end of its name hold further keys. base_var: the environment variable that replaces the base
    URL. A variable of `keys`, or `base_var`, adds the vendor without any configuration. host_port: the
    default port of the host in `base_var`, None = `base_var` holds a URL. chat_path: the chat endpoint below
    the base URL, None = the dialect's. bases: {operation: the path that replaces `path` for it}. account: the
    part of `base_url` in which every account has its own name, so that `base_url` must be configured; "" =
    all accounts have the same address. auth: how a key is sent, None = as is usual in the first protocol.
    dated: the API with dated versions, None = it has none. models: patterns of the bare model names that
    belong to this vendor (`*` is any text, `[…]` one of these characters). known: some models that lists show
    until the vendor has been asked; other models can be used, too. lists_names: whether its own list of
    models has the names that requests use. listing: the form of this list, None = that of the first protocol.
    unlisted: models that this list leaves out; they are listed, too. region: the region that stands in
    `base_url`, in whose place a configured one is put; "" = there is none. region_vars: environment variables
    that may hold the region, the first one counts. domains: {beginning of a region's name: the domain of its
    hosts} where this is not the domain of `base_url`. located: how the address names a project and a
    location, None = it names none. project_vars: as `region_vars`, for the project. access_key: the
    environment variables with the id, the secret and the session token of an access key, which a configured
    provider without keys gets; they add no provider. identity: the kind of identity in a cloud by which the
    gateway signs in if no keys are configured; None = none. chats: patterns of the models that can chat in
    the first protocol (`!` before a pattern: these cannot), None = all. service: the name of its own API for
    operations beside chat (`dialects.table.SERVICES`), "" = it has none. serves: the operations for which the
    vendor has endpoints, for people to read: requests for others are sent, too. page: the vendor's
    documentation. read: the month in which the facts were collected ("2026-11").
    """

    name: str
    title: str
    base_url: str
    page: str
    read: str = "2026-11"
    dialect: str = "openai_chat"
    path: str = "/v1"
    appends: bool = False
    keys: tuple[str, ...] = ()
    base_var: str | None = None
    host_port: int | None = None
    chat_path: str | None = None
    bases: Mapping[str, str] = MappingProxyType({})
    account: str = ""
    auth: Scheme | None = None
    dated: Dated | None = None
    quirks: Quirks = STANDARD
    also: Mapping[str, ApiRow] = MappingProxyType({})
    models: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    lists_names: bool = True
    listing: ModelList | None = None
    unlisted: tuple[str, ...] = ()
    region: str = ""
    region_vars: tuple[str, ...] = ()
    domains: Mapping[str, str] = MappingProxyType({})
    located: Located | None = None
    project_vars: tuple[str, ...] = ()
    access_key: tuple[str, ...] = ()
    identity: Kind | None = None
    chats: tuple[str, ...] | None = None
    service: str = ""
    serves: tuple[Operation, ...] = ("chat",)

    def base_url_in(self, region: str | None) -> str:
        """The base URL in a region; None = in the vendor's usual one. Raises ValueError for a region that is
        no part of a host's name.
        """
        if not self.region or region is None:
            return self.base_url
        if not region.replace("-", "").isalnum() or not region.isascii():
            raise ValueError(f"{region!r} is no name of a region")
        region = region.lower()
        before, _, after = self.base_url.partition(f"{self.region}.")
        domain = next((one for start, one in self.domains.items() if region.startswith(start)), after)
        return f"{before}{region}.{domain}"

    def owns(self, model: str) -> bool:
        """Whether the model name matches one of the vendor's `models`. A name with a slash never does."""
        return "/" not in model and any(fnmatchcase(model, pattern) for pattern in self.models)


def narrow(**more: Any) -> Quirks:
    """Quirks of a vendor whose chat API has no `functions`, no signatures in calls, no
    `max_completion_tokens` and no role `developer`. more: the vendor's other quirks, by name.
    """
    base = Quirks(functions=False, call_signatures=False, max_tokens_field="max_tokens", developer_role=False)
    return msgspec.structs.replace(base, **more)
