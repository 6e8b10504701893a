"""Client keys, and the tenants, teams and users that they belong to, in the form in which a database stores
them; provider keys of tenants; and the interface of the store that keeps all of these.

Each row that is written gets the next number, called the version; the first is 1. A row that is written again
gets a new one. So a process that knows all rows up to a version needs to read only the rows with a higher
version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

import msgspec

RowKind: TypeAlias = Literal["keys", "tenants", "teams", "users", "own_keys"]
E = TypeVar("E", bound="KeyEntry | HolderEntry")
ROW_KINDS: Final[tuple[RowKind, ...]] = ("keys", "tenants", "teams", "users")


class Row(msgspec.Struct, frozen=True):
    """One key, tenant, team or user. There is also a single row of the kind `own_keys`, for the latest change
    of any tenant's provider key.

    name: unique among the rows of its kind. text: the entry as JSON (`KeyEntry` or `HolderEntry`); None = the
    entry was removed; the row of the kind `own_keys` has no entry either. version: the number of the change
    that wrote the row. author: who made this change. at: when, in Unix seconds. digest: the SHA-256 of a
    client key; None = the row is of another kind, or its entry was removed. before: the SHA-256 of the key
    before the last rotation; None = there was no rotation, or that key was ended early.
    """

    kind: RowKind
    name: str
    text: bytes | None
    version: int
    author: str
    at: float
    digest: bytes | None = None
    before: bytes | None = None


class Permitted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a client key, or everybody who belongs to a tenant, team or user, may use. models, faces,
    operations, providers, regions: the allowed names; None = all are allowed. `models` may also contain
    patterns (`openai/*`) and `group:NAME`. tags: the tags that each request gets. limits: a list of objects
    as in the configuration, decoded from JSON; None = no limits. metadata: values of the operator's choice.
    disabled: True = nothing may be used at all. tenant: the name of the tenant that the key, team or user
    belongs to; None = it belongs to no tenant, or is itself a tenant.
    """

    models: tuple[str, ...] | None = None
    faces: tuple[str, ...] | None = None
    operations: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    limits: Any = None
    metadata: dict[str, Any] = {}
    disabled: bool = False
    tenant: str | None = None


class HolderEntry(Permitted, frozen=True, omit_defaults=True, kw_only=True):
    """A tenant, a team or a user. id: differs from the id of every earlier tenant, team or user of the same
    name that was removed; None = the entry was made before ids existed. tenant_id: the id of the tenant in
    `tenant`; None = it belongs to none, or that tenant has no id, for example because the configuration file
    declares it. created: Unix seconds. created_by: who made the entry. usage_since: usage that was recorded
    under its name before this time (Unix seconds) is that of an earlier tenant, team or user of the same
    name; None = there was none.
    """

    id: str | None = None
    tenant_id: str | None = None
    created: float
    created_by: str
    usage_since: float | None = None


class KeyEntry(Permitted, frozen=True, omit_defaults=True, kw_only=True):
    """A client key. id: `key_…`, which never changes. shown: the first characters of the key. scopes: the
    kinds of paths that the key may call (`inference`, `read`, `admin`). team, user: the names of the team and
    the user that the key belongs to; None = none. tenant_id, team_id, user_id: the ids of the key's tenant,
    team and user, as in `HolderEntry`. created_by: who made the key. All times are in Unix seconds. expires:
    the time from which the key is refused, None = never. before_until: the time until which the key before
    the last rotation is valid, None = it is not valid. rotated: the time of the last rotation, None = there
    was none. revoked: the time since which the key is refused, None = it is not revoked.
    """

    id: str
    shown: str
    scopes: tuple[str, ...] = ("inference",)
    team: str | None = None
    user: str | None = None
    tenant_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    expires: float | None = None
    before_until: float | None = None
    rotated: float | None = None
    revoked: float | None = None
    created: float
    created_by: str


INVALID: Final = "the entry is not valid: "
"""The beginning of `limits` in an entry that stands for one which cannot be decoded."""


def entry_of(text: bytes | None, kind: type[E]) -> E:
    """Return the entry in a row's text. If it is not a valid one, for example because another version or a
    hand has written it, the result stands for it: its `limits` are a text, `INVALID` with the reason. Such
    limits cannot be read, so the key is refused, and so is every key of such a tenant, team or user. The
    result has the members of the entry that can be read, each by itself, so that it is still known whose the
    entry is. The other members have their defaults; those without a default are "" and 0.0. A tenant, a team
    or a user has no `id` if any member in `_IDENTITY` cannot be read: then it is not known to be the one that
    had this id.
    """
    try:
        return msgspec.json.decode(b"" if text is None else text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        limits = f"{INVALID}{error}"
    stated: dict[str, Any] = {"created": 0.0, "created_by": ""}
    if issubclass(kind, KeyEntry):
        stated |= {"id": "", "shown": ""}
    found, lost = _members(text, kind)
    stated |= found
    if not issubclass(kind, KeyEntry) and lost & _IDENTITY:
        stated["id"] = None
    return kind(**{**stated, "limits": limits})


_IDENTITY: Final = frozenset({"id", "tenant", "tenant_id", "usage_since"})
"""The members of a `HolderEntry` that say which tenant, team or user of its name it is."""


def _members(text: bytes | None, kind: type[E]) -> tuple[dict[str, Any], set[str]]:
    """Return ({name: value} of the members of `kind` in a row's text that can be read, each by itself; the
    names of those that the text has, but that cannot be read). Both are empty if the text is no JSON object.
    """
    try:
        stated = msgspec.json.decode(b"" if text is None else text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}, set()
    found: dict[str, Any] = {}
    lost = set()
    for field in msgspec.structs.fields(kind):
        if field.name in stated:
            try:
                found[field.name] = msgspec.json.decode(stated[field.name], type=field.type)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                lost.add(field.name)
    return found, lost


def why_invalid(entry: Permitted) -> str | None:
    """Return why the entry that this one stands for is not valid; None = it is valid itself."""
    stated = entry.limits
    return stated if isinstance(stated, str) and stated.startswith(INVALID) else None


class OwnKey(msgspec.Struct, frozen=True):
    """A provider's key that a tenant has brought, encrypted. cipher: the nonce, followed by the output of
    AES-GCM. master: the id of the master key that was used for encryption: 8 hexadecimal digits derived from
    that master key. shown: the last characters of the provider's key. author: who stored it. at: when, in
    Unix seconds.
    """

    tenant: str
    provider: str
    cipher: bytes
    master: str
    shown: str
    author: str
    at: float


class DirectoryStore(Protocol):
    """Stores client keys, tenants, teams and users as rows, and the provider keys that tenants have brought
    (`OwnKey`). Each method raises StoreFailed if the database fails.
    """

    async def version(self) -> int:
        """Return the number of the latest change; 0 = there was no change."""

    async def since(self, version: int, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows of all kinds whose version is higher than `version`, sorted by version,
        the lowest first. Rows of removed entries (`text` is None) are included.
        """

    async def change(self, rows: Sequence[Row], latest: int) -> bool:
        """Write rows, which replace the rows of the same kind and name, and return True. latest: the number
        of the latest change that the caller knows. The rows must have the versions `latest` + 1, `latest` + 2
        and so on; this is not checked. If somebody else has made a change since `latest`, write nothing and
        return False.
        """

    async def find(self, kind: RowKind, name: str) -> Row | None:
        """Return the row of this kind and name; None = there is none, or the entry was removed."""

    async def page(self, kind: RowKind, after: str, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows of a kind whose names come after `after`, sorted by name. Names are
        compared by code points, as Python does. Rows of removed entries are left out.
        """

    async def owns(self, name: str) -> bool:
        """Return whether the database has anything that belongs to the client of this name: responses,
        conversations, sessions, chat completions, finished exchanges, or objects at a provider. Seals do not
        count: without the stored data they cannot be used.
        """

    async def used(self, uses: Mapping[str, float]) -> None:
        """Store when client keys were last used. uses: {id of the key (`KeyEntry.id`): Unix seconds}. An
        earlier time does not replace a later one.
        """

    async def last_used(self, ids: Sequence[str]) -> Mapping[str, float]:
        """Return when these client keys were last used: {id of the key: Unix seconds}. Keys that were never
        used are missing.
        """

    async def own_keys(self) -> Sequence[OwnKey]:
        """Return all provider keys that tenants have brought, encrypted, sorted by tenant and provider."""

    async def keep_own(self, key: OwnKey) -> None:
        """Store a tenant's key for a provider. It replaces the tenant's earlier key for that provider. The
        number of the latest change stays the same, so the caller must then write the row of the kind
        `own_keys`.
        """

    async def drop_own(self, tenant: str, provider: str) -> bool:
        """Remove a tenant's key for a provider. Return whether there was one. The number of the latest change
        stays the same, so the caller must then write the row of the kind `own_keys`, as after `keep_own`.
        """
