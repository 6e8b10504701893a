"""The migration that creates the tables for stored chat completions (`store: true`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dragoman.stores.sql.migrations.versions.v0002_shares import count

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, and the triggers that count the rows of `chats`."""
    op.create_table(
        "chats",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("messages", sa.LargeBinary, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("chats_by_id", "chats", ["tenant", "id"], unique=True)
    op.create_index("chats_by_use", "chats", ["tenant", "used", "size"])
    op.create_index("chats_by_end", "chats", ["expires"])
    op.create_table(
        "chat_metadata",
        sa.Column("chat", NUMBER, sa.ForeignKey("chats.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    count("chats", "{0}.tenant", "{0}.size", "size")
