"""Observers of finished exchanges: access log, health, measured performance, counters of limits.

An observer reads exchanges and does not change them. Through the board, workers tell each other their counts.
"""
