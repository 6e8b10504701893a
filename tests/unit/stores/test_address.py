"""The values of `stores.sql`: memory, our own file, or the URL of a file or of a server's database."""

from __future__ import annotations

import pytest

from dragoman.stores.address import PostgresUrl, database, shown


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        ("memory", None),
        ("sqlite", ""),
        ("sqlite:///state.db", "state.db"),
        ("sqlite:////var/lib/state.db", "/var/lib/state.db"),
        ("sqlite:///~/state.db", "~/state.db"),
    ],
)
def test_a_value_names_its_file(stated: str, path: str | None) -> None:
    assert database(stated) == path
    assert shown(stated) == stated


@pytest.mark.parametrize(
    ("stated", "uri", "seen"),
    [
        ("postgresql://h/db", "postgresql://h/db", "postgresql://h/db"),
        ("postgres://u:p%40ss@h:5433/db", "postgresql://u:p%40ss@h:5433/db", "postgresql://u@h:5433/db"),
        (
            "postgresql+psycopg://u:p@h:1,[::1]:2/db?sslmode=require&password=p",
            "postgresql://u:p@h:1,[::1]:2/db?sslmode=require&password=p",
            "postgresql://u@h:1,[::1]:2/db",
        ),
        ("postgresql:///db?host=/run/pg", "postgresql:///db?host=/run/pg", "postgresql:///db"),
        ("postgresql://", "postgresql://", "postgresql://"),
    ],
)
def test_a_url_of_a_server_is_shown_without_password_and_parameters(stated: str, uri: str, seen: str) -> None:
    place = database(stated)
    assert isinstance(place, PostgresUrl)
    assert (place.uri.reveal(), str(place), shown(stated)) == (uri, seen, seen)
    assert "p%40ss" not in repr(place)


@pytest.mark.parametrize(
    "stated", ["", "mysql://h/db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "state.db"]
)
def test_what_names_none_is_refused(stated: str) -> None:
    with pytest.raises(ValueError, match="must be memory, sqlite, a sqlite URL or a postgresql URL"):
        database(stated)


@pytest.mark.parametrize(
    "stated",
    [
        "postgresql://u:s3c@ret@h/db",
        "postgresql://u:s3c/ret@h/db",
        "postgresql://u:s3c?ret@h/db",
        "postgresql://u:s3c#ret@h/db",
        "postgresql://u:s3cret",
        "postgresql://h: 1/db",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_and_never_shown(stated: str) -> None:
    with pytest.raises(ValueError, match="%40") as raised:
        database(stated)
    assert "s3c" not in str(raised.value)
    assert shown(stated) == "postgresql://…"
