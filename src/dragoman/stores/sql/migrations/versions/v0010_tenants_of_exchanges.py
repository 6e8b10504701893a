"""The migration that adds the tenant to finished exchanges, so that its administrators find them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column and its index. Rows that are there already, and rows that an older version writes later,
    have no tenant: they are not in the index.
    """
    op.add_column("exchanges", sa.Column("tenant", sa.String))
    known = sa.text("tenant IS NOT NULL")
    op.create_index(
        "exchanges_by_tenant",
        "exchanges",
        ["tenant", "created", "id"],
        sqlite_where=known,
        postgresql_where=known,
    )
