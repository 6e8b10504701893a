"""The types of limits: how much of a resource may be used, in which time, and by whom. Pure.

A limit has one *counter* for each subject that it counts separately (each key, for example) and for each
window of time; for `concurrency` there is no window. Windows are aligned to UTC (`state.counters.span`): a
minute begins at second 0, a day at midnight, a week on Monday, a month on its first. Money is counted in
nano-USD (10⁻⁹ USD), so that all amounts are whole numbers.
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
"""Whom or what a limit counts separately: each key, each user, and so on; `global` = all requests together.
`deployment` and `provider` are counted for each attempt: if such a limit refuses, the next candidate is
tried, if there is one. All other subjects are counted for the exchange: if such a limit refuses the request,
the exchange fails; if it refuses the model of a fallback, the next candidate is tried.
"""
UnknownPrice: TypeAlias = Literal["allow", "refuse"]
AGAIN: Final[frozenset[Subject]] = frozenset({"tenant", "team", "user"})
"""The subjects that are counted under another name (`windows.again`) if one with the same name was removed
before.
"""
OF_ATTEMPTS: Final[frozenset[Subject]] = frozenset({"deployment", "provider"})
NANO: Final = 1_000_000_000
"""How many nano-USD are one USD."""
LARGEST: Final = 2**53 - 1
"""The largest `most` that the configuration accepts: 9 million USD, or 9·10¹⁵ tokens. Scripts in Valkey count
with doubles, which are exact up to this number.
"""


class Limit(msgspec.Struct, frozen=True):
    """One limit.

    name: as operators know the limit. It is a part of the names of the limit's counters, as are `resource`,
    `window`, `every` and `models`; so the counters stay the same as long as none of these changes. resource:
    what the limit counts. most: how much may be used in one window; for money in nano-USD. window: the unit
    of the window's length; None for `concurrency`. every: how many units one window lasts: 5 for 5 minutes; 1
    for week, month and lifetime. subject: whom the limit counts. only: the names of the keys, tags, … that
    the limit is for, or patterns with `*`; None = all names of its subject. models: the names of the models
    whose requests are counted, or patterns with `*`; None = all models. hard: True = a request that would
    exceed the limit is refused; False = the limit is soft: it only warns. warn_at: the part of `most`, from 0
    to 1, at which the limit begins to warn; None = no warning before the limit is reached. unknown_price:
    what a limit on money does with a request whose price is not known: `refuse` it, or `allow` it and count
    nothing.
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
    """The amount that one request wants of one counter of a limit. counter: the counter's name, which states
    limit, subject and window (`windows.prefix_of`). ends: when the window is over, in Unix seconds; infinity
    = never. amount: in the unit of the limit's resource, at least 0.
    """

    limit: Limit
    counter: str
    ends: float
    amount: int


class Standing(NamedTuple):
    """The amounts of a counter. used: what was settled. reserved: what running requests have reserved. For a
    counter that several processes share, these are the amounts of all processes, as far as this process knows
    them.
    """

    used: int
    reserved: int
