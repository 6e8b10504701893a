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

    id: the gateway's own, which is unique. request_id: the client's, or made from `id`. created: when the
    exchange began. client, model, status, end, error (a code): as in its trace; None = the trace has none.
    called: the deployments that its attempts called (`provider/model`). attempts, losses: how many it had.
    line: its entry in a list of exchanges, as JSON. trace: its whole trace, as JSON, perhaps compressed.
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
    """Which exchanges are wanted: those that match every field that is set (not None or False).

    client, model, error: must be equal. deployment, provider: one of the attempts called it. status: the
    smallest and the largest one. end: a text with which the exchange's `end` begins. since, until: bounds of
    the time when it began, Unix seconds. losses, failover, failed: True = only exchanges that have some. q:
    the beginning of the id, or a part of the request's id. before: the last exchange (`created`, `id`) of the
    previous page; the wanted ones come after it in the list.
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
        """Store exchanges, and return how many of them are stored now. An exchange whose id is stored already
        stays as it is, and counts. One that is too large for the store is left out. Raises StoreFailed.
        """

    async def find(self, id_: str) -> bytes | None:
        """The trace of the exchange with this id, or of the latest with this request id; None = it is not
        stored. Raises StoreFailed.
        """

    async def listed(self, search: Search, limit: int) -> list[bytes]:
        """The lines of at most `limit` of the wanted exchanges, the latest first. Raises StoreFailed."""

    async def sweep(self, now: float) -> None:
        """At the time `now`, delete the exchanges that are too old, and further ones while all together are
        too large. Raises StoreFailed.
        """

    async def close(self) -> None:
        """Close the store for good."""
