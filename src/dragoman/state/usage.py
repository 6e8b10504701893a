"""The usage record of one exchange, and the interface of the store that keeps these records.

Everything that counts usage (limits, budgets, metrics, reports, the numbers that a client may read) reads
this record, so that all of them agree. Money is in nano-USD (10⁻⁹ USD), as integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class UsageLine(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True, gc=False):
    """What one attempt has used of one model. An attempt has a line for its deployment, and one for each
    further model that the provider has used for it.

    deployment: `provider/model`. units: amounts by unit, as `ir.units` names the units, without zeros. cost:
    nano-USD; 0 if `own` is True; None = unknown, which is not 0. priced: if `cost` is None, the known part of
    the cost (0 = no part is known); None = the cost is known. estimated: True = units were estimated, because
    the provider did not state them. outcome: the class of the attempt's failure, as the name of an `Outcome`
    in lower case (`server`), or `failed` if it has no class; `overtaken` = the gateway ended the attempt,
    because another one had content first; "" = neither. key: the id of the provider's key, "" = unknown. own:
    True = the client or its tenant has brought the key, so the provider bills them. price: the price that
    `cost` was computed with, or how else it was found, as text for people; may be "". A new field must come
    last, as in `UsageRecord`.
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
    """What one exchange has used. A store gets one record of an exchange, after it has ended; in a realtime
    session, one of each reply and each transcript.

    id: the id of the exchange. created, ended: when the exchange began and ended, in Unix seconds. client:
    the name of the client's key. key: the id under which the database has that key. tenant, team, user: the
    names of the tenant, team and user that the key belongs to. end_user: the person whom the client names in
    its request (`user`, `safety_identifier`, …). tags: those of the key and of the request. face: the
    client's protocol. operation: what was asked for, such as `chat`. streamed: whether the answer was a
    stream. model: the name that the client sent. deployment, provider: the ones that were called last.
    status: the HTTP status of the answer. end: "done" after success, else who ended the exchange, in which
    phase, with which code ("client/stream", "upstream/first_byte/server_error"). failed: True = the client
    got an error or an incomplete stream, or disconnected, or `cut` is True. first: seconds from the beginning
    to the first content of a stream. seconds: the duration. overhead: the part of the duration that the
    gateway itself took. attempts: the number of calls.

    lines: what the calls have used. units, cost, estimated: of all `lines` together. cost: nano-USD; None =
    the cost of at least one line is unknown. priced: the known part of the cost; all of it if `cost` is not
    None. settled: (name of a limit's counter, charged amount). cut: True = the process ended before the
    exchange did; then units and cost are what was expected before the call, and there are no lines. process:
    the name of the process that has served the exchange; its ledger has the same name; "" = not stated. None
    = unknown, or there is none.

    A journal stores the fields in this order, without their names (`accounts.bodies`). So no field may change
    its place, and a new field comes last, with a default: then each version reads the journals of the version
    before.
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
    """Stores usage records. Each method raises StoreFailed if the database fails."""

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        """Store records and add them to the sums of reports and the counters of limits, in one transaction. A
        record whose id is stored already is left out, so that a batch can safely be written again. A store in
        memory has no counters, and knows only the ids of its latest records. Return how many records were
        new.
        """
