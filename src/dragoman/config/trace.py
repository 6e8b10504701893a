"""The settings of the traces of finished requests, which `dragoman trace` and `/admin/exchanges` show."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section, about


class Trace(Section, frozen=True):
    """Traces of the latest finished requests.

    A trace says who asked for what, which deployments were called or not and why, times, losses and usage.
    Each worker keeps the latest traces in memory; a database keeps them longer if `store` is set.
    """

    keep: Annotated[int, about(env="DRAGOMAN_TRACE_KEEP", unit="requests", ge=0, le=1_000_000)] = 1000
    """How many requests that named a model each worker keeps. Up to a tenth as many other requests are kept
    beside them. 0 = none."""
    bodies: Annotated[bool, about(env="DRAGOMAN_TRACE_BODIES")] = False
    """Whether the bodies of requests and responses are kept, too: what users and models said, in plain text.
    Whatever looks like a key is replaced where they are shown, and before they are stored. Forms, files,
    sound and WebSocket messages are never kept."""
    max_body: Size = Size(64_000)
    """How much of each body is kept."""
    max_size: Size = Size(64_000_000)
    """The size of all kept bodies together, in each worker. The oldest are dropped first."""
    store: Annotated[
        str | None, about(env="DRAGOMAN_TRACE_STORE", default="requests are kept in memory only")
    ] = None
    """Where finished requests are stored, so that a restart does not forget them: `sqlite` keeps them in the
    file `exchanges.db` in Dragoman's own folder; a URL chooses the file:
    `sqlite:////var/lib/dragoman/exchanges.db`. The file is not encrypted. Needs the extra `sql`. A URL
    `postgresql://user:password@host:5432/name` keeps them in a PostgreSQL server (extra `postgres`)."""
    store_ttl: Duration = Duration(7 * 86400)
    """How long a finished request is stored."""
    store_size: Size = Size(1_000_000_000)
    """The total size of all stored requests. When it is reached, the client with the most data loses its
    oldest ones. A request without bodies takes about 3 kB."""

    @property
    def body(self) -> int:
        """How many bytes of each body are kept at most, in memory or in the store; 0 = bodies are not
        kept.
        """
        return self.max_body if self.bodies and (self.keep or self.store is not None) else 0
