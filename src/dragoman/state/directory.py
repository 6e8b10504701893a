"""Client keys, and the tenants, teams and users that they belong to, as a database keeps them; and the
interface of the store that keeps them.

Each change has a number, the version. A row has the version of the change that wrote it last. So a process
that knows all rows up to a version asks only for the later ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

RowKind: TypeAlias = Literal["keys", "tenants", "teams", "users", "own_keys"]
ROW_KINDS: Final[tuple[RowKind, ...]] = ("keys", "tenants", "teams", "users")


class Row(msgspec.Struct, frozen=True):
    """One key, tenant, team or user. There is also a single row of the kind `own_keys`, whose version says
    when a key that a tenant has brought was last changed.

    name: unique among the rows of its kind. text: the entry as JSON (see `KeyEntry` and `HolderEntry`); None
    = it was removed. version: of the change that wrote the row. author: who made this change. at: when, in
    Unix seconds. digest: the SHA-256 of a key; before: that of the key that was valid before the last
    rotation; None = there is none.
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
    """What a key may use, or everybody who belongs to a tenant, team or user. A list has the allowed names;
    None = all. models: names, patterns (`openai/*`) and `group:NAME`. tags: those that each request gets.
    limits: as in the configuration, as JSON. disabled: nothing may be used at all. tenant: the name of the
    tenant that the entry belongs to.
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
    """A tenant, a team or a user. id: differs from the id of any earlier holder of the same name that was
    removed; None = the entry was made before there were ids. tenant_id: the `id` of the entry's tenant; None
    = the tenant has no id, because a file declares it, for example.
    """

    id: str | None = None
    tenant_id: str | None = None
    created: float
    created_by: str


class KeyEntry(Permitted, frozen=True, omit_defaults=True, kw_only=True):
    """A client key. id: `key_…`, which stays the same for ever. shown: the first characters of the key.
    expires: from when the key is refused. before_until: until when the key before the last rotation is valid.
    revoked: since when the key is refused for good. Times are in Unix seconds, None = never. tenant_id,
    team_id, user_id: the ids of the tenant, team and user, as in `HolderEntry`.
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


class OwnKey(msgspec.Struct, frozen=True):
    """A provider's key that a tenant has brought, encrypted. cipher: the nonce, then the output of AES-GCM.
    master: the name of the master key that has encrypted it: 8 hexadecimal digits that are derived from that
    key. shown: the last characters of the tenant's key.
    """

    tenant: str
    provider: str
    cipher: bytes
    master: str
    shown: str
    author: str
    at: float


class DirectoryStore(Protocol):
    """Keeps the rows. Each method raises StoreFailed if the database fails."""

    async def version(self) -> int:
        """The number of the latest change; 0 = there was none."""

    async def since(self, version: int, limit: int) -> Sequence[Row]:
        """The rows that were written after this version, also removed ones, sorted by version; at most
        `limit`.
        """

    async def change(self, rows: Sequence[Row], latest: int) -> bool:
        """Write rows, which replace those of the same kind and name. latest: the number of the latest change
        that the caller knows. If somebody else has made a change since, nothing is written, and the result is
        False. The rows must have the next versions after `latest`.
        """

    async def find(self, kind: RowKind, name: str) -> Row | None:
        """The row of this name; None = there is none, or it was removed."""

    async def page(self, kind: RowKind, after: str, limit: int) -> Sequence[Row]:
        """The rows of a kind whose names come after `after`, sorted by name; at most `limit`. Removed ones
        are left out.
        """

    async def used(self, uses: Mapping[str, float]) -> None:
        """Note when keys were used last. uses: {id of the key: Unix seconds}. An earlier time does not
        replace a later one.
        """

    async def last_used(self, ids: Sequence[str]) -> Mapping[str, float]:
        """When these keys were used last: {id: Unix seconds}. Keys that were never used are missing."""

    async def own_keys(self) -> Sequence[OwnKey]:
        """All keys that tenants have brought."""

    async def keep_own(self, key: OwnKey) -> None:
        """Keep a tenant's key for a provider; it replaces the one that was kept."""

    async def drop_own(self, tenant: str, provider: str) -> bool:
        """Remove a tenant's key for a provider. Returns whether there was one."""
