"""`dragoman db`: shows the schema of the databases that a configuration names, and upgrades it."""

from __future__ import annotations

from pathlib import Path

import click

from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.databases import Found, asked, look, places
from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import ANSWER_IS_NO, CONFIGURATION, Failure, Terminal

command = Group(
    "db",
    help="Show the schema of the database, and upgrade it to this version.",
    examples=("dragoman db status", "dragoman db upgrade"),
)


@command.command(examples=("dragoman db status", "dragoman db status -c team.yaml --json"))
@config_option
@click.pass_obj
def status(terminal: Terminal, file: Path | None) -> None:
    """Show the schema of each database, and what an upgrade would do. The exit code is 1 if this version
    cannot use one of them.

    The databases are those of `stores.sql` and `trace.store`. Nothing is changed.
    """
    from dragoman.stores.standing import HEAD

    found = [look(place) for place in places(loaded(terminal, file))]
    if terminal.as_json:
        terminal.result([one.as_json() for one in found])
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
    """Upgrade the schema of each database to this version, or create it in an empty one. Gateways of the
    version before can go on meanwhile.

    The SQLite file of `stores.sql` is copied before its upgrade. A PostgreSQL database is changed in one
    transaction.
    """
    done = []
    for place in places(loaded(terminal, file)):
        found = look(place)
        if found.standing.is_newer and found.problem is not None:
            raise Failure(CONFIGURATION, f"{place.setting}: {found.problem}")
        if found.pending:
            if not terminal.as_json:
                terminal.say(f"{place.setting}: {place.where}")
                _list_pending(terminal, found)
            from dragoman.stores.sql.migrate import upgrade_database  # needs the extra; `places` asked for it

            confirm(terminal, f"{place.setting}: an upgrade", "Upgrade?", yes=yes, default=True)
            asked(place, upgrade_database, patient=True)
            found = look(place)
        done.append(found)
    if terminal.as_json:
        terminal.result([one.as_json() for one in done])
    for one in done:
        terminal.note("ok", f"{one.place.setting}: the schema is {one.standing.revision}, {one.state}")


def _list_pending(terminal: Terminal, found: Found) -> None:
    for one in found.pending:
        terminal.say(f"  {one.revision}  {one.does}")
