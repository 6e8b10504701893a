"""Texts compared by their code points, in both databases."""

from __future__ import annotations

from typing import Any

import pytest

sa = pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from sqlalchemy.dialects import postgresql, sqlite  # noqa: E402 (after the check)

from dragoman.stores.sql.directory import _PAGE  # noqa: E402
from dragoman.stores.sql.texts import ByCodePoints, begins, contains, whole  # noqa: E402

POSTGRESQL: Any = postgresql
SQLITE: Any = sqlite
NAME = sa.column("name", sa.String)


def test_postgresql_does_not_sort_by_the_rules_of_a_language() -> None:
    """The order of a database depends on how it was made, so that a test cannot see it everywhere."""
    statement = sa.select(NAME).where(ByCodePoints(NAME) > "a").order_by(ByCodePoints(NAME))
    text = str(statement.compile(dialect=POSTGRESQL.dialect()))
    assert '(name) COLLATE "C" > ' in text
    assert text.endswith('ORDER BY (name) COLLATE "C"')
    assert "COLLATE" not in str(statement.compile(dialect=SQLITE.dialect()))
    assert str(_PAGE.compile(dialect=POSTGRESQL.dialect())).count('COLLATE "C"') == 2


def test_the_case_of_letters_matters_and_no_character_is_special() -> None:
    with sa.create_engine("sqlite://").connect() as connection:

        def holds(condition: object) -> bool:
            return bool(connection.execute(sa.select(condition)).scalar_one())

        value = sa.literal("own/M_1%")
        assert holds(contains(value, "/M_1%"))
        assert not holds(contains(value, "/m"))
        assert not holds(contains(value, "M%1"))
        assert holds(begins(value, "own/"))
        assert not holds(begins(value, "OWN"))
        assert not holds(begins(value, "_wn"))
        assert holds(begins(value, ""))


def test_only_half_of_a_surrogate_pair_is_replaced() -> None:
    assert whole("a\ud800b\udc00") == "a?b?"
    assert whole("plain") == "plain"
    assert whole("\0é\U0001f600") == "\0é\U0001f600"
