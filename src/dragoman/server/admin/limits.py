"""The operations on limits: show how full they are, and change those that operators add while the gateway
runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from math import inf
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman.accounts.directory import Directory
from dragoman.accounts.limits import NANO, Limit, Standing, Subject
from dragoman.accounts.windows import mark_of, name_of, prefix_of, shown
from dragoman.assembly.core import Core
from dragoman.assembly.keys import declared_of
from dragoman.assembly.limits import held_limits
from dragoman.config.load import DEFAULT, Loaded
from dragoman.engine.accounting import Accounting
from dragoman.errors import setting_path
from dragoman.observe.timestamps import utc
from dragoman.server.admin.added import AddedApi, AddedObject, changes
from dragoman.server.admin.operation import Asked, Operation, Told
from dragoman.server.admin.pages import Wanted, page
from dragoman.server.admin.within_tenant import tenant_of_client
from dragoman.state.counters import Counter, Resource, Window, read, span, windowless
from dragoman.state.directory import RowKind


class LimitObject(msgspec.Struct):
    """One counter of a limit, in the window of time that runs now. id: the counter's name, such as
    `burst|requests|1minute||ci|1735689600`. name: the name of the limit in the configuration; the limits of a
    key, a model, … have a name such as `key ci`. scope: what the limit counts separately, such as each key.
    window, every: the window lasts `every` of this unit; window null = requests that run at once are counted.
    models: only requests for these are counted, null = all. whose: the name of the one key, tag, … that this
    counter counts; a long name, or one that begins with `#` or cannot be printed, is replaced by `#` and its
    hash, unless the limit is for this name only. null = the counter counts all together, or nobody has used
    the limit in this window, and the worker that answers has refused nobody in about the last 24 hours. A
    limit for only one name always states this name. limit, used, reserved: amounts in `unit`; `reserved` is
    what running requests have reserved. percent: used and reserved, in percent of the limit; 100 for a limit
    of 0. state: `reached` = 100 percent or more; `warning` = the share `warn_at` or more; `ok`. warn_at: a
    share from 0 to 1, null = the limit does not warn before it is reached. hard: false = requests above the
    limit are not refused. resets: when the window ends (RFC 3339 in UTC), null = never. refused: how many
    requests the worker that answers has refused in about the last 24 hours because of this limit (for the
    same `whose`, in any window). source: the place that states the limit (`dragoman.yaml:12`, or who has
    added it); null = it is an entry of the database (of a key, tenant, team or user), or the client belongs
    to a tenant. only: the names that the limit is for, null = all; to a client that belongs to a tenant, no
    other names than `whose` are shown.
    """

    id: str
    name: str
    scope: Subject
    whose: str | None
    resource: Resource
    unit: Literal["requests", "tokens", "USD"]
    window: Window | None
    every: int
    limit: float
    used: float
    reserved: float
    percent: float
    state: Literal["ok", "warning", "reached"]
    hard: bool
    warn_at: float | None
    models: list[str] | None
    only: list[str] | None
    resets: str | None
    refused: int
    source: str | None
    object: Literal["limit"] = "limit"


class LimitList(msgspec.Struct):
    """A page of the counters of limits, the fullest first. For a client that belongs to a tenant, the list
    has only the counters that count this tenant, or one of its keys, teams or users.
    """

    data: list[LimitObject]
    has_more: bool
    object: Literal["list"] = "list"


class LimitsWanted(Wanted, frozen=True, forbid_unknown_fields=True):
    """The query of the list of limits. name: of the limit. scope: what the limit counts separately, such as
    `key` or `tag`. whose: the name of one key, tag, …, as `LimitObject` shows it. A counter must match all
    fields; a field that is None matches every counter.
    """

    name: str | None = None
    scope: Subject | None = None
    whose: str | None = None


class _Counted(NamedTuple):
    """A counter that the list shows. id, whose, refused: as in `LimitObject`. counter: the parts of `id`."""

    id: str
    counter: Counter
    limit: Limit
    standing: Standing
    refused: int
    whose: str | None

    @property
    def share(self) -> float:
        """What is used and reserved, as a part of the limit; 1 for a limit of 0."""
        taken = self.standing.used + self.standing.reserved
        return taken / self.limit.most if self.limit.most else 1.0


_Key: TypeAlias = tuple[str, Resource, Window | None, int, str]
_AT_ONCE: Final = 200
"""How many limits or counters are looked at before other requests are served: about 5 ms."""
_UNUSED: Final = Standing(0, 0)
_SECTIONS: Final[Mapping[Subject, str]] = {
    "provider": "providers",
    "model": "models",
    "tenant": "tenants",
    "team": "teams",
    "user": "users",
}
"""{subject of a limit: the section of the configuration in which subjects with limits of their own are}."""
_HOLDERS: Final[Mapping[Subject, RowKind]] = {"team": "teams", "user": "users"}
_LIMIT: Final = "/admin/limits/{name}"
OPERATIONS: Final = (
    Operation(
        *("GET", "/admin/limits", "list_limits", "How full the limits are, the fullest first.", LimitList),
        query=LimitsWanted,
        for_tenants=True,
    ),
    Operation(
        *("GET", _LIMIT, "show_limit", "One limit that was added.", AddedObject), tagged=True, slashes=True
    ),
    *changes("limits", _LIMIT, "limit"),
)


class LimitsApi:
    """The operations on the limits of one gateway."""

    def __init__(self, gateway: Core, added: AddedApi) -> None:
        self._gateway = gateway
        self._added = added

    async def list_limits(self, asked: Asked) -> Told:
        query, accounting = asked.query, self._gateway.engine.runtime.accounting
        counters = [] if accounting is None else await self._counters(accounting, query)
        if (tenant := asked.request.caller.tenant) is not None:
            counters = await self._of_tenant(tenant, counters)
        # The window of the page before may be over by now, so its start does not count.
        # A text that is not the name of a counter is sought as "", which no counter has.
        after = query.after or ""
        sought = "" if read(after) is None else windowless(after)
        data, more = page(counters, query, lambda one: windowless(one.id), sought)
        rows = [self._row(one) for one in data]
        return Told(LimitList([*map(_within, rows)] if tenant is not None else rows, more))

    def _directory(self) -> Directory:
        following = self._gateway.following
        return Directory(declared_of(self._gateway.config)) if following is None else following.directory

    async def _of_tenant(self, tenant: str, counters: Iterable[_Counted]) -> list[_Counted]:
        """Return those of the counters that a client of this tenant may see (`_is_of`), in the same order.
        Other requests are served in between: for each counter of a key, the key's entry is decoded.
        """
        directory, found = self._directory(), []
        for number, one in enumerate(counters):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if self._is_of(tenant, one, directory):
                found.append(one)
        return found

    def _is_of(self, tenant: str, one: _Counted, directory: Directory) -> bool:
        """Whether a counter counts only this tenant, or one key, team or user of it. False also if only the
        hash of the counted name is known.
        """
        scope, whose = one.limit.subject, one.whose
        if whose is None or not self._is_present(one.counter, scope, whose):
            return False
        return self._tenant_of(scope, whose, directory) == tenant

    def _tenant_of(self, scope: Subject, name: str, directory: Directory) -> str | None:
        """Return the name of the tenant that a counted subject belongs to: the tenant itself, or the tenant
        of the key, team or user of this name. None = it belongs to none, or is of another kind (such as
        `model` or `tag`).
        """
        if scope == "tenant":
            return name
        if scope == "key":
            return tenant_of_client(self._gateway, name)
        kind: RowKind | None = _HOLDERS.get(scope)
        owner = None if kind is None else directory.holder(kind, name)
        return None if owner is None else directory.tenant_of(owner)

    def _is_present(self, counter: Counter, scope: Subject, name: str) -> bool:
        """Whether a counter counts the present subject of this name. False if it counts an earlier subject of
        the same name, or if `name` is the hash of a name (`windows.shown`): nobody has the hash as a name.
        """
        return counter.value == shown(self._counted(scope, name))

    def _counted(self, scope: Subject, name: str) -> str:
        """Return the name under which limits count the present subject of this name: usually the same name.
        If an earlier tenant, team or user had the name, a part of the present one's id is added to it.
        """
        following = self._gateway.following
        found = None if following is None else following.directory.again(scope, name)
        return name if found is None else found.counted

    async def show_limit(self, asked: Asked) -> Told:
        return await self._added.show("limits", asked)

    async def add_limit(self, asked: Asked) -> Told:
        return await self._added.answer("add", "limits", asked)

    async def replace_limit(self, asked: Asked) -> Told:
        return await self._added.answer("replace", "limits", asked)

    async def remove_limit(self, asked: Asked) -> Told:
        return await self._added.answer("remove", "limits", asked)

    async def _counters(self, accounting: Accounting, query: LimitsWanted) -> list[_Counted]:
        """Return the counters that the query asks for, the fullest first, without its page. Other requests
        are served in between: there may be some hundred thousand limits.
        """
        now = self._gateway.seams.now()
        following = self._gateway.following
        directory = None if following is None else following.directory
        limits, keys = accounting.limits, held_limits(self._gateway.config, directory)
        known: dict[_Key, Limit] = {}
        for number, one in enumerate(chain((*limits.held,), keys, limits.all)):
            if query.scope in (None, one.subject) and query.name in (None, one.name):
                known[_key(one)] = one
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        standings = {} if accounting.ledger is None else await accounting.ledger.standings()
        refusals = accounting.watch.refusals(now)
        unused = dict(known)
        found: list[_Counted] = []

        def add(name: str, counter: Counter, limit: Limit, standing: Standing) -> None:
            whose = _whose(limit, counter)
            if query.whose in (None, whose):
                refused = refusals.get(windowless(name), 0)
                found.append(_Counted(name, counter, limit, standing, refused, whose))

        for number, (name, standing) in enumerate((_unused_counters(refusals, now) | {**standings}).items()):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            counter = read(name)
            limit = None if counter is None else known.get(counter[:5])
            if counter is None or limit is None or counter.ends <= now:
                continue  # of a limit that is no longer there, or of a window that is over
            whose = name_of(counter.value, limit.subject)
            if (counted := self._counted(limit.subject, whose)) != whose and shown(counted) != counter.value:
                continue  # of an earlier tenant, team or user of the same name
            unused.pop(counter[:5], None)
            add(name, counter, limit, standing)
        for number, limit in enumerate(unused.values()):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            # Nobody has used it in this window or was refused. A limit for one name is shown with that name.
            value = self._counted(limit.subject, _only_name(limit) or "*")
            start = span(limit.window, limit.every, now).start
            name = f"{prefix_of(limit, value)}{start}"
            counter = read(name)
            assert counter is not None, "it was made here"
            add(name, counter, limit, _UNUSED)
        return sorted(found, key=lambda one: (-round(one.share * 100, 1), one.id))

    def _row(self, one: _Counted) -> LimitObject:
        counter, limit, standing, share = one.counter, one.limit, one.standing, one.share
        warned = limit.warn_at is not None and share >= limit.warn_at
        scale = NANO if limit.resource == "money" else 1
        return LimitObject(
            id=one.id,
            name=limit.name,
            scope=limit.subject,
            whose=one.whose,
            resource=limit.resource,
            unit=_unit(limit.resource),
            window=limit.window,
            every=limit.every,
            limit=limit.most / scale,
            used=standing.used / scale,
            reserved=standing.reserved / scale,
            percent=round(share * 100, 1),
            state="reached" if share >= 1 else "warning" if warned else "ok",
            hard=limit.hard,
            warn_at=limit.warn_at,
            models=None if limit.models is None else sorted(limit.models),
            only=None if limit.only is None else sorted(limit.only),
            resets=None if counter.ends == inf else utc(counter.ends),
            refused=one.refused,
            source=source_of(limit, self._gateway.loaded),
        )


def source_of(limit: Limit, loaded: Loaded) -> str | None:
    """Return the place that states a limit: "dragoman.yaml:12", or a text that says who has added it. None =
    the configuration does not state it: it is the limit of a key, tenant, team or user in the database.
    """
    for path in _paths(limit, loaded):
        if (found := loaded.source(path)) != DEFAULT:
            return found
    return None


def _paths(limit: Limit, loaded: Loaded) -> Iterator[str]:
    """Yield the paths of the settings that may state this limit (`auth.keys[0].limits`). A limit in `limits`
    has the name that it has there. Every other limit has a name such as "key ci", and is stated at that key,
    tenant, provider, ….
    """
    config, subject = loaded.config, limit.subject
    if limit.name in config.limits:
        yield setting_path("limits", limit.name)
        return
    name = limit.name.removeprefix(f"{subject} ")
    if subject == "key":
        yield from (
            f"auth.keys[{at}].limits" for at, key in enumerate(config.auth.keys) if key.client == name
        )
    elif subject == "deployment":
        for model, stated in config.models.items():
            for at, deployment in enumerate(stated.deployments):
                if deployment.use == name:
                    yield setting_path("models", model) + f".deployments[{at}].limits"
    elif (section := _SECTIONS.get(subject)) is not None:
        yield setting_path(section, name) + ".limits"


def _within(row: LimitObject) -> LimitObject:
    """Return a counter in the form for a client that belongs to a tenant: without `source`, and with no other
    name than `whose` in `only`, because other names may be of other tenants.
    """
    only = None if row.only is None or row.whose is None else [row.whose]
    return msgspec.structs.replace(row, only=only, source=None)


def _only_name(limit: Limit) -> str | None:
    """Return the name of the one key, tag, … that a limit is for; None = it is for all, for several, or for a
    pattern.
    """
    if limit.only is None or len(limit.only) != 1:
        return None
    (name,) = limit.only
    return name if limit.name == f"{limit.subject} {name}" or "*" not in name else None


def _whose(limit: Limit, counter: Counter) -> str | None:
    """Return the name of the subject that a counter of a limit counts; None = it counts all together.
    Counters have only a hash of a long or unusual name; then the hash is returned (`windows.shown`), unless
    the limit is for this name only.
    """
    if counter.value == "*":
        return None
    only = _only_name(limit)
    value = name_of(counter.value, limit.subject)
    return only if only is not None and shown(only) == value else value


def _unused_counters(refusals: Iterable[str], now: float) -> dict[str, Standing]:
    """Return {name of a counter: 0 used, 0 reserved} for the limits and subjects that have refused requests:
    their counters in the windows that contain `now` (Unix seconds). refusals: names of counters without their
    windows.
    """
    found = {}
    for place in refusals:
        if (counter := read(f"{place}|0")) is not None:
            found[f"{place}|{span(counter.window, counter.every, now).start}"] = _UNUSED
    return found


def _key(limit: Limit) -> _Key:
    """Return the first five fields of `Counter` for this limit: those that all its counters share."""
    return limit.name, limit.resource, limit.window, limit.every, mark_of(limit.models)


def _unit(resource: Resource) -> Literal["requests", "tokens", "USD"]:
    units: Mapping[Resource, Literal["requests", "USD"]] = {
        "requests": "requests",
        "concurrency": "requests",
        "money": "USD",
    }
    return units.get(resource, "tokens")


assert Counter._fields[:5] == ("name", "resource", "window", "every", "mark")
