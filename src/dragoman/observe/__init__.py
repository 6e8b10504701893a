"""Observers of finished exchanges: the access log, the store of finished exchanges with their traces, health,
measured speeds, metrics, and the counters of bounds (limits that protect the gateway from clients and
providers). An observer reads exchanges and does not change them.

Also here: usage reports as JSON and CSV, the writer of log lines, the memory in which workers share their
counts, and the metrics that the operating system and Python state about a process.
"""
