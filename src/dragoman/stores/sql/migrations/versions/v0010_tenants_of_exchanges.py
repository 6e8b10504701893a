"""The migration that adds the tenant to finished exchanges, so that a tenant's administrators find them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column and its index, which contains only rows with a tenant. Rows that are there already, and
    rows that an older version writes later, have no tenant.
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
