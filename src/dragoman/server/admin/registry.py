"""Reads and changes client keys, tenants, teams and users in the database. It also tells all processes when
provider keys of tenants have changed.

A change is decided on what the database contains at that moment. It is written only if nobody else has
changed anything since; otherwise it is decided again. Then all processes learn of the change: the processes
of this server at once, those of other servers about half a second later (`assembly.directory`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.accounts.grants import GROUP
from dragoman.assembly.core import Core
from dragoman.assembly.directory import Following
from dragoman.assembly.keys import stored_bounds
from dragoman.config.accounts import Grantable
from dragoman.config.check_accounts import regions_of, unmet
from dragoman.config.check_limits import unkept
from dragoman.config.settings import Config
from dragoman.config.stated import stated_bounds
from dragoman.dialects.table import DIALECTS
from dragoman.errors import Problem, RequestFailed
from dragoman.server.admin.problems import shown
from dragoman.state.directory import HolderEntry, KeyEntry, Row, RowKind, entry_of, why_invalid
from dragoman.state.usage_report import MOST_GROUPS, Query
from dragoman.state.usage_sums import Dimension, text
from dragoman.turns.keeping import reachable

LONGEST: Final = 200
"""The most characters of a name."""
_LARGEST: Final = 64_000
"""The most bytes of an entry as JSON: every process has all entries in memory."""
_TRIES: Final = 50
_DIMENSIONS: Final[dict[RowKind, Dimension]] = {
    "keys": "key",
    "tenants": "tenant",
    "teams": "team",
    "users": "user",
}
NOUNS: Final[dict[RowKind, str]] = {"keys": "key", "tenants": "tenant", "teams": "team", "users": "user"}


class PermissionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a key, a tenant, a team or a user may use, as a request states it. models, faces, operations,
    providers, regions: the allowed names, null = all. The other fields are as in `auth.keys` in the page of
    settings.
    """

    models: tuple[str, ...] | None = None
    faces: tuple[str, ...] | None = None
    operations: tuple[Grantable, ...] | None = None
    providers: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    limits: Any = None
    metadata: dict[str, Any] = {}
    disabled: bool = False
    tenant: str | None = None


class Written(NamedTuple):
    """What a change writes. entry: is stored as JSON; None = the entry is removed. digest: the SHA-256 of a
    client key; None = the entry is no key, or is removed. before: the SHA-256 of the key before its last
    rotation, if that key was to stay valid for a while; None = no such key.
    """

    entry: Any
    digest: bytes | None = None
    before: bytes | None = None


class Changed(NamedTuple):
    """A change that was made. before, after: the row before and after the change; before is None if there was
    no row, or its entry was removed earlier.
    """

    before: Row | None
    after: Row


Decide = Callable[[Row | None], Written]
"""Returns what to write instead of this row (None = there is no row). Raises RequestFailed if nothing must be
written.
"""


class Registry:
    """Reads and changes the client keys, tenants, teams and users in the database of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self.gateway = gateway
        self._lock = asyncio.Lock()

    @property
    def following(self) -> Following:
        """The object that keeps this process's copy of the keys, tenants, teams and users up to date. Raises
        RequestFailed (501) without a database.
        """
        found = self.gateway.following
        if found is None:
            raise RequestFailed(_NO_DATABASE)
        return found

    @property
    def config(self) -> Config:
        return self.gateway.config

    async def find(self, kind: RowKind, name: str) -> Row | None:
        """Return the row of this name; None = the database has no such entry, or there is no database. Raises
        RequestFailed (503 if the database fails).
        """
        following = self.gateway.following
        return None if following is None else await reachable(following.store.find(kind, name))

    async def page(self, kind: RowKind, after: str, limit: int) -> Sequence[Row]:
        """Return at most `limit` rows, sorted by name, with names greater than `after`; () without a
        database. Raises RequestFailed (503 if the database fails).
        """
        following = self.gateway.following
        return () if following is None else await reachable(following.store.page(kind, after, limit))

    def tenant_of(self, row: Row) -> str | None:
        """Return the name of the tenant that the entry of a row belongs to: the one that the entry states;
        else its user's; else its team's. A tenant belongs to itself. None = it belongs to none, or that
        tenant was removed, even if a new tenant has the same name.
        """
        if row.kind == "tenants":
            return row.name
        directory = self.following.directory
        if row.kind == "keys":
            key = entry_of(row.text, KeyEntry)
            return directory.tenant_of(key, key.team, key.user)
        return directory.tenant_of(entry_of(row.text, HolderEntry))

    async def has_used(self, kind: RowKind, name: str) -> bool:
        """Whether usage under the name of a tenant, team or user is recorded; it may be that of a removed one
        of the same name. kind: "tenants", "teams" or "users". False if this gateway records no usage. Raises
        RequestFailed (503 if the database fails).
        """
        store, now = self.gateway.usage, self.gateway.seams.now()
        if store is None:
            return False
        report = await reachable(
            store.report(Query(begin=0, end=int(now) + 1, only={_DIMENSIONS[kind]: text(name)}), now)
        )
        return report.total["requests"] > 0

    async def earlier_tenants(self, key: str) -> set[str | None]:
        """Return the names of the tenants whose keys have had this name, as far as usage and stored data tell
        it; empty = they tell of no such key. None in the set stands for a key that belonged to no tenant, to
        an earlier tenant with the name of a present one, or to an unknown tenant. Rows of keys in the
        database are not looked at: a key that was taken out of a configuration file has none. key: the name.
        Raises RequestFailed: 503 if the usage or the database cannot be read; 501 without a database, if
        neither usage nor aliases tell anything.
        """
        now = self.gateway.seams.now()
        found = await self._tenants_of(key, int(now) + 1, now)
        for tenant in [one for one in found if one is not None]:
            since = self.usage_since(tenant)
            if since and tenant in await self._tenants_of(key, int(since), now):
                found = found - {tenant} | {None}  # an earlier tenant of the same name
        owns = any(alias.owner == key for alias in self.config.aliases.values())
        if not found and (owns or await reachable(self.following.store.owns(key))):
            found.add(None)
        return found

    async def _tenants_of(self, key: str, end: int, now: float) -> set[str | None]:
        """Return the tenants under which keys of this name have made requests before `end` (Unix seconds);
        empty = they have made none, or this gateway records no usage. None in the set stands for requests
        without a tenant, and for all tenants above the number `MOST_GROUPS`. now: Unix seconds. Raises
        RequestFailed (503 if the database fails).
        """
        store = self.gateway.usage
        if store is None:
            return set()
        wanted = Query(begin=0, end=end, by=("tenant",), only={"key": text(key)}, top=MOST_GROUPS)
        report = await reachable(store.report(wanted, now))
        return {one.values[0] or None if one.values else None for one in report.groups}

    async def change(self, kind: RowKind, name: str, author: str, decide: Decide) -> Changed:
        """Change one row, and have all processes use it. author: who asks for the change. decide: gets the
        row as it is now (None = there is none), and returns what to write; it is called again if somebody
        else has changed any row meanwhile. Raises RequestFailed: what `decide` raises, 400 for an invalid
        name or an entry that is too large, 409 if other changes have come first `_TRIES` times, 501 without a
        database, 503 if the database fails. Call it only in operations that change something
        (`Operation.changes`): these are finished even if the client disconnects.
        """
        require_name(name)
        async with self._lock:
            changed = await self._changed(kind, name, author, decide)
        await self.following.changed()
        return changed

    async def _changed(self, kind: RowKind, name: str, author: str, decide: Decide) -> Changed:
        following = self.following
        for _ in range(_TRIES):
            await following.catch_up()  # tenants and teams that another server has just made are known, too
            latest = await reachable(following.store.version())
            before = await reachable(following.store.find(kind, name))
            written = decide(before)
            entry = None if written.entry is None else msgspec.json.encode(written.entry)
            if len(entry or b"") > _LARGEST:
                raise refused(f"The entry has more than {_LARGEST:,} bytes as JSON.", None)
            now = self.gateway.seams.now()
            row = Row(kind, name, entry, latest + 1, author, now, written.digest, written.before)
            if await reachable(following.store.change([row], latest)):
                return Changed(before, row)
        raise RequestFailed(_BUSY)

    def check(self, wish: PermissionWish) -> None:
        """Raise RequestFailed (400) if a wish has an invalid name of a model, an unknown group, face or
        tenant, wrong limits, or an empty list of faces, operations, providers or regions. Names of models,
        providers and regions may be unknown. Raises RequestFailed (501) if the wish names a tenant and there
        is no database.
        """
        for number, entry in enumerate(wish.models or ()):
            place = f"models[{number}]"
            if not entry or not entry.isprintable():
                raise refused("expected the name of a model, or a pattern", place)
            group = entry.removeprefix(GROUP)
            if group != entry and group not in self.config.groups:
                raise refused(f"there is no group {group[:64]!r} in the configuration (`groups`)", place)
        for number, face in enumerate(wish.faces or ()):
            if face not in DIALECTS:
                raise refused(f"expected one of {', '.join(sorted(DIALECTS))}", f"faces[{number}]")
        for setting in ("faces", "operations", "providers", "regions"):
            if getattr(wish, setting) == ():
                raise refused("an empty list allows no request; null allows all", setting)
        self.require_known("tenants", wish.tenant)
        if wish.limits is not None:
            bounds, problems = stated_bounds(wish.limits)
            for problem in problems:
                raise refused(problem.message, problem.path)
            for misfit in unkept(bounds, "key"):
                if not misfit.odd:
                    one = not isinstance(wish.limits, list)
                    place = misfit.place.replace("limits[0]", "limits", 1) if one else misfit.place
                    raise refused(misfit.message, place)

    def warnings(self, may: Any) -> list[dict[str, Any]]:
        """Return a warning, as a JSON object, for each name in `providers`, `regions` and `faces` that
        permits nothing here, for example because no such provider is configured; and one if stored limits
        cannot be read. may: the entry of the database or of the configuration that has these fields.
        """
        named = self.config.providers.named
        found = unmet(may, "", {*self.gateway.running.upstreams, *named}, regions_of(self.config))
        warnings = [shown(Problem(one.place, one.message, hint=one.hint)) for one in found]
        if isinstance(may, KeyEntry | HolderEntry) and (wrong := unreadable(may)) is not None:
            warnings.append(shown(wrong))
        return warnings

    def usage_since(self, tenant: str | None) -> float:
        """Return the time, in Unix seconds, before which usage under a tenant's name is that of an earlier
        tenant of the same name; 0 = no such time is known, for example because the configuration declares the
        tenant.
        """
        following = self.gateway.following
        entry = None if tenant is None or following is None else following.directory.holder("tenants", tenant)
        return (entry.usage_since if isinstance(entry, HolderEntry) else None) or 0.0

    def require_known(self, kind: RowKind, name: str | None) -> None:
        """Raise RequestFailed (400) if there is no tenant, team or user of this name. None is accepted:
        nothing is named. Raises RequestFailed (501) for a name if there is no database.
        """
        if name is not None and self.following.directory.holder(kind, name) is None:
            raise unknown(kind, name)


def unreadable(entry: KeyEntry | HolderEntry) -> Problem | None:
    """Return why requests are refused because an entry of the database is not valid, or its limits cannot be
    read. None = it can be read.
    """
    if entry.limits is None:
        return None
    if (why := why_invalid(entry)) is not None:
        return Problem("", f"requests are refused: {why}")
    if (wrong := stored_bounds(entry.limits)[1]) is None:
        return None
    text = f"the limits cannot be read, so requests are refused: {wrong.path}: {wrong.message}"
    return Problem(wrong.path, text, hint=wrong.hint)


def require_name(name: str) -> None:
    """Raise RequestFailed (400) for the name of a key, tenant, team or user that is empty or too long, that
    has a slash, a character that cannot be printed, or a blank at an end, or that is `.` or `..`.
    """
    if name in {".", ".."}:
        # Clients of HTTP take these out of a path (RFC 3986, 5.2.4), so no path could name the entry.
        raise refused("`.` and `..` cannot stand in the path of a URL", "name")
    if not name or len(name) > LONGEST or not name.isprintable() or "/" in name or name != name.strip():
        text = f"at most {LONGEST} printable characters, no slash, and no blank at an end"
        raise refused(text, "name")


def refused(text: str, param: str | None) -> RequestFailed:
    """Return the error (400) for a wrong field. text: what is wrong. param: the name of the field; None = no
    single field.
    """
    told = text if param is None else f"{param}: {text}."
    return RequestFailed(ir.Fault("invalid_request", told, "invalid_value", param))


def unknown(kind: RowKind, name: str) -> RequestFailed:
    """Return the error (400) for a field that names a tenant, a team or a user that does not exist."""
    return refused(f"there is no {NOUNS[kind]} {name[:64]!r}", NOUNS[kind])


def missing(kind: RowKind, name: str) -> RequestFailed:
    """Return the error (404) for a name that no key, tenant, team or user of this kind has."""
    noun = NOUNS[kind]
    text = f"There is no {noun} of the name {name[:128]!r}."
    return RequestFailed(ir.Fault("not_found", text, "name_not_found", "name"))


def declared(kind: RowKind, name: str) -> RequestFailed:
    """Return the error (409) for a change of a key, tenant, team or user that the configuration declares."""
    place = "auth.keys" if kind == "keys" else kind
    said = f"The configuration declares the {NOUNS[kind]} {name[:128]!r} (`{place}`)"
    text = f"{said}, which wins: change it there."
    return RequestFailed(ir.Fault("conflict", text, "declared_elsewhere", "name"))


def taken(kind: RowKind, name: str, more: str) -> RequestFailed:
    """Return the error (409) for a name that is in use. more: a further text for the message, "" = none."""
    text = f"There is a {NOUNS[kind]} of the name {name[:128]!r}{more}."
    return RequestFailed(ir.Fault("conflict", text, "name_taken", "name"))


def unchangeable(kind: RowKind, name: str, why: str) -> RequestFailed:
    """Return the error (409) for a change of an entry that is not valid. why: the reason (`why_invalid`)."""
    text = f"The stored {NOUNS[kind]} {name[:128]!r} cannot be changed: {why}"
    return RequestFailed(ir.Fault("conflict", text, "entry_invalid"))


_NO_DATABASE: Final = ir.Fault(
    "not_implemented",
    "Keys are kept in a database, and this gateway has none. Set `stores.sql` (with the extra `sql`) and "
    "restart, or write the key into the configuration file (`auth.keys`, as its hash).",
    "no_database",
)
_BUSY: Final = ir.Fault("conflict", "Others are changing keys all the time. Try again.", "keys_changing")
