"""Counters of limits that several processes and machines share, exactly, through a Valkey or Redis server."""
