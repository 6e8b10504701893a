"""The migration that creates the first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "conversations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("metadata", sa.LargeBinary, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("next", sa.Integer, nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("conversations_by_end", "conversations", ["expires"])
    op.create_index("conversations_by_use", "conversations", ["tenant", "used", "size"])
    op.create_table(
        "responses",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("inputs", sa.Integer, nullable=False),
        sa.Column("previous", sa.String),
        sa.Column("conversation", sa.String),
        sa.Column("deployment", sa.String),
        sa.Column("background", sa.Boolean, nullable=False),
        sa.Column("expires", sa.Double),
        sa.Column("lease", sa.Double),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("responses_by_end", "responses", ["expires"])
    op.create_index("responses_by_lease", "responses", ["lease"])
    op.create_index("responses_by_use", "responses", ["tenant", "used", "size"])
    op.create_table(
        "seals",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("owner", sa.LargeBinary, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("seals_by_end", "seals", ["until"])
    op.create_index("seals_by_use", "seals", ["owner", "until", "size"])
    op.create_table(
        "secrets",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("next", sa.Integer, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("used", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
    )
    op.create_index("sessions_by_end", "sessions", ["expires"])
    op.create_index("sessions_by_use", "sessions", ["used"])
    op.create_table(
        "conversation_items",
        sa.Column(
            "conversation", sa.String, sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    _index_items("conversation_items")
    op.create_table(
        "response_events",
        sa.Column("response", sa.String, sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "response_items",
        sa.Column("response", sa.String, sa.ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    _index_items("response_items")
    op.create_table(
        "seal_keys",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("seal", NUMBER, sa.ForeignKey("seals.number", ondelete="CASCADE"), nullable=False),
    )
    op.create_index("seal_keys_by_seal", "seal_keys", ["seal"])
    op.create_table(
        "session_turns",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["id", "tenant"], ["sessions.id", "sessions.tenant"], ondelete="CASCADE"),
    )


def _index_items(table: str) -> None:
    """Create the index of a table of items by item id. Clients choose ids of any length, and a B-tree of
    PostgreSQL refuses more than 2,704 bytes, so the index is a hash index of the id in PostgreSQL. In SQLite
    it is a B-tree of the client's name and the id.
    https://www.postgresql.org/docs/current/hash-index.html
    """
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(f"{table}_by_id", table, ["id"], postgresql_using="hash")
    else:
        op.create_index(f"{table}_by_id", table, ["tenant", "id"])
