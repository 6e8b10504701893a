"""A simulated model that needs no key, no network and no model file: for demos, tests and benchmarks.

It answers chats with text and tool calls, and supports embeddings, images, speech, transcription, moderation
and reranking. With the same seed, the same request to the same model name gets the same answer. The model's
name, and in a chat also the user's text, can instruct it to take time or to fail: docs/simulator.md lists the
instructions.
"""

from dragoman.upstreams.simulate.plan import MODELS
from dragoman.upstreams.simulate.upstream import SimulateUpstream

__all__ = ["MODELS", "SimulateUpstream"]
