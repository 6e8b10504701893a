"""The upstreams that answer requests: providers over HTTP, models on this machine, and the simulator. Also
the interface for custom upstreams.
"""
