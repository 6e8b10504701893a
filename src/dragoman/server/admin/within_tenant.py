"""Limits operations to one tenant, if the client's key belongs to a tenant. Such a key sees and changes only
what belongs to its tenant. Usually everything else is answered as if it did not exist; but a name that
another tenant uses is refused as taken, and a query for the usage of another tenant is refused.

Each function with the parameter `caller` gets there the client that asks. For a client that belongs to no
tenant, nothing is limited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.observe.finished import ALL, Wanted
from dragoman.server.admin.registry import PermissionWish, Registry, missing, unknown
from dragoman.state.directory import Row, RowKind

_BATCH: Final = 1000
"""How many rows are read at once to find those of one tenant."""
W = TypeVar("W", bound=PermissionWish)


def admits(caller: Caller, tenant: str | None) -> bool:
    """Whether a client may see and change what belongs to `tenant` (None = it belongs to no tenant)."""
    return caller.tenant is None or caller.tenant == tenant


def exchanges_within(caller: Caller, registry: Registry) -> Wanted:
    """Return the filter of the exchanges that a client may see. For a client that belongs to a tenant, it is
    passed only by exchanges of this tenant (`Exchange.tenant`). If an earlier tenant had the same name, its
    exchanges, which began before the present tenant was made, are left out.
    """
    if caller.tenant is None:
        return ALL
    return Wanted(tenant=caller.tenant, since=registry.usage_since(caller.tenant) or None)


def tenant_of_client(gateway: Core, name: str) -> str | None:
    """Return the name of the tenant that the key with this name belongs to; what is stored for the key
    belongs to it, too. None = the key belongs to no tenant, its tenant was removed, or there is no such key.
    A key of the configuration counts before one of the database.
    """
    stated = next((key for key in gateway.config.auth.keys if key.client == name), None)
    if stated is not None:
        return gateway.config.tenant_of(stated)
    return None if gateway.following is None else gateway.following.directory.tenant_of_key(name)


async def page_within(
    caller: Caller, registry: Registry, kind: RowKind, after: str, limit: int
) -> Sequence[Row]:
    """Return at most `limit` rows that a client may see, sorted by name, with names greater than `after`;
    none without a database. Raises RequestFailed (503) if the database fails.
    """
    if caller.tenant is None:
        return await registry.page(kind, after, limit)
    found: list[Row] = []
    while len(found) < limit and (rows := await registry.page(kind, after, _BATCH)):
        found += [row for row in rows if registry.tenant_of(row) == caller.tenant]
        after = rows[-1].name
    return found[:limit]


def require_within(caller: Caller, registry: Registry, row: Row) -> None:
    """Raise RequestFailed (404) if a client may not see the key, team or user in this row."""
    if caller.tenant is not None and registry.tenant_of(row) != caller.tenant:
        raise missing(row.kind, row.name)


def kept_within(caller: Caller, registry: Registry, wish: W) -> W:
    """Return the settings that a client states for a key, a team or a user. For a client that belongs to a
    tenant, they are a copy that states this tenant. Raises RequestFailed (400) if such a client states
    another tenant, or a team or a user that does not belong to its tenant: the message is that of an unknown
    name; 501 without a database.

    Call this where a change is decided (`Registry.change`): before, a team may still move to another tenant.
    """
    tenant = caller.tenant
    if tenant is None:
        return wish
    if wish.tenant not in {None, tenant}:
        raise unknown("tenants", str(wish.tenant))
    directory = registry.following.directory
    owners: tuple[tuple[RowKind, str | None], ...] = (
        ("teams", getattr(wish, "team", None)),
        ("users", getattr(wish, "user", None)),
    )
    for kind, name in owners:
        owner = None if name is None else directory.holder(kind, name)
        if name is not None and (owner is None or directory.tenant_of(owner) != tenant):
            raise unknown(kind, name)
    return msgspec.structs.replace(wish, tenant=tenant)
