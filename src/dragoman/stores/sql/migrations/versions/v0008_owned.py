"""The migration that creates the table of the clients that own objects at providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        "owned",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("upstream", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_index("owned_by_upstream", "owned", ["provider", "upstream"], unique=True)
    op.create_index("owned_by_owner", "owned", ["owner", "provider", "kind"])
