"""The records of the catalogue: the facts about a known vendor, such as its addresses, its API's paths, the
names of its models, and its deviations from the protocol that it speaks.

Each fact is from the vendor's page or client, recorded traffic or a cited issue. If a vendor's address
differs by account (a resource, a workspace), the address in its row has a placeholder, and the operator
configures `base_url`. The rows are in `providers.vendors`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase, translate
from types import MappingProxyType
from typing import Any, Final

import msgspec

from dragoman.dialects.access import ModelList, Scheme
from dragoman.dialects.quirks import STANDARD, Quirks, Wider
from dragoman.dialects.request import Operation
from dragoman.providers.identity import Kind


class ApiRow(msgspec.Struct, frozen=True, kw_only=True):
    """A protocol that a vendor speaks besides its first one, at the same address and with the same keys.

    path: the chat endpoint below the base URL, None = the dialect's usual path. stream: the endpoint for
    streams, None = the dialect's usual one, or `path` if the dialect has no other endpoint for streams.
    drops: text that is removed from the end of the base URL before `path` is added. swaps: {text in the base
    URL: its replacement}. auth: how a key is sent, None = as in the vendor's first protocol. models: patterns
    of names; only models with these names are asked in this protocol, None = all models.
    """

    path: str | None = None
    stream: str | None = None
    drops: str = ""
    swaps: Mapping[str, str] = MappingProxyType({})
    auth: Scheme | None = None
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None


USUAL: Final = ApiRow()
"""A further protocol at its usual paths, without quirks."""
UNLINKED: Final[tuple[Wider, ...]] = ("call_ids",)
"""For `Quirks.widens`: the vendor also accepts tool calls without a result, and results without a
call.
"""
ENDLESS: Final[tuple[Wider, ...]] = ("max_tokens",)
"""For `Quirks.widens`: the vendor also accepts -1 as the token limit, which means no limit."""


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API is if a request states a version that is a date (`?api-version=2024-10-21`).

    path: used instead of `Vendor.path`. folders: {dialect: the path between the base URL and the dialect's
    paths, with `{model}` for the model's name}. flat: a path. A base URL that ends in it has no folders,
    because the body names the model, and speaks only the first protocol, in every version. until: {date:
    {name of a quirk: its value}}, for the versions before this date. since: {dialect: the date of the first
    version that has it}; a dialect that is not listed is in every version.
    """

    path: str
    folders: Mapping[str, str]
    flat: str
    since: Mapping[str, str] = MappingProxyType({})
    until: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    def deviations(self, version: str) -> dict[str, Any]:
        """Return the quirks of a version (`2024-10-21`, `2024-10-01-preview`), as {name of a quirk: its
        value}.
        """
        found: dict[str, Any] = {}
        for date, quirks in self.until.items():
            if version[: len(date)] < date:
                found.update(quirks)
        return found

    def speaks(self, version: str, dialect: str) -> bool:
        """Whether the API has this protocol in this version."""
        since = self.since.get(dialect, "")
        return version[: len(since)] >= since


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API is if its addresses name the account's project and a location.

    host: the host for a location, with `{region}`. hosts: {location: its host}, for locations with a host of
    another form. folder: the part of the path that names the project and the location, with `{project}` and
    `{region}`; it stands between `version` and `publisher`. publisher: the end of the path. version: the
    beginning of the path. region: the usual location. With API keys and without a project, the path has no
    `folder`, and the location is the usual one.
    """

    host: str
    hosts: Mapping[str, str]
    folder: str
    publisher: str
    version: str
    region: str

    def base_url(self, spelled: str | None, project: str | None, region: str | None, *, keyed: bool) -> str:
        """Return the base URL. spelled: the URL that the operator wrote: an origin, with or without a
        version, or a whole base URL with its project; None = the vendor's own. project: None = not
        configured. region: None = the usual location. keyed: API keys are configured, so that no project is
        needed. Raises ValueError if the project is missing, or if the project or the region cannot be part of
        a URL.
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
        """Return the vendor's host for a location."""
        return self.hosts.get(region) or self.host.format(region=region)


_VERSION: Final = re.compile(r"/v\d[a-z0-9]*\Z")
_LOCATION: Final = re.compile(r"[a-z0-9-]+")
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[A-Za-z0-9-]+")
"""Matches the id or the number of a project. Old projects of a domain have the domain before their id."""


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One known vendor. "It" is always the vendor.

    name: its name in the configuration. title: its name for people. base_url: the base URL, or an example
    with a placeholder (`account`). dialect: its first protocol. also: {dialect: row} of its other protocols,
    best first. path: the path at the end of `base_url`; it is added to a configured base URL that has no
    path. appends: whether its own clients add `path` to every base URL. keys: environment variables; the
    first one that is set holds the key, and those with `_2` to `_10` at the end of its name hold further
    keys. base_var: the environment variable that replaces the base URL. If a variable of `keys` or `base_var`
    is set, the vendor is added without any configuration. host_port: the default port of the host in
    `base_var`, None = `base_var` holds a URL. chat_path: the chat endpoint below the base URL, None = that of
    the dialect. bases: {operation: the path that replaces `path` for it}. account: the part of `base_url`
    that differs by account, so that the operator must configure `base_url`; "" = all accounts have the same
    address. auth: how a key is sent, None = as is usual in the first protocol. dated: the API with dated
    versions, None = it has none. models: patterns of the bare model names that belong to it (`*` is any text,
    `[…]` one of these characters). known: some models that lists show until the vendor has been asked for its
    list; requests may name other models, too. lists_names: whether its list of models has the names that
    requests use. listing: the form of this list, None = that of the first protocol. unlisted: models that its
    list leaves out; the gateway lists them, too. region: the region in `base_url` that a configured region
    replaces; "" = there is none. region_vars: environment variables that may hold the region; the first one
    that is set is used. domains: {beginning of a region's name: the domain of its hosts}, for regions with
    another domain than that of `base_url`. located: how the address names a project and a location, None = it
    names none. project_vars: as `region_vars`, for the project. access_key: the environment variables with
    the id, the secret and the session token of an access key. A configured provider without keys uses this
    access key; the variables do not add a provider. identity: the kind of identity in a cloud by which the
    gateway signs in if no keys are configured; None = none. chats: patterns of the models that can chat in
    the first protocol (`!` before a pattern: these cannot), None = all. service: the name of its own API for
    operations beside chat (`dialects.table.SERVICES`), "" = it has none. serves: the operations for which it
    has endpoints, a list for people; the gateway sends requests for other operations, too. page: its
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

    @property
    def wants_key(self) -> bool:
        """Whether requests need a key or an identity: the vendor has variables for keys, or an https address.
        False for a server on the operator's own machine.
        """
        return bool(self.keys) or self.base_url.startswith("https://")

    def base_url_in(self, region: str | None) -> str:
        """Return the base URL in a region; None = in the usual region. A vendor without regions has only one
        base URL. Raises ValueError if the region cannot be part of a host's name.
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
        """Whether the model name matches one of the patterns in `models`. False for a name with a slash."""
        return "/" not in model and any(fnmatchcase(model, pattern) for pattern in self.models)


def narrow(**more: Any) -> Quirks:
    """Return the quirks of a vendor whose chat API has no `functions`, no signatures in calls, no
    `max_completion_tokens` and no role `developer`. more: other quirks, by name; a value given here also
    replaces one of those four.
    """
    base = Quirks(functions=False, call_signatures=False, max_tokens_field="max_tokens", developer_role=False)
    return msgspec.structs.replace(base, **more)


def expression(models: Sequence[str]) -> re.Pattern[str]:
    """Return an expression for the models of these patterns, to be used with its method `match`. If any
    pattern begins with `!`, all patterns without `!` are ignored, and the expression matches the models that
    no `!` pattern names. Its match is then empty, so `fullmatch` finds nothing.
    """
    excluded = [translate(one[1:]) for one in models if one.startswith("!")]
    if excluded:
        return re.compile(f"(?!{'|'.join(excluded)})")
    return re.compile("|".join(map(translate, models)))
