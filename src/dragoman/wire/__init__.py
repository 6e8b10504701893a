"""Cuts bytes into frames and values, and writes them: incremental, without IO, and without knowing a dialect.

Bytes that cannot be cut raise `WireError`, which states the problem and its place, but not who caused it.
"""
