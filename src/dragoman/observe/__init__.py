"""Observers of finished exchanges (access log, finished exchanges with their traces, health, measured
performance, metrics, counters of bounds), the forms of reports on usage, the writer of the log, and the
shared memory by which workers tell each other their counts.

An observer reads exchanges and does not change them.
"""
