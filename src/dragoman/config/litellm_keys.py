"""Converts the keys, teams, users and organisations of LiteLLM's database into Dragoman's keys, teams, users
and tenants.

For each key `sk-…` LiteLLM stores the SHA-256 in hexadecimal digits. Dragoman stores the same hash, so
clients continue to use their keys. Sources: LiteLLM's schema.prisma (tables LiteLLM_VerificationToken,
LiteLLM_TeamTable, LiteLLM_UserTable, LiteLLM_OrganizationTable, LiteLLM_BudgetTable) and
https://docs.litellm.ai/docs/proxy/virtual_keys. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from dragoman.config.stated import stated_bounds
from dragoman.state.directory import HolderEntry, KeyEntry, RowKind

Table = Sequence[Mapping[str, Any]]
_ALL: Final = frozenset({"all-proxy-models", "all-team-models", "*"})
"""The words for all models. For a key, `all-team-models` means all models that its team may use."""
_NONE: Final = "no-default-models"
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d|w|mo)")
_WINDOWS: Final[Mapping[str, str]] = {
    "1s": "s",
    "1m": "min",
    "60s": "min",
    "1h": "h",
    "60m": "h",
    "1d": "day",
    "24h": "day",
    "7d": "week",
    "1w": "week",
    "30d": "month",
    "31d": "month",
    "1mo": "month",
}
_LEFT: Final = (
    *("aliases", "config", "permissions", "allowed_cache_controls", "allowed_routes", "model_max_budget"),
    *("model_rpm_limit", "model_tpm_limit", "router_settings", "object_permission_id"),
)
"""Columns that have no counterpart in Dragoman, or whose meaning is stated elsewhere."""
_SECRET: Final = ("logging", "callback_settings")
"""Fields of a row's metadata in which LiteLLM stores the credentials of logging services. Everybody who may
look at keys sees the metadata.
"""


class Theirs(NamedTuple):
    """The rows of LiteLLM's tables; each row is {column: value}. organizations, budgets: () in older versions
    of LiteLLM.
    """

    keys: Table = ()
    teams: Table = ()
    users: Table = ()
    organizations: Table = ()
    budgets: Table = ()


class Imported(NamedTuple):
    """One of LiteLLM's keys, organisations, teams or users, converted. digest: the SHA-256 of a key, None =
    not a key.
    """

    kind: RowKind
    name: str
    entry: KeyEntry | HolderEntry
    digest: bytes | None = None


class Conversion(NamedTuple):
    """The result of an import. rows: what it makes. notes: what it leaves out or changes, in words."""

    rows: list[Imported]
    notes: list[str]


def converted(theirs: Theirs, taken: Iterable[str], now: float, id_: Any) -> Conversion:
    """Convert LiteLLM's keys, organisations, teams and users. taken: names of keys that are already in use.
    now: Unix seconds. id_: a function that returns 24 unguessable hexadecimal digits.
    """
    return _Importer(theirs, set(taken), now, id_).run()


class _Importer:
    def __init__(self, theirs: Theirs, taken: set[str], now: float, id_: Any) -> None:
        self._theirs = theirs
        self._taken = taken
        self._now = now
        self._id = id_
        self._budgets = {row.get("budget_id"): row for row in theirs.budgets}
        self._names: dict[tuple[RowKind, str], str] = {}
        self._rows: list[Imported] = []
        self._notes: list[str] = []

    def run(self) -> Conversion:
        self._holders("tenants", self._theirs.organizations, "organization_id", "organization_alias")
        self._holders("teams", self._theirs.teams, "team_id", "team_alias")
        self._holders("users", self._theirs.users, "user_id", "user_alias")
        for row in self._theirs.keys:
            self._key(row)
        return Conversion(self._rows, self._notes)

    def _holders(self, kind: RowKind, rows: Table, id_: str, alias: str) -> None:
        used: set[str] = set()
        for row in rows:
            theirs = str(row.get(id_) or "")
            if not theirs:
                continue
            name = _free(_named(row.get(alias) or theirs), used)
            used.add(name)
            self._names[kind, theirs] = name
            tenant = None if kind == "tenants" else self._named("tenants", row.get("organization_id"))
            self._rows.append(
                Imported(
                    kind, name, HolderEntry(**self._permitted(row, f"{kind[:-1]} {name}"), tenant=tenant)
                )
            )

    def _key(self, row: Mapping[str, Any]) -> None:
        token = str(row.get("token") or "")
        if not _TOKEN.fullmatch(token):
            self._notes.append(
                f"a key is not kept as a SHA-256 and was left out: {_named(row.get('key_name'))}"
            )
            return
        name = _free(_named(row.get("key_alias") or f"litellm-{token[:8]}"), self._taken)
        self._taken.add(name)
        shown = str(row.get("key_name") or "…")
        permitted = self._permitted(row, f"key {name}")
        if row.get("expires") not in (None, "") and _seconds(row.get("expires")) is None:
            self._notes.append(f"key {name}: it is disabled, because its expiry cannot be read")
            permitted["disabled"] = True
        entry = KeyEntry(
            **permitted,
            id=f"key_{self._id()}",
            shown=shown if len(shown) <= 16 else "…",
            expires=_seconds(row.get("expires")),
            team=self._team(row.get("team_id"), name),
            user=self._named("users", row.get("user_id")),
            tenant=self._named("tenants", row.get("organization_id")),
        )
        self._rows.append(Imported("keys", name, entry, bytes.fromhex(token)))

    def _team(self, id_: Any, key: str) -> str | None:
        """Return Dragoman's name of a key's team; None = the key has no team.

        If LiteLLM's tables do not have the team, the team's id becomes its name. No team has this name, so
        the gateway refuses the key, as LiteLLM does. (A key without a team could do more than before.)
        """
        if id_ in (None, "") or (found := self._named("teams", id_)) is not None:
            return None if id_ in (None, "") else found
        self._notes.append(f"key {key}: it is refused, because its team {_named(id_)} is not in the tables")
        return _free(_named(id_), {name for (kind, _), name in self._names.items() if kind == "teams"})

    def _named(self, kind: RowKind, id_: Any) -> str | None:
        """Return Dragoman's name of an organisation, team or user; None = there is no id, or LiteLLM's tables
        do not have the id.
        """
        return None if id_ is None else self._names.get((kind, str(id_)))

    def _permitted(self, row: Mapping[str, Any], what: str) -> dict[str, Any]:
        """Return the fields that keys, tenants, teams and users have in common. what: the subject of the
        notes ("key ada").
        """
        stated = {**self._budgets.get(row.get("budget_id"), {}), **_present(row)}
        left = [name for name in _LEFT if stated.get(name) not in (None, [], {}, "", "{}", "[]")]
        if left:
            self._notes.append(f"{what}: not converted: {', '.join(left)}")
        metadata = _json(stated.get("metadata"))
        if isinstance(metadata, dict) and (secret := [name for name in _SECRET if metadata.get(name)]):
            metadata = {name: value for name, value in metadata.items() if name not in secret}
            self._notes.append(f"{what}: not taken over, it may hold secrets: metadata.{', '.join(secret)}")
        return {
            "models": _models(_list(stated.get("models"))),
            "limits": self._limits(stated, what),
            "metadata": metadata if isinstance(metadata, dict) else {},
            "disabled": _true(stated.get("blocked")),
            "created": _seconds(stated.get("created_at")) or self._now,
            "created_by": "import from LiteLLM",
        }

    def _limits(self, row: Mapping[str, Any], what: str) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        for column, resource in (("rpm_limit", "requests"), ("tpm_limit", "tokens")):
            if (most := _number(row.get(column))) is not None:
                found[resource] = [f"{max(0, int(most))}/min"]
        if (most := _number(row.get("max_parallel_requests"))) is not None:
            found["concurrency"] = max(0, int(most))
        if (budget := _number(row.get("max_budget"))) is not None:
            found["money"] = [self._budget(max(0.0, budget), row, what)]
        for resource in list(found):
            if stated_bounds({resource: found[resource]})[1]:  # an entry with one such limit would have none
                self._notes.append(f"{what}: a limit of {resource} cannot be kept: {found.pop(resource)}")
        return found or None

    def _budget(self, budget: float, row: Mapping[str, Any], what: str) -> str:
        duration = str(row.get("budget_duration") or "").strip().lower()
        if not duration:
            spent = _number(row.get("spend")) or 0.0
            if spent:
                self._notes.append(
                    f"{what}: of its {budget:g} USD, {spent:g} are spent; the rest is its budget"
                )
            return f"{max(0.0, budget - spent):.9f} USD"
        window = _WINDOWS.get(duration)
        if window is None:
            window = "month"
            days = _days(duration)
            if days:
                budget = budget * 30.4375 / days
            self._notes.append(f"{what}: a budget for {duration} became {budget:.2f} USD a month")
        return f"{budget:.9f} USD/{window}"


def _models(stated: Sequence[str]) -> tuple[str, ...] | None:
    """Return the models that a key, tenant, team or user may use, for LiteLLM's list; None = all models."""
    if not stated or _ALL.intersection(stated):
        return None
    return tuple(name for name in stated if name != _NONE)


def _days(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if found is None:
        return 0.0
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "mo": 2629800.0}
    return int(found[1]) * seconds[found[2]] / 86400


def _named(stated: Any) -> str:
    """Turn a name of LiteLLM's into one that Dragoman accepts: at most 180 characters, without `/` and
    unprintable characters.
    """
    text = "".join(one if one.isprintable() and one != "/" else "-" for one in str(stated or "unnamed"))
    return text.strip()[:180] or "unnamed"


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _present(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in (None, "")}


def _json(stated: Any) -> Any:
    """Return a value, decoded if it is JSON text (a database dump may have it so); None if the text is not
    JSON.
    """
    if not isinstance(stated, str):
        return stated
    try:
        return msgspec.json.decode(stated)
    except msgspec.DecodeError:
        return None


def _list(stated: Any) -> list[str]:
    """Return the texts of a list in any of its forms: a list of PostgreSQL's client, JSON, PostgreSQL's own
    form (`{a,"b c"}`), or texts with commas between them.
    """
    if isinstance(stated, str) and stated.startswith("{"):
        found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', stated)
        return [re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in found]
    value = _json(stated)
    if value is None and isinstance(stated, str):
        value = [text for one in stated.split(",") if (text := one.strip())]  # an empty list would be all
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def _number(stated: Any) -> float | None:
    try:
        found = None if stated in (None, "") else float(stated)
    except (TypeError, ValueError):
        return None
    return found if found is not None and math.isfinite(found) else None


def _true(stated: Any) -> bool:
    return stated is True or str(stated).lower() in {"t", "true", "1"}


def _seconds(stated: Any) -> float | None:
    """Return a point in time as Unix seconds; None = it is not a date with a time. A time without a time zone
    counts as UTC, as LiteLLM's columns mean it.
    """
    if isinstance(stated, str) and stated.strip():
        try:
            stated = datetime.fromisoformat(stated.strip())
        except ValueError:
            return None
    if not isinstance(stated, datetime):
        return None
    return (stated if stated.tzinfo is not None else stated.replace(tzinfo=UTC)).timestamp()
