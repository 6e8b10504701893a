"""The migration that creates the tables of client keys, tenants, teams, users and tenants' provider keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "directory",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("text", sa.LargeBinary),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("before", sa.LargeBinary),
    )
    op.create_index("directory_by_version", "directory", ["version"], unique=True)
    op.create_table(
        "key_uses",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "own_keys",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("provider", sa.String, primary_key=True),
        sa.Column("cipher", sa.LargeBinary, nullable=False),
        sa.Column("master", sa.String, nullable=False),
        sa.Column("shown", sa.String, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
