"""Cutting bytes into frames and values: incremental, sans-IO, without interpreting them.

No module here reads a socket, knows a dialect or changes a value. Bytes that cannot be cut raise
`WireError`, which states the problem and its place, but not who caused it.
"""
