"""A stand-in for a model that needs no key, no network and no weights: for demos, tests and benchmarks.

It answers every request in kind (text, tool calls, JSON by schema, thoughts, several candidates, stop
sequences, length limits, usage), always the same for the same request, and takes time or fails when told to.
docs/simulator.md describes what it can be told.
"""

from dragoman.upstreams.simulate.plan import MODELS
from dragoman.upstreams.simulate.upstream import SimulateUpstream

__all__ = ["MODELS", "SimulateUpstream"]
