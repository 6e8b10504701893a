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
            "Hosts, addresses and networks (`10.0.0.0/8`) from which the gateway may fetch files that "
            "requests name, although they are not public. Providers of the configuration are always "
            "allowed."
        ),
    ] = ()
    max_addresses: Annotated[
        int,
        about("How many URLs of one request are fetched; with more 400.", unit="addresses", ge=1, le=1000),
    ] = 20
    max_size: Annotated[Size, about("The largest file that is fetched, decompressed; above it 400.")] = Size(
        20 * 1024 * 1024
    )
    max_total: Annotated[Size, about("The same for all files of one request together.")] = Size(
        64 * 1024 * 1024
    )
    read_timeout: Annotated[
        Duration, about("How long all fetches of one request may take; then 400. 0 = no limit.")
    ] = Duration(30)
    max_reads: Annotated[
        int,
        about(
            "How many URLs are fetched at the same time, for all requests, in each worker. One client has "
            "at most a quarter of them; its other fetches wait.",
            unit="addresses",
            ge=1,
        ),
    ] = 64
    wait: Annotated[
        Duration, about("How long a fetch waits for its turn; then 503 (`fetch_busy`). 0 = no limit.")
    ] = Duration(10)
    space: Annotated[
        Size,
        about(
            "Room for the fetched files of all running requests, in each worker; beyond it 503 "
            "(`fetch_busy`). One client has at most half of it; a single request is never refused for "
            "this. In memory the files take up to three times as much."
        ),
    ] = Size(256_000_000)
    max_lookups: Annotated[
        int,
        about(
            "How many host names of requests are looked up at the same time, in each worker. One client "
            "has at most a quarter of them; its other look-ups wait.",
            unit="names",
            ge=1,
            le=1000,
        ),
    ] = 16
    lookup_timeout: Annotated[
        Duration,
        about(
            "How long a look-up may take, including the wait for its turn; then 400 "
            "(`name_resolution_timeout`), or 503 (`fetch_busy`) if its turn did not come. 0 = no limit."
        ),
    ] = Duration(5)
