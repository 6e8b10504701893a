"""Reads LiteLLM's tables (`TABLES`): from its PostgreSQL database, or from a dump as JSON or CSV."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from dragoman.cli.terminal import CONFIGURATION, MISUSE, UNREACHABLE, Failure
from dragoman.config.litellm_keys import Theirs
from dragoman.stores.address import PostgresUrl, database
from dragoman.wire.json import UNDECODABLE

TABLES: Final = {
    "keys": "LiteLLM_VerificationToken",
    "teams": "LiteLLM_TeamTable",
    "users": "LiteLLM_UserTable",
    "organizations": "LiteLLM_OrganizationTable",
    "budgets": "LiteLLM_BudgetTable",
    "memberships": "LiteLLM_TeamMembership",
    "end_users": "LiteLLM_EndUserTable",
    "tags": "LiteLLM_TagTable",
}
_IDS: Final = frozenset({"user_id", "team_id", "organization_id", "budget_id"})
"""Columns by which rows are found."""
_LISTS: Final = frozenset({"models", "allowed_routes"})
"""Columns that restrict a key. If one of them could not be read, the key would get more than it had."""
_OF_PRISMA: Final = frozenset(
    {"schema", "connection_limit", "pool_timeout", "pgbouncer", "statement_cache_size", "socket_timeout"}
)
"""Parameters of a database's URL that LiteLLM's client (Prisma) knows, and PostgreSQL's own client does not.
https://www.prisma.io/docs/orm/overview/databases/postgresql
"""


def tables_of(source: str) -> Theirs:
    """Return the tables in a database or in a file. source: the URL of LiteLLM's database (`postgresql://…`),
    or the path of a dump (`.csv`, else JSON). Raises Failure if they cannot be read, or if a database or a
    JSON file has no table of keys.
    """
    if "://" in source:
        return _from_database(source)
    return _from_file(Path(source))


def _from_file(file: Path) -> Theirs:
    """Return the tables in a file. A CSV file (`.csv`) is taken as the table of keys, whatever its columns
    are. A JSON file has the rows of the table of keys as a list, or an object with the tables by LiteLLM's
    names (`TABLES`). Raises Failure for a file that cannot be read or decoded, and for any other JSON value.
    """
    try:
        text = file.read_bytes()
        if file.suffix.lower() == ".csv":
            csv.field_size_limit(sys.maxsize)
            return Theirs(list(csv.DictReader(text.decode("utf-8-sig").splitlines(keepends=True))))
        value = msgspec.json.decode(text)
    except OSError as error:
        raise Failure(MISUSE, f"{file}: {error.strerror}") from None
    except (*UNDECODABLE, csv.Error) as error:
        raise Failure(CONFIGURATION, f"{file}: neither JSON nor CSV: {error}") from None
    if isinstance(value, list):
        value = {TABLES["keys"]: value}
    if not isinstance(value, dict) or TABLES["keys"] not in value:
        hint = f"a list of rows, or an object with {TABLES['keys']}"
        raise Failure(CONFIGURATION, f"{file}: holds no keys of LiteLLM", hint=hint)
    return Theirs(**{name: _rows(file, table, value.get(table)) for name, table in TABLES.items()})


def _rows(file: Path, table: str, stated: Any) -> list[dict[str, Any]]:
    """Return the rows of a table in a JSON file; [] = the table is missing, null or empty. table: LiteLLM's
    name of the table. stated: its value in the file; None = it is missing or null. Raises Failure for a value
    that is not a list of objects, or for a row with a list or an object as an id (`_IDS`), or with a number,
    a boolean or an object in place of a list (`_LISTS`).
    """
    if not isinstance(stated, list | None):
        raise Failure(CONFIGURATION, f"{file}: {table} is not a list of rows")
    for number, row in enumerate(stated or ()):
        place = f"{file}: {table}[{number}]"
        if not isinstance(row, dict):
            raise Failure(CONFIGURATION, f"{place} is not a row: an object with the columns")
        for column, value in row.items():
            if column in _IDS and isinstance(value, list | dict):
                raise Failure(CONFIGURATION, f"{place}.{column} is not a text")
            if column in _LISTS and not isinstance(value, str | list | None):
                raise Failure(CONFIGURATION, f"{place}.{column} is not a list")
    return stated or []


def _from_database(url: str) -> Theirs:
    try:
        import psycopg
        from psycopg.rows import dict_row
        from psycopg.sql import SQL, Identifier
    except ImportError:
        from dragoman.seams.extras import command

        raise Failure(
            CONFIGURATION, "PostgreSQL needs the extra `postgres`", hint=command("postgres")
        ) from None
    from dragoman.stores.postgres import checked

    address, schema = _address(url)
    try:
        checked(address)
    except ValueError as error:
        raise Failure(CONFIGURATION, f"the address of LiteLLM's database {error}") from None
    try:
        with psycopg.connect(address.uri.reveal(), autocommit=True, connect_timeout=10) as connection:
            connection.read_only = True
            found: dict[str, list[dict[str, Any]]] = {}
            for name, table in TABLES.items():
                with connection.cursor(row_factory=dict_row) as cursor:
                    cursor.execute(
                        "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
                        (schema, table),
                    )
                    if cursor.fetchone() is not None:
                        cursor.execute(SQL("SELECT * FROM {}").format(Identifier(schema, table)))
                        found[name] = cursor.fetchall()
    except psycopg.Error as error:
        told = str(error).strip().partition("\n")[0]  # without the address, which may hold a password
        raise Failure(UNREACHABLE, f"LiteLLM's database cannot be read: {told}") from None
    if "keys" not in found:
        hint = "?schema=NAME in the URL names another schema"
        raise Failure(CONFIGURATION, f"the schema {schema} has no table {TABLES['keys']}", hint=hint)
    return Theirs(**found)


def _address(url: str) -> tuple[PostgresUrl, str]:
    """Return (the URL without Prisma's parameters (`_OF_PRISMA`), the schema of the tables). Raises Failure
    for an invalid URL; its message does not quote the URL, because it may contain a password anywhere.
    """
    server, _, search = url.partition("?")
    stated = dict(parse_qsl(search))
    query = urlencode({name: value for name, value in stated.items() if name not in _OF_PRISMA})
    try:
        found = database(f"{server}?{query}" if query else server)
    except ValueError as error:
        raise Failure(MISUSE, f"the address of LiteLLM's database {error}") from None
    if not isinstance(found, PostgresUrl):
        raise Failure(MISUSE, "the address of LiteLLM's database must begin with postgresql://")
    return found, stated.get("schema", "public")
