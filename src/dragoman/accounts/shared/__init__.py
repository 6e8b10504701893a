"""The ledger whose counters several processes and machines share, through a Valkey or Redis server."""
