"""The migration that creates the table of the amounts that were charged to the counters of limits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the table and its index."""
    room: dict[str, Any] = {"postgresql_with": {"fillfactor": 70}, "sqlite_with_rowid": False}
    op.create_table(
        "limit_counters",
        sa.Column("counter", sa.String, primary_key=True),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        **room,
    )
    op.create_index("limit_counters_by_end", "limit_counters", ["ends"])
