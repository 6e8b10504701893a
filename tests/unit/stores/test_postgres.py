"""How a connection is made, and what its errors mean."""

from __future__ import annotations

import psycopg
import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from psycopg import errors

from dragoman.seams.secret import Secret
from dragoman.stores.address import PostgresUrl
from dragoman.stores.postgres import checked, connect, in_words, is_hopeless, is_lost
from tests.postgres import PostgresServer


def url(text: str) -> PostgresUrl:
    return PostgresUrl(Secret(text), "shown")


def test_every_wait_of_a_connection_has_an_end(postgres: PostgresServer) -> None:
    with connect(url(postgres.url())) as connection:
        limits = "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"
        assert [connection.execute(f"SHOW {name}").fetchone() for name in limits] == [("5s",)] * 3
        assert connection.info.get_parameters()["connect_timeout"] == "3"
        assert connection.info.get_parameters()["application_name"] == "dragoman"


def test_what_the_url_states_wins(postgres: PostgresServer) -> None:
    stated = url(f"{postgres.url()}&connect_timeout=9&application_name=mine")
    with connect(stated) as connection:
        assert connection.info.get_parameters()["connect_timeout"] == "9"
        assert connection.execute("SHOW application_name").fetchone() == ("mine",)


def test_a_text_with_nul_is_sent_with_its_picture(postgres: PostgresServer) -> None:
    with connect(url(postgres.url())) as connection:
        assert connection.execute("SELECT %s::text, %s::text", ["a\0b", "ab"]).fetchone() == (
            "a\u2400b",
            "ab",
        )


def test_a_parameter_that_libpq_does_not_know_is_named_without_values() -> None:
    checked(url("postgresql://u:secret@h,i:5433/db?sslmode=require&target_session_attrs=read-write"))
    with pytest.raises(ValueError, match=r"^has the unknown parameter nonsense$"):
        checked(url("postgresql://u:secret@h/db?nonsense=secret"))
    with pytest.raises(ValueError, match=r"^is no connection URI of PostgreSQL$"):
        checked(url("postgresql://u:secret@h:5432:1/%zz"))


@pytest.mark.parametrize(
    ("error", "lost", "hopeless"),
    [
        (psycopg.OperationalError("consuming input failed"), True, True),
        (psycopg.InterfaceError("the connection is closed"), True, True),
        (errors.AdminShutdown(), True, True),
        (errors.TooManyConnections(), True, True),
        (errors.ReadOnlySqlTransaction(), True, True),
        (errors.QueryCanceled(), False, True),
        (errors.LockNotAvailable(), False, True),
        (errors.DiskFull(), False, True),
        (errors.UniqueViolation(), False, False),
        (errors.DeadlockDetected(), False, False),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else None,
)
def test_what_an_error_means_for_the_next_step(error: psycopg.Error, *, lost: bool, hopeless: bool) -> None:
    assert (is_lost(error), is_hopeless(error)) == (lost, hopeless)


def test_errors_are_told_without_addresses() -> None:
    for said in (
        'connection failed: connection to server at "10.0.0.1", port 5432 failed: FATAL:  no such role',
        (
            'connection failed: connection to server on socket "/a/.s.PGSQL.1" failed: FATAL:  no such role\n'
            "\tIs the server running?"
        ),
        (
            "Multiple connection attempts failed. All failures were:\n"
            "- host: 'a': connection failed: connection to server at \"a\", port 1 failed: refused\n"
            "- host: 'b': connection failed: connection to server at \"b\", port 1 failed: "
            "FATAL:  no such role"
        ),
        "FATAL:  no such role",
    ):
        assert in_words(psycopg.OperationalError(said)) == "FATAL:  no such role"
    assert in_words(psycopg.OperationalError("")) == "OperationalError"
