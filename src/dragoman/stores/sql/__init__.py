"""The store in a database, which other processes share and which outlives this one."""
