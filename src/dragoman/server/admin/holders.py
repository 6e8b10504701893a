"""The operations on tenants, teams and users, to whom client keys belong. See docs/keys.md."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from dragoman.errors import RequestFailed
from dragoman.observe.timestamps import utc
from dragoman.server.admin import tags
from dragoman.server.admin.keys import permitted
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.pages import Wanted
from dragoman.server.admin.registry import (
    NOUNS,
    PermissionWish,
    Registry,
    Written,
    declared,
    missing,
    refused,
    require_name,
    taken,
)
from dragoman.server.admin.within_tenant import admits, kept_within, page_within, require_within
from dragoman.state.directory import HolderEntry, Row, RowKind, entry_of, why_invalid
from dragoman.turns.keeping import reachable


class HolderObject(msgspec.Struct, kw_only=True):
    """A tenant, a team or a user: `object` says which. declared: true = the configuration declares it, and it
    can be changed only there; `created` and `created_by` are then null, as they are if they cannot be read in
    an entry that is not valid (`warnings` says why). tenant: the tenant that a team or a user belongs to,
    null = none. models, faces, operations, providers, regions: the allowed names, null = all. created: RFC
    3339 in UTC. created_by: who made it, such as the name of an operator's key.
    """

    object: Literal["tenant", "team", "user"]
    name: str
    declared: bool = False
    tenant: str | None
    models: tuple[str, ...] | None
    faces: tuple[str, ...] | None
    operations: tuple[str, ...] | None
    providers: tuple[str, ...] | None
    regions: tuple[str, ...] | None
    tags: tuple[str, ...]
    limits: Any
    metadata: dict[str, Any]
    disabled: bool
    created: str | None = None
    created_by: str | None = None
    warnings: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(description="Names in `providers`, `regions` and `faces` that permit nothing here."),
    ] = []


class HolderList(msgspec.Struct):
    """A page of tenants, teams or users, sorted by name."""

    data: list[HolderObject]
    has_more: bool
    object: Literal["list"] = "list"


class RemovedHolder(msgspec.Struct):
    """A tenant, a team or a user that was removed."""

    object: Literal["tenant", "team", "user"]
    name: str
    deleted: Literal[True] = True


def _operations(kind: RowKind) -> tuple[Operation, ...]:
    noun, one = NOUNS[kind], f"/admin/{kind}/{{name}}"
    changes = kind != "tenants"  # a tenant does not change what it may do itself
    return (
        Operation(
            *("GET", f"/admin/{kind}", f"list_{kind}", f"All {kind}, by name.", HolderList),
            query=Wanted,
            for_tenants=True,
        ),
        Operation(
            *("GET", one, f"show_{noun}", f"One {noun}.", HolderObject),
            tagged=True,
            for_tenants=True,
        ),
        Operation(
            *("PUT", one, f"put_{noun}", f"Make a {noun}, or replace all its settings."),
            *(HolderObject, PermissionWish),
            tagged=True,
            for_tenants=changes,
        ),
        Operation(
            *("DELETE", one, f"delete_{noun}", f"Remove a {noun}. Keys that belong to it are refused."),
            RemovedHolder,
            tagged=True,
            for_tenants=changes,
        ),
    )


OPERATIONS: Final = (*_operations("tenants"), *_operations("teams"), *_operations("users"))


class HoldersApi:
    """The operations on one gateway's tenants, teams and users."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def list_tenants(self, asked: Asked) -> Told:
        return await self._list("tenants", asked)

    async def list_teams(self, asked: Asked) -> Told:
        return await self._list("teams", asked)

    async def list_users(self, asked: Asked) -> Told:
        return await self._list("users", asked)

    async def show_tenant(self, asked: Asked) -> Told:
        return await self._show("tenants", asked)

    async def show_team(self, asked: Asked) -> Told:
        return await self._show("teams", asked)

    async def show_user(self, asked: Asked) -> Told:
        return await self._show("users", asked)

    async def put_tenant(self, asked: Asked) -> Told:
        return await self._put("tenants", asked)

    async def put_team(self, asked: Asked) -> Told:
        return await self._put("teams", asked)

    async def put_user(self, asked: Asked) -> Told:
        return await self._put("users", asked)

    async def delete_tenant(self, asked: Asked) -> Told:
        return await self._delete("tenants", asked)

    async def delete_team(self, asked: Asked) -> Told:
        return await self._delete("teams", asked)

    async def delete_user(self, asked: Asked) -> Told:
        return await self._delete("users", asked)

    async def _list(self, kind: RowKind, asked: Asked) -> Told:
        wanted: Wanted = asked.query
        after, caller = wanted.after or "", asked.request.caller
        stated = self._of_configuration(kind)
        own = {name: one for name, one in stated.items() if admits(caller, _tenant_of(one))}
        rows = await page_within(caller, self._registry, kind, after, wanted.limit + 1 + len(stated))
        found = {row.name: self._told(kind, row) for row in rows if row.name not in stated}
        found |= {name: one for name, one in own.items() if name > after}
        whole = [found[name] for name in sorted(found)]
        return Told(HolderList(whole[: wanted.limit], len(whole) > wanted.limit))

    async def _show(self, kind: RowKind, asked: Asked) -> Told:
        name, caller = asked.params["name"], asked.request.caller
        own = self._of_configuration(kind).get(name)
        if own is not None and admits(caller, _tenant_of(own)):
            return Told(own)
        row = None if own is not None else await self._registry.find(kind, name)
        if row is None:
            raise missing(kind, name)
        require_within(caller, self._registry, row)
        return Told(self._told(kind, row), _tag(row))

    async def _put(self, kind: RowKind, asked: Asked) -> Told:
        name, who = asked.params["name"], author(asked.exchange)
        now = self._registry.gateway.seams.now()

        def decide(before: Row | None) -> Written:
            wish = kept_within(asked.request.caller, self._registry, asked.body)
            self._require_free(kind, name, before, asked)
            self._require(kind, name, before, asked)
            self._registry.check(wish)
            if kind == "tenants" and wish.tenant is not None:
                raise refused("a tenant belongs to no tenant", "tenant")
            made: dict[str, Any] = {"created": now, "created_by": who.who}
            was, earlier = None, used or self._registry.following.directory.was_removed(kind, name)
            if before is not None and before.text is not None:
                was = entry_of(before.text, HolderEntry)
                made = {"usage_since": was.usage_since, "created": was.created or now}
                made["created_by"] = was.created_by or who.who
            made |= self._ids(was, wish.tenant)
            if made["id"] != was.id if was is not None else earlier:
                made["usage_since"] = now
            return Written(HolderEntry(**{**msgspec.structs.asdict(wish), **made}))

        require_name(name)
        if kind == "tenants":
            await self._forget_earlier(asked, name)
        used = not self._is_known(kind, name) and await self._registry.has_used(kind, name)
        changed = await self._registry.change(kind, name, who.who, decide)
        after = self._told(kind, changed.after)
        self._note(asked, kind, "replace" if changed.before else "create", changed.before, after)
        return Told(after, _tag(changed.after))

    def _ids(self, was: HolderEntry | None, tenant: str | None) -> dict[str, Any]:
        """Return {"id": …, "tenant_id": …} for an entry to write: its own id, and the id of its tenant (None
        = it belongs to none, or the tenant has no id). was: the entry that will be replaced, None = there is
        none. tenant: the name of the tenant to which the new entry belongs, None = to none.

        The entry keeps the id of `was`, unless both name the same tenant and the tenant of `was` was removed
        since: then it gets a new id, so that keys that belonged to `was` stay refused. It also gets a new id
        if `was` is not valid and its id cannot be read: it is not known which keys belong to it.
        """
        directory = self._registry.following.directory
        lost = was is not None and was.id is None and why_invalid(was) is not None
        if was is not None and not lost and not (was.tenant == tenant and directory.outlived(was)):
            id_ = was.id
        else:
            id_ = self._registry.gateway.seams.random_id()[:24]
        return {"id": id_, "tenant_id": directory.ids(tenant)["tenant_id"]}

    async def _delete(self, kind: RowKind, asked: Asked) -> Told:
        name = asked.params["name"]

        def decide(before: Row | None) -> Written:
            if before is None and name not in self._of_configuration(kind):
                raise missing(kind, name)  # with `If-Match`, too
            self._require(kind, name, before, asked)
            return Written(None)

        changed = await self._registry.change(kind, name, author(asked.exchange).who, decide)
        self._note(asked, kind, "delete", changed.before, None)
        if kind == "tenants":
            await self._drop_own_keys(asked, name)
        return Told(RemovedHolder(NOUNS[kind], name))  # type: ignore[arg-type]

    async def _forget_earlier(self, asked: Asked, name: str) -> None:
        """If there is no tenant of this name in the database or in the configuration, remove the provider
        keys that are stored for this name: an earlier tenant has left them. Does nothing without a database.
        Raises RequestFailed (503 if the database fails).
        """
        if name in self._of_configuration("tenants") or self._registry.gateway.following is None:
            return
        if await self._registry.find("tenants", name) is None:
            await self._drop_own_keys(asked, name)

    async def _drop_own_keys(self, asked: Asked, tenant: str) -> None:
        """Remove all provider keys that a tenant has brought, record each removal in the audit, and have all
        workers read the keys again. A later tenant of the same name must not spend with them. Raises
        RequestFailed: 503 if the database fails, 409 if other changes come first all the time.
        """
        store, who = self._registry.following.store, author(asked.exchange)
        kept = [one for one in await reachable(store.own_keys()) if one.tenant == tenant]
        for one in kept:
            await reachable(store.drop_own(tenant, one.provider))
            place = f"tenants/{tenant}/provider-keys/{one.provider}"
            asked.notes.add("delete", place, before=one.shown, after=None)
        if kept:
            await self._registry.change("own_keys", "all", who.who, lambda _: Written(None))

    def _is_known(self, kind: RowKind, name: str) -> bool:
        """Whether this process knows an entry of this name, of the database or of the configuration. False
        without a database.
        """
        following = self._registry.gateway.following
        return following is not None and following.directory.holder(kind, name) is not None

    def _require_free(self, kind: RowKind, name: str, before: Row | None, asked: Asked) -> None:
        """Raise RequestFailed (409) if the client belongs to a tenant, and the entry of this name does not
        belong to the same tenant. before: the entry's row, None = the database has none.
        """
        own, caller = self._of_configuration(kind).get(name), asked.request.caller
        if own is not None:
            free = admits(caller, _tenant_of(own))
        else:
            free = before is None or admits(caller, self._registry.tenant_of(before))
        if not free:
            raise taken(kind, name, "")

    def _require(self, kind: RowKind, name: str, before: Row | None, asked: Asked) -> None:
        """Raise RequestFailed if an entry must not be changed: 404 if the client belongs to a tenant and the
        entry does not belong to the same one, else 409 if the configuration declares the entry, else 412 for
        a wrong `If-Match`, or for any `If-Match` if there is no row. before: the row to change, None = there
        is none.
        """
        headers, caller = asked.request.headers, asked.request.caller
        own = self._of_configuration(kind).get(name)
        if own is not None:
            raise declared(kind, name) if admits(caller, _tenant_of(own)) else missing(kind, name)
        if before is not None:
            require_within(caller, self._registry, before)
            tags.require(headers, _tag(before))
        elif "if-match" in headers:
            raise RequestFailed(tags.NOTHING)

    def _note(self, asked: Asked, kind: RowKind, action: str, before: Row | None, after: Any) -> None:
        asked.notes.add(
            action,
            f"{kind}/{asked.params['name']}",
            before=None if before is None else _noted(self._told(kind, before)),
            after=None if after is None else _noted(after),
        )

    def _of_configuration(self, kind: RowKind) -> dict[str, HolderObject]:
        return {
            name: HolderObject(
                object=NOUNS[kind],  # type: ignore[arg-type]
                name=name,
                declared=True,
                warnings=self._registry.warnings(one),
                **permitted(one),
            )
            for name, one in getattr(self._registry.config, kind).items()
        }

    def _told(self, kind: RowKind, row: Row) -> HolderObject:
        entry = entry_of(row.text, HolderEntry)
        return HolderObject(
            object=NOUNS[kind],  # type: ignore[arg-type]
            name=row.name,
            created=utc(entry.created) if entry.created else None,
            created_by=entry.created_by or None,
            warnings=self._registry.warnings(entry),
            **permitted(entry),
        )


def _tenant_of(told: HolderObject) -> str | None:
    """Return the name of the tenant whose keys may see an entry: the tenant itself, or else the one that the
    team or user belongs to. None = only keys that belong to no tenant may see it.
    """
    return told.name if told.object == "tenant" else told.tenant


def _noted(told: HolderObject) -> dict[str, Any]:
    """Return an entry in the form for the audit: without warnings."""
    return {name: value for name, value in msgspec.to_builtins(told).items() if name != "warnings"}


def _tag(row: Row) -> str:
    return tags.etag({"version": row.version})
