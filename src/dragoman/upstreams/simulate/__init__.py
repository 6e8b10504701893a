"""A simulated model that needs no key, no network and no model file: for demos, tests and benchmarks.

It answers chats in text and all operations but counting; the same request always gets the same answer. It can
be told to take time or to fail: docs/simulator.md lists its instructions.
"""

from dragoman.upstreams.simulate.plan import MODELS
from dragoman.upstreams.simulate.upstream import SimulateUpstream

__all__ = ["MODELS", "SimulateUpstream"]
