"""The usage record of one exchange, and the interface of the store that keeps these records.

Everything that counts usage (limits, budgets, metrics, reports, the client's own numbers) reads this record,
so that all of them agree. Money is in nano-USD (10⁻⁹ USD), as whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class UsageLine(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """What one attempt has used. deployment: `provider/model`. units: amounts by unit, as
    `ir.units` names them, without zeros. cost: nano-USD; None = unknown, which is not 0. priced: the
    part of the cost that is known, None = all of it. estimated: units were estimated, because the provider
    did not state them. outcome: as `AttemptRecord.outcome`, "" = it has answered. key: the id of the
    provider's key. own: the key is the tenant's own, so that the cost is not the operator's. price: which
    price was used, for people. New fields come last, as in `UsageRecord`.
    """

    deployment: str
    provider: str
    units: dict[str, int] = {}
    cost: int | None = None
    priced: int | None = None
    estimated: bool = False
    outcome: str = ""
    key: str = ""
    own: bool = False
    price: str = ""


class UsageRecord(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """What one exchange has used, written once when it ends.

    id: of the exchange. created: when it began, ended: when it ended, both in Unix seconds. client: the name
    of the key; key: its id. tenant, team, user: whose key it is. end_user: whom the client names in its
    request (`user`, `safety_identifier`, …). model: as the client named it. deployment, provider: who was
    called last. status: of the answer. end: as `Exchange.end`. failed: the client got an error, or a cut
    stream. first, seconds, overhead: seconds until the first content, in all, and of the gateway itself; None
    = unknown. attempts: how many calls were made. units, cost, estimated: of all lines together. cost: None =
    the cost of any line is unknown; then `priced` is the sum of what is known. settled: the counters of
    limits that it was charged to, with the amounts. cut: the process ended before the exchange did; units and
    cost are those that were reserved. process: the name of the process that has served it, as its ledger has
    it.

    A journal has the fields in this order, without their names (`accounts.bodies`). So a field keeps its
    place, and a new one comes last, with a default: then each version reads the journals of the one before.
    """

    id: str
    created: float
    ended: float
    client: str | None = None
    key: str | None = None
    tenant: str | None = None
    team: str | None = None
    user: str | None = None
    end_user: str | None = None
    tags: tuple[str, ...] = ()
    face: str = ""
    operation: str = "chat"
    model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    streamed: bool = False
    units: dict[str, int] = {}
    cost: int | None = None
    priced: int = 0
    estimated: bool = False
    settled: tuple[tuple[str, int], ...] = ()
    end: str = "done"
    failed: bool = False
    cut: bool = False
    status: int | None = None
    first: float | None = None
    seconds: float | None = None
    overhead: float | None = None
    attempts: int = 0
    lines: tuple[UsageLine, ...] = ()
    process: str = ""


class UsageStore(Protocol):
    """Keeps usage records. Each method raises StoreFailed if the database fails."""

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        """Store records and add them to the sums of reports, in one transaction. A record whose id is stored
        already is left out, so that a batch can be written again. Returns how many were new.
        """
