"""The interface of the store that keeps finished exchanges, so that traces last longer than the process.

The store reads only the values that it finds exchanges by. The line of a list and the trace are bytes to it.
Times are Unix seconds. A store that fails raises StoreFailed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class StoredExchange(msgspec.Struct, frozen=True):
    """One finished exchange.

    id: the gateway's, which is unique. request_id: the client's, or made from `id`. created: when it began.
    client, model, status, end, error (a code): as in its trace, None = it has none. called: the deployments
    of its attempts (`provider/model`). attempts, losses: their numbers. line: its line in a list, as JSON.
    trace: its trace, as JSON, in any compression.
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


class Search(msgspec.Struct, frozen=True):
    """Which exchanges are wanted; each field that is not None has to match.

    client, model, error: equal. deployment, provider: of one of the attempts. status: the least and the
    greatest. end: the beginning of the end. since, until: when it began. losses, failover, failed: True = it
    has some. q: the beginning of the id, or a part of the request's id. before: the place in the list, as
    `created` and `id`, after which the wanted ones come.
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


class Exchanges(Protocol):
    """Keeps finished exchanges until they are too old or too many."""

    async def keep(self, exchanges: Sequence[StoredExchange]) -> int:
        """Store exchanges, and return how many were stored. One with an id that is known changes nothing; one
        that is larger than the whole store is left out. Raises StoreFailed.
        """

    async def find(self, id_: str) -> bytes | None:
        """The trace of the exchange with this id, or of the latest with this request id; None = it is not
        stored. Raises StoreFailed.
        """

    async def listed(self, search: Search, limit: int) -> list[bytes]:
        """The lines of at most `limit` of the wanted exchanges, the latest first. Raises StoreFailed."""

    async def sweep(self, now: float) -> None:
        """Delete what is too old or too much at `now`. Raises StoreFailed."""

    async def close(self) -> None:
        """Close the store for good."""
