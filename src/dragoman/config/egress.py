"""Settings for the files that the gateway fetches because a request names their URLs."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section, about


class Egress(Section, frozen=True):
    """Limits on the files that the gateway fetches because a request names their URLs.

    They can come from every public host, and from the private hosts in `allow`.
    """

    allow: tuple[str, ...] = ()
    """Private hosts, addresses and networks (`10.0.0.0/8`) from which the gateway may fetch files that a
    request names by URL. Requests to configured providers do not need it."""
    max_addresses: Annotated[int, about(unit="addresses", ge=1, le=1000)] = 20
    """How many URLs of one request the gateway fetches. A request with more gets 400."""
    max_size: Size = Size(20 * 1024 * 1024)
    """The largest file that is fetched, after decompression. A request with a larger file gets 400."""
    max_total: Size = Size(64 * 1024 * 1024)
    """The largest total size of all files that are fetched for one request. A larger total gets 400."""
    read_timeout: Duration = Duration(30)
    """How long all fetches of one request may take together. A request that needs longer gets 400. 0 = no
    limit."""
    max_reads: Annotated[int, about(unit="addresses", ge=1)] = 64
    """How many URLs each worker fetches at the same time. One client gets at most a quarter of them (at least
    one); its other fetches wait."""
    wait: Duration = Duration(10)
    """How long a fetch may wait to start. Then the request gets 503 (`fetch_busy`). 0 = no limit."""
    space: Size = Size(256_000_000)
    """The total size of fetched files of all running requests, in each worker; those of one client may take
    half of it. A request beyond that gets 503 (`fetch_busy`), unless it alone (in all, or of its client) has
    fetched files. The files use up to three times this amount of memory."""
    max_lookups: Annotated[int, about(unit="names", ge=1, le=1000)] = 16
    """How many DNS look-ups for URLs in requests each worker runs at the same time. One client gets at most a
    quarter of them (at least one); its other look-ups wait."""
    lookup_timeout: Duration = Duration(5)
    """How long a DNS look-up may take, including the wait to start. Then the request gets 400
    (`name_resolution_timeout`), or 503 (`fetch_busy`) if the look-up could not start. 0 = no limit."""
