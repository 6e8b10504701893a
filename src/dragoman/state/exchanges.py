"""The interface of the store that keeps finished exchanges, so that traces outlive the process.

The store stores the bytes `line` and `trace` without reading them; it finds exchanges by the other fields.
Times are Unix seconds. A store that fails raises StoreFailed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec


class StoredExchange(msgspec.Struct, frozen=True):
    """One finished exchange.

    id: the gateway's id of the exchange, which is unique. request_id: the id that the client sent in a
    header, or one made from `id`; several exchanges may have the same. created: when the exchange began.
    client: the name of the client's key. model: the name that the client sent. status: the HTTP status that
    the client got. end: "done" after success, else who ended the exchange, in which phase, and for a failure
    with which code ("client/stream", "upstream/first_byte/server_error"). error: the code of the exchange's
    error, or its kind if it has no code. called: the deployments that its attempts called (`provider/model`),
    each once. attempts, losses: how many the exchange had. line: the exchange's entry in a list of exchanges,
    as JSON. trace: the exchange's complete trace, as JSON, which may be compressed. tenant: the tenant that
    the client's key belonged to when the exchange began; in a realtime session, when the client was last
    checked, which is done before each reply. None = unknown, or there is none.
    """

    id: str
    request_id: str
    created: float
    client: str | None
    model: str | None
    status: int | None
    end: str | None
    error: str | None
    called: tuple[str, ...]
    attempts: int
    losses: int
    line: bytes
    trace: bytes
    tenant: str | None = None


class Search(msgspec.Struct, frozen=True):
    """A filter for exchanges: an exchange matches if it matches every field that is set (not None and not
    False). The case of letters matters.

    client, model, error: the exchange must have the same value (a store may compare only the first
    characters). deployment, provider: at least one attempt called it. status: the smallest and the largest
    status, both included. end: a prefix of the exchange's `end`. since, until: the earliest and the latest
    beginning of the exchange, both included, Unix seconds. losses: True = it has losses. failover: True = it
    has more than one attempt. failed: True = it has an error. q: a prefix of the id, or a part of the request
    id. before: `created` and `id` of the last exchange on the previous page of a list, which has the latest
    exchanges first; only earlier exchanges match, and of those with the same `created` only those with a
    smaller id. tenant: the exchange must have the same value.
    """

    client: str | None = None
    model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    status: tuple[int, int] | None = None
    error: str | None = None
    end: str | None = None
    since: float | None = None
    until: float | None = None
    losses: bool = False
    failover: bool = False
    failed: bool = False
    q: str | None = None
    before: tuple[float, str] | None = None
    tenant: str | None = None


ALL: Final = Search()
"""The filter that every exchange matches."""


class Exchanges(Protocol):
    """Stores finished exchanges until they are too old or take too much space."""

    async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
        """Store exchanges. An exchange that is too large for the store is left out. An exchange whose id is
        stored already is not changed. If the store is full, the client with the most data loses its oldest
        exchanges. Return how many of the given exchanges were not too large, including those that were stored
        before. Raises StoreFailed; then nothing is stored.
        """

    async def find(self, id_: str, within: Search = ALL) -> bytes | None:
        """Return the trace (`StoredExchange.trace`) of the exchange with the id `id_`, or else of the latest
        exchange with this request id; None = no such exchange matches `within`. Raises StoreFailed.
        """

    async def listed(self, search: Search, limit: int) -> list[bytes]:
        """Return `StoredExchange.line` (JSON, the entry in a list) of the exchanges that match, the latest
        (by `created`) first, at most `limit` of them. [] = none matches. Raises StoreFailed.
        """

    async def sweep(self, now: float) -> None:
        """Delete the exchanges that are too old at the time `now` (Unix seconds). If the others take too much
        space, also delete the oldest exchanges of the clients with the most data. A store whose database is
        not open yet does nothing. Raises StoreFailed.
        """

    async def close(self) -> None:
        """Close the store, which cannot be used afterwards."""
