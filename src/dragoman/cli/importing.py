"""`dragoman import litellm`: converts the configuration of LiteLLM, and takes over its keys, teams and
users.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from dragoman.cli.command import Group
from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import CONFIGURATION, MISUSE, UNREACHABLE, Failure, Terminal, clean
from dragoman.state.directory import ROW_KINDS, HolderEntry, KeyEntry, Row, RowKind, entry_of

if TYPE_CHECKING:
    from dragoman.config.litellm_keys import Conversion, Here, Imported, Theirs
    from dragoman.config.load import Loaded
    from dragoman.config.settings import Config
    from dragoman.state.directory import DirectoryStore

_AT_ONCE: Final = 500
"""The most rows that are written in one transaction."""
_AUTHOR: Final = "dragoman import"
_SHOWN: Final = 20

command = Group(
    "import",
    help="Take over what another gateway has.",
    examples=("dragoman import litellm config.yaml --database postgresql://… > dragoman.yaml",),
)


@command.command(
    "litellm",
    examples=(
        "dragoman import litellm config.yaml > dragoman.yaml",
        "dragoman import litellm --database postgresql://… --config dragoman.yaml",
    ),
)
@click.argument("theirs", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option(
    "--database",
    envvar="LITELLM_DATABASE_URL",
    metavar="URL",
    help="LiteLLM's PostgreSQL database, or a dump of its tables as JSON or CSV. Its keys, teams and users "
    "are written into the database of this gateway (`stores.sql`).",
)
@config_option
@click.pass_obj
def litellm(terminal: Terminal, theirs: Path | None, database: str | None, *, file: Path | None) -> None:
    """Print LiteLLM's configuration FILE as ours, and take over its keys, teams and users.

    Clients keep their keys: both gateways store the SHA-256 of a key. A running gateway with this database
    accepts the keys within a second. A key that is already there is not changed, so the command may run
    again.
    """
    if theirs is None and database is None:
        raise Failure(MISUSE, "there is nothing to import", hint="name LiteLLM's file, or its --database")
    told: dict[str, Any] = {}
    if theirs is not None:
        told["settings"] = _configuration(terminal, theirs)
    if database is not None:
        from dragoman.cli.litellm_tables import tables_of

        told["keys"] = _take_over(terminal, loaded(terminal, file), tables_of(database))
    if terminal.as_json:
        terminal.result(told)


def _configuration(terminal: Terminal, file: Path) -> Any:
    """Print LiteLLM's configuration in our form as YAML, and notes about the settings that a person should
    look at; with `--json`, print neither. Returns our form as a JSON value. Raises Failure if the file cannot
    be read or does not look like LiteLLM's.
    """
    from dragoman.config.litellm import convert, in_yaml, is_litellms, lines
    from dragoman.config.load import as_written
    from dragoman.errors import ConfigError

    try:
        theirs = as_written(file)
    except ConfigError as error:
        raise Failure(CONFIGURATION, str(error.problems[0])) from None
    if not isinstance(theirs, dict) or not is_litellms(theirs):
        raise Failure(CONFIGURATION, f"{file} is not LiteLLM's configuration")
    settings, notes = convert(theirs)
    for line in lines([note for note in notes if not note.done]):
        terminal.note("warn", clean(line))
    if not terminal.as_json:
        terminal.result(in_yaml(settings).rstrip("\n"))
    return settings


def _take_over(terminal: Terminal, found: Loaded, theirs: Theirs) -> dict[str, Any]:
    from dragoman.state.store import StoreFailed
    from dragoman.stores.open import open_store

    store = open_store(os.environ.get("DRAGOMAN_SQL") or found.config.stores.sql or "sqlite", found.home)
    if store.directory is None:
        hint = "stores.sql: sqlite, or a URL"
        raise Failure(CONFIGURATION, "this gateway has no database to keep keys in", hint=hint)
    directory = store.directory

    async def take_over() -> tuple[Conversion, int]:
        try:
            return await _written(directory, theirs, found.config)
        finally:
            await store.close()

    try:
        conversion, known = asyncio.run(take_over())
    except StoreFailed as failed:
        raise Failure(UNREACHABLE, f"the keys cannot be written: {failed}") from None
    for note in conversion.notes[:_SHOWN]:
        terminal.note("warn", clean(note))
    if (more := len(conversion.notes) - _SHOWN) > 0:
        terminal.note("warn", f"and {more} more notes: --json shows all")
    made, *holders = (sum(row.kind == kind for row in conversion.rows) for kind in ROW_KINDS)
    counts: dict[str, int] = dict(zip(ROW_KINDS[1:], holders, strict=True))
    terminal.note("ok", f"{made} keys are taken over, {known} were here already; {_in_words(counts)}")
    return {"keys": made, "known": known, **counts, "notes": conversion.notes}


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in counts.items())


async def _written(directory: DirectoryStore, theirs: Theirs, config: Config) -> tuple[Conversion, int]:
    """Convert the rows of LiteLLM's tables, except keys that this gateway already has, and write the result.
    Returns (what was converted and written, the number of LiteLLM's keys that were here before).

    If another process changes the database meanwhile, the work begins anew, and what was written counts as
    here before. Raises StoreFailed if the database fails, or after `_TRIES` tries.
    """
    from dragoman.config.litellm_keys import converted, digest_of
    from dragoman.seams.clock import SYSTEM
    from dragoman.state.store import StoreFailed

    for _ in range(_TRIES):
        rows: list[Row] = []
        while more := await directory.since(rows[-1].version if rows else 0, 5_000):
            rows += more
        latest = rows[-1].version if rows else 0
        digests = {digest for row in rows for digest in (row.digest, row.before)} - {None}
        known = [row for row in theirs.keys if digest_of(row) in digests]
        new = theirs._replace(keys=[row for row in theirs.keys if digest_of(row) not in digests])
        now = SYSTEM.now()
        conversion = converted(new, _here(rows, config), now, lambda: SYSTEM.random_id()[:24])
        tenants = {one.name for one in conversion.rows if one.kind == "tenants"}
        if await _forget_own_keys(directory, tenants):
            if not await directory.change([Row("own_keys", "all", None, latest + 1, _AUTHOR, now)], latest):
                continue
            latest += 1
        if await _all_written(directory, conversion.rows, latest, now):
            return conversion, len(known)
    raise StoreFailed("others are changing keys all the time")


def _here(rows: Sequence[Row], config: Config) -> Here:
    """Return the keys, tenants, teams and users that the database and the configuration of this gateway
    already have, and its names of models, aliases and groups of models. rows: all rows of the database; those
    of removed entries are left out.
    """
    from dragoman.config.litellm_keys import Here
    from dragoman.config.litellm_permits import Names

    keys: dict[str, KeyEntry | None] = {
        row.name: entry_of(row.text, KeyEntry) for row in rows if row.kind == "keys" and row.text is not None
    }
    holders: dict[tuple[RowKind, str], HolderEntry | None] = {
        (row.kind, row.name): entry_of(row.text, HolderEntry)
        for row in rows
        if row.kind in ROW_KINDS[1:] and row.text is not None
    }
    for kind in ROW_KINDS[1:]:
        holders |= {(kind, name): None for name in getattr(config, kind)}
    declared = dict.fromkeys(key.client for key in config.auth.keys)
    return Here({**keys, **declared}, holders, Names(config.groups, {*config.models, *config.aliases}))


async def _forget_own_keys(directory: DirectoryStore, tenants: Collection[str]) -> bool:
    """Remove the provider keys that earlier, removed tenants of these names have left, so that the new
    tenants do not get them. Returns whether there were any. tenants: the names of the tenants that will be
    written. `server.admin.holders` does the same for a new tenant.
    """
    left = [own for own in await directory.own_keys() if own.tenant in tenants]
    for own in left:
        await directory.drop_own(own.tenant, own.provider)
    return bool(left)


async def _all_written(directory: DirectoryStore, wanted: list[Imported], latest: int, now: float) -> bool:
    """Write rows, `_AT_ONCE` in each transaction. Returns False if another process has made a change in
    between; rows that are written stay, and the next try finds them. latest: the number of the latest change
    in the database; each row gets the next number as its version. now: Unix seconds.
    """
    for start in range(0, len(wanted), _AT_ONCE):
        rows = [
            Row(
                one.kind,
                one.name,
                msgspec.json.encode(one.entry),
                latest + number,
                _AUTHOR,
                now,
                one.digest,
            )
            for number, one in enumerate(wanted[start : start + _AT_ONCE], 1)
        ]
        if not await directory.change(rows, latest):
            return False
        latest += len(rows)
    return True


_TRIES: Final = 20
