"""The operations on client keys: list, show, make, change, rotate and revoke. See docs/keys.md."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from dragoman import ir
from dragoman.accounts import minting
from dragoman.accounts.caller import Caller, is_reserved
from dragoman.config.accounts import ClientKey, KeyScope
from dragoman.config.scalars import Duration, Moment
from dragoman.errors import RequestFailed
from dragoman.observe.timestamps import utc
from dragoman.server.admin import tags
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.pages import Wanted
from dragoman.server.admin.registry import (
    PermissionWish,
    Registry,
    Written,
    declared,
    missing,
    refused,
    require_name,
    taken,
    unchangeable,
    unreadable,
)
from dragoman.server.admin.within_tenant import admits, kept_within, page_within, require_within
from dragoman.state.directory import KeyEntry, Permitted, Row, entry_of, why_invalid
from dragoman.turns.keeping import reachable

_LIST: Final = "/admin/keys"
_ONE: Final = f"{_LIST}/{{name}}"
_LONGEST_OVERLAP: Final = 30 * 86400.0
"""The most seconds for which the old key stays valid after a rotation."""
_ID: Final = re.compile(r"key_[0-9a-f]{24,32}")
"""The form of a key's id."""


KeyState: TypeAlias = Literal["valid", "disabled", "expired", "revoked", "shadowed", "unreadable"]


class KeyWish(PermissionWish, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a key, as a request states them; a missing field has its default. expires: a date (the
    key is valid until the end of that day in UTC), a time with a time zone, such as `2026-12-31T18:00:00Z`,
    or a duration from now, such as `30d`; null = the key does not expire. The other fields are as in
    `auth.keys` in the page of settings.
    """

    scopes: tuple[KeyScope, ...] = ("inference",)
    team: str | None = None
    user: str | None = None
    expires: str | None = None


class NewKey(KeyWish, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new key. name: no other key has it, also no revoked key and no key of the configuration; what the
    gateway stores for the client belongs to this name. hash: the SHA-256 of a key that the client has already
    (64 hexadecimal digits); null = the gateway makes the key.
    """

    name: str
    hash: str | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request to rotate a key. keep: how long the old key stays valid: seconds, or a text such as `24h`;
    at most 30 days; 0 = not at all. The old key ends earlier if the key expires or is revoked. If it is
    revoked or has expired already, the rotation does not make it valid again.
    """

    keep: str | float = 0.0


class KeyObject(msgspec.Struct, kw_only=True):
    """A client key, without the key itself. The fields from `scopes` to `expires` are as in `auth.keys` in
    the page of settings; null = all, for a list of allowed names. shown: `dgm_7f3a…`, or only `…` for a key
    in another form than the gateway's own, and if the gateway knows just the hash. All times are RFC 3339 in
    UTC. state: the first of these that applies: `revoked` = refused for good; `shadowed` = without effect,
    because the configuration declares a key of the same name; `unreadable` = the stored entry or its limits
    cannot be read, so requests are refused (`warnings` says why); `disabled`; `expired`; `valid`. declared:
    true = the configuration declares this key, and it can be changed only there; `id`, `created_by`, and the
    times except `expires` are then null. What cannot be read in the entry of an unreadable key is null or
    empty.
    """

    id: str | None
    name: str
    state: KeyState
    declared: bool = False
    shadowed: Annotated[
        bool, msgspec.Meta(description="The configuration declares a key of the same name, which counts.")
    ] = False
    shown: Annotated[str, msgspec.Meta(description="Its first characters, such as `dgm_7f3a…`, or only `…`.")]
    scopes: tuple[str, ...]
    tenant: str | None
    team: str | None
    user: str | None
    models: tuple[str, ...] | None
    faces: tuple[str, ...] | None
    operations: tuple[str, ...] | None
    providers: tuple[str, ...] | None
    regions: tuple[str, ...] | None
    tags: tuple[str, ...]
    limits: Any
    metadata: dict[str, Any]
    disabled: bool
    expires: str | None
    created: str | None = None
    created_by: str | None = None
    rotated: str | None = None
    old_until: Annotated[
        str | None, msgspec.Meta(description="Until when the key before the last rotation is valid.")
    ] = None
    revoked: str | None = None
    last_used: Annotated[
        str | None, msgspec.Meta(description="To some minutes; null = never, or not known.")
    ] = None
    warnings: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(description="Names in `providers`, `regions` and `faces` that permit nothing here."),
    ] = []
    object: Literal["key"] = "key"


class MadeKey(KeyObject, kw_only=True):
    """A key that was just made or rotated. key: the key itself, which no other answer contains; null = the
    request stated the hash of a key instead.
    """

    key: str | None


class KeyList(msgspec.Struct):
    """A page of client keys, sorted by name: those of the database, and those that the configuration
    declares. If both have a key of the same name, the page has only that of the database, or if this is
    revoked only the declared one. A client that belongs to a tenant gets only the keys of its tenant.
    """

    data: list[KeyObject]
    has_more: bool
    object: Literal["list"] = "list"


OPERATIONS: Final = (
    Operation(
        *("GET", _LIST, "list_keys", "All client keys, by name.", KeyList),
        query=Wanted,
        for_tenants=True,
    ),
    Operation(
        *("POST", _LIST, "create_key", "Make a key. It is shown in this answer only.", MadeKey, NewKey),
        for_tenants=True,
    ),
    Operation(
        *("GET", _ONE, "show_key", "One key, without the key itself.", KeyObject),
        tagged=True,
        for_tenants=True,
    ),
    Operation(
        *("PUT", _ONE, "update_key", "Replace all settings of a key; the key itself stays."),
        *(KeyObject, KeyWish),
        tagged=True,
        for_tenants=True,
    ),
    Operation(
        *("POST", f"{_ONE}/rotate", "rotate_key", "Make a new key of the same name; also of a revoked one."),
        *(MadeKey, Rotation),
        tagged=True,
        for_tenants=True,
    ),
    Operation(
        *("DELETE", _ONE, "revoke_key", "Refuse a key for good, on all servers.", KeyObject),
        tagged=True,
        for_tenants=True,
    ),
)


class KeysApi:
    """The operations on one gateway's client keys."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def list_keys(self, asked: Asked) -> Told:
        wanted: Wanted = asked.query
        caller = asked.request.caller
        after = self._name_before(wanted.after or "", caller)
        found: list[KeyObject] = []
        at = after
        while True:  # until there are enough keys that count, so that no name is passed by
            rows = await page_within(caller, self._registry, "keys", at, wanted.limit + 1)
            used = await self._last_used(rows)
            found += [told for row in rows if not _is_past(told := self._told(row, used))]
            if len(rows) <= wanted.limit or len(found) > wanted.limit:
                break
            at = rows[-1].name
        config = self._registry.config
        keys = [key for key in config.auth.keys if admits(caller, config.tenant_of(key))]
        own = sorted({key.client: key for key in reversed(keys) if key.client > after}.items())
        names = {key.name for key in found}
        whole = [*found, *(self._declared(key) for name, key in own if name not in names)]
        whole.sort(key=lambda key: key.name)
        more = len(whole) > wanted.limit
        return Told(KeyList(whole[: wanted.limit], more))

    def _name_before(self, after: str, caller: Caller) -> str:
        """Return the name of the key after which a page begins. after: this name, or the id of a key of the
        database. Raises RequestFailed (400) for a text that has the form of an id, but is neither the name of
        a key nor the id of one that the caller may see.
        """
        following = self._registry.gateway.following
        if following is None or not _ID.fullmatch(after) or following.directory.key(after) is not None:
            return after
        name = following.directory.name_of_key(after)
        if name is None or not admits(caller, following.directory.tenant_of_key(name)):
            raise refused(f"there is no key {after!r}", "after")
        return name

    async def show_key(self, asked: Asked) -> Told:
        name, caller = asked.params["name"], asked.request.caller
        row = await self._registry.find("keys", name)
        if row is not None and admits(caller, self._registry.tenant_of(row)):
            told = self._told(row, await self._last_used([row]))
            if not _is_past(told):
                return Told(told, _tag(row))
        key = self._stated(name)
        if key is None or not admits(caller, self._registry.config.tenant_of(key)):
            raise missing("keys", name)
        return Told(self._declared(key))

    async def create_key(self, asked: Asked) -> Told:
        now = self._now()
        stated: NewKey = _dated(asked.body, now)
        key = None if stated.hash is not None else self._minted()
        digest = _digest(stated.hash) if key is None else minting.digest(key)
        shown = "…" if key is None else minting.shown(key)
        who = author(asked.exchange)
        id_ = f"key_{self._registry.gateway.seams.random_id()[:24]}"
        require_name(stated.name)
        earlier = await self._registry.earlier_tenants(stated.name)

        def decide(before: Row | None) -> Written:
            wish = kept_within(asked.request.caller, self._registry, stated)
            self._require(wish, now)
            if is_reserved(wish.name):
                raise refused("clients and operators without a key have such a name", "name")
            self._require_own(wish.name, asked.request.caller)
            if before is not None:
                was = entry_of(before.text, KeyEntry)
                own = admits(asked.request.caller, self._registry.tenant_of(before))
                more = " (it was revoked: rotate makes it anew)" if was.revoked is not None and own else ""
                raise taken("keys", wish.name, more)
            if self._registry.gateway.client_keys.knows(digest):
                raise RequestFailed(_SAME)
            made = {"id": id_, "shown": shown, "created": now, "created_by": who.who}
            made |= self._holder_ids(wish, None)
            entry = _entry(wish, made)
            self._require_unused(entry, earlier, asked)
            return Written(entry, digest)

        changed = await self._registry.change("keys", stated.name, who.who, decide)
        told = self._told(changed.after, {})
        asked.notes.add("create", f"keys/{stated.name}", before=None, after=_noted(told))
        return Told(_made(told, key), _tag(changed.after))

    async def update_key(self, asked: Asked) -> Told:
        now = self._now()
        stated: KeyWish = _dated(asked.body, now)

        def change(row: Row, entry: KeyEntry) -> Written:
            wish = kept_within(asked.request.caller, self._registry, stated)
            self._require_own(row.name, asked.request.caller)
            if entry.revoked is not None:
                raise RequestFailed(_REVOKED)
            self._require(wish, None if _moment(wish.expires) == entry.expires else now)
            kept = {name: getattr(entry, name) for name in _KEPT} | self._holder_ids(wish, entry)
            return Written(_entry(wish, kept), row.digest, row.before)

        return await self._changed(asked, "update", change)

    async def rotate_key(self, asked: Asked) -> Told:
        key, now, keep = self._minted(), self._now(), _seconds(asked.body.keep)

        def change(row: Row, entry: KeyEntry) -> Written:
            self._require_own(row.name, asked.request.caller)
            expired = entry.expires is not None and entry.expires <= now
            valid = entry.revoked is None and not expired
            new = msgspec.structs.replace(
                entry,
                shown=minting.shown(key),
                rotated=now,
                revoked=None,
                expires=None if expired else entry.expires,
                before_until=now + keep if keep and valid else None,
            )
            return Written(new, minting.digest(key), row.digest if keep and valid else None)

        told = await self._changed(asked, "rotate", change)
        return Told(_made(told.value, key), told.etag)

    async def revoke_key(self, asked: Asked) -> Told:
        now = self._now()

        def change(row: Row, entry: KeyEntry) -> Written:
            if entry.revoked is not None:
                return Written(entry, row.digest)
            return Written(msgspec.structs.replace(entry, revoked=now, before_until=None), row.digest)

        return await self._changed(asked, "revoke", change)

    async def _changed(self, asked: Asked, action: str, change: Any) -> Told:
        """Change the stored key that the path names, and record this in the audit as `action`. Return the
        changed key and its new ETag. change: gets the stored row and the entry in it, and returns what to
        write (`Written`).

        Raises RequestFailed: what `change` and `Registry.change` raise; 404 for a key that does not exist or
        that the client may not see; 409 for a key that only the configuration declares; 412 if the request
        has `If-Match` with neither the key's ETag nor `*`.
        """
        name, who, caller = asked.params["name"], author(asked.exchange), asked.request.caller

        def decide(before: Row | None) -> Written:
            if before is None:
                key = self._stated(name)
                seen = key is not None and admits(caller, self._registry.config.tenant_of(key))
                raise declared("keys", name) if seen else missing("keys", name)
            require_within(caller, self._registry, before)
            tags.require(asked.request.headers, _tag(before))
            entry = entry_of(before.text, KeyEntry)
            if (why := why_invalid(entry)) is not None:  # what is left of it would permit everything
                raise unchangeable("keys", name, why)
            written: Written = change(before, entry)
            return written

        changed = await self._registry.change("keys", name, who.who, decide)
        assert changed.before is not None
        before, after = self._told(changed.before, {}), self._told(changed.after, {})
        asked.notes.add(action, f"keys/{name}", before=_noted(before), after=_noted(after))
        return Told(after, _tag(changed.after))

    def _require(self, wish: KeyWish, now: float | None) -> None:
        """Raise RequestFailed (400) if the settings of a key are wrong (`Registry.check`), if they name a
        team or user that does not exist, if the key, its team and its user belong to different tenants, or if
        the tenant of the team or the user was removed; 501 without a database. now: Unix seconds; a key that
        expires must expire later than this. None = a time in the past is accepted, too.
        """
        registry = self._registry
        registry.check(wish)
        registry.require_known("teams", wish.team)
        registry.require_known("users", wish.user)
        if not wish.scopes:
            raise refused("a key without scopes allows no request", "scopes")
        expires = _moment(wish.expires)
        if now is not None and expires is not None and expires <= now:
            raise refused("is in the past", "expires")
        directory, tenant = registry.following.directory, wish.tenant
        for kind, name in (("users", wish.user), ("teams", wish.team)):
            owner = None if name is None else directory.holder(kind, name)  # type: ignore[arg-type]
            if owner is not None and owner.tenant is not None:
                if directory.outlived(owner):
                    text = f"the tenant {owner.tenant} of {name} was removed: replace {name} first"
                    raise refused(text, kind[:-1])
                if tenant not in {None, owner.tenant}:
                    raise refused(f"{name} belongs to the tenant {owner.tenant}, not to {tenant}", kind[:-1])
                tenant = owner.tenant

    def _holder_ids(self, wish: KeyWish, was: KeyEntry | None) -> dict[str, str | None]:
        """Return {"tenant_id": …, "team_id": …, "user_id": …}: the ids of the tenant, the team and the user
        to which a key belongs from now on; None = it has none of these, or the one that it has has no id.
        was: the key's entry before, None = the key is new. Where the name is the same as in `was`, the id of
        `was` stays, even if that tenant, team or user was removed since.
        """
        ids = self._registry.following.directory.ids(wish.tenant, wish.team, wish.user)
        for member in ("tenant", "team", "user"):
            if was is not None and getattr(was, member) == getattr(wish, member):
                ids[f"{member}_id"] = getattr(was, f"{member}_id")
        return ids

    def _require_own(self, name: str, caller: Caller) -> None:
        """Raise RequestFailed (409) if the configuration declares a key of this name. If the client may not
        see the declared key, the error says only that the name is in use.
        """
        key = self._stated(name)
        if key is not None:
            own = admits(caller, self._registry.config.tenant_of(key))
            raise declared("keys", name) if own else taken("keys", name, "")

    def _require_unused(self, entry: KeyEntry, earlier: Collection[str | None], asked: Asked) -> None:
        """Raise RequestFailed (409) if a new key must not have its name, because keys of other tenants had
        the name earlier: the new key would find what those have stored. A client that belongs to no tenant
        may use the name if the tenant of the new key (None = it has none) is in `earlier`; a client that
        belongs to a tenant, only if no other tenant is in `earlier`. entry: of the new key. earlier: the
        tenants of the earlier keys of this name (`Registry.earlier_tenants`); empty = there was no such key.
        """
        tenant = self._registry.following.directory.tenant_of(entry, entry.team, entry.user)
        operator = asked.request.caller.tenant is None
        if earlier and (tenant not in earlier if operator else {*earlier} != {tenant}):
            raise RequestFailed(_USED)

    def _is_declared(self, name: str) -> bool:
        return self._stated(name) is not None

    def _stated(self, name: str) -> ClientKey | None:
        """Return the configuration's first key with this name; None = there is none."""
        return next((key for key in self._registry.config.auth.keys if key.client == name), None)

    def _minted(self) -> str:
        random = self._registry.gateway.seams.random_id
        return minting.minted(bytes.fromhex(random() + random()))

    def _now(self) -> float:
        return self._registry.gateway.seams.now()

    async def _last_used(self, rows: Any) -> dict[str, float]:
        """Return when keys were last used (Unix seconds), by the ids of the keys; the result may also contain
        other keys than those of `rows` (`Row`s of keys). A key whose last use is not known is missing. Raises
        RequestFailed (503) if the database fails.
        """
        following = self._registry.gateway.following
        if following is None or not rows:
            return {}
        ids = [id_ for row in rows if (id_ := entry_of(row.text, KeyEntry).id)]
        kept = await reachable(following.store.last_used(ids))
        now = following.directory.uses
        return {id_: max(kept.get(id_, 0.0), now.get(id_, 0.0)) for id_ in {*kept, *now}}

    def _told(self, row: Row, used: dict[str, float]) -> KeyObject:
        entry = entry_of(row.text, KeyEntry)
        state: KeyState = self._valid(entry)
        if entry.revoked is not None:
            state = "revoked"
        elif self._is_declared(row.name):
            state = "shadowed"
        elif unreadable(entry) is not None:
            state = "unreadable"
        return KeyObject(
            id=entry.id or None,
            name=row.name,
            state=state,
            shadowed=self._is_declared(row.name),
            shown=entry.shown,
            scopes=entry.scopes,
            team=entry.team,
            user=entry.user,
            expires=_utc(entry.expires),
            created=_utc(entry.created or None),
            created_by=entry.created_by or None,
            rotated=_utc(entry.rotated),
            old_until=_utc(entry.before_until),
            revoked=_utc(entry.revoked),
            last_used=_utc(used.get(entry.id)),
            warnings=self._registry.warnings(entry),
            **permitted(entry),
        )

    def _valid(self, key: KeyEntry | ClientKey) -> Literal["valid", "disabled", "expired"]:
        """Return the state of a key that is neither revoked, shadowed nor unreadable. A key that is
        disabled and has expired is `disabled`, which is also what its requests are told.
        """
        if key.disabled:
            return "disabled"
        return "expired" if key.expires is not None and key.expires <= self._now() else "valid"

    def _declared(self, key: ClientKey) -> KeyObject:
        return KeyObject(
            id=None,
            name=key.client,
            state=self._valid(key),
            declared=True,
            shown="…" if key.key is None else minting.shown(key.key.reveal()),
            scopes=key.scopes,
            team=key.team,
            user=key.user,
            expires=_utc(key.expires),
            warnings=self._registry.warnings(key),
            **permitted(key),
        )


def permitted(entry: Permitted | Any) -> dict[str, Any]:
    """Return the fields of `Permitted` by name, with their values in an entry of the database or of the
    configuration; None = the entry does not have the field. Limits of the configuration become a list of
    objects without the settings that have their default values, or None if there are none.
    """
    found = {name: getattr(entry, name, None) for name in Permitted.__struct_fields__}
    if isinstance(found["limits"], tuple):
        found["limits"] = [_stated(one) for one in found["limits"]] or None
    return found


def _stated(section: Any) -> dict[str, Any]:
    """Return the settings of a section of the configuration that differ from their defaults, by name. A tuple
    becomes a list of texts; other values are unchanged.
    """
    usual = type(section)()
    values = {name: getattr(section, name) for name in section.__struct_fields__}
    return {
        name: [str(one) for one in value] if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != getattr(usual, name)
    }


def _is_past(told: KeyObject) -> bool:
    """Whether a stored key no longer counts: it is revoked, and the configuration declares a key of the same
    name.
    """
    return told.shadowed and told.state == "revoked"


def _entry(wish: KeyWish, kept: dict[str, Any]) -> KeyEntry:
    """Return the entry to store for a wish (`_dated`). kept: the fields that the entry has and a wish does
    not, by name.
    """
    stated = {name: getattr(wish, name) for name in KeyWish.__struct_fields__}
    return KeyEntry(**{**stated, **kept, "expires": _moment(wish.expires)})


_KEPT: Final = tuple(name for name in KeyEntry.__struct_fields__ if name not in KeyWish.__struct_fields__)


def _made(told: KeyObject, key: str | None) -> MadeKey:
    return MadeKey(key=key, **msgspec.structs.asdict(told))


def _noted(told: KeyObject) -> dict[str, Any]:
    """Return a key in the form for the audit: without warnings, and without fields that are null, false, 0,
    [] or {}.
    """
    return {
        name: value
        for name, value in msgspec.to_builtins(told).items()
        if value not in (None, [], (), {}, False) and name != "warnings"
    }


_Wish = TypeVar("_Wish", bound=KeyWish)


def _dated(wish: _Wish, now: float) -> _Wish:
    """Return a wish in which `expires` is null or a date or time; a duration counts from `now` (Unix
    seconds). Raises RequestFailed (400) for an invalid `expires`.
    """
    if wish.expires is None:
        return wish
    try:
        return msgspec.structs.replace(wish, expires=str(Moment.from_now(wish.expires, now)))
    except ValueError:
        raise refused(f"expected {Moment.expected}, or a duration such as 30d", "expires") from None


def _moment(stated: str | None) -> float | None:
    """Return `expires` of a wish that `_dated` has returned, as Unix seconds; None = never."""
    return None if stated is None else float(Moment.parse(stated))


def _seconds(keep: str | float) -> float:
    try:
        seconds = float(Duration.parse(keep))
    except ValueError:
        raise refused(f"expected {Duration.expected}", "keep") from None
    if seconds > _LONGEST_OVERLAP:
        raise refused("at most 30 days", "keep")
    return seconds


def _digest(stated: str | None) -> bytes:
    try:
        digest = bytes.fromhex(stated or "")
    except ValueError:
        digest = b""
    if len(digest) != 32 or len(stated or "") != 64:
        raise refused("expected the SHA-256 of a key: 64 hexadecimal digits", "hash")
    return digest


def _utc(seconds: float | None) -> str | None:
    """Return Unix seconds as a time of RFC 3339, in UTC; None for None. Whole seconds have no fraction: a
    client may send such a text back as `expires`, and it means the same time. Other times are cut to
    milliseconds.
    """
    if seconds is None:
        return None
    if seconds == int(seconds):
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    return utc(seconds)


def _tag(row: Row) -> str:
    return tags.etag({"version": row.version})


_USED: Final = ir.Fault(
    "conflict",
    "A key of another tenant has had this name, and what it has stored belongs to the name. Choose another.",
    "name_taken",
    "name",
)
_SAME: Final = ir.Fault(
    "conflict", "A key with this hash is known already, under another name.", "key_known", "hash"
)
_REVOKED: Final = ir.Fault(
    "conflict",
    "The key was revoked. Rotate it: that makes a new key of the same name.",
    "key_revoked",
    "name",
)
