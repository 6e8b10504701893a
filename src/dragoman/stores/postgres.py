"""Connects to PostgreSQL, and says what an error of the connection means.

A server may be down, frozen or cut off at any time, so each wait has an end: the connection attempt, each
statement, each wait for a lock. https://www.postgresql.org/docs/current/libpq-connect.html
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
"""Seconds for one statement, the wait for locks included."""
_DEFAULTS: Final = {
    "application_name": "dragoman",
    "connect_timeout": CONNECT,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Parameters of libpq that are used unless the URL states others. The last four let the system notice within
some 20 s that the server's machine is gone.
"""
_LOST: Final = ("08", "57P", "53300", "25006")
"""The beginnings of SQLSTATE codes after which a new connection is needed: lost, shut down, too many of them,
and a server that has become a standby. https://www.postgresql.org/docs/current/errcodes-appendix.html
"""
_CLOGGED: Final = ("53", "55P03", "57014")
"""The same for errors that the next step would meet too, after the same wait: no disk space or memory, a lock
that was not free in time, a statement that took too long.
"""
_REFUSED: Final = ("22", "23", "54")
"""The same for errors of the values themselves: not a number, a broken constraint, a row too large."""
_WHERE: Final = re.compile(
    r"^.*(?:connection to server (?:at|on) .*? failed|connection is bad|connection failed): ", re.DOTALL
)


def connect(address: PostgresUrl, statement: float = STATEMENT) -> psycopg.Connection[Any]:
    """A new connection, which commits each statement at once unless a transaction is begun. statement: the
    most seconds that the server spends on one statement. Raises psycopg.Error.
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
    """Raise ValueError if libpq does not understand the URL, with the reason, which quotes no value."""
    try:
        conninfo_to_dict(address.uri.reveal())
    except psycopg.ProgrammingError as error:
        found = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
        raise ValueError(
            f"has the unknown parameter {found[1]}" if found else "is no connection URI of PostgreSQL"
        ) from None


def is_lost(error: psycopg.Error) -> bool:
    """Whether the error means that its connection cannot be used any more."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_LOST) and state != "57014"


def is_hopeless(error: psycopg.Error) -> bool:
    """Whether the next step would very likely fail as well, after as long a wait."""
    return is_lost(error) or (error.sqlstate or "").startswith(_CLOGGED)


def refuses_data(error: psycopg.Error) -> bool:
    """Whether the server refuses the values of a statement, and would refuse them again."""
    return (error.sqlstate or "").startswith(_REFUSED)


def in_words(error: psycopg.Error) -> str:
    """What the server or the driver says, in one line and without addresses."""
    last = str(error).strip().rpartition("\n- ")[2]  # of several hosts, the last one that was tried
    return _WHERE.sub("", last).partition("\n")[0].strip() or type(error).__name__


class _Text(StrDumperUnknown):
    """Sends a text. U+0000, which PostgreSQL's texts cannot hold, becomes its picture, U+2400; so it does in
    the conditions of a SELECT, and the row is found again.
    """

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\u2400") if "\x00" in obj else obj)
