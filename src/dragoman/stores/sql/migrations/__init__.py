"""The database migrations, which `stores.sql.migrate` runs."""
