"""The migration that creates the table for finished exchanges (`trace.store`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from dragoman.stores.sql.migrations.versions.v0002_shares import count

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, its indexes, and the triggers that count its rows."""
    op.create_table(
        "exchanges",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("model", sa.String),
        sa.Column("status", sa.Integer),
        sa.Column("ending", sa.String),
        sa.Column("error", sa.String),
        sa.Column("called", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.Column("trace", sa.LargeBinary, nullable=False),
    )
    op.create_index("exchanges_by_request", "exchanges", ["request_id"])
    op.create_index("exchanges_by_time", "exchanges", ["created", "id"])
    op.create_index("exchanges_by_owner", "exchanges", ["owner", "created", "size"])
    op.create_index("exchanges_by_model", "exchanges", ["model", "created"])
    named = sa.text("error IS NOT NULL")
    op.create_index(
        "exchanges_failed", "exchanges", ["created", "id"], sqlite_where=named, postgresql_where=named
    )
    failed = sa.text("status >= 400")
    op.create_index(
        "exchanges_by_status",
        "exchanges",
        ["status", "created"],
        sqlite_where=failed,
        postgresql_where=failed,
    )
    op.create_index(
        "exchanges_by_error", "exchanges", ["error", "created"], sqlite_where=named, postgresql_where=named
    )
    count("exchanges", "{0}.owner", "{0}.size", "size")
