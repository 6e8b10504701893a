"""Cuts bytes into frames (single events or lines of a stream) and JSON values, and writes them. No module
here does IO or knows a protocol.

Bytes that cannot be cut raise `WireError`, which states the problem and its place, but not who caused it.
"""
