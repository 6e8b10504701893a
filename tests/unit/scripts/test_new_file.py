"""The script writes the file from which new SQLite files get their tables."""

from __future__ import annotations

from dragoman.stores.usage_file import SCHEMA
from scripts.new_file import text


def test_the_packaged_file_is_what_the_migrations_make() -> None:
    """Else: `python -m scripts.new_file --write`."""
    assert SCHEMA.read_text() == text()
