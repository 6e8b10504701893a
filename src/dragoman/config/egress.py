"""The settings of what requests may make Dragoman read at addresses that they name."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.about import about
from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section


class Egress(Section, frozen=True):
    """Where requests may make Dragoman connect to."""

    allow: Annotated[
        tuple[str, ...],
        about(
            "Hosts, addresses and networks (`10.0.0.0/8`) that a request may name although they are not "
            "public, for images to fetch. Providers of the configuration are always allowed."
        ),
    ] = ()
    max_addresses: Annotated[
        int,
        about("Addresses of one request that are read; with more 400.", unit="addresses", ge=1, le=1000),
    ] = 20
    max_size: Annotated[
        Size, about("The largest file that is read at an address, decompressed; above it 400.")
    ] = Size(20 * 1024 * 1024)
    max_total: Annotated[Size, about("The same for all addresses of one request together.")] = Size(
        64 * 1024 * 1024
    )
    read_timeout: Annotated[
        Duration, about("How long all addresses of one request may take; then 400. 0 = no limit.")
    ] = Duration(30)
    max_reads: Annotated[
        int,
        about(
            "Addresses of all requests that are read at the same time, in each worker. One client has a "
            "quarter of them; others of its requests wait.",
            unit="addresses",
            ge=1,
        ),
    ] = 64
    wait: Annotated[
        Duration, about("How long one waits for that; then 503 (`fetch_busy`). 0 = no limit.")
    ] = Duration(10)
    space: Annotated[
        Size,
        about(
            "What was read for all requests and is held until they have ended, in each worker; what goes "
            "beyond it is refused with 503 (`fetch_busy`). One client has half of it, and one request alone "
            "always has its room. In memory it takes up to three times as much."
        ),
    ] = Size(256_000_000)
    max_lookups: Annotated[
        int,
        about(
            "Names in requests that are looked up at the same time, in each worker. One client has a quarter "
            "of them; others of its requests wait.",
            unit="names",
            ge=1,
            le=1000,
        ),
    ] = 16
    lookup_timeout: Annotated[
        Duration,
        about(
            "How long a look-up may take, the wait for its turn included; then 400 "
            "(`name_resolution_timeout`), or 503 (`fetch_busy`) without a turn. 0 = no limit."
        ),
    ] = Duration(5)
