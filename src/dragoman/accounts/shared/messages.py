"""What a process and the store say to each other, in MessagePack. The other side are the Lua scripts beside.

Times to live are in milliseconds, -1 = the counter does not expire. Amounts are in the limit's own unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec


class Report(msgspec.Struct, array_like=True, frozen=True):
    """A process's share of one counter, as absolute numbers, so that it may be told again. used: since the
    process began. held: what it may still use, what it has reserved included. reserved: by its running
    requests. obeyed: the latest recall that it has obeyed, 0 = none. base, seed: what the process knows of
    the counter from before a loss (see `Block`); 0 = nothing. late: 1 = the seed counts though the store
    may have the counter already.
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
    """What a process asks of one counter. most: of the limit. seed: what is known to be used, of all, if the
    store does not know the counter; 0 = nothing. waited: the recall for which the asker has waited, 0 = none.
    """

    counter: str
    ttl: int
    amount: int
    most: int
    seed: int
    waited: int


class Request(msgspec.Struct, array_like=True, frozen=True):
    """One exchange. number: larger than that of all earlier requests of this process. lease: milliseconds for
    which the store keeps what the process holds. upto: the time of the latest settlement that is part of the
    reports, in Unix seconds. restated: 1 = all that the process knows has been put back. asks: each is
    granted as a whole, or not at all. over: counters that the process has left. leaving: 1 = the process
    ends. peers: 1 = the reply shall name all processes.
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
    """What became of a question."""

    REFUSED = 0
    GRANTED = 1
    AGAIN = 2
    """Others have been told to give back what they do not need."""
    RECOVERING = 3
    """The store waits until all processes have put back what they know."""


class Known(msgspec.Struct, array_like=True, frozen=True):
    """How a counter stands. used, reserved: of all processes. base: the part of `used` that no process
    reports, because it was used by processes that are gone. extra: granted beyond what was asked for.
    """

    used: int
    reserved: int
    base: int
    extra: int = 0


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """The answer to one question. refusing: the index of the counter that refuses, -1 = none; why: how it
    stands. granted: of each counter, in order. recall: the one to wait for, 0 = none.
    """

    outcome: Outcome
    refusing: int
    why: Known
    granted: list[Known] = []
    recall: int = 0


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """The store's reply. known: False = the store has lost its state, or does not know the process; nothing
    else is told then. recovering: see `Outcome`. processes: how many share the counters.
    """

    known: bool
    recovering: bool = False
    processes: int = 1
    reports: list[Known] = []
    asks: list[Answer] = []
    peers: list[str] = []


class Join(msgspec.Struct, array_like=True, frozen=True):
    """How a process comes to the store. run: the id of the server process. fresh: a random id for a new
    epoch. epoch: the one that the process has known, "" = none. peers: the processes that it has known.
    grace: milliseconds to wait for others if nobody is known.
    """

    process: str
    run: str
    fresh: str
    lease: int
    epoch: str
    peers: list[str]
    grace: int


class Joined(msgspec.Struct, array_like=True, frozen=True):
    """forgotten: the store knows the process no more; it has to join again under another id."""

    epoch: str
    forgotten: bool


class Charge(msgspec.Struct, array_like=True, frozen=True):
    """What one exchange has used whose process has ended. id: of the exchange, which is charged only once.
    process: its name. settled: when its use was settled, in Unix seconds; -1 = it never was. used: the
    amounts by counter.
    """

    id: str
    process: str
    settled: float
    used: list[tuple[str, int]]


class Charges(msgspec.Struct, array_like=True, frozen=True):
    """What some exchanges have used. last: 1 = nothing else follows of their processes, so that what these
    still hold can be given back.
    """

    charges: Sequence[Charge]
    last: int
