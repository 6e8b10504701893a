"""Limits on what all clients use together, or one client alone: requests at once, bytes on disk and in
memory, and the CPU time of large requests.
"""
