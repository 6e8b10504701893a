"""`dragoman db`: shows the schema of the databases that a configuration names, and upgrades it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from dragoman.cli.command import Group
from dragoman.cli.options import config_option, loaded, refused
from dragoman.cli.terminal import ANSWER_IS_NO, CONFIGURATION, MISUSE, UNREACHABLE, Failure, Terminal
from dragoman.errors import ConfigError

if TYPE_CHECKING:
    from dragoman.config.load import Loaded
    from dragoman.stores.address import Location
    from dragoman.stores.sql.database import Database
    from dragoman.stores.sql.migrate import Migration
    from dragoman.stores.sql.opening import Use
    from dragoman.stores.standing import Standing

T = TypeVar("T")

command = Group(
    "db",
    help="Show the schema of the database, and upgrade it to this version.",
    examples=("dragoman db status", "dragoman db upgrade"),
)


class _Place(NamedTuple):
    """A database that the configuration names. setting: the setting that names it."""

    setting: str
    where: Location
    use: Use


class _Found(NamedTuple):
    """A database as it stands. version: of its software. pending: the migrations that this version would run.
    problem: why this version cannot use it; None = it can.
    """

    place: _Place
    kind: str
    version: str | None
    standing: Standing
    pending: list[Migration]
    problem: str | None

    @property
    def must_be_upgraded(self) -> bool:
        """Whether an operator has to run `dragoman db upgrade` before this version starts."""
        return self.kind != "sqlite" and self.standing.is_older

    @property
    def state(self) -> str:
        """How it stands, in a few words."""
        if self.problem is not None and not self.must_be_upgraded:
            return "too new for this version"
        if self.standing.revision is None:
            return "empty: the first start creates its tables"
        if self.standing.is_older:
            return "to be upgraded" if self.must_be_upgraded else "the next start upgrades it"
        return "newer than this version, which can use it" if self.standing.is_newer else "up to date"


@command.command(examples=("dragoman db status", "dragoman db status -c team.yaml --json"))
@config_option
@click.pass_obj
def status(terminal: Terminal, file: Path | None) -> None:
    """The schema of each database, and what an upgrade would do; 1 if one has to be upgraded first.

    The databases are those of `stores.sql` and `trace.store`. Nothing is changed.
    """
    from dragoman.stores.standing import HEAD

    found = [_found(place) for place in _places(loaded(terminal, file))]
    if terminal.as_json:
        terminal.result([_plain(one) for one in found])
    elif not found:
        terminal.say("there is no database yet: the data is kept in memory, or the first start creates it")
    else:
        rows = [
            (
                one.place.setting,
                str(one.place.where),
                f"{one.kind} {one.version or ''}",
                one.standing.revision,
                HEAD,
                one.state,
            )
            for one in found
        ]
        terminal.table(("setting", "database", "software", "schema", "needed", "state"), rows, wraps=True)
        for one in found:
            _list_pending(terminal, one)
    if any(one.problem is not None for one in found):
        raise click.exceptions.Exit(ANSWER_IS_NO)


@command.command(examples=("dragoman db upgrade", "dragoman db upgrade --yes"))
@config_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def upgrade(terminal: Terminal, file: Path | None, *, yes: bool) -> None:
    """Upgrade the schema to this version, or create it. Gateways of the version before go on meanwhile.

    A SQLite file is copied first. The tables of a server are changed in one transaction.
    """
    from dragoman.stores.sql.migrate import upgrade_database

    done = []
    for place in _places(loaded(terminal, file)):
        found = _found(place)
        if found.standing.is_newer and found.problem is not None:
            raise Failure(CONFIGURATION, f"{place.setting}: {found.problem}")
        if found.pending:
            if not terminal.as_json:
                terminal.say(f"{place.setting}: {place.where}")
                _list_pending(terminal, found)
            _confirm(terminal, place, yes=yes)
            _asked(place, upgrade_database, patient=True)
            found = _found(place)
        done.append(found)
    if terminal.as_json:
        terminal.result([_plain(one) for one in done])
    for one in done:
        terminal.note("ok", f"{one.place.setting}: the schema is {one.standing.revision}, {one.state}")


def _places(found: Loaded) -> list[_Place]:
    """The databases that the configuration names, without SQLite files that do not exist yet."""
    from dragoman.stores.open import located, located_exchanges

    config = found.config
    try:
        stated = (
            ("stores.sql", located(config.stores.sql or "sqlite", found.home), "state"),
            ("trace.store", located_exchanges(config.trace.store, found.home), "exchanges"),
        )
    except ConfigError as error:
        raise refused(error, found.file) from None
    places: list[_Place] = []
    for setting, where, use in stated:
        if where is None or (isinstance(where, Path) and not where.exists()):
            continue
        if all(where != one.where for one in places):
            places.append(_Place(setting, where, use))  # type: ignore[arg-type] # a literal
    return places


def _found(place: _Place) -> _Found:
    from dragoman.stores.sql.migrate import migrations, standing_of
    from dragoman.stores.standing import SchemaRefused

    async def ask(database: Database) -> _Found:
        standing = await database.read(standing_of)
        pending = [] if standing.is_newer else migrations(standing.revision)
        problem = None
        try:
            standing.check(upgrades_itself=database.upgrades_itself)
        except SchemaRefused as error:
            problem = str(error)
        return _Found(place, database.kind, database.version, standing, pending, problem)

    return _asked(place, ask)


def _asked(place: _Place, ask: Callable[[Database], Coroutine[Any, Any, T]], *, patient: bool = False) -> T:
    """What `ask` returns for the database at this place. Raises Failure if it cannot be used."""
    from dragoman.state.store import StoreFailed
    from dragoman.stores.sql.opening import unchanged

    async def run() -> T:
        database = unchanged(place.where, place.use, patient=patient)
        try:
            return await ask(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreFailed as error:
        raise Failure(UNREACHABLE, f"{place.setting}: {error}") from None


def _confirm(terminal: Terminal, place: _Place, *, yes: bool) -> None:
    if yes:
        return
    if terminal.as_json or not sys.stdin.isatty():
        raise Failure(
            MISUSE,
            f"{place.setting}: an upgrade needs a confirmation, and there is no terminal to ask on",
            hint="add --yes",
        )
    if not click.confirm("Upgrade?", default=True, err=True):
        raise click.exceptions.Exit(ANSWER_IS_NO)


def _list_pending(terminal: Terminal, found: _Found) -> None:
    for one in found.pending:
        terminal.say(f"  {one.revision}  {one.does}")


def _plain(one: _Found) -> dict[str, Any]:
    """A database as JSON."""
    from dragoman.stores.standing import HEAD

    return {
        "setting": one.place.setting,
        "database": str(one.place.where),
        "kind": one.kind,
        "version": one.version,
        "schema": one.standing.revision,
        "needed": HEAD,
        "state": one.state,
        "usable": one.problem is None,
        "pending": [{"revision": step.revision, "does": step.does} for step in one.pending],
    }
