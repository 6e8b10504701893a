"""Keeps all client keys, tenants, teams and users of the database in memory, so that the client with a key is
found without waiting. Keys are found by their SHA-256.

The row of a key stays as the database has it, a few hundred bytes of JSON, and is decoded when the key is
first used. 100,000 keys take about 50 MB. `assembly.directory` brings the rows here. While the database
cannot be reached, the known rows stay in use.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller, scopes_of
from dragoman.accounts.limits import Limit, Subject
from dragoman.accounts.rights import (
    ALL,
    LimitsOf,
    Owner,
    Rights,
    UnreadableLimits,
    narrowed,
    within_regions,
)
from dragoman.accounts.windows import again
from dragoman.state.directory import INVALID, HolderEntry, KeyEntry, Permitted, Row, RowKind, entry_of

log = logging.getLogger("dragoman.accounts.directory")


class Again(NamedTuple):
    """A tenant, a team or a user whose name an earlier one had. counted: the name under which limits count
    the present one. since: usage under its name before this time, in Unix seconds, is that of the earlier
    one.
    """

    counted: str
    since: float


_MOST_DECODED: Final = 10_000
"""The most keys that are kept in decoded form. When one more key is used, all decoded forms are dropped; each
key is decoded again at its next use.
"""


_SUBJECTS: Final[Mapping[RowKind, Subject]] = {"tenants": "tenant", "teams": "team", "users": "user"}


_KINDS: Final[Mapping[Subject, RowKind]] = {subject: kind for kind, subject in _SUBJECTS.items()}


def no_limits(*_: object) -> tuple[Limit, ...]:
    """Return no limits, for any arguments."""
    return ()


class Declared(msgspec.Struct, frozen=True):
    """What the configuration declares. Its keys, tenants, teams and users are used instead of those with the
    same name in the database. keys: the names of the configuration's keys. tenants, teams, users: their
    entries, by name. groups: {name of a group: model names and patterns}. regions: {name of a provider: its
    region}. limits_of: makes limits from the `limits` of an entry.
    """

    keys: frozenset[str] = frozenset()
    tenants: Mapping[str, Permitted] = {}
    teams: Mapping[str, Permitted] = {}
    users: Mapping[str, Permitted] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    regions: Mapping[str, str] = {}
    limits_of: LimitsOf = no_limits


class Directory:
    """The keys, tenants, teams and users of one gateway: those of the database, and the tenants, teams and
    users that the configuration declares. version: the number of the database's latest change that this
    object has; -1 = the database was not read yet.
    """

    def __init__(self, declared: Declared | None = None) -> None:
        self.version = -1
        self.declared = declared or Declared()
        self.uses: dict[str, float] = {}
        """{id of a key: the time of its latest use, in Unix seconds}, since whoever writes the times to the
        database last emptied it.
        """
        self._keys: dict[bytes, bytes] = {}
        """{SHA-256 of a key, or of the key before its last rotation: the name of its row, a line feed, and
        the row's JSON}.
        """
        self._digests: dict[str, tuple[bytes | None, bytes | None]] = {}
        """{name of a key: (its SHA-256, the SHA-256 of the key before its last rotation)}, also of removed
        keys: their SHA-256 may be None.
        """
        self._holders: dict[tuple[RowKind, str], HolderEntry] = {}
        self._removed: set[tuple[RowKind, str]] = set()
        """The tenants, teams and users whose rows were removed, by kind and name, also if there are new rows.
        """
        self._decoded: dict[bytes, Caller | ir.Fault] = {}
        self._unreadable: dict[Owner, str] = {}

    @property
    def unreadable(self) -> dict[Owner, str]:
        """{owner of limits in the database that cannot be read: which part, and why}, as far as such limits
        were met. A key with such limits is refused, and so are all keys of such a tenant, team or user.
        Revoked keys, and entries that the configuration replaces, are missing.
        """
        return {owner: why for owner, why in self._unreadable.items() if not self._is_declared(owner)}

    @property
    def read(self) -> bool:
        """Whether all rows of the database were read since the start."""
        return self.version >= 0

    @property
    def has_keys(self) -> bool:
        """Whether the database has had any key, as far as its rows were taken: also one that cannot be used
        now.
        """
        return bool(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def take(self, rows: Iterable[Row]) -> None:
        """Use rows that have changed, in place of the earlier rows of the same kind and name. A row without
        text removes the earlier one. Rows of the kind `own_keys` are ignored. `version` does not change: call
        `reached` afterwards. If the database was read before, limits that cannot be read are logged. An entry
        that is not valid is one whose limits cannot be read.
        """
        for row in rows:
            if row.kind != "own_keys":
                self._unreadable.pop(_owner(row), None)
            if row.kind == "keys":
                self._take_key(row)
            elif row.kind == "own_keys":
                pass  # `assembly.directory` keeps them
            elif row.text is None:
                self._holders.pop((row.kind, row.name), None)
                self._removed.add((row.kind, row.name))
            else:
                self._holders[row.kind, row.name] = entry_of(row.text, HolderEntry)
            if self.read and row.kind != "own_keys" and row.text is not None:
                kind: type[KeyEntry | HolderEntry] = KeyEntry if row.kind == "keys" else HolderEntry
                self._stated(entry_of(row.text, kind), _owner(row))
        self._decoded.clear()

    def forget(self) -> None:
        """Forget all rows, for example to read all of them again. `version` and `uses` do not change."""
        self._keys, self._digests, self._holders, self._decoded = {}, {}, {}, {}
        self._removed = set()
        self._unreadable = {}

    def reached(self, version: int) -> None:
        """Set `version`: all changes up to this number were taken."""
        self.version = version

    def declare(self, declared: Declared) -> None:
        """Use what another configuration declares from now on."""
        self.declared = declared
        self._decoded.clear()

    def find(self, digest: bytes) -> Caller | ir.Fault | None:
        """Return the client with this key, or the fault to answer with if the key is disabled, if its user,
        team or tenant is disabled or was removed, if its user or team belongs to another tenant, or if limits
        of any of these cannot be read. None = the database has no such key, the key was revoked, or the
        configuration has a key of the same name. The expiry (`Caller.expires`) is not checked. digest: the
        SHA-256 of the key, or of the key before its last rotation.
        """
        found = self._decoded.get(digest)
        if found is None:
            packed = self._keys.get(digest)
            if packed is None:
                return None
            if len(self._decoded) >= _MOST_DECODED:
                self._decoded.clear()
            found = self._decoded[digest] = self._read(digest, packed)
        return None if found is UNKNOWN else found

    def used(self, caller: Caller, now: float) -> None:
        """Note that a client's key was used. Nothing is noted for a client of the configuration. now: Unix
        seconds.
        """
        if caller.key is not None:
            self.uses[caller.key] = now

    def knows(self, digest: bytes) -> bool:
        """Whether the database has a key with this SHA-256, now or before the key's last rotation. The key
        may be revoked, disabled or expired, but not removed.
        """
        return digest in self._keys

    def holder(self, kind: RowKind, name: str) -> Permitted | None:
        """Return the entry of the tenant, team or user with this name: the configuration's entry if there is
        one, else the database's. None = there is neither. kind: "tenants", "teams" or "users".
        """
        stated: Mapping[str, Permitted] = getattr(self.declared, kind)
        return stated.get(name) or self._holders.get((kind, name))

    def again(self, subject: Subject, name: str) -> Again | None:
        """Return how a tenant, team or user is counted whose name an earlier one had. None = it is counted by
        its name, or there is no such tenant, team or user, or `subject` is none of these three.
        """
        kind = _KINDS.get(subject)
        found = None if kind is None else self.holder(kind, name)
        if not isinstance(found, HolderEntry) or found.usage_since is None or found.id is None:
            return None
        return Again(again(name, found.id), found.usage_since)

    def was_removed(self, kind: RowKind, name: str) -> bool:
        """Whether a tenant, team or user of this name was removed from the database, as far as its rows tell.
        If another one of the same name was made afterwards, the result may be True or False.
        """
        return (kind, name) in self._removed

    def limits(self) -> Iterator[Limit]:
        """Yield the limits of all tenants, teams and users, and those of the keys in the database, also of
        revoked keys. If the configuration has an entry or a key of the same name, the one of the database is
        left out. So are entries whose limits cannot be read (`unreadable`). The limits of the configuration's
        keys are not yielded.
        """
        seen = self.declared
        for kind, subject in _SUBJECTS.items():
            declared: Mapping[str, Permitted] = getattr(seen, kind)
            added = {name: entry for (of, name), entry in self._holders.items() if of == kind}
            for name, entry in {**added, **declared}.items():
                yield from self._stated(entry, Owner(subject, name))
        for packed in {*self._keys.values()}:
            if b'"limits"' not in packed:
                continue  # 100,000 keys without limits are not decoded
            text, _, json = packed.partition(b"\n")
            entry = entry_of(json, KeyEntry)
            if (name := text.decode()) not in seen.keys:
                yield from self._stated(entry, Owner("key", name))

    def rights(
        self, entry: Permitted, owner: Owner, team: str | None = None, user: str | None = None
    ) -> tuple[Rights, str | None]:
        """Return (the rights of a key, the name of its tenant or None). The rights are what `entry` permits,
        narrowed by what the user, the team and the tenant permit, and only providers in the allowed regions.
        They are disabled if any of the four is disabled, if the user, the team or the tenant was removed, or
        if the user or the team belongs to another tenant. owner: whose entry it is. team, user: the names of
        the team and the user that the entry belongs to; None = it belongs to none. The tenant is the one that
        the entry states; else the user's; else the team's.
        """
        members: tuple[tuple[RowKind, Subject, str | None], ...] = (
            ("users", "user", user),
            ("teams", "team", team),
        )
        holders = [
            (self._meant(kind, name, [entry]), Owner(noun, name))
            for kind, noun, name in members
            if name is not None
        ]
        tenant = entry.tenant or next((one.tenant for one, _ in holders if one and one.tenant), None)
        if tenant is not None:
            within = [entry, *(one for one, _ in holders if one is not None)]
            saying = [one for one in within if one.tenant == tenant]
            holders.append((self._meant("tenants", tenant, saying), Owner("tenant", tenant)))
        rights = ALL
        for holder, who in reversed(holders):
            if holder is None:
                rights = rights._replace(disabled=f"{who.kind} {who.name} (which is gone)")
            elif holder.tenant not in {None, tenant}:
                rights = rights._replace(disabled=f"{who.kind} {who.name} (of another tenant)")
            else:
                rights = narrowed(rights, who, holder, self.declared.groups, self._limits_of)
        rights = narrowed(rights, owner, entry, self.declared.groups, self._limits_of)
        return within_regions(rights, self.declared.regions), tenant

    def tenant_of(self, entry: Permitted, team: str | None = None, user: str | None = None) -> str | None:
        """Return the name of the tenant that an entry belongs to: the one that the entry states; else the
        user's; else the team's. None = it belongs to none, or that tenant was removed, even if a new tenant
        of the database has the same name. entry: of a key, a team or a user. team, user: the names of the
        team and the user that the entry belongs to; None = it belongs to none.
        """
        members: tuple[tuple[RowKind, str | None], ...] = ("users", user), ("teams", team)
        owners = [entry, *(self._meant(kind, name, [entry]) for kind, name in members if name is not None)]
        tenant = next((one.tenant for one in owners if one is not None and one.tenant is not None), None)
        saying = [one for one in owners if one is not None and one.tenant == tenant]
        return None if tenant is None or self._meant("tenants", tenant, saying) is None else tenant

    def key(self, name: str) -> KeyEntry | None:
        """Return the entry of the database's key with this name, also of a revoked one; None = there is no
        such key.
        """
        digest, _ = self._digests.get(name, (None, None))
        packed = None if digest is None else self._keys.get(digest)
        return None if packed is None else entry_of(packed.partition(b"\n")[2], KeyEntry)

    def name_of_key(self, id_: str) -> str | None:
        """Return the name of the database's key with this id, also of a revoked one; None = there is no such
        key. It looks through all keys: some 10 ms for 100,000.
        """
        sought = msgspec.json.encode(id_)
        for packed in self._keys.values():
            if sought in packed:  # metadata may have such a text, too
                name, _, json = packed.partition(b"\n")
                if entry_of(json, KeyEntry).id == id_:
                    return name.decode()
        return None

    def tenant_of_key(self, name: str) -> str | None:
        """Return the name of the tenant that a key of the database belongs to: by itself, or else through its
        user or its team. None = it belongs to none, that tenant was removed, or the database has no key of
        this name. A revoked key still belongs to its tenant.
        """
        entry = self.key(name)
        return None if entry is None else self.tenant_of(entry, entry.team, entry.user)

    def ids(self, tenant: str | None, team: str | None = None, user: str | None = None) -> dict[str, Any]:
        """Return {"tenant_id": …, "team_id": …, "user_id": …}: the ids of the tenant, team and user with
        these names. None as an id = no name is given, there is no such entry, or the entry has no id (the
        configuration declares it, for example).
        """
        names: dict[RowKind, str | None] = {"tenants": tenant, "teams": team, "users": user}
        return {
            id_of(kind): None if name is None else _id(self.holder(kind, name))
            for kind, name in names.items()
        }

    def outlived(self, entry: Permitted) -> bool:
        """Whether the tenant that an entry states was removed, or is not known, even if a new tenant in the
        database has its name. False if the entry states no tenant, or the configuration declares a tenant of
        this name.
        """
        return entry.tenant is not None and self._meant("tenants", entry.tenant, [entry]) is None

    def _is_declared(self, owner: Owner) -> bool:
        if owner.kind == "key":
            return owner.name in self.declared.keys
        stated: Mapping[str, Permitted] = getattr(self.declared, _KINDS[owner.kind])
        return owner.name in stated

    def _limits_of(self, stated: Any, name: str, subject: Subject) -> tuple[Limit, ...]:
        """Do what `Declared.limits_of` does. Limits that cannot be read are added to `unreadable` and
        logged.
        """
        try:
            if isinstance(stated, str) and stated.startswith(INVALID):
                raise UnreadableLimits(stated)
            return self.declared.limits_of(stated, name, subject)
        except UnreadableLimits as failed:
            owner = Owner(subject, name)
            if self._unreadable.get(owner) != str(failed):
                self._unreadable[owner] = str(failed)
                whose = "its requests are" if subject == "key" else "requests of its keys are"
                log.warning("limits of the %s %s cannot be read, so %s refused: %s", *owner, whose, failed)
            raise

    def _stated(self, entry: Permitted, owner: Owner) -> tuple[Limit, ...]:
        """Return the limits of an entry; () if they cannot be read."""
        if entry.limits is None:
            return ()
        revoked = isinstance(entry, KeyEntry) and entry.revoked is not None
        limits_of = self.declared.limits_of if revoked or self._is_declared(owner) else self._limits_of
        with suppress(UnreadableLimits):
            return limits_of(entry.limits, owner.name, owner.kind)
        return ()

    def _meant(self, kind: RowKind, name: str, members: Iterable[Permitted]) -> Permitted | None:
        """Return the tenant, team or user of this name, if it is the one that the entries `members` belong
        to. None = there is none of this name, or it was made later: it has an id, and an entry states another
        id or none.
        """
        found = self.holder(kind, name)
        own, member = _id(found), id_of(kind)
        if own is not None and any(getattr(one, member, None) != own for one in members):
            return None
        return found

    def _take_key(self, row: Row) -> None:
        start = row.name.encode() + b"\n"
        for digest in self._digests.pop(row.name, ()):
            # Meanwhile another row may have got an old digest of this key.
            if digest is not None and self._keys.get(digest, b"").startswith(start):
                del self._keys[digest]
        self._digests[row.name] = (row.digest, row.before)
        if row.text is not None:
            packed = start + row.text
            for digest in (row.digest, row.before):
                if digest is not None:
                    self._keys[digest] = packed

    def _read(self, digest: bytes, packed: bytes) -> Caller | ir.Fault:
        """Decode a key. Returns its client; or `UNKNOWN` if the key was revoked, or if the configuration has
        a key of the same name; or the fault of `barred`. digest: the SHA-256 of the key, or of the key before
        the last rotation; `Caller.expires` is right for that one. packed: the key's row, as in `_keys`.
        """
        text, _, json = packed.partition(b"\n")
        name, entry = text.decode(), entry_of(json, KeyEntry)
        if entry.revoked is not None or name in self.declared.keys:
            return UNKNOWN
        rights, tenant = self.rights(entry, Owner("key", name), entry.team, entry.user)
        if (fault := barred(name, rights)) is not None:
            return fault
        ends = entry.expires
        if self._digests[name][1] == digest:
            ends = min(entry.before_until or 0.0, ends or float("inf"))
        scopes, in_tenant = scopes_of(entry.scopes, tenant)
        owners: dict[Subject, str | None] = {"tenant": tenant, "team": entry.team, "user": entry.user}
        counted = {
            of: found.counted
            for of, owner in owners.items()
            if owner is not None and (found := self.again(of, owner)) is not None
        }
        return Caller(
            name,
            rights.models,
            scopes,
            entry.id,
            tenant,
            entry.team,
            entry.user,
            rights.may,
            rights.tags,
            rights.limits,
            ends,
            in_tenant,
            counted,
        )


def id_of(kind: RowKind) -> str:
    """Return the name of the field in which an entry states the id of its tenant, team or user: "tenant_id"
    for the kind "tenants".
    """
    return f"{_SUBJECTS[kind]}_id"


def _id(holder: Permitted | None) -> str | None:
    """Return the id of a tenant, team or user. None = it has no id (for example because the configuration
    declares it), or `holder` is None.
    """
    return holder.id if isinstance(holder, HolderEntry) else None


def barred(name: str, rights: Rights) -> ir.Fault | None:
    """Return the fault for a key that is disabled, or whose limits cannot be read; None = it may be used.
    name: the name of the key. rights: those of the key.
    """
    if (what := rights.disabled) is not None:
        why = "The key is disabled." if what == f"key {name}" else f"The key's {what} is disabled."
        return ir.Fault("permission", why, "key_disabled")
    if rights.unreadable is None:
        return None
    owner, text = rights.unreadable
    whose = "the key" if owner.kind == "key" else f"the key's {owner.kind} {owner.name}"
    why = f"The limits of {whose} cannot be read, so the key is refused until an operator corrects them: "
    return ir.Fault("permission", f"{why}{text}.", "limits_unreadable")


def _owner(row: Row) -> Owner:
    """Return whose entry a row of the database is."""
    subjects: Mapping[RowKind, Subject] = {**_SUBJECTS, "keys": "key"}
    return Owner(subjects[row.kind], row.name)


UNKNOWN: Final = ir.Fault("authentication", "The key is not known to this gateway.", code="invalid_api_key")
"""The fault for a key that this gateway does not know, if a key is required. A revoked key gets the same
fault.
"""
