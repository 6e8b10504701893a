"""Counters of limits in the memory of one process, and a fast way to reserve on the same counters for many
requests.

Nearly every request is far from all of its limits. For such a request, `Bound.take` reserves in one pass over
the counters, and `Bound.settle` settles in another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

from dragoman.accounts.limits import Claim
from dragoman.state.counters import Resource


class Amounts(NamedTuple):
    """How much of each resource one request reserves, or has used. tokens: the sum of `input_tokens` and
    `output_tokens`. money: in nano-USD (10⁻⁹ USD). concurrency: places among the requests that run at once.
    """

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
"""The index of each resource in `Amounts`."""
NOTHING: Final = Amounts(0, 0, 0, 0, 0, 0)
_new: Final = tuple.__new__
"""Makes `Amounts` without a call of Python code: each request makes two."""


def reserving(input_tokens: int, output_tokens: int, nano: int) -> Amounts:
    """Return the amounts that one request reserves: 1 request, 1 place among the requests that run at once
    (`concurrency`), and these tokens and this cost. nano: nano-USD.
    """
    amounts = 1, input_tokens + output_tokens, input_tokens, output_tokens, nano, 1
    return _new(Amounts, amounts)


def using(input_tokens: int, output_tokens: int, nano: int) -> Amounts:
    """Return the amounts that one request has used: 1 request, no place (`concurrency`), and these tokens and
    this cost. nano: nano-USD.
    """
    amounts = 1, input_tokens + output_tokens, input_tokens, output_tokens, nano, 0
    return _new(Amounts, amounts)


class Count:
    """One counter. used: the settled amount. reserved: the amount that running requests have reserved.
    holders: the number of reservations that include this counter and are not settled. ends: the end of its
    window, in Unix seconds; infinity = the window never ends.
    """

    __slots__ = ("ends", "holders", "reserved", "used")

    def __init__(self, ends: float) -> None:
        self.used = 0
        self.reserved = 0
        self.holders = 0
        self.ends = ends


class Book:
    """All counters of one `MemoryLedger`. counts: {name of the counter: counter}. forgotten: how often a
    counter was removed; when this number has changed, each `Bound` has to find its counters again. expire:
    removes the counters whose windows are over and that have no holders; its argument is the present time in
    Unix seconds. next: from this time on (Unix seconds), whoever reserves has to call `expire` before;
    infinity = never. Minus infinity = the ledger refuses all requests: `expire` raises RequestFailed.
    """

    __slots__ = ("counts", "expire", "forgotten", "next")

    def __init__(self, expire: Callable[[float], None]) -> None:
        self.counts: dict[str, Count] = {}
        self.forgotten = 0
        self.next = inf
        self.expire = expire


class Bound:
    """The counters of a fixed list of claims. Many requests reserve on them, also at the same time. book: has
    the counters. claims: no two on the same counter; their amounts are ignored. opening: makes a new counter
    in the book, from a name and the end of the window (Unix seconds), and returns it.
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
        """(index in `Amounts`, the counters of that resource, each with half of its limit)."""
        self._counts: list[tuple[int, list[Count]]] = []
        """(index in `Amounts`, the counters of that resource)."""
        self._forgotten = -1
        self._lasting = all(claim.limit.window is not None for claim in claims)
        """Whether each claim's limit has a window. The counter of a limit without a window (`concurrency`) is
        removed as soon as it is not used.
        """
        self._ends = min((claim.ends for claim in claims), default=inf)

    def take(self, amounts: Amounts, now: float) -> bool:
        """Reserve the amounts on all counters, if afterwards at most half of each limit (hard or soft) is
        used or reserved. Returns True if that was done; False if nothing was reserved: then the caller has to
        use `Ledger.reserve`. now: Unix seconds. Raises RequestFailed while the ledger refuses all requests
        (`Ledger.wait`).
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
        """Undo what `take` has reserved so far. until: the first counter on which `take` has reserved
        nothing.
        """
        for place, counts in self._counts:
            for count in counts:
                if count is until:
                    return
                count.reserved -= amounts[place]
                count.holders -= 1

    def settle(self, reserved: Amounts, used: Amounts, now: float) -> None:
        """Replace what one `take` has reserved by what was used. Call it once for each `take` that returned
        True. reserved: the amounts that `take` got. used: what the request has used, with 0 as `concurrency`
        (see `using`). now: Unix seconds.
        """
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
        """Remove counters of these claims from the book if no reservation holds them. A counter with a window
        is removed after its window is over; a counter without a window (`concurrency`), if its used amount is
        0. now: Unix seconds.
        """
        book = self._book
        for claim in self._claims:
            count = book.counts[claim.counter]
            needed = count.holders or (count.ends > now and (count.used or claim.limit.window))
            if not needed:
                del book.counts[claim.counter]
                book.forgotten += 1

    def claims(self, amounts: Amounts) -> dict[str, Claim]:
        """Return {name of the counter: claim} with these amounts, for a `Reservation` that replaces what
        `take` has reserved; it has to be settled with `Ledger.settle`, and not with `settle` of this object.
        amounts: as `take` got them.
        """
        claims = {}
        for claim in self._claims:
            amount = amounts[PLACES[claim.limit.resource]]
            claims[claim.counter] = claim._replace(amount=amount)
        return claims

    def charged(self, amounts: Amounts) -> tuple[tuple[str, int], ...]:
        """Return these amounts as (name of the counter, amount) pairs, in the form of a usage record's
        `settled`. Counters of `concurrency` are left out.
        """
        return tuple(zip(self._names, map(amounts.__getitem__, self._places), strict=True))

    def _find(self) -> None:
        """Find the counters of all claims in the book. Make those that the book does not have."""
        counts = self._book.counts
        of: dict[int, list[tuple[Count, int]]] = {}
        for claim in self._claims:
            count = counts.get(claim.counter) or self._opening(claim.counter, claim.ends)
            of.setdefault(PLACES[claim.limit.resource], []).append((count, claim.limit.most // 2))
        self._checks = list(of.items())
        self._counts = [(place, [count for count, _ in checks]) for place, checks in self._checks]
        self._forgotten = self._book.forgotten
