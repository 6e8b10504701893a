"""Limits of one process that all clients share: simultaneous requests, bytes, and CPU time. Imports nothing
of ours but errors and the IR.
"""
