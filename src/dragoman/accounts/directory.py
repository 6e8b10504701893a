"""All client keys that the database keeps, in memory: found by the SHA-256 of the key, without waiting.

A row stays as the database has it, a few hundred bytes of JSON, and is decoded when its key is used first.
100,000 keys take some 50 MB. Who brings the rows here is `assembly.directory`; while the database cannot
be reached, what is known here goes on to hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller, Scope
from dragoman.accounts.limits import Limit, Subject
from dragoman.accounts.rights import ALL, LimitsOf, Owner, Rights, narrowed, within_regions
from dragoman.state.directory import HolderEntry, KeyEntry, Permitted, Row, RowKind

E = TypeVar("E", KeyEntry, HolderEntry)
_MOST_DECODED: Final = 10_000
"""The most keys that are kept decoded. If there are more, all of them are decoded anew."""


_SUBJECTS: Final[Mapping[RowKind, Subject]] = {"tenants": "tenant", "teams": "team", "users": "user"}


def no_limits(*_: object) -> tuple[Limit, ...]:
    """As `LimitsOf`, where there are none."""
    return ()


class Declared(msgspec.Struct, frozen=True):
    """What the configuration declares, which wins over what the database keeps. keys: the names of its keys.
    tenants, teams, users: by their names. groups: of model names. regions: of providers, by their names.
    limits_of: makes limits.
    """

    keys: frozenset[str] = frozenset()
    tenants: Mapping[str, Permitted] = {}
    teams: Mapping[str, Permitted] = {}
    users: Mapping[str, Permitted] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    regions: Mapping[str, str] = {}
    limits_of: LimitsOf = no_limits


class Directory:
    """The keys, tenants, teams and users of one gateway. version: of the latest change that is known here; -1
    = nothing was read yet.
    """

    def __init__(self, declared: Declared | None = None) -> None:
        self.version = -1
        self.declared = declared or Declared()
        self.uses: dict[str, float] = {}
        """When keys were used since this was emptied last: {id: Unix seconds}."""
        self._keys: dict[bytes, bytes] = {}
        """{SHA-256 of a key: its row's name, a line feed, its entry}."""
        self._digests: dict[str, tuple[bytes | None, bytes | None]] = {}
        """{name of a key: its SHA-256, that of the key before its last rotation}."""
        self._holders: dict[tuple[RowKind, str], HolderEntry] = {}
        self._decoded: dict[bytes, Caller | ir.Fault] = {}

    @property
    def read(self) -> bool:
        """Whether all rows were read since the start."""
        return self.version >= 0

    @property
    def has_keys(self) -> bool:
        """Whether any key was ever made, also one that is revoked or expired now."""
        return bool(self._digests)

    def __len__(self) -> int:
        return len(self._digests)

    def take(self, rows: Iterable[Row]) -> None:
        """Take over rows that have changed. The version stays: see `reached`."""
        for row in rows:
            if row.kind == "keys":
                self._take_key(row)
            elif row.kind == "own_keys":
                pass  # they are kept elsewhere
            elif row.text is None:
                self._holders.pop((row.kind, row.name), None)
            else:
                self._holders[row.kind, row.name] = msgspec.json.decode(row.text, type=HolderEntry)
        self._decoded.clear()

    def forget(self) -> None:
        """Forget all rows."""
        self._keys, self._digests, self._holders, self._decoded = {}, {}, {}, {}

    def reached(self, version: int) -> None:
        """Note that all changes up to this version were taken over."""
        self.version = version

    def declare(self, declared: Declared) -> None:
        """Use another configuration from now on."""
        self.declared = declared
        self._decoded.clear()

    def find(self, digest: bytes, now: float) -> Caller | ir.Fault | None:
        """The client with this key, or the fault to answer with; None = the key is unknown, or was revoked.
        digest: the key's SHA-256. now: Unix seconds.
        """
        found = self._decoded.get(digest)
        if found is None:
            packed = self._keys.get(digest)
            if packed is None:
                return None
            if len(self._decoded) >= _MOST_DECODED:
                self._decoded.clear()
            found = self._decoded[digest] = self._read(digest, packed)
        if found is UNKNOWN:
            return None
        if isinstance(found, Caller) and found.key is not None:
            self.uses[found.key] = now
        return found

    def knows(self, digest: bytes) -> bool:
        """Whether there is a key with this SHA-256, valid or not."""
        return digest in self._keys

    def holder(self, kind: RowKind, name: str) -> Permitted | None:
        """A tenant, team or user; None = there is none of this name."""
        stated: Mapping[str, Permitted] = getattr(self.declared, kind)
        return stated.get(name) or self._holders.get((kind, name))

    def limits(self) -> Iterator[Limit]:
        """The limits of all keys, tenants, teams and users, also of those that the configuration declares."""
        stated, seen = self.declared.limits_of, self.declared
        for kind, subject in _SUBJECTS.items():
            declared: Mapping[str, Permitted] = getattr(seen, kind)
            added = {name: entry for (of, name), entry in self._holders.items() if of == kind}
            for name, entry in {**added, **declared}.items():
                if entry.limits:
                    yield from stated(entry.limits, name, subject)
        for packed in {*self._keys.values()}:
            if b'"limits"' not in packed:
                continue  # 100,000 keys without limits are not decoded
            text, _, json = packed.partition(b"\n")
            entry = msgspec.json.decode(json, type=KeyEntry)
            if entry.limits and (name := text.decode()) not in seen.keys:
                yield from stated(entry.limits, name, "key")

    def rights(
        self, entry: Permitted, owner: Owner, team: str | None = None, user: str | None = None
    ) -> tuple[Rights, str | None]:
        """What an entry permits within its tenant, team and user, and the tenant's name (None = none).
        If one of these no longer exists, all is disabled.
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
                rights = narrowed(rights, who, holder, self.declared.groups, self.declared.limits_of)
        rights = narrowed(rights, owner, entry, self.declared.groups, self.declared.limits_of)
        return within_regions(rights, self.declared.regions), tenant

    def ids(self, tenant: str | None, team: str | None = None, user: str | None = None) -> dict[str, Any]:
        """The ids by which an entry names the tenant, team and user that it belongs to (see `KeyEntry`)."""
        names: dict[RowKind, str | None] = {"tenants": tenant, "teams": team, "users": user}
        return {
            id_of(kind): None if name is None else _id(self.holder(kind, name))
            for kind, name in names.items()
        }

    def outlived(self, entry: Permitted) -> bool:
        """Whether the tenant that an entry belongs to was removed, even if its name is used again."""
        return entry.tenant is not None and self._meant("tenants", entry.tenant, [entry]) is None

    def _meant(self, kind: RowKind, name: str, members: Iterable[Permitted]) -> Permitted | None:
        """The holder of this name that these members mean; None = it is gone. Another one of the same name
        may have been made since: nobody who belonged to the first one belongs to it.
        """
        found = self.holder(kind, name)
        own, member = _id(found), id_of(kind)
        if own is not None and any(getattr(one, member, None) != own for one in members):
            return None
        return found

    def _take_key(self, row: Row) -> None:
        start = row.name.encode() + b"\n"
        for digest in self._digests.pop(row.name, ()):
            # An old hash of this key may belong to a key that was made from it since.
            if digest is not None and self._keys.get(digest, b"").startswith(start):
                del self._keys[digest]
        self._digests[row.name] = (row.digest, row.before)
        if row.text is not None:
            packed = start + row.text
            for digest in (row.digest, row.before):
                if digest is not None:
                    self._keys[digest] = packed

    def _read(self, digest: bytes, packed: bytes) -> Caller | ir.Fault:
        """The client with a key. Its `expires` says until when this holds."""
        text, _, json = packed.partition(b"\n")
        name, entry = text.decode(), msgspec.json.decode(json, type=KeyEntry)
        if entry.revoked is not None or name in self.declared.keys:
            return UNKNOWN
        rights, tenant = self.rights(entry, Owner("key", name), entry.team, entry.user)
        if rights.disabled is not None:
            return disabled(name, rights.disabled)
        ends = entry.expires
        if self._digests[name][1] == digest:
            ends = min(entry.before_until or 0.0, ends or float("inf"))
        scopes: frozenset[Scope] = frozenset(entry.scopes)  # type: ignore[arg-type]
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
        )


def id_of(kind: RowKind) -> str:
    """The member of an entry that has the id of its tenant, team or user (`"tenant_id"`)."""
    return f"{_SUBJECTS[kind]}_id"


def _id(holder: Permitted | None) -> str | None:
    """The id of a tenant, team or user; None = it has none, because the configuration declares it, say."""
    return holder.id if isinstance(holder, HolderEntry) else None


def disabled(name: str, what: str) -> ir.Fault:
    """The answer to a key that is disabled. name: the client's. what: as in `Rights.disabled`."""
    why = "The key is disabled." if what == f"key {name}" else f"The key's {what} is disabled."
    return ir.Fault("permission", why, "key_disabled")


UNKNOWN: Final = ir.Fault("authentication", "The key is not known to this gateway.", code="invalid_api_key")
"""The same for a key that never was and for one that was revoked."""
