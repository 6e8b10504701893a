"""The part of each shared counter that one process holds, and what it can decide with that alone. Pure.

A *block* is an amount that the store has granted to this process: nobody else uses it. As long as a request
fits into the blocks of its counters, no other process needs to be asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Final

from dragoman.accounts.ledger import Refused, Reservation, again
from dragoman.accounts.limits import Claim, Limit, Standing
from dragoman.accounts.shared.messages import Known, Report, Wanted

_SLACK: Final = 120.0
"""Seconds for which a counter is kept after its window: for late settlements, and for processes whose clocks
are behind.
"""


class Block:
    """This process's share of one counter. Amounts are in the limit's own unit.

    limit, counter, ends: as in `Claim`. granted: all that the store has granted to this process: `used`, and
    what the process still holds. used: what this process has settled. reserved: what its running requests
    have reserved. told, stated: the parts of `used` and of `reserved` that the store knows. others: what
    other processes have used; base: the part of that which no process reports any more; promised: what other
    processes have reserved (all three as of the store's latest answer).

    seed: what was used according to the database and the journal. late: True = the seed was known only after
    the block was in use, so the store may have made the counter without it. recall: the number of the latest
    recall, 0 = none. contested: until when this process holds only what its requests have reserved (monotonic
    seconds). touched: when something was last reserved (Unix seconds).
    """

    __slots__ = (
        "base",
        "contested",
        "counter",
        "ends",
        "granted",
        "late",
        "limit",
        "others",
        "promised",
        "recall",
        "reserved",
        "seed",
        "stated",
        "told",
        "touched",
        "used",
    )

    def __init__(self, limit: Limit, counter: str, ends: float, seed: int = 0) -> None:
        self.limit = limit
        self.counter = counter
        self.ends = ends
        self.granted = self.used = self.reserved = self.stated = self.told = self.base = self.promised = 0
        self.others = self.seed = seed
        self.late = False
        self.recall = 0
        self.contested = self.touched = -inf

    @property
    def free(self) -> int:
        """The amount that may be reserved without asking the store."""
        return self.granted - self.used - self.reserved

    def standing(self) -> Standing:
        return Standing(self.others + self.used, self.promised + self.reserved)

    def learn(self, known: Known, told: int) -> None:
        """Note the store's answer about the counter. told: the part of this process's `used` that the store
        knew.
        """
        self.told = max(self.told, told)
        self.others = max(self.others, known.used - self.told)
        self.base = max(self.base, known.base)
        self.promised = max(0, known.reserved - self.stated)

    def ttl(self, now: float) -> int:
        """For how many milliseconds the store has to keep the counter."""
        return -1 if self.ends == inf else int(1000 * max(_SLACK, self.ends - now + _SLACK))

    def give_back(self) -> None:
        """Hold no more than what running requests have reserved."""
        self.granted = self.used + self.reserved

    def report(self, now: float, *, restate: bool) -> Report:
        """The report of this share for the store. restate: True = this process has just joined the store,
        which may have lost its state, so the report also has what was known of the counter before.
        """
        self.granted = max(self.granted, self.used + self.reserved)
        self.stated = self.reserved
        return Report(
            self.counter,
            self.ttl(now),
            self.used,
            self.granted - self.used,
            self.reserved,
            self.recall,
            self.base if restate else 0,
            self.others + self.used if restate else self.seed,
            int(self.late),
        )

    def wanted(self, claim: Claim, now: float, waited: int) -> Wanted:
        return Wanted(self.counter, self.ttl(now), claim.amount, claim.limit.most, self.seed, waited)

    def share(self, processes: int) -> int:
        """The amount that this process may still reserve while the store cannot be asked: what its block has
        left; or, if that is more, what is left of an equal part of the limit for each process. The part is
        smaller if other processes are known to have used more than theirs.
        """
        most = self.limit.most
        left = min(-(-most // processes), most - self.others) - self.used - self.reserved
        return max(left, self.free)


class Blocks:
    """The shares of one process, by counter."""

    def __init__(self) -> None:
        self.by_counter: dict[str, Block] = {}
        self.seeds: dict[str, int] = {}
        self.changed: dict[Block, None] = {}
        """The shares that have to be reported to the store."""

    def of(self, claim: Claim) -> Block:
        """This process's share of the counter of a claim. It gets the claim's limit, which a reload may have
        changed.
        """
        block = self.by_counter.get(claim.counter)
        if block is None:
            block = Block(claim.limit, claim.counter, claim.ends, self.seeds.get(claim.counter, 0))
            self.by_counter[claim.counter] = block
        elif block.limit is not claim.limit:
            if claim.limit.most < block.limit.most:  # this process may hold more than the new limit
                block.give_back()
                self.changed[block] = None
            block.limit = claim.limit
        return block

    def try_reserve(
        self, claims: Iterable[Claim], now: float, onto: Reservation | None
    ) -> Reservation | Refused | None:
        """Reserve all claims from the blocks of this process, or none of them. Returns None if the blocks are
        too small, but the store might grant more.
        """
        blocks = [self.of(claim) for claim in claims]
        enough = True
        for claim, block in zip(claims, blocks, strict=True):
            if claim.limit.hard and claim.amount > block.granted - block.used - block.reserved:
                if block.others + block.used + claim.amount > claim.limit.most:
                    return refused(claim, block.standing(), now)  # what was used never becomes less
                enough = False
        return self.take(claims, blocks, now, onto) if enough else None

    def by_share(
        self, claims: Iterable[Claim], now: float, onto: Reservation | None, *, processes: int
    ) -> Reservation | Refused:
        """Reserve all claims or none, while the store does not answer: only as much as `Block.share` allows.
        onto: a reservation to add the claims to; None = a new one. processes: how many share the limits.
        """
        blocks = [self.of(claim) for claim in claims]
        for claim, block in zip(claims, blocks, strict=True):
            if claim.limit.hard and claim.amount > block.share(processes):
                return refused(claim, block.standing(), now)
        return self.take(claims, blocks, now, onto)

    def take(
        self, claims: Iterable[Claim], blocks: Iterable[Block], now: float, onto: Reservation | None
    ) -> Reservation:
        """Note the claims as reserved, without a check."""
        reservation = Reservation({}) if onto is None else onto
        held = reservation.claims
        for claim, block in zip(claims, blocks, strict=True):
            block.reserved += claim.amount
            block.touched = now
            before = held.get(claim.counter)
            amount = claim.amount if before is None else claim.amount + before.amount
            held[claim.counter] = claim if before is None else claim._replace(amount=amount)
            if not claim.limit.hard:
                self.changed[block] = None
        return reservation

    def settle(self, reservation: Reservation, used: Mapping[str, int]) -> None:
        claims, reservation.claims = reservation.claims, {}
        for counter, claim in claims.items():
            block = self.of(claim)
            block.reserved -= claim.amount
            block.used += used.get(counter, 0)
            self.changed[block] = None

    def drop_over(self, now: float, asked: Collection[Block] = ()) -> list[str]:
        """Forget the shares and seeds of counters whose windows are over. Returns the names of these
        counters, for the store. asked: the shares for which a request has asked the store; they are kept.
        """
        over = [
            block
            for block in self.by_counter.values()
            if block.reserved == 0
            and block not in asked
            and block.told == block.used
            and (block.ends + _SLACK < now or (block.ends == inf and not block.used and not block.granted))
        ]
        for block in over:
            del self.by_counter[block.counter]
            self.changed.pop(block, None)
            self.seeds.pop(block.counter, None)
        return [block.counter for block in over]


def refused(claim: Claim, standing: Standing, now: float) -> Refused:
    """Why a claim is refused, and when a request of this size could succeed."""
    return Refused(claim, standing, again(claim, standing, now))
