"""The migration that creates the table `shares`: how many bytes and rows each owner has in some tables.

Triggers update `shares`. With this table, a write need not add up the sizes of all rows. The triggers also
count rows that other versions of Dragoman write. SQLite and PostgreSQL need different statements for the
triggers.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KINDS: Final = (
    ("conversations", "{0}.tenant", "{0}.size", "size"),
    ("responses", "{0}.tenant", "{0}.size", "size"),
    ("seals", "hex({0}.owner)", "{0}.size", "size"),
    # `sessions.size` counts only the content of the turns, not the overhead of their rows.
    ("sessions", "{0}.tenant", "({0}.size + 400 * ({0}.turns + 1))", "size, turns"),
)
"""For each counted table: its name, SQL for a row's owner, SQL for a row's bytes, the columns in that SQL."""

STATEMENTS: Final = (
    """
    INSERT INTO shares (kind, owner, size, entries)
    SELECT '{kind}', {own}, sum({size}), count(*) FROM {kind} GROUP BY {own}
    """,
    """
    CREATE TRIGGER {kind}_come AFTER INSERT ON {kind} BEGIN
        INSERT INTO shares (kind, owner, size, entries) VALUES ('{kind}', {new_owner}, {new}, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = size + excluded.size, entries = entries + 1;
    END
    """,
    """
    CREATE TRIGGER {kind}_change AFTER UPDATE OF {columns} ON {kind} BEGIN
        UPDATE shares SET size = size + {new} - {old} WHERE kind = '{kind}' AND owner = {new_owner};
    END
    """,
    """
    CREATE TRIGGER {kind}_leave AFTER DELETE ON {kind} BEGIN
        UPDATE shares SET size = size - {old}, entries = entries - 1
        WHERE kind = '{kind}' AND owner = {old_owner};
    END
    """,
)
"""SQL templates for one table in SQLite: add up its existing rows, and create the triggers for later
changes."""

POSTGRES: Final = (
    "LOCK TABLE {kind} IN SHARE ROW EXCLUSIVE MODE",  # no row comes between the sum and the triggers
    STATEMENTS[0],
    """
    CREATE FUNCTION {kind}_come() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO shares AS s (kind, owner, size, entries) VALUES ('{kind}', {new_owner}, {new}, 1)
        ON CONFLICT (kind, owner) DO UPDATE SET size = s.size + excluded.size, entries = s.entries + 1;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION {kind}_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE shares SET size = size + {new} - {old} WHERE kind = '{kind}' AND owner = {new_owner};
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION {kind}_leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE shares SET size = size - {old}, entries = entries - 1
        WHERE kind = '{kind}' AND owner = {old_owner};
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER {kind}_come AFTER INSERT ON {kind} FOR EACH ROW EXECUTE FUNCTION {kind}_come()",
    """
    CREATE TRIGGER {kind}_change AFTER UPDATE OF {columns} ON {kind} FOR EACH ROW
    EXECUTE FUNCTION {kind}_change()
    """,
    "CREATE TRIGGER {kind}_leave AFTER DELETE ON {kind} FOR EACH ROW EXECUTE FUNCTION {kind}_leave()",
)
"""The same for PostgreSQL, whose triggers call functions."""


def upgrade() -> None:
    """Create `shares` and the index `sessions_by_owner`, add up the existing rows, create the triggers."""
    op.create_table(
        "shares",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
    )
    op.create_index("sessions_by_owner", "sessions", ["tenant", "used"])
    for row in KINDS:
        count(*row)


def count(kind: str, owner: str, size: str, columns: str) -> None:
    """Add up the existing rows of one table (`kind`), and create the triggers that count later changes.
    owner, size: SQL for a row's owner and for a row's bytes, with `{0}` in place of the table's name (or of
    OLD or NEW, in a trigger). columns: the columns in `size`, separated by commas; an UPDATE of other
    columns, such as the owner's, runs no trigger.
    """
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        owner = owner.replace("hex({0}.owner)", "upper(encode({0}.owner, 'hex'))")
    words = {
        "kind": kind,
        "columns": columns,
        "own": owner.format(kind),
        "size": size.format(kind),
        "old": size.format("OLD"),
        "new": size.format("NEW"),
        "old_owner": owner.format("OLD"),
        "new_owner": owner.format("NEW"),
    }
    for statement in POSTGRES if postgres else STATEMENTS:
        op.execute(statement.format(**words))
