"""The script that Alembic executes for a command that needs a database, such as `upgrade`: it runs migrations
on the connection that `stores.sql.migrate` gives.
"""

from __future__ import annotations

from alembic import context

from dragoman.stores.sql import limit_counters, usage_tables  # noqa: F401 - they complete METADATA
from dragoman.stores.sql.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
