"""The migrations of the database; see `stores.sql.migrate`."""
