"""The counters of one client's limits in the memory of one process, found once instead of for each request.

Nearly every request is far from all of its limits. Such a request is reserved by one pass over its counters,
and settled by another one, with no claim, no name and no look-up in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

from dragoman.accounts.ledger import Reservation
from dragoman.accounts.limits import Claim
from dragoman.state.counters import Resource


class Amounts(NamedTuple):
    """What one request reserves, or has used, of each resource. money: in nano-USD."""

    requests: int
    tokens: int
    input_tokens: int
    output_tokens: int
    money: int
    concurrency: int


PLACES: Final[Mapping[Resource, int]] = {
    "requests": 0,
    "tokens": 1,
    "input_tokens": 2,
    "output_tokens": 3,
    "money": 4,
    "concurrency": 5,
}
"""The place of each resource in `Amounts`."""
NOTHING: Final = Amounts(0, 0, 0, 0, 0, 0)
_new: Final = tuple.__new__
"""Makes `Amounts` without a call of Python code: each request makes two."""


def reserving(input_tokens: int, output_tokens: int, nano: int) -> Amounts:
    """What one request reserves."""
    amounts = 1, input_tokens + output_tokens, input_tokens, output_tokens, nano, 1
    return _new(Amounts, amounts)


def using(input_tokens: int, output_tokens: int, nano: int) -> Amounts:
    """What one request has used. A place among those at once is not used up."""
    amounts = 1, input_tokens + output_tokens, input_tokens, output_tokens, nano, 0
    return _new(Amounts, amounts)


class Count:
    """One counter. holders: the number of reservations that include it. ends: the end of its window, in Unix
    seconds.
    """

    __slots__ = ("ends", "holders", "reserved", "used")

    def __init__(self, ends: float) -> None:
        self.used = 0
        self.reserved = 0
        self.holders = 0
        self.ends = ends


class Book:
    """The counters of one process, by name. forgotten: how often counters were removed; after that, whoever
    has remembered some has to find them again. next: when the next window is over, in Unix seconds; minus
    infinity = `expire` has to be called by each request.
    """

    __slots__ = ("counts", "expire", "forgotten", "next")

    def __init__(self, expire: Callable[[float], None]) -> None:
        self.counts: dict[str, Count] = {}
        self.forgotten = 0
        self.next = inf
        self.expire = expire


class Bound:
    """The counters of some claims. claims: on different counters; their amounts are not used. opening: makes
    a counter of this name and end. A counter that this object has reserved stays the same until it is
    settled, because the book forgets no counter that is held.
    """

    __slots__ = ("_book", "_claims", "_forgotten", "_names", "_opening", "_places", "_rows")

    def __init__(self, book: Book, claims: Sequence[Claim], opening: Callable[[str, float], Count]) -> None:
        self._book = book
        self._claims = tuple(claims)
        self._opening = opening
        charged = [claim for claim in claims if claim.limit.resource != "concurrency"]
        self._names = [claim.counter for claim in charged]
        self._places = [PLACES[claim.limit.resource] for claim in charged]
        self._rows: list[tuple[Count, int, int, str, bool]] = []
        """Of each claim: its counter, half of its limit, its place in `Amounts`, the counter's name, and
        whether the counter is forgotten when it is 0, because it has no window.
        """
        self._forgotten = -1

    def take(self, amounts: Amounts, now: float) -> bool:
        """Reserve these amounts, if all limits are at most half used then. False = nothing is reserved. now:
        Unix seconds. Raises RequestFailed while nothing may be reserved (`Ledger.wait`).
        """
        book = self._book
        if now >= book.next:
            book.expire(now)
        if self._forgotten != book.forgotten:
            self._find()
        rows = self._rows
        for count, half, place, _, _ in rows:
            if count.used + count.reserved + amounts[place] > half:
                return False
        for count, _, place, _, _ in rows:
            count.reserved += amounts[place]
            count.holders += 1
        return True

    def settle(self, reserved: Amounts, used: Amounts, now: float) -> None:
        """Replace what `take` has reserved by what was used. now: Unix seconds."""
        book = self._book
        if self._forgotten != book.forgotten:
            self._find()
        for count, _, place, name, lasting in self._rows:
            count.reserved -= reserved[place]
            count.used += used[place]
            count.holders -= 1
            if not count.holders and (count.ends <= now or not (lasting or count.used)):
                del book.counts[name]
                book.forgotten += 1

    def reservation(self, amounts: Amounts) -> Reservation:
        """What `take` has reserved, as a reservation that can grow. It must be settled instead."""
        claims = {}
        for claim in self._claims:
            amount = amounts[PLACES[claim.limit.resource]]
            claims[claim.counter] = claim._replace(amount=amount)
        return Reservation(claims)

    def charged(self, amounts: Amounts) -> tuple[tuple[str, int], ...]:
        """These amounts by the names of the counters, as usage records have them: without `concurrency`,
        which is not used up.
        """
        return tuple(zip(self._names, map(amounts.__getitem__, self._places), strict=True))

    def _find(self) -> None:
        """Find the counters in the book, which gets those that it does not have."""
        counts = self._book.counts
        self._rows = [
            (
                counts.get(claim.counter) or self._opening(claim.counter, claim.ends),
                claim.limit.most // 2,
                PLACES[claim.limit.resource],
                claim.counter,
                claim.limit.window is not None,
            )
            for claim in self._claims
        ]
        self._forgotten = self._book.forgotten
