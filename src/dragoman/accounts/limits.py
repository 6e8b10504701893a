"""What limits are: how much of what may be used, in which time, by whom. Pure.

A limit has a *counter* for each whom it counts apart (each key, say) and for each window of time. Windows
are aligned to UTC: a minute begins at second 0, a day at midnight, a week on Monday, a month on its first.
Money is counted in nano-USD (10⁻⁹ USD), so that all amounts are whole numbers.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from dragoman.state.counters import Resource, Window

Subject: TypeAlias = Literal[
    "key",
    "user",
    "end_user",
    "tag",
    "team",
    "tenant",
    "model",
    "deployment",
    "provider",
    "address",
    "global",
]
"""Whom or what a limit counts apart: each key, each user, …; `global` = all requests together. `deployment`
and `provider` are counted for each attempt, and a refusal leads to the next candidate; all others are counted
once for an exchange, and a refusal fails it.
"""
UnknownPrice: TypeAlias = Literal["allow", "refuse"]
OF_ATTEMPTS: Final[frozenset[Subject]] = frozenset({"deployment", "provider"})
NANO: Final = 1_000_000_000
"""nano-USD in one USD."""
LARGEST: Final = 2**53 - 1
"""The largest amount of a limit: 9 million USD, or 9·10¹⁵ tokens. Scripts of Valkey count in doubles, which
are exact up to here.
"""


class Limit(msgspec.Struct, frozen=True):
    """One limit.

    name: as operators know it; counters are found by it, so that they outlive a reload. most: how much may be
    used in one window; for money in nano-USD. window: None for `concurrency`. every: how many of the window's
    units it lasts, such as 5 minutes; 1 for week, month and lifetime. only: the names that it is for, such as
    certain keys; None = for each of its subject. models: counts requests for these models alone; None = for
    all. hard: whether a request that would exceed it is refused; a soft limit is only told. warn_at: the
    share of `most`, from 0 to 1, from which on its use is told; None = it is not. unknown_price: what a limit
    on money does with a request whose price is not known.
    """

    name: str
    resource: Resource
    most: int
    window: Window | None
    subject: Subject = "key"
    every: int = 1
    only: frozenset[str] | None = None
    models: frozenset[str] | None = None
    hard: bool = True
    warn_at: float | None = None
    unknown_price: UnknownPrice = "allow"


class Claim(NamedTuple):
    """What one request wants of one counter. counter: its name, unique for limit, subject and window. ends:
    when the window is over, in Unix seconds; infinity = never. amount: of the resource, at least 0.
    """

    limit: Limit
    counter: str
    ends: float
    amount: int


class Standing(NamedTuple):
    """How a counter stands, as far as this process knows. used: what was settled. reserved: by running
    requests, of all processes.
    """

    used: int
    reserved: int
