"""Stores the names that clients of Ollama's protocol create: in the database, or in the memory of this
process.

With a database, a name is an added alias (docs/decisions/0043-added-entries.md) whose `owner` is the name of
the client's key. All workers use it, and other servers on the same database some seconds later. Without a
database, names can be created only if the gateway is one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.config.added import path_of
from dragoman.config.variables import fill
from dragoman.errors import RequestFailed, WireError
from dragoman.routing.route import Reserved, Route
from dragoman.routing.table import CATCH_ALL
from dragoman.server.admin.adding import Adding, Change, Made
from dragoman.server.admin.problems import Unusable
from dragoman.server.ollama.bodies import odd
from dragoman.server.ollama.definition import Definition
from dragoman.state.added import AddedEntry

_INHERITED: Final = ("defaults", "system_prompt", "strict", "check_output", "api", "context_window")
"""The settings that a created name copies from the alias `*`, if the name stands for a model that was found
through this alias.
"""


class MadeName(NamedTuple):
    """A name that a client has created. owner: the name of that client's key (`Caller.name`). tenant: the
    client's tenant, None = it has none. size: of the definition, in bytes.
    """

    owner: str
    tenant: str | None
    size: int

    def is_seen_by(self, caller: Caller) -> bool:
        """Whether this client may know that the name exists: the name has no tenant, or the client has the
        same tenant, or has the scope `admin` for the whole gateway.
        """
        return Reserved(self.tenant).admits(caller)

    def may_be_changed_by(self, caller: Caller) -> bool:
        """Whether this client may replace or delete the name: it is the owner, or may administer the gateway
        or the tenant of the name.
        """
        within = self.tenant == caller.tenant and "admin" in caller.scopes_in_tenant
        return self.owner == caller.name or within or "admin" in caller.scopes


class Wanted(NamedTuple):
    """A name that a client wants to create for another model, the source. route: of the source, as this
    client finds it now. source: the name of the source if that is a created name itself, else None.
    definition: what the new name adds to the source. size: of the definition, in bytes.
    """

    name: str
    route: Route
    source: str | None
    definition: Definition
    size: int


class Keeper(Protocol):
    """Stores created names. Each method raises RequestFailed if the names cannot be read or changed."""

    async def names(self) -> Mapping[str, MadeName]:
        """Return all created names, also those of other clients."""

    async def keep(self, caller: Caller, wanted: Wanted) -> None:
        """Create a name, or replace the created name with exactly the same spelling. caller: the owner of the
        name from now on, for whom it was checked that this is allowed; the database checks again that the
        owner may change the name (403).
        """

    async def drop(self, caller: Caller, name: str) -> None:
        """Remove a created name, which must exist. caller: the client that removes it, for whom it was
        checked that this is allowed; the database checks it again (403).
        """


class InMemory:
    """Stores created names in the memory of this process. They are lost when the process ends; a name is also
    lost if a reload of the configuration removes all providers of its model. Implements `Keeper`.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._made: dict[str, MadeName] = {}

    async def names(self) -> Mapping[str, MadeName]:
        # A reload may have removed some, with their providers.
        self._made = {name: one for name, one in self._made.items() if name in self._gateway.own_models.made}
        return self._made

    async def keep(self, caller: Caller, wanted: Wanted) -> None:
        if self._gateway.workers > 1:
            raise RequestFailed(_ONE_PROCESS)
        route = wanted.definition.on(wanted.route)
        source = route.asked if route.reserved is None else route.reserved.source or route.asked
        route = msgspec.structs.replace(route, reserved=Reserved(caller.tenant, source))
        self._gateway.make(wanted.name, route)
        self._made[wanted.name] = MadeName(caller.name, caller.tenant, wanted.size)

    async def drop(self, caller: Caller, name: str) -> None:
        self._gateway.make(name, None)
        self._made.pop(name, None)


class InDatabase:
    """Stores created names in the database, as added aliases. Implements `Keeper`."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._adding = Adding(gateway)

    async def names(self) -> Mapping[str, MadeName]:
        kept = await self._adding.entries()
        stated = {entry.name: _made(entry) for entry in kept.entries if entry.kind == "aliases"}
        return {name: one for name, one in stated.items() if one is not None}

    async def keep(self, caller: Caller, wanted: Wanted) -> None:
        try:
            settings = wanted.definition.settings()
        except WireError as error:
            raise RequestFailed(odd(error)) from error
        section = _over(await self._base(wanted), _escaped(settings))
        section["owner"] = _escaped(caller.name)
        if caller.tenant is not None:
            section["tenant"] = _escaped(caller.tenant)

        def require(before: AddedEntry | None) -> None:
            if before is not None and ((made := _made(before)) is None or not made.may_be_changed_by(caller)):
                raise RequestFailed(taken(wanted.name))

        await self._make(Change("replace", "aliases", wanted.name, section, caller.name, require, _noted))

    async def drop(self, caller: Caller, name: str) -> None:
        def require(before: AddedEntry | None) -> None:
            made = None if before is None else _made(before)
            if made is None or not made.may_be_changed_by(caller):
                raise RequestFailed(taken(name))

        await self._make(Change("remove", "aliases", name, None, caller.name, require, _noted))

    async def _base(self, wanted: Wanted) -> dict[str, Any]:
        """Return an alias that stands for the source, as a JSON object in which `${` is escaped; the new
        definition is not in it. If the source is a created name, its alias is copied without its tenant.
        """
        if wanted.source is not None:
            kept = await self._adding.entries()
            for entry in kept.entries:
                if entry.place == ("aliases", wanted.source):
                    stated: dict[str, Any] = msgspec.json.decode(entry.text)
                    stated.pop("tenant", None)
                    return stated
        route, table, config = wanted.route, self._gateway.engine.table, self._gateway.config
        every = config.aliases.get(CATCH_ALL)
        if table.find(route.asked) is not None or every is None:
            same = route.asked == wanted.name  # an alias must not be its own target
            target = route.deployments[0].name if same else route.asked
            return {"route": _escaped(target)}
        stated = {name: getattr(every, name) for name in _INHERITED if getattr(every, name) not in (None, {})}
        direct = every.route.endswith("/*")
        made: dict[str, Any] = _escaped(
            {**stated, "route": route.deployments[0].name if direct else every.route}
        )
        return made

    async def _make(self, change: Change) -> Made:
        """Make a change. Raises RequestFailed if the change is refused, or the database fails. The error does
        not show problems of other parts of the configuration, which concern only the operator.
        """
        try:
            return await self._adding.make(change)
        except Unusable as failed:
            entry = AddedEntry(change.kind, change.name, b"", 0, "", 0.0)
            if failed.fault.code == "declared_elsewhere":
                raise RequestFailed(_declared(change.name)) from failed
            if failed.fault.code == "still_needed":
                raise RequestFailed(_needed(change.name)) from failed
            own = [one for one in failed.problems if one.path.startswith(path_of(entry))]
            if len(own) < len(failed.problems):
                raise RequestFailed(_UNCHANGEABLE) from failed
            text = f"{change.name!r} cannot be created: {own[0].message}"
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", "model")) from failed


def keeper_of(gateway: Core) -> Keeper:
    """Return the object that stores the names created at this gateway."""
    return _Either(gateway)


class _Either:
    """Stores names in the database if there is one, else in memory. Each call checks whether there is a
    database, because this is not known before the gateway has started.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._database, self._memory = InDatabase(gateway), InMemory(gateway)

    @property
    def _used(self) -> Keeper:
        loaded, store = self._gateway.loaded, self._gateway.engine.runtime.store
        has_database = loaded.added is not None and loaded.adding is not None and store.added is not None
        return self._database if has_database else self._memory

    async def names(self) -> Mapping[str, MadeName]:
        return await self._used.names()

    async def keep(self, caller: Caller, wanted: Wanted) -> None:
        await self._used.keep(caller, wanted)

    async def drop(self, caller: Caller, name: str) -> None:
        await self._used.drop(caller, name)


def _made(entry: AddedEntry) -> MadeName | None:
    """Return the created name for an added alias; None = the alias has no `owner`, because an operator has
    added it.
    """
    stated = msgspec.json.decode(entry.text)
    if not isinstance(stated, dict) or not isinstance(owner := stated.get("owner"), str):
        return None
    tenant = stated.get("tenant")
    return MadeName(_plain(owner), _plain(tenant) if isinstance(tenant, str) else None, len(entry.text))


def _over(base: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the alias `base` with further settings, which replace those of `base`. But defaults
    are merged by their names, and of two context windows, the smaller one is used.
    """
    made = {**base, **settings}
    if "defaults" in made:
        made["defaults"] = {**base.get("defaults", {}), **settings.get("defaults", {})}
    windows = [one["context_window"] for one in (base, settings) if one.get("context_window")]
    if windows:
        made["context_window"] = min(windows)
    return made


def _escaped(value: Any) -> Any:
    """Return a client's value in the form for the configuration. Otherwise `${NAME}` in the value would be
    replaced by a variable of the gateway's environment, which may be a secret.
    """
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {name: _escaped(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return value


def _plain(text: str) -> str:
    """Return the original of a text that `_escaped` has written."""
    return fill(text, {}).text


def _noted(_: Made) -> None:
    """Do nothing after a change. No audit is needed, because the entry itself says who has made it."""


def taken(name: str) -> ir.Fault:
    """Return the error (403) for a name that is in use. It does not say who uses the name."""
    text = f"the name {name!r} is in use: choose another one"
    return ir.Fault("permission", text, "insufficient_scope", "model")


def _declared(name: str) -> ir.Fault:
    text = f"{name!r} is part of the gateway's configuration and cannot be replaced here"
    return ir.Fault("invalid_request", text, "invalid_value", "model")


def _needed(name: str) -> ir.Fault:
    text = f"{name!r} stays as it is, because other names of the gateway's configuration need it"
    return ir.Fault("conflict", text, "still_needed", "model")


_ONE_PROCESS: Final = ir.Fault(
    "unsupported",
    "this gateway runs several workers without a database, which do not share created names: add an alias to "
    "its configuration",
    "unsupported_value",
)
_UNCHANGEABLE: Final = ir.Fault(
    "unavailable",
    "names cannot be changed now: the gateway's configuration has a mistake that its operator has to mend",
    "configuration_unusable",
)
