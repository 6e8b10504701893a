"""Changes what operators add to the configuration: checks a change, writes it to the database, and has all
workers use it.

A change is checked by loading the complete configuration with the change. Then the change is written, and the
gateway reloads. If a worker cannot use the change, it is undone, unless another server has changed the entry
since. Other servers on the same database notice the change by themselves (`config.watch`). See
docs/decisions/0043-added-entries.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.assembly.reload import Outcome
from dragoman.config.added import AddedState, literal_secrets, path_of
from dragoman.config.load import Loaded
from dragoman.config.section import Section
from dragoman.errors import ConfigError, Problem, RequestFailed, has_part
from dragoman.seams.tasks import spawn
from dragoman.server.admin.problems import Unusable, told, unusable
from dragoman.state.added import AddedEntry, AddedKind, Additions, KeptEntries
from dragoman.stores.address import Location
from dragoman.turns.keeping import reachable

MOST: Final = 2_000
"""The most entries that can be added: each start and each reload reads all of them."""
LARGEST: Final = 64_000
"""The most bytes of one entry, as JSON."""
_TRIES: Final = 5
"""The most times that a change is tried. It is tried again if another server has made a change meanwhile."""
_RELOADS: Final = 3
"""The most times that a reload is tried. A reload also fails if something else changes while the workers read
the files.
"""

Do: TypeAlias = Literal["add", "replace", "remove"]


class Made(NamedTuple):
    """A change that was made. before: the entry before the change, None = there was none. after: the entry
    after the change, None = it was removed.
    """

    before: AddedEntry | None
    after: AddedEntry | None


class Change(NamedTuple):
    """A change of one entry. kind, name: which entry. value: the new entry as a JSON value; not used for a
    removal. author: who asks for the change. require: gets the entry that is in the database (None = no entry
    of this name was added), and raises RequestFailed if the change must not be made. done: called once with
    the change after it was made, also if the client has disconnected; not called if the change fails or is
    undone. approve: gets, in a thread, the configuration that contains the new entry, and raises
    RequestFailed if the entry must not be used; None = there is no such check. For a removal, `approve` is
    not called. `require` and `approve` are called again if another server has made a change meanwhile.
    """

    do: Do
    kind: AddedKind
    name: str
    value: Any
    author: str
    require: Callable[[AddedEntry | None], None]
    done: Callable[[Made], None]
    approve: Callable[[Loaded], None] | None = None


class Adding:
    """Changes what is added to one gateway's configuration, one change after another."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._lock = asyncio.Lock()

    async def entries(self) -> KeptEntries:
        """Return all entries in the database. Raises RequestFailed: 501 without a database, 503 if the
        database fails.
        """
        _, additions = self._kept()
        return await reachable(additions.read())

    def state(self, entry: AddedEntry) -> AddedState | None:
        """Return the state of this version of an entry in this process; None = this process has not loaded
        this version.
        """
        added = self._gateway.loaded.added
        found = None if added is None else added.find(*entry.place)
        return found if found is not None and found.entry.version == entry.version else None

    def warnings(self, entry: AddedEntry) -> list[Problem]:
        """Return the warnings about this version of an entry in the configuration in force; [] also if this
        process does not use this version.
        """
        if not self._was_used(entry):
            return []
        within = path_of(entry)
        return [one for one in self._gateway.loaded.warnings if has_part(within, [one.path])]

    def version(self, kind: AddedKind, name: str) -> int | None:
        """Return the version of the added entry of this name that this process has loaded; None = this
        process has loaded no such entry.
        """
        added = self._gateway.loaded.added
        found = None if added is None else added.find(kind, name)
        return None if found is None else found.entry.version

    async def make(self, change: Change) -> Made:
        """Make a change. Raises RequestFailed: what `change.require` and `change.approve` raise; 400 if the
        entry is too large or contains a secret as text, if the configuration with the change is not usable,
        or if a worker cannot use it; 409 if the configuration or the program itself has the name, if other
        added entries need what would be removed or replaced, if there are too many entries, or if other
        changes have come first `_TRIES` times; 501 without a database; 503 if the database fails. A change
        that has begun is finished, even if the client disconnects.
        """
        changing = spawn(self._outcome(change), "changing what is added")
        made: Made | RequestFailed = await asyncio.shield(changing)
        if isinstance(made, RequestFailed):
            raise made
        return made

    async def _outcome(self, change: Change) -> Made | RequestFailed:
        """Make the change. Return a RequestFailed instead of raising it: a task that raised it would be
        logged as a failure of the gateway.
        """
        try:
            async with self._lock:
                made = await self._made(change)
                change.done(made)
                return made
        except RequestFailed as failed:
            return failed

    async def _made(self, change: Change) -> Made:
        database, additions = self._kept()
        text = b"" if change.do == "remove" else msgspec.json.encode(change.value)
        if len(text) > LARGEST:
            why = f"The entry has {len(text):,} bytes; at most {LARGEST:,} are kept."
            raise RequestFailed(ir.Fault("invalid_request", why, "entry_too_large"))
        for _ in range(_TRIES):
            kept = await reachable(additions.read())
            before = next((one for one in kept.entries if one.place == (change.kind, change.name)), None)
            change.require(before)
            number, now = kept.version + 1, self._gateway.seams.now()
            entry = AddedEntry(change.kind, change.name, text, number, change.author, now)
            await self._check(database, kept, entry, change)
            made = Made(before, None if change.do == "remove" else entry)
            if await reachable(additions.change(entry, removed=made.after is None)):
                await self._use(additions, entry, made)
                return made
        raise RequestFailed(_BUSY)

    def _kept(self) -> tuple[Location, Additions]:
        """Return the address of the database, and the part of the store that has the entries. Raises
        RequestFailed (501) without a database.
        """
        loaded, additions = self._gateway.loaded, self._gateway.engine.runtime.store.added
        if loaded.added is None or loaded.adding is None or additions is None:
            raise RequestFailed(_NO_DATABASE)
        return loaded.added.file, additions

    async def _check(self, database: Location, kept: KeptEntries, entry: AddedEntry, change: Change) -> None:
        """Raise RequestFailed if the change must not be written: the configuration with it is not usable,
        does not use the new entry, or cannot use another entry any more; there would be too many entries; the
        new entry contains a secret as text; or `change.approve` refuses it. kept: the entries in the
        database. entry: what will be written; for a removal, its text is empty.
        """
        others = [one for one in kept.entries if one.place != entry.place]
        entries = others if change.do == "remove" else [*others, entry]
        if len(entries) > max(MOST, len(kept.entries)):
            raise RequestFailed(_FULL)
        load = self._gateway.loaded.adding
        assert load is not None
        try:
            found = await asyncio.to_thread(load, database, KeptEntries(entry.version, entries))
        except ConfigError as error:
            raise _refused(entry, error.problems) from None
        assert found.added is not None
        if change.do != "remove":
            _require_used(found, entry, change.value)
            if change.approve is not None:
                await asyncio.to_thread(change.approve, found)
        broken = [one for one in found.added.entries if one.state == "unusable" and self._was_used(one.entry)]
        if broken:
            problems = [problem for one in broken for problem in one.problems]
            text = told(f"{path_of(entry)} stays as it is, because others need it", problems)
            raise Unusable(ir.Fault("conflict", text, "still_needed", "name"), problems)

    def _was_used(self, entry: AddedEntry) -> bool:
        known = self.state(entry)
        return known is not None and known.state == "used"

    async def _use(self, additions: Additions, entry: AddedEntry, made: Made) -> None:
        """Have all workers use the change that was written. If that fails, undo the change in the database,
        unless another server has changed the entry since, and raise RequestFailed (400). Raises RequestFailed
        (503) if the database fails meanwhile. entry: what was written; for a removal, its text is empty.
        """
        outcome = await self._reloaded()
        if not outcome.failed:
            return
        for _ in range(_TRIES):
            kept = await reachable(additions.read())
            now = next((one for one in kept.entries if one.place == entry.place), None)
            if (now and now.version) != (made.after and made.after.version):
                break  # another server has changed it since
            again = msgspec.structs.replace(made.before or entry, version=kept.version + 1)
            if await reachable(additions.change(again, removed=made.before is None)):
                break
        await self._reloaded()
        raise _refused(entry, outcome.problems)

    async def _reloaded(self) -> Outcome:
        outcome = await self._gateway.reload()
        for _ in range(_RELOADS - 1):
            if not outcome.failed:
                break
            outcome = await self._gateway.reload()
        return outcome


def _require_used(found: Loaded, entry: AddedEntry, value: Any) -> None:
    """Raise RequestFailed if this configuration does not use the entry, or if the entry contains a secret
    itself and not a reference to it. value: the entry as it was sent.
    """
    assert found.added is not None
    state = found.added.find(*entry.place)
    assert state is not None
    if state.state == "shadowed":
        text = told("Nothing is added", state.problems)
        raise Unusable(ir.Fault("conflict", text, "declared_elsewhere", "name"), state.problems)
    if state.state == "unusable":
        raise _refused(entry, state.problems)
    paths = list(literal_secrets(section_of(found, entry), value))
    if paths:
        place = path_of(entry)
        raise _refused(entry, [Problem(f"{place}.{path}", _LITERAL, hint=_REFERENCE) for path in paths])


def section_of(found: Loaded, entry: AddedEntry) -> Section:
    """Return the settings that the configuration `found` has under the kind and name of this entry. Raises
    KeyError if it has none.
    """
    config = found.config
    parts: dict[AddedKind, Mapping[str, Section]] = {
        "providers": config.providers.named,
        "models": config.models,
        "aliases": config.aliases,
        "limits": config.limits,
        "prices": config.prices,
    }
    return parts[entry.kind][entry.name]


def _refused(entry: AddedEntry, problems: tuple[Problem, ...] | list[Problem]) -> RequestFailed:
    """Return the error (400) for problems that an entry leads to. Its `param` is the field of the entry in
    which the first problem is; None if that problem is about the whole entry, or outside of it. problems: at
    least one. For a problem within the entry, the file and the line are left out.
    """
    place, first = path_of(entry), problems[0].path
    inside = first.removeprefix(place).removeprefix(".") if has_part(place, [first]) else ""
    origin = [one._replace(file=None, line=None) if has_part(place, [one.path]) else one for one in problems]
    return unusable(origin, inside or None)


_NO_DATABASE: Final = ir.Fault(
    "not_implemented",
    "Nothing can be added here: what is added is kept in a database, and this gateway has none. Set "
    "`stores.sql` (with the extra `sql`) and restart, or write it into the configuration file.",
    "no_database",
)
_FULL: Final = ir.Fault(
    "conflict",
    f"At most {MOST:,} entries are kept: remove some, or write them into a file.",
    "too_many_entries",
)
_BUSY: Final = ir.Fault("conflict", "Others are changing it all the time. Try again.", "entries_changing")
_LITERAL: Final = "would stand in the database as it is"
_REFERENCE: Final = "name a variable, ${NAME}, or a file, {file: PATH}, that the gateway reads"
