"""Limits that all clients share: requests at once, bytes on disk and in memory, and the CPU time of large
requests.
"""
