"""What an attempt to answer a request calls: providers over HTTP, embedded models (on this machine), the
simulator.
"""
