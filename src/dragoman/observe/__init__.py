"""Observers of finished exchanges (access log, finished exchanges with their traces, health, measured
performance, metrics, counters of bounds), the forms of reports on usage, and the writer of the log.

An observer reads exchanges and does not change them. On the board, workers tell each other their counts.
"""
