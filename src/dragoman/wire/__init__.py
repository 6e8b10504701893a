"""Cuts bytes into frames and values (streams piece by piece) and writes them; without IO, in no dialect.

Bytes that cannot be cut raise `WireError`, which states the problem and its place, but not who caused it.
"""
