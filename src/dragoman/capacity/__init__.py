"""Limits of one process that all clients share: simultaneous requests, bytes, and CPU time."""
