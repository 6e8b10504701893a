"""The benchmark: what the gateway costs, as a ratio to the same forwarding written by hand.

`python -m bench.run` from the repository's root. README.md says how it measures and how to read it.
"""
