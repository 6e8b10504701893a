"""The values of `stores.sql`: memory, our own file, or the URL of a file."""

import pytest

from dragoman.stores.address import database


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


@pytest.mark.parametrize(
    "stated", ["", "postgresql://h/db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "state.db"]
)
def test_what_names_none_is_refused(stated: str) -> None:
    with pytest.raises(ValueError, match="must be memory, sqlite or a sqlite URL"):
        database(stated)
