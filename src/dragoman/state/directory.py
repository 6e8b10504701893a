"""Client keys, and the tenants, teams and users whom they belong to, as a database keeps them; and the
interface of what keeps them.

Each change has a number, the version. A row has the version of the change that wrote it last. So a process
that knows all rows up to a version asks for the later ones alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

RowKind: TypeAlias = Literal["keys", "tenants", "teams", "users", "own_keys"]
ROW_KINDS: Final[tuple[RowKind, ...]] = ("keys", "tenants", "teams", "users")


class Row(msgspec.Struct, frozen=True):
    """One key, tenant, team or user; the only row of the kind `own_keys` says when one of these was changed
    last. name: unique among those of its kind. text: what it is, as JSON (see
    `KeyEntry` and `HolderEntry`); None = it was removed. version: of the change that wrote it. author: who
    made this change. at: when, Unix seconds. digest: of a key its SHA-256; before: that of the key that was
    valid before the last rotation; None = there is none.
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
    """What a key, or everybody who belongs to a tenant, team or user, may use. Of each list: the names; None
    = all. models: names, patterns (`openai/*`) and `group:NAME`. tags: those that each request gets. limits:
    as in the configuration, as JSON. disabled: nothing at all may be used.
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
    """A tenant, a team or a user. tenant: of a team or a user, the tenant that it belongs to. id: another one
    than that of an earlier holder of the same name, which was removed; None = made before there were ids.
    tenant_id: the id of the tenant that is meant; None = that one has none, because a file declares it, say.
    """

    id: str | None = None
    tenant_id: str | None = None
    created: float
    created_by: str


class KeyEntry(Permitted, frozen=True, omit_defaults=True, kw_only=True):
    """A client key. id: `key_…`, which stays the same for ever. shown: its first characters. expires: from
    when it is refused. before_until: until when the key before the last rotation is valid. revoked: since
    when it is refused for good. Times in Unix seconds, None = never. tenant_id, team_id, user_id: as in
    `HolderEntry`.
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
    """A provider's key that a tenant has brought, encrypted. cipher: the nonce and what AES-GCM has made of
    the key. master: which master key has encrypted it (the beginning of its SHA-256, hexadecimal). shown: the
    last characters of the key.
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
        """The rows that were written after this version, removed ones too, by version; at most `limit`."""

    async def change(self, rows: Sequence[Row], latest: int) -> bool:
        """Write rows, which replace those of the same kind and name. Returns False, and changes nothing,
        unless `latest` is the number of the latest change: otherwise somebody else has made one in between.
        The rows' versions follow it.
        """

    async def find(self, kind: RowKind, name: str) -> Row | None:
        """The row of this name; None = there is none, or it was removed."""

    async def page(self, kind: RowKind, after: str, limit: int) -> Sequence[Row]:
        """Rows by name, those with a name above `after`; removed ones are left out."""

    async def used(self, uses: Mapping[str, float]) -> None:
        """Note when keys were used last, by their ids. An earlier time replaces no later one."""

    async def last_used(self, ids: Sequence[str]) -> Mapping[str, float]:
        """When these keys were used last, by their ids; those that never were are missing."""

    async def own_keys(self) -> Sequence[OwnKey]:
        """All keys that tenants have brought."""

    async def keep_own(self, key: OwnKey) -> None:
        """Keep a tenant's key for a provider; it replaces the one that was kept."""

    async def drop_own(self, tenant: str, provider: str) -> bool:
        """Remove a tenant's key for a provider. Returns whether there was one."""
