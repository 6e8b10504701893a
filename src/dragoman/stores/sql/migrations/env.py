"""Runs migrations on the connection that `stores.sql.migrate` brings; Alembic reads this file by its name."""

from __future__ import annotations

from alembic import context

from dragoman.stores.sql.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
