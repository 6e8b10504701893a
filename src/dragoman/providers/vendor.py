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
    """A protocol that a vendor speaks besides its first one, at the same host and with the same keys.

    path: the chat endpoint below the base URL, None = the dialect's usual path. stream: the endpoint for
    streams, None = the dialect's usual one, or `path` if the dialect has no other endpoint for streams.
    drops: text that is removed from the end of the base URL before `path` is added. swaps: {text in the base
    URL: its replacement}. If the operator has configured the path, `stream`, `drops` and `swaps` are not
    used. auth: how a key is sent, None = as in the vendor's first protocol. quirks: all deviations in this
    protocol; those of the first protocol do not hold here. models: patterns of names; only models with these
    names are asked in this protocol, None = all models.
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
"""For `Quirks.widens`: the vendor also accepts tool calls and tool results without an id."""
ENDLESS: Final[tuple[Wider, ...]] = ("max_tokens",)
"""For `Quirks.widens`: the vendor also accepts a token limit below 1 (usually -1), which means no limit."""


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API is if a request states a version that is a date (`?api-version=2024-10-21`).

    path: used instead of `Vendor.path`. folders: {dialect: the path between the base URL and the dialect's
    paths, with `{model}` for the model's name}; a dialect that is not listed has none. flat: a path
    ("/models"). Below a base URL that ends in it, the body names the model, so there are no folders; and only
    the first protocol is spoken, in every version. since: {dialect: the date of the first version that has
    it}; a dialect that is not listed is in every version. until: {date: {name of a quirk: its value}}, for
    the versions before this date.
    """

    path: str
    folders: Mapping[str, str]
    flat: str
    since: Mapping[str, str] = MappingProxyType({})
    until: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    def deviations(self, version: str) -> dict[str, Any]:
        """Return the quirks that this version has because it is older than a date in `until`, as {name of a
        quirk: its value}; {} = none. version: a date, also with a word after it (`2024-10-01-preview`), which
        does not count in the comparison.
        """
        found: dict[str, Any] = {}
        for date, quirks in self.until.items():
            if version[: len(date)] < date:
                found.update(quirks)
        return found

    def speaks(self, version: str, dialect: str) -> bool:
        """Whether the API has this protocol in this version. version: a date, also with a word after it
        (`2024-10-01-preview`).
        """
        since = self.since.get(dialect, "")
        return version[: len(since)] >= since


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API is if its addresses name the account's project and a location. The path of the
    base URL is `version`, `folder` and `publisher`, one after another.

    host: the host for a location, with `{region}`. hosts: {location: its host}, for locations with a host of
    another form. version: the beginning of the path ("/v1beta1"). folder: the part of the path that names the
    project and the location, with `{project}` and `{region}`. publisher: the end of the path. region: the
    usual location. Without a project, the path has no `folder`, and the location is the usual one.
    """

    host: str
    hosts: Mapping[str, str]
    folder: str
    publisher: str
    version: str
    region: str

    def base_url(self, spelled: str | None, project: str | None, region: str | None, *, keyed: bool) -> str:
        """Return the base URL. It always ends in `publisher`.

        spelled: the URL that the operator wrote; None = the vendor's own host for the location is used. A URL
        with `/projects/` or `/publishers/` is kept up to `/publishers/`, and `project` and `region` are not
        added. To another URL, the version (if its path does not end in one), the project and the location are
        added. project: None = not configured. region: None = the usual location. keyed: True = API
        keys are configured, so that no project is needed.

        Raises ValueError if a project is needed and missing, or if the project or the region cannot be part
        of a URL.
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
        """Return the vendor's host for a location. region: its name, in lower case."""
        return self.hosts.get(region) or self.host.format(region=region)


_VERSION: Final = re.compile(r"/v\d[a-z0-9]*\Z")
_LOCATION: Final = re.compile(r"[a-z0-9-]+")
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[A-Za-z0-9-]+")
"""Matches the id or the number of a project. Old projects of a domain have the domain before their id."""


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One known vendor. "It" is always the vendor.

    name: its name in the configuration. title: its name for people. base_url: the base URL, or an example
    with a placeholder (`account`). dialect: its first protocol. quirks: the deviations in the first protocol.
    also: {dialect: row} of its other protocols, best first. path: the path at the end of `base_url`; it is
    added to a configured base URL that has no path. appends: whether its own clients add `path` to every base
    URL; if True, `path` is also added to a configured base URL with a path, unless that ends in `path` or in
    a version such as `/v1`. keys: environment variables; the first one that is set holds the key, and those
    with `_2` to `_10` at the end of its name hold further keys. base_var: the environment variable that
    replaces the base URL, None = there is none. If a variable of `keys` or `base_var` is set, the vendor is
    added without any configuration; if `account` is not "", only `base_var` adds it. host_port: the default
    port of the host in `base_var`, None = `base_var` holds a URL. chat_path: the chat endpoint below the base
    URL, None = that of the dialect. bases: {operation: the path that replaces `path` for it}; the operation
    `models` is the list of models. account: the part of `base_url` that differs by account, so that the
    operator must configure `base_url`; "" = all accounts have the same address. auth: how a key is sent, None
    = as is usual in the first protocol. dated: the API with dated versions, None = it has none. models:
    patterns of the bare model names that belong to it (`*` is any text, `[…]` one of these characters).
    known: some models that lists show until the vendor has been asked for its list; requests may name other
    models, too. lists_names: whether its list of models has the names that requests use; False = the list is
    not used. listing: the form of this list, None = that of the first protocol. unlisted: models that its
    list leaves out; the gateway lists them, too. region: the region in `base_url` that a configured region
    replaces; "" = there is none. region_vars: environment variables that may hold the region; the first one
    that is set is used. domains: {beginning of a region's name: the domain of its hosts}, for regions with
    another domain than that of `base_url`. located: how the address names a project and a location, None = it
    names none. project_vars: environment variables that may hold the project; the first one that is set is
    used. access_key: the environment variables with the id, the secret and the session token of an access
    key. A configured provider without keys uses this access key if no variable of `keys` is set; the
    variables do not add a provider. identity: the kind of identity in a cloud by which the gateway signs in
    if neither keys nor a credential are configured; None = none. chats: patterns of the models that can chat
    in the first protocol, None = all. If any pattern begins with `!`, only the patterns with `!` count, and
    all models except these can chat. service: the name of its own API for operations beside chat
    (`dialects.table.SERVICES`), "" = it has none. serves: the operations for which it has endpoints, a list
    for people; the gateway sends requests for other operations, too. page: its documentation. read: the month
    in which the facts were collected ("2026-11").
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
        """Whether requests usually need a key or an identity: the vendor has environment variables for keys,
        or an https address.
        """
        return bool(self.keys) or self.base_url.startswith("https://")

    def base_url_in(self, region: str | None) -> str:
        """Return the base URL in a region; None = in the usual region. If the vendor's `region` is "", the
        result is always `base_url`. Raises ValueError if the region cannot be part of a host's name. An
        unknown region is not refused.
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
    """Return the quirks of a vendor whose chat API has no `functions`, no signatures in calls, no role
    `developer`, and `max_tokens` in place of `max_completion_tokens`. more: other quirks, by name; a value
    given here also replaces one of those four.
    """
    base = Quirks(functions=False, call_signatures=False, max_tokens_field="max_tokens", developer_role=False)
    return msgspec.structs.replace(base, **more)


def expression(models: Sequence[str]) -> re.Pattern[str]:
    """Return an expression that decides whether these patterns include a model; call its method `match` with
    the model's name. In a pattern, `*` is any text, also with slashes. If any pattern begins with `!`, all
    patterns without `!` are ignored, and the expression matches the models that no `!` pattern names. Its
    match is then empty, so `fullmatch` cannot be used. models: the patterns, at least one.
    """
    excluded = [translate(one[1:]) for one in models if one.startswith("!")]
    if excluded:
        return re.compile(f"(?!{'|'.join(excluded)})")
    return re.compile("|".join(map(translate, models)))
