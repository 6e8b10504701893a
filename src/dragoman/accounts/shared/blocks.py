"""What one process holds of the counters that it shares with others, and what that lets it do alone. Pure.

A *block* is an amount that the store has granted to this process: nobody else uses it. As long as a request
fits into the blocks of its counters, no other process needs to be asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Final

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Claim, Limit, Standing
from dragoman.accounts.shared.messages import Known, Report, Wanted

_SLACK: Final = 120.0
"""Seconds for which a counter is kept after its window: for late settlements, and for processes whose clocks
are late.
"""
_SHORT: Final = 1.0
"""Seconds after which a request that waits for running ones may succeed."""


class Block:
    """This process's share of one counter.

    limit, counter, ends: as in `Claim`. granted: what this process may use and have used in all (`used` plus
    what it holds). used: what it has settled. reserved: by its running requests. told, stated: the parts of
    `used` and `reserved` that the store knows. others: what other processes have used, and base: the part of
    it that no process reports; promised: what others have reserved; all three as of the store's latest
    answer. seed: what is known to be used, from elsewhere; late: whether that was known only after the block
    was in use, so that the store may have the counter without it. recall: the latest recall, 0 = none.
    contested:
    until when (monotonic) nothing is held in reserve. touched: when something was last reserved (Unix
    seconds).
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
        """What may be reserved without asking."""
        return self.granted - self.used - self.reserved

    def standing(self) -> Standing:
        return Standing(self.others + self.used, self.promised + self.reserved)

    def learn(self, known: Known, told: int) -> None:
        """Note how the counter stands. told: what the store knows of this process's use."""
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
        """This share as the store has to know it. restate: add what is known from before a loss."""
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
        """What this process may still reserve if it cannot ask: its block, or its equal share of the limit as
        far as it does not know that others have used it.
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
        """The shares of which the store has to be told."""

    def of(self, claim: Claim) -> Block:
        """This process's share of the counter of a claim. It gets the claim's limit, which a reload may have
        changed.
        """
        block = self.by_counter.get(claim.counter)
        if block is None:
            block = Block(claim.limit, claim.counter, claim.ends, self.seeds.get(claim.counter, 0))
            self.by_counter[claim.counter] = block
        elif block.limit is not claim.limit:
            if claim.limit.most < block.limit.most:  # what is held in reserve may be more than that
                block.give_back()
                self.changed[block] = None
            block.limit = claim.limit
        return block

    def try_reserve(
        self, claims: Iterable[Claim], now: float, onto: Reservation | None
    ) -> Reservation | Refused | None:
        """Reserve all claims of what this process holds, or none. Returns None if that is not enough, and it
        is not certain that the store refuses.
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
        """Reserve all claims or none, by this process's share alone."""
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
        """Forget the shares whose windows are over, and seeds with them. Returns the names of the counters
        that the store knows. asked: those that wait for a grant, which stay.
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
    if claim.amount > claim.limit.most or claim.limit.window == "lifetime":
        return Refused(claim, standing, None)
    return Refused(claim, standing, now + _SHORT if claim.limit.window is None else claim.ends)
