"""The messages between a process and the store, in MessagePack. The Lua scripts of this folder are the
store's side.

Times to live are in milliseconds, -1 = the counter does not expire. Amounts are in the limit's own unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec


class Report(msgspec.Struct, array_like=True, frozen=True):
    """A process's share of one counter, in absolute numbers, so that a repeated report changes nothing. used:
    since the process began. held: what it may still use, including what it has reserved. reserved: by its
    running requests. obeyed: the latest recall that it has obeyed, 0 = none. base, seed: what the process
    knows of the counter from before a loss (see `Block`); 0 = nothing. late: 1 = the seed counts even if the
    store has the counter already.
    """

    counter: str
    ttl: int
    used: int
    held: int
    reserved: int
    obeyed: int
    base: int
    seed: int
    late: int


class Wanted(msgspec.Struct, array_like=True, frozen=True):
    """The amount that a process wants of one counter. most: of the limit. seed: what all are known to have
    used; it counts if the store does not know the counter; 0 = nothing. waited: the recall for which the
    request has waited, 0 = none.
    """

    counter: str
    ttl: int
    amount: int
    most: int
    seed: int
    waited: int


class Request(msgspec.Struct, array_like=True, frozen=True):
    """The request of one exchange. number: larger than that of all earlier requests of this process. lease:
    milliseconds for which the store keeps what the process holds. upto: the time of the latest settlement
    that is part of the reports, in Unix seconds. restated: 1 = the process has told again all that it knows.
    asks: each is granted as a whole, or not at all. over: counters that the process has forgotten. leaving: 1
    = the process ends. peers: 1 = the reply shall name all processes.
    """

    process: str
    epoch: str
    number: int
    lease: int
    upto: float
    restated: int
    reports: list[Report]
    asks: list[list[Wanted]]
    over: list[str]
    leaving: int
    peers: int


class Outcome(IntEnum):
    """The store's decision on a question."""

    REFUSED = 0
    GRANTED = 1
    AGAIN = 2
    """The asker should ask again soon: other processes were told to give back what they do not need."""
    RECOVERING = 3
    """The store waits until all processes have told it again what they know."""


class Known(msgspec.Struct, array_like=True, frozen=True):
    """The amounts of a counter. used, reserved: of all processes. base: the part of `used` that no process
    reports, because it was used by processes that are gone. extra: granted beyond what was asked for.
    """

    used: int
    reserved: int
    base: int
    extra: int = 0


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """The answer to one question. refusing: the index of the counter that refuses, -1 = none; why: the
    amounts of that counter. granted: the amounts of all counters of the question, in order. recall: the one
    that the asker has to wait for, 0 = none.
    """

    outcome: Outcome
    refusing: int
    why: Known
    granted: list[Known] = []
    recall: int = 0


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """The store's reply. known: False = the store has lost its state, or does not know the process; then the
    other fields have no meaning. recovering: see `Outcome`. processes: how many share the counters.
    """

    known: bool
    recovering: bool = False
    processes: int = 1
    reports: list[Known] = []
    asks: list[Answer] = []
    peers: list[str] = []


class Join(msgspec.Struct, array_like=True, frozen=True):
    """The request of a process that joins the others. run: the id of the server process. fresh: a random id
    for a new epoch, if one begins. epoch: the latest one that the process knew, "" = none. peers: the other
    processes that it knew. grace: milliseconds to wait for others if no others are known.
    """

    process: str
    run: str
    fresh: str
    lease: int
    epoch: str
    peers: list[str]
    grace: int


class Joined(msgspec.Struct, array_like=True, frozen=True):
    """The answer to `Join`. epoch: the present one. forgotten: True = the store no longer knows the process,
    which has to join again under another id.
    """

    epoch: str
    forgotten: bool


class Charge(msgspec.Struct, array_like=True, frozen=True):
    """What one exchange of an ended process has used. id: of the exchange, which is charged only once.
    process: its name. settled: when the use was settled, in Unix seconds; -1 = it never was. used: (counter,
    amount) pairs.
    """

    id: str
    process: str
    settled: float
    used: list[tuple[str, int]]


class Charges(msgspec.Struct, array_like=True, frozen=True):
    """What some exchanges have used. last: 1 = no charges of the same processes follow, so the store can give
    back what these processes still hold.
    """

    charges: Sequence[Charge]
    last: int
