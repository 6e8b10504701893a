"""Parses the settings that name a database (`stores.sql`, `trace.store`).

`config.check` uses this module to check a setting, `stores.open` to open the database.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Final, TypeAlias
from urllib.parse import unquote

import msgspec

from dragoman.seams.secret import Secret

HINT: Final = "for example sqlite:////var/lib/state.db or postgresql://user:password@host:5432/name"

_SCHEME: Final = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://(.*)", re.DOTALL)
"""Matches a PostgreSQL URL. `postgresql+psycopg` is the scheme that SQLAlchemy uses for it."""
_SERVER: Final = re.compile(
    r"""
    (?: (?P<user> [^:@/?\#\s]* ) (?: : [^:@/?\#\s]* )? @ )?
    (?P<hosts> [^@/?\#\s]* )
    (?P<name> / [^@/?\#\s]* )?
    (?: \? (?P<more> [^\#\s]* ) )?
    """,
    re.VERBOSE,
)
_PORTS: Final = re.compile(r"(?: \[ [^\]]* \] | [^:,\[\]]* ) (?: : \d{0,5} )?", re.VERBOSE)


class PostgresUrl(msgspec.Struct, frozen=True):
    """A PostgreSQL database. uri: a connection URI of libpq with all its parameters. shown: a URL with user,
    hosts and name of the database, but without password and parameters: `postgresql://user@host:5432/name`.
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """

    uri: Secret
    shown: str

    def __str__(self) -> str:
        return self.shown


Location: TypeAlias = Path | PostgresUrl
"""The place of a database: a SQLite file, or a database of a PostgreSQL server. Its `str` contains
no secret.
"""


def database(stated: str) -> str | PostgresUrl | None:
    """Parse the text of a setting. Return the path of the SQLite file in a sqlite URL, as it is written
    ("state.db" for `sqlite:///state.db`, "/srv/state.db" for `sqlite:////srv/state.db`); "" for `sqlite`,
    which means the file in Dragoman's own folder; a PostgresUrl; or None for `memory`: no database. Raises
    ValueError for any other text. The error does not quote the text, because it may contain a password.
    """
    if stated == "memory":
        return None
    if stated == "sqlite":
        return ""
    if (postgres := _SCHEME.fullmatch(stated)) is not None:
        return _postgres(postgres[1])
    scheme, _, path = stated.partition("://")
    path = path.removeprefix("/")
    if scheme != "sqlite" or PurePath(path).name in {"", ":memory:"}:
        raise ValueError("must be memory, sqlite, a sqlite URL or a postgresql URL")
    return path


def shown(stated: str) -> str:
    """Return the text of a setting, without the secrets of a PostgreSQL URL: such a URL loses its password
    and its parameters, or becomes `postgresql://…` if it is wrong. Any other text is returned unchanged.
    """
    if _SCHEME.match(stated) is None:
        return stated
    try:
        return str(database(stated))
    except ValueError:
        return "postgresql://…"


def _postgres(rest: str) -> PostgresUrl:
    parts = _SERVER.fullmatch(rest)
    if parts is None or not all(_PORTS.fullmatch(one) for one in parts["hosts"].split(",")):
        raise ValueError(
            "must be postgresql://user:password@host:port/name; in the user and the password, write special "
            "characters as in URLs (@ is %40)"
        )
    user = f"{unquote(parts['user'])}@" if parts["user"] else ""
    there = f"postgresql://{user}{parts['hosts']}{parts['name'] or ''}"
    return PostgresUrl(Secret(f"postgresql://{rest}"), there)
