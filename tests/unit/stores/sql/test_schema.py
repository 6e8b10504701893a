"""The tables, as other databases read them."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from dragoman.stores.sql.schema import METADATA


def test_postgresql_understands_the_tables() -> None:
    for table in METADATA.sorted_tables:
        words = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        textual = {"sessions", "shares", "chat_metadata", "schema_marks", "key_uses", "owned"}
        summed = table.name.startswith(("usage_", "limit_"))
        assert "BYTEA" in words or summed or table.name in textual
        assert "BLOB" not in words
