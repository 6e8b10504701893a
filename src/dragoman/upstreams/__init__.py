"""The upstreams that an attempt calls to answer a request: providers over HTTP, models on this machine, and
the simulator.
"""
