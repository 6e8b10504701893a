"""Observers of finished exchanges: the access log, the store of finished exchanges with their traces, health,
measured speeds, metrics, and the counters of bounds. An observer reads exchanges and does not change them.

Also here: usage reports as JSON and CSV, the writer of log lines, and the memory in which workers share their
counts.
"""
