"""Converts the keys, teams, users and organisations of LiteLLM's database into Dragoman's keys, teams, users
and tenants.

For each key `sk-…` LiteLLM stores the SHA-256 in hexadecimal digits. Dragoman stores the same hash, so
clients continue to use their keys. Notes name restrictions of LiteLLM that have no counterpart here.
Sources: LiteLLM's schema.prisma (tables LiteLLM_VerificationToken, LiteLLM_TeamTable, LiteLLM_UserTable,
LiteLLM_OrganizationTable, LiteLLM_BudgetTable, LiteLLM_TeamMembership, LiteLLM_EndUserTable,
LiteLLM_TagTable) and https://docs.litellm.ai/docs/proxy/virtual_keys. Pure.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from dragoman.accounts.caller import is_reserved
from dragoman.accounts.minting import digest
from dragoman.config.litellm_permits import (
    SETTINGS,
    Names,
    grants_of,
    json_of,
    limits_of,
    operations_of,
    texts_of,
)
from dragoman.state.directory import HolderEntry, KeyEntry, RowKind

Table = Sequence[Mapping[str, Any]]
AUTHOR: Final = "import from LiteLLM"
THEIR_ID: Final = "litellm_id"
"""The member of a holder's metadata that has LiteLLM's id, by which another import finds the holder again."""
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_PLAIN: Final = "sk-"
"""The beginning of a key that an old version of LiteLLM has kept as it is."""
_PAGES: Final = "litellm-dashboard"
"""The team of the keys by which LiteLLM's own pages are signed in."""
_ADMINISTRATORS: Final = frozenset({"proxy_admin", "proxy_admin_viewer"})
_LEFT: Final = (
    *("aliases", "config", "permissions", "allowed_cache_controls", "router_settings", "budget_limits"),
    *("object_permission_id", "project_id", "agent_id", "access_group_ids", "policies", "soft_budget"),
    *(
        "guardrails",
        "allowed_passthrough_routes",
        "default_team_member_models",
        "enforced_params",
        "model_id",
    ),
)
"""Columns, and members of metadata, that have no counterpart in Dragoman, or whose meaning is stated
elsewhere. `model_id` refers to the aliases of a team, which are in a table of their own."""
_SECRET: Final = ("logging", "callback_settings")
"""Fields of a row's metadata in which LiteLLM stores the credentials of logging services. Everybody who may
look at keys sees the metadata.
"""
_NAMED: Final = 5
"""The most names that one note tells."""


class Theirs(NamedTuple):
    """The rows of LiteLLM's tables; each row is {column: value}. () = the table is empty, the version of
    LiteLLM does not have it, or the dump has only keys.
    """

    keys: Table = ()
    teams: Table = ()
    users: Table = ()
    organizations: Table = ()
    budgets: Table = ()
    memberships: Table = ()
    end_users: Table = ()
    tags: Table = ()


class Here(NamedTuple):
    """The entries that this gateway has before an import. keys: by name. holders: the tenants, teams and
    users, by (kind, name). None as an entry = the configuration file declares the key or holder. names: the
    names of models and of groups of models.
    """

    keys: Mapping[str, KeyEntry | None] = {}
    holders: Mapping[tuple[RowKind, str], HolderEntry | None] = {}
    names: Names = Names()


class Imported(NamedTuple):
    """One of LiteLLM's keys, organisations, teams or users, converted. digest: the SHA-256 of a key, None =
    not a key.
    """

    kind: RowKind
    name: str
    entry: KeyEntry | HolderEntry
    digest: bytes | None = None


class Conversion(NamedTuple):
    """The result of an import. rows: the rows to add. A tenant, team or user that is here already, and a key
    that is left out, have no row. notes: what the import leaves out or changes, in words.
    """

    rows: list[Imported]
    notes: list[str]


class _Holder(NamedTuple):
    """A tenant, team or user of LiteLLM, with its name in this gateway. entry: None = the configuration file
    declares it.
    """

    name: str
    entry: HolderEntry | None

    @property
    def id(self) -> str | None:
        return None if self.entry is None else self.entry.id

    @property
    def tenant(self) -> str | None:
        return None if self.entry is None else self.entry.tenant


def converted(theirs: Theirs, here: Here, now: float, id_: Callable[[], str]) -> Conversion:
    """Convert LiteLLM's keys, organisations, teams and users. The caller has left out the keys whose digest
    is here already; they would get a second row. now: Unix seconds; the time of creation of rows that do not
    state it. id_: returns 24 unguessable hexadecimal digits.
    """
    return _Importer(theirs, here, now, id_).run()


def digest_of(row: Mapping[str, Any]) -> bytes | None:
    """Return the SHA-256 of the key in a row of LiteLLM's table; None = `token` is neither such a hash (64
    hexadecimal digits in lower case) nor a key `sk-…`.
    """
    token = str(row.get("token") or "")
    if _TOKEN.fullmatch(token):
        return bytes.fromhex(token)
    return digest(token) if token.startswith(_PLAIN) else None


class _Importer:
    def __init__(self, theirs: Theirs, here: Here, now: float, id_: Callable[[], str]) -> None:
        self._theirs = theirs
        self._here = here
        self._taken = set(here.keys)
        self._now = now
        self._id = id_
        self._budgets = {row.get("budget_id"): row for row in theirs.budgets}
        self._found: dict[tuple[RowKind, str], _Holder] = {}
        """By kind and LiteLLM's id."""
        self._used: set[tuple[RowKind, str]] = set()
        self._rows: list[Imported] = []
        self._notes: list[str] = []
        self._many: dict[str, list[str]] = defaultdict(list)
        """By the text of a note: the names that the note is about."""

    def run(self) -> Conversion:
        self._holders("tenants", self._theirs.organizations, "organization_id", "organization_alias")
        self._holders("teams", self._theirs.teams, "team_id", "team_alias")
        self._holders("users", self._theirs.users, "user_id", "user_alias")
        together = Counter((row.get("user_id"), row.get("team_id")) for row in self._theirs.keys)
        for row in sorted(self._theirs.keys, key=lambda row: str(row.get("token") or "")):
            self._key(row, together)
        self._note_others()
        told = [f"{text}: {_listed(names)}" for text, names in self._many.items() if names]
        return Conversion(self._rows, [*self._notes, *told])

    # Tenants, teams, users --------------------------------------------------------------------------------

    def _holders(self, kind: RowKind, rows: Table, id_: str, alias: str) -> None:
        # In the order of their ids, so that names that several have are given in the same way again.
        for row in sorted(rows, key=lambda row: str(row.get(id_) or "")):
            if theirs := str(row.get(id_) or ""):
                self._found[kind, theirs] = self._holder(kind, theirs, row, alias)

    def _holder(self, kind: RowKind, theirs: str, row: Mapping[str, Any], alias: str) -> _Holder:
        """Return the tenant, team or user in this gateway for one of LiteLLM: the one of an earlier import,
        else the one with its name, else a new one, for which a row is added. theirs: LiteLLM's id. row: of
        LiteLLM's table. alias: the column of the row with the name; without a name the id is the name.
        """
        for (of, name), entry in self._here.holders.items():
            if of == kind and entry is not None and entry.metadata.get(THEIR_ID) == theirs:
                return self._is(kind, name, entry)
        name = self._free(kind, _named(row.get(alias) or theirs))
        if (kind, name) in self._here.holders:
            self._many[f"{kind} that are here already stay as they are, and get their keys"].append(name)
            return self._is(kind, name, self._here.holders[kind, name])
        tenant = None if kind == "tenants" else self._required("tenants", row.get("organization_id"))
        permitted = self._permitted(row, f"{kind[:-1]} {name}")
        permitted["metadata"] = {**permitted["metadata"], THEIR_ID: theirs}
        entry = HolderEntry(
            **permitted,
            id=self._id(),
            tenant=None if tenant is None else tenant.name,
            tenant_id=None if tenant is None else tenant.id,
        )
        self._rows.append(Imported(kind, name, entry))
        return self._is(kind, name, entry)

    def _is(self, kind: RowKind, name: str, entry: HolderEntry | None) -> _Holder:
        self._used.add((kind, name))
        return _Holder(name, entry)

    def _free(self, kind: RowKind, name: str) -> str:
        """Return `name`, or `name-2`, `name-3`, … if another holder of LiteLLM has this name here."""

        def is_taken(found: str) -> bool:
            entry = self._here.holders.get((kind, found))
            earlier = entry is not None and THEIR_ID in entry.metadata  # imported before, for another id
            return earlier or (kind, found) in self._used

        return _unlike(name, is_taken)

    def _of(self, kind: RowKind, id_: Any) -> _Holder | None:
        """Return the tenant, team or user (`kind`) in this gateway for LiteLLM's id; None = no id, or none
        was found or made for this id so far.
        """
        return None if id_ in (None, "") else self._found.get((kind, str(id_)))

    # Keys -------------------------------------------------------------------------------------------------

    def _key(self, row: Mapping[str, Any], together: Mapping[Any, int]) -> None:
        found = digest_of(row)
        if found is None:
            self._many["keys that are not kept as a SHA-256 were left out"].append(
                _named(row.get("key_name"))
            )
            return
        if row.get("team_id") == _PAGES:
            self._many["sessions of LiteLLM's own pages were left out"].append(found.hex()[:8])
            return
        named = _named(row.get("key_alias") or f"litellm-{found.hex()[:8]}")
        earlier = self._here.keys.get(named)
        if earlier is not None and earlier.created_by == AUTHOR and earlier.rotated is not None:
            self._many["keys that were rotated here keep their new key"].append(named)
            return
        name = _unlike(f"litellm {named}" if is_reserved(named) else named, self._taken.__contains__)
        self._taken.add(name)
        shown = str(row.get("key_name") or "…")
        permitted = self._permitted(row, f"key {name}")
        expires = _seconds(row.get("expires"))
        if row.get("expires") not in (None, "") and expires is None:
            self._notes.append(f"key {name}: it is disabled, because its expiry cannot be read")
            permitted["disabled"] = True
        self._restrict_operations(row, name, permitted)
        team = self._required("teams", row.get("team_id"))
        tenant = self._required("tenants", row.get("organization_id"))
        user = self._user(row, name, team, tenant)
        if team is not None and row.get("user_id") is not None:
            self._member(row, name, together, permitted)
        if tenant is not None and team is not None and team.tenant not in {None, tenant.name}:
            self._notes.append(f"key {name}: it is refused, because its team is of another organisation")
        entry = KeyEntry(
            **permitted,
            id=f"key_{self._id()}",
            shown=shown if len(shown) <= 16 else "…",
            expires=expires,
            team=None if team is None else team.name,
            team_id=None if team is None else team.id,
            user=None if user is None else user.name,
            user_id=None if user is None else user.id,
            tenant=None if tenant is None else tenant.name,
            tenant_id=None if tenant is None else tenant.id,
        )
        self._rows.append(Imported("keys", name, entry, found))

    def _restrict_operations(self, row: Mapping[str, Any], name: str, permitted: dict[str, Any]) -> None:
        operations, left = operations_of(texts_of(row.get("allowed_routes")))
        permitted["operations"] = operations or None
        if operations == ():
            permitted["disabled"] = True
            self._notes.append(
                f"key {name}: it is disabled, because it may call no models: {', '.join(left)}"
            )
        elif left:
            self._notes.append(f"key {name}: not converted: allowed_routes {', '.join(left)}")
        if operations and "pass_through" in operations:
            text = "keys for some of the paths that are passed through may call all of them (pass_through)"
            self._many[text].append(name)

    def _required(self, kind: RowKind, id_: Any) -> _Holder | None:
        """Return the team or tenant of a row; None = the row has none. If LiteLLM's tables do not have it,
        and it is not here already, a disabled one is made: without it the row's keys could do more than
        before.
        """
        if id_ in (None, ""):
            return None
        if (found := self._of(kind, id_)) is None:
            before = len(self._rows)
            found = self._holder(kind, str(id_), {"blocked": True}, "")
            self._found[kind, str(id_)] = found
            if len(self._rows) > before:
                what = f"the {kind[:-1]} {found.name}"
                self._notes.append(f"{what} is not in the tables: it is made, and disabled with its keys")
        return found

    def _user(
        self, row: Mapping[str, Any], key: str, team: _Holder | None, tenant: _Holder | None
    ) -> _Holder | None:
        """Return the user that a key gets; None = no user, which is noted if LiteLLM's key had one. A key of
        a team gets no user with models or a budget, because LiteLLM applies these only to keys without a
        team; and no key gets a user of another organisation. row: the key's row. key: the key's name, for
        notes. team, tenant: those of the key, None = it has none.
        """
        user = self._of("users", row.get("user_id"))
        if user is None and row.get("user_id") not in (None, ""):
            text = (
                "keys come without their user, who is not in the tables, and without what restricts the user"
            )
            self._many[text].append(key)
        if user is None or user.entry is None:
            return user
        entry = user.entry
        if team is None and entry.metadata.get(_ROLE) in _ADMINISTRATORS:
            self._many["keys of administrators have the scope inference alone here"].append(key)
        if team is not None and (entry.models is not None or _spends(entry.limits)):
            text = "keys of teams come without their user, whose models and budget do not count in a team"
            self._many[text].append(key)
            if any(section.keys() - {"money", "models"} for section in _listed_sections(entry.limits)):
                self._many["and so without their user's limits on requests and tokens"].append(key)
            return None
        tenants = {one.tenant for one in (team, user) if one is not None} | {tenant and tenant.name}
        if len(tenants - {None}) > 1:
            self._many["keys come without their user, who is of another organisation"].append(key)
            return None
        return user

    def _member(
        self, row: Mapping[str, Any], key: str, together: Mapping[Any, int], permitted: dict[str, Any]
    ) -> None:
        """Add the limits that the key's user has within the key's team to `permitted["limits"]`, if the user
        has no other key in the team: LiteLLM applies them to all of these together. What is missing or
        changed is noted. row: the key's row. key: the key's name, for notes. together: {(LiteLLM's id of a
        user, that of a team): the number of keys}.
        """
        place = row.get("user_id"), row.get("team_id")
        member: Mapping[str, Any] = next(
            (one for one in self._theirs.memberships if (one.get("user_id"), one.get("team_id")) == place), {}
        )
        what = f"key {key}, within its team"
        note = partial(self._note, what)
        budget = self._budget(member, what)
        if not budget or not (limits := limits_of({**budget, "spend": member.get("spend")}, {}, note)):
            return
        if together[place] > 1:
            note("not converted: the limits of a member with several keys")
        else:
            permitted["limits"] = _sections([*_listed_sections(permitted["limits"]), *limits])

    # What all have ----------------------------------------------------------------------------------------

    def _permitted(self, row: Mapping[str, Any], what: str) -> dict[str, Any]:
        """Return {field: value} of an entry, for the fields that keys, tenants, teams and users have in
        common, and add notes about what is not converted. row: of LiteLLM's table. what: the subject of the
        notes ("key ada").
        """
        stated = {**self._budget(row, what), **_present(row)}
        given = json_of(stated.get("metadata"))
        metadata: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
        both = {**metadata, **stated}
        left = [name for name in _LEFT if both.get(name) not in (None, [], {}, "", "{}", "[]", 0, False)]
        if left:
            named = ("aliases" if name == "model_id" else name for name in left)
            self._note(what, f"not converted: {', '.join(named)}")
        if secret := [name for name in _SECRET if metadata.pop(name, None)]:
            self._note(what, f"not taken over, it may hold secrets: metadata.{', '.join(secret)}")
        if (role := stated.get("user_role")) is not None:
            metadata[_ROLE] = str(role)
        models = grants_of(texts_of(stated.get("models")), self._here.names)
        for name in models or ():
            if not self._here.names.has(name) and name not in self._many[_STRANGE]:
                self._many[_STRANGE].append(name)
        limits = limits_of(stated, metadata, partial(self._note, what))
        return {
            "models": models,
            "tags": tuple(texts_of(metadata.get("tags"))),
            "limits": _sections(limits),
            "metadata": {name: value for name, value in metadata.items() if name not in SETTINGS},
            "disabled": _true(stated.get("blocked")),
            "created": _seconds(stated.get("created_at")) or self._now,
            "created_by": AUTHOR,
        }

    def _budget(self, row: Mapping[str, Any], what: str) -> Mapping[str, Any]:
        """Return the row of the shared budget that a row refers to; {} = it refers to none, or to one that is
        not in the tables, which is noted. what: the subject of the note.
        """
        if (id_ := row.get("budget_id")) in (None, ""):
            return {}
        if id_ not in self._budgets:
            self._note(what, "its budget is not in the tables, so it comes without the limits of the budget")
        return self._budgets.get(id_, {})

    def _note(self, what: str, text: str) -> None:
        self._notes.append(f"{what}: {text}")

    def _note_others(self) -> None:
        """Add notes about end users with a budget or a block, and tags with a budget: these are left out."""
        for row in self._theirs.end_users:
            if row.get("budget_id") is not None or _true(row.get("blocked")):
                text = "end users with a budget, or blocked, are not taken over (limits with scope: end_user)"
                self._many[text].append(_named(row.get("user_id")))
        for row in self._theirs.tags:
            if row.get("budget_id") is not None:
                text = "tags with a budget are not taken over (limits with scope: tag)"
                self._many[text].append(_named(row.get("tag_name")))


_ROLE: Final = "user_role"
_STRANGE: Final = "may be used once the configuration here has such models, or groups of them"


def _sections(found: Iterable[dict[str, Any]]) -> Any:
    """Return limits in the form that an entry has: a single section as it is, several sections as a list,
    None = there is none.
    """
    sections = list(found)
    return sections[0] if len(sections) == 1 else sections or None


def _listed_sections(kept: Any) -> list[dict[str, Any]]:
    return [] if kept is None else kept if isinstance(kept, list) else [kept]


def _spends(limits: Any) -> bool:
    return any("money" in section for section in _listed_sections(limits))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _named(stated: Any) -> str:
    """Return a name of LiteLLM's as Dragoman accepts it: at most 180 characters, with `-` in place of `/` and
    of unprintable characters. "unnamed" = the name is empty, `.` or `..`, which Dragoman does not accept.
    """
    text = "".join(one if one.isprintable() and one != "/" else "-" for one in str(stated or "unnamed"))
    text = text.strip()[:180]
    return "unnamed" if text in {"", ".", ".."} else text


def _unlike(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return `name`; if it is taken, the first of `name-2`, `name-3`, … that is not taken."""
    found, number = name, 2
    while is_taken(found):
        found, number = f"{name}-{number}", number + 1
    return found


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in (None, "", {}, "{}")}


def _true(stated: Any) -> bool:
    return stated is True or str(stated).lower() in {"t", "true", "1"}


def _seconds(stated: Any) -> float | None:
    """Return a point in time as Unix seconds; None = `stated` is neither a datetime nor a text in ISO 8601. A
    date alone counts as its first moment, and a time without a time zone counts as UTC.
    """
    if isinstance(stated, str) and stated.strip():
        try:
            stated = datetime.fromisoformat(stated.strip())
        except ValueError:
            return None
    if not isinstance(stated, datetime):
        return None
    return (stated if stated.tzinfo is not None else stated.replace(tzinfo=UTC)).timestamp()
