"""Writes `schema.sql`, from which a new SQLite file gets its tables without SQLAlchemy and Alembic.

python -m scripts.new_file            # compares: exit status 1 if the file is not what the migrations make
python -m scripts.new_file --write    # after a new migration
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from dragoman.stores.sql.opening import opened
from dragoman.stores.standing import HEAD
from dragoman.stores.usage_file import SCHEMA

_MADE = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
_MARKS = "SELECT name, value FROM schema_marks ORDER BY name"


async def statements() -> list[str]:
    """The statements that make what the migrations make."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "new.db")
        await (await opened(file)).close()
        with closing(sqlite3.connect(file)) as connection:
            made = [text.strip() for (text,) in connection.execute(_MADE)]
            marks = [f"('{name}', '{value}')" for name, value in connection.execute(_MARKS)]
    made.append(f"INSERT INTO alembic_version VALUES ('{HEAD}')")  # noqa: S608
    made.append(f"INSERT INTO schema_marks VALUES {', '.join(marks)}")  # noqa: S608
    return made


def text() -> str:
    """The whole file."""
    return "\n\n".join(asyncio.run(statements())) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        SCHEMA.write_text(text())
    elif SCHEMA.read_text() != text():
        sys.exit(f"{SCHEMA.name} is not what the migrations make: run `python -m scripts.new_file --write`")
