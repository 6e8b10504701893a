"""Connects to PostgreSQL, checks the URL of a database, and classifies the errors of a connection.

A server may be down, frozen or cut off at any moment. So each wait has a time limit: the attempt to connect,
each statement, each wait for a lock. https://www.postgresql.org/docs/current/libpq-connect.html
"""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrDumperUnknown

from dragoman.stores.address import PostgresUrl

CONNECT: Final = 3
"""Seconds for one attempt to connect to one host, unless the URL states `connect_timeout`."""
STATEMENT: Final = 5.0
"""The most seconds for one statement, including its wait for locks, unless a caller of `connect` states
others.
"""
_DEFAULTS: Final = {
    "application_name": "dragoman",
    "connect_timeout": CONNECT,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Parameters of libpq that are used unless the URL states others. With the last four, the operating system
notices within about 20 s that the server's machine cannot be reached any more.
"""
_LOST: Final = ("08", "57P", "53300", "25006")
"""Prefixes of the SQLSTATE codes after which a new connection is needed: the connection is lost, the server
is shut down, it has too many connections, or it has become a standby.
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""
_CLOGGED: Final = ("53", "55P03", "57014")
"""Prefixes of the SQLSTATE codes of errors that the next step would get too, after the same wait: no disk
space or memory, a lock that was not free in time, a statement that took too long.
"""
_REFUSED: Final = ("22", "23", "54")
"""Prefixes of the SQLSTATE codes of errors in the values themselves: not a number, a broken constraint, a row
that is too large.
"""
_WHERE: Final = re.compile(
    r"^.*(?:connection to server (?:at|on) .*? failed|connection is bad|connection failed): ", re.DOTALL
)


def connect(address: PostgresUrl, statement: float = STATEMENT) -> psycopg.Connection[Any]:
    """Return a new connection, which commits each statement at once unless a transaction was begun. It
    blocks; connecting takes about `CONNECT` seconds at most for each host (without the lookup of its name),
    unless the URL states another time. statement: the most seconds for one statement, for a wait for a lock,
    and for a pause inside a transaction; the server enforces them. In texts that are sent, U+2400 replaces
    U+0000. Raises psycopg.Error.
    """
    uri = address.uri.reveal()
    stated = conninfo_to_dict(uri)
    more = {name: value for name, value in _DEFAULTS.items() if name not in stated}
    connection = psycopg.connect(uri, autocommit=True, client_encoding="UTF8", **more)  # type: ignore[arg-type]
    try:
        connection.adapters.register_dumper(str, _Text)
        wait = int(statement * 1000)
        # A client that is frozen in a transaction must not keep its locks: the others would wait for it.
        connection.execute(
            f"SET statement_timeout = {wait}; SET lock_timeout = {wait};"
            f" SET idle_in_transaction_session_timeout = {wait}"
        )
    except BaseException:
        connection.close()
        raise
    return connection


def checked(address: PostgresUrl) -> None:
    """Raise ValueError with the reason if libpq does not understand the URL. Nothing is connected. The reason
    may name an unknown parameter, but contains no value of the URL.
    """
    try:
        conninfo_to_dict(address.uri.reveal())
    except psycopg.ProgrammingError as error:
        found = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
        raise ValueError(
            f"has the unknown parameter {found[1]}" if found else "is no connection URI of PostgreSQL"
        ) from None


def is_lost(error: psycopg.Error) -> bool:
    """Return whether a new connection is needed after this error: its SQLSTATE begins with one of `_LOST`; or
    it has no SQLSTATE and is an OperationalError or InterfaceError.
    """
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_LOST)


def is_hopeless(error: psycopg.Error) -> bool:
    """Return whether steps that wait for the database would very likely fail too, after an equally long wait:
    the connection is lost (`is_lost`), or the server lacks resources or time (`_CLOGGED`).
    """
    return is_lost(error) or (error.sqlstate or "").startswith(_CLOGGED)


def refuses_data(error: psycopg.Error) -> bool:
    """Return whether the server refuses the values of a statement, and would very likely refuse them again
    (`_REFUSED`).
    """
    return (error.sqlstate or "").startswith(_REFUSED)


def in_words(error: psycopg.Error) -> str:
    """Return the first line of an error's text, without the prefix that names the server's address. If
    several hosts were tried, the text is about the last one. If there is no text, return the name of the
    error's class.
    """
    last = str(error).strip().rpartition("\n- ")[2]  # of several hosts, the last one that was tried
    return _WHERE.sub("", last).partition("\n")[0].strip() or type(error).__name__


class _Text(StrDumperUnknown):
    """Sends a text to the server. PostgreSQL cannot store U+0000 in a text, so U+2400 replaces it, in stored
    values and in the conditions of a SELECT.
    """

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\u2400") if "\x00" in obj else obj)
