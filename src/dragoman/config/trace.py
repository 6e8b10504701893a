"""Settings for the traces of finished requests, which `dragoman trace` and `/admin/exchanges` show."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.scalars import Size
from dragoman.config.section import Section, about


class Trace(Section, frozen=True):
    """Traces of the latest finished requests, which each worker keeps in memory: who asked for what, who was
    called or not and why, times, losses and usage.
    """

    keep: Annotated[int, about(env="DRAGOMAN_TRACE_KEEP", unit="requests", ge=0, le=1_000_000)] = 1000
    """How many requests for a model each worker keeps. A tenth as many other requests are kept beside them.
    0 = none."""
    bodies: Annotated[bool, about(env="DRAGOMAN_TRACE_BODIES")] = False
    """Whether the bodies of requests and responses are kept, too: what users and models said, in plain text.
    Whatever looks like a key is replaced where they are shown. Forms, files, sound and WebSocket messages are
    never kept."""
    max_body: Size = Size(64_000)
    """How much of each body is kept."""
    max_size: Size = Size(64_000_000)
    """The size of all kept bodies together, in each worker. The oldest are dropped first."""
