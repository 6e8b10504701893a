"""The counters of one client's limits in the memory of one process, found once instead of for each request.

Nearly every request is far from all of its limits. Such a request is reserved by one pass over its counters,
and settled by another one, with no claim, no name and no look-up in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

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

    __slots__ = (
        *("_book", "_checks", "_claims", "_counts", "_ends", "_forgotten", "_lasting", "_names", "_opening"),
        "_places",
    )

    def __init__(self, book: Book, claims: Sequence[Claim], opening: Callable[[str, float], Count]) -> None:
        self._book = book
        self._claims = tuple(claims)
        self._opening = opening
        charged = [claim for claim in claims if claim.limit.resource != "concurrency"]
        self._names = [claim.counter for claim in charged]
        self._places = [PLACES[claim.limit.resource] for claim in charged]
        self._checks: list[tuple[int, list[tuple[Count, int]]]] = []
        """By place in `Amounts`: the counters with half of their limits."""
        self._counts: list[tuple[int, list[Count]]] = []
        """By place in `Amounts`: the counters."""
        self._forgotten = -1
        self._lasting = all(claim.limit.window is not None for claim in claims)
        """Whether no counter is forgotten before its window is over."""
        self._ends = min((claim.ends for claim in claims), default=inf)

    def take(self, amounts: Amounts, now: float) -> bool:
        """Reserve these amounts, if all limits are at most half used then. False = nothing is reserved. now:
        Unix seconds. Raises RequestFailed while nothing may be reserved (`Ledger.wait`).
        """
        book = self._book
        if now >= book.next:
            book.expire(now)
        if self._forgotten != book.forgotten:
            self._find()
        for place, checks in self._checks:
            amount = amounts[place]
            for count, half in checks:
                reserved = count.reserved + amount
                if count.used + reserved > half:
                    self._give_back(amounts, count)
                    return False
                count.reserved = reserved
                count.holders += 1
        return True

    def _give_back(self, amounts: Amounts, until: Count) -> None:
        """Give back what `take` has reserved of the counters before this one."""
        for place, counts in self._counts:
            for count in counts:
                if count is until:
                    return
                count.reserved -= amounts[place]
                count.holders -= 1

    def settle(self, reserved: Amounts, used: Amounts, now: float) -> None:
        """Replace what `take` has reserved by what was used. now: Unix seconds."""
        if self._forgotten != self._book.forgotten:
            self._find()
        for place, counts in self._counts:
            less, more = reserved[place], used[place]
            for count in counts:
                count.reserved -= less
                count.used += more
                count.holders -= 1
        if now >= self._ends or not self._lasting:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Remove the counters from the book that nobody needs any more."""
        book = self._book
        for claim in self._claims:
            count = book.counts[claim.counter]
            needed = count.holders or (count.ends > now and (count.used or claim.limit.window))
            if not needed:
                del book.counts[claim.counter]
                book.forgotten += 1

    def claims(self, amounts: Amounts) -> dict[str, Claim]:
        """What `take` has reserved, as the claims of a reservation, by the counter's name. That reservation
        has to be settled instead, by the ledger.
        """
        claims = {}
        for claim in self._claims:
            amount = amounts[PLACES[claim.limit.resource]]
            claims[claim.counter] = claim._replace(amount=amount)
        return claims

    def charged(self, amounts: Amounts) -> tuple[tuple[str, int], ...]:
        """These amounts by the names of the counters, as usage records have them: without `concurrency`,
        which is not used up.
        """
        return tuple(zip(self._names, map(amounts.__getitem__, self._places), strict=True))

    def _find(self) -> None:
        """Find the counters in the book, which gets those that it does not have."""
        counts = self._book.counts
        of: dict[int, list[tuple[Count, int]]] = {}
        for claim in self._claims:
            count = counts.get(claim.counter) or self._opening(claim.counter, claim.ends)
            of.setdefault(PLACES[claim.limit.resource], []).append((count, claim.limit.most // 2))
        self._checks = list(of.items())
        self._counts = [(place, [count for count, _ in checks]) for place, checks in self._checks]
        self._forgotten = self._book.forgotten
