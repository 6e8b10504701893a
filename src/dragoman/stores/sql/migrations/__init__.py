"""How a database came to have its tables; see `stores.sql.migrate`."""
