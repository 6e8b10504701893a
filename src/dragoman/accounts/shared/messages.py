"""The messages between a process and the store (the Valkey or Redis server), in MessagePack. The Lua scripts
in this folder are the store's side.

Times to live (`ttl`) are in milliseconds, -1 = the counter does not expire. Amounts are in the limit's own
unit. A recall is the store's numbered request to all processes to give back what they do not need of a
counter. An epoch is the time between two losses of the store's data.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec


class Report(msgspec.Struct, array_like=True, frozen=True):
    """A process's part of one counter, in absolute numbers, so that a repeated report changes nothing. used:
    the amount that the process has used since it began. held: the amount that the process may still use,
    including `reserved`. reserved: the amount that the running requests of the process have reserved. obeyed:
    the number of the latest recall that the process has obeyed, 0 = none. base: in the first report after
    joining, the amount that no running process has used, as far as this process knows; in others 0. seed: in
    the first report after joining, the use of all processes, as far as this process knows; in others the use
    before, according to the database and the journal. late: 1 = the seed counts even if the store has the
    counter already, and `used` is a part of it.
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
    """The amount that a process wants of one counter. most: the size of the limit. seed: the amount that all
    processes together are known to have used; it counts if the store does not know the counter; 0 = nothing.
    waited: the number of the recall for which the request has waited, 0 = none.
    """

    counter: str
    ttl: int
    amount: int
    most: int
    seed: int
    waited: int


class Request(msgspec.Struct, array_like=True, frozen=True):
    """A process's message to the store: reports and questions. process: its name. epoch: the id of the epoch
    that it has joined. number: larger than the number of all earlier requests of this process. lease: for how
    many milliseconds without a message the store takes the process for alive. upto: the time of the latest
    settlement that is a part of the reports, in Unix seconds. restated: 1 = the process has joined, and has
    now reported all that it knows. asks: the questions, each a list of wanted amounts, which are granted all
    together or not at all. over: the counters whose blocks the process has dropped. leaving: 1 = the process
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
    """The store's decision on a question."""

    REFUSED = 0
    GRANTED = 1
    AGAIN = 2
    """Ask again soon: other processes were told to give back what they do not need."""
    RECOVERING = 3
    """Ask again soon: after a loss of its data, the store waits until all processes have reported again what
    they know.
    """


class Known(msgspec.Struct, array_like=True, frozen=True):
    """The amounts of a counter. used, reserved: by all processes together. base: the part of `used` that no
    process reports: processes that are gone have used it, or it is from a seed. extra: how much was granted
    beyond what was asked for.
    """

    used: int
    reserved: int
    base: int
    extra: int = 0


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """The answer to one question. refusing: the index of the first wanted amount that cannot be granted now
    (`REFUSED`, `AGAIN`); -1 = all were granted, or the store is `RECOVERING`. why: the amounts of the counter
    of `refusing`; zeros for -1. granted: the amounts of all counters of the question, in order; empty =
    nothing was granted. recall: the number of the recall for which the process has to wait, 0 = none.
    """

    outcome: Outcome
    refusing: int
    why: Known
    granted: list[Known] = []
    recall: int = 0


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """The store's reply to a `Request`. known: False = the store has lost its data, does not know the
    process, or has already got a request with this or a larger number; then the other fields have no meaning.
    recovering: whether the store waits as in `Outcome.RECOVERING`. processes: how many processes share the
    counters. reports: the amounts of each reported counter, in order. asks: the answer to each question, in
    order. peers: the names of all processes, if the request wanted them.
    """

    known: bool
    recovering: bool = False
    processes: int = 1
    reports: list[Known] = []
    asks: list[Answer] = []
    peers: list[str] = []


class Join(msgspec.Struct, array_like=True, frozen=True):
    """The message of a process that joins the others. run: the id of the server process. fresh: a random id
    for a new epoch, if one begins. lease: for how many milliseconds without a message the store takes the
    process for alive. epoch: the id of the latest epoch that the process knew, "" = none. peers: the names of
    the processes that it knew, also its own. grace: for how many milliseconds the store waits for other
    processes, if a new epoch begins and no other processes are known.
    """

    process: str
    run: str
    fresh: str
    lease: int
    epoch: str
    peers: list[str]
    grace: int


class Joined(msgspec.Struct, array_like=True, frozen=True):
    """The store's answer to `Join`. epoch: the id of the present epoch. forgotten: True = the store no longer
    knows the process, which has to join again as a process that knows no epoch. lapsed: True = the process
    had no lease, or none any more, so the store may have given its places (`concurrency`) to other processes.
    """

    epoch: str
    forgotten: bool
    lapsed: bool


class Unreported(msgspec.Struct, array_like=True, frozen=True):
    """What a process has not been able to report of one counter. ends: when the counter's window is over, in
    Unix seconds; infinity = never. used: the amount that the process has used since it began. base: what
    processes that are gone had used of it, or the seed.
    """

    counter: str
    ends: float
    used: int
    base: int


class LastReport(msgspec.Struct, array_like=True, frozen=True):
    """What a process has not been able to report. Its journal keeps it, and the process that reads the
    journal after the process has ended sends it to the store. epoch: the epoch that the process had joined.
    number: of its latest request; if the store has got a later one, this report is out of date. upto: the
    time of the latest settlement that is a part of the report, in Unix seconds. counters: those of which
    something is not reported; none = the process has only not given back what it held.
    """

    epoch: str
    number: int
    upto: float
    counters: list[Unreported] = []


class Charge(msgspec.Struct, array_like=True, frozen=True):
    """What one exchange of an ended process has used. id: of the exchange; it is charged only once. settled:
    when the exchange was settled, in Unix seconds; -1 = never, because it was cut. used: (name of the
    counter, amount) pairs.
    """

    id: str
    settled: float
    used: list[tuple[str, int]]


class Late(msgspec.Struct, array_like=True, frozen=True):
    """One counter of a `LastReport`, as the store gets it. ttl: for how many milliseconds the store has to
    keep the counter, -1 = for ever. used, base: amounts, as in `Unreported`.
    """

    counter: str
    ttl: int
    used: int
    base: int


class Charges(msgspec.Struct, array_like=True, frozen=True):
    """A message about a process that has ended. epoch, number, upto, late: of its last report; the epoch ""
    = there is none, or it was sent already. charges: for its exchanges. over: 1 = no further charges follow,
    so the store takes back what the process held.
    """

    process: str
    epoch: str
    number: int
    upto: float
    late: Sequence[Late]
    charges: Sequence[Charge]
    over: int


class Charged(msgspec.Struct, array_like=True, frozen=True):
    """The store's answer to `Charges`. recovering: True = nothing was done, as after a loss of its data the
    store waits for other processes; send it again. charged: how many exchanges were charged. upto: the time
    of the latest settlement that the process has reported, in Unix seconds; None = the store does not know
    the process, so it charges nothing.
    """

    recovering: bool
    charged: int = 0
    upto: float | None = None
