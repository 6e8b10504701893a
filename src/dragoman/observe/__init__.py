"""Observers of finished exchanges (access log, health, measured performance, metrics, counters of bounds),
and the writer of the log.

An observer reads exchanges and does not change them. On the board, workers tell each other their counts.
"""
