"""The part of each shared counter that one process has, and what the process can decide with this part alone.
Pure.

A *block* is an amount of a counter that the store (the Valkey or Redis server) has granted to this process:
no other process uses it. As long as a request fits into the blocks of its counters, the process need not ask
the store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Final

from dragoman.accounts.ledger import Refused, Reservation, again
from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.shared.messages import Known, Report, Unreported, Wanted

_PLACES: Final = "concurrency"

_SLACK: Final = 120.0
"""Seconds for which a counter is kept after its window is over: for late settlements, and for processes whose
clocks are slow.
"""


class Block:
    """This process's part of one counter. Amounts are in the limit's own unit.

    counter, ends: as in `Claim`. granted: all that the store has granted to this process: the amount
    `used`, and the amount that the process may still use. used: the amount that this process has settled.
    reserved: the amount that the running requests of this process have reserved. bound: the highest limit
    under which a part of what is free was granted. told: the part of `used` that the store knows. stated: the
    value of `reserved` that was last reported to the store.

    Three amounts are from the store's answers. others: what other processes have used; before the first
    answer, the seed. base: the part of `others` that no running process has used. promised: what other
    processes have reserved. `base` and `promised` are 0 before the first answer.

    seed: the amount that was used before, according to the database and the journal. late: True = the seed
    became known when the counter was in use already. recall: the number of the latest recall (the store's
    request to give back what is not needed), 0 = there was none. contested: until this time (monotonic
    seconds), this process gives back at each report what its requests have not reserved. heard: when the
    store was last asked for these amounts (monotonic seconds). touched: when something was last reserved
    (Unix seconds).
    """

    __slots__ = (
        "base",
        "bound",
        "contested",
        "counter",
        "ends",
        "granted",
        "heard",
        "late",
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

    def __init__(self, counter: str, ends: float, seed: int = 0) -> None:
        self.counter = counter
        self.ends = ends
        self.granted = self.used = self.reserved = self.stated = self.told = self.base = self.promised = 0
        self.others = self.seed = seed
        self.bound = 0
        self.late = False
        self.recall = 0
        self.contested = self.heard = self.touched = -inf

    @property
    def free(self) -> int:
        """The amount that may be reserved without asking the store. Negative if this process has used and
        reserved more than was granted, as soft limits allow, and hard ones while the store does not answer.
        """
        return self.granted - self.used - self.reserved

    def standing(self) -> Standing:
        """Return the amounts that all processes have used and reserved, as far as this process knows."""
        return Standing(self.others + self.used, self.promised + self.reserved)

    def learn(self, known: Known, told: int, instant: float) -> None:
        """Set the amounts of other processes (`others`, `base`, `promised`) from the store's answer about the
        counter, and set `told` and `heard`. `others` never becomes less, except that the first answer
        replaces the seed. known: the answer. told: how much of this process's `used` the store knew when it
        answered. instant: when the store was asked, in monotonic seconds.
        """
        self.told = max(self.told, told)
        others = known.used - self.told
        # What was used never becomes less, but the seed may be more than what the store has.
        self.others = others if self.heard == -inf else max(self.others, others)
        self.heard = instant
        self.base = max(self.base, known.base)
        self.promised = max(0, known.reserved - self.stated)

    def ttl(self, now: float) -> int:
        """Return for how many milliseconds from now the store has to keep the counter: until two minutes
        after the end of its window, or after now if that is later; -1 = for ever. now: Unix seconds.
        """
        return lasts(max(self.ends, now), now)

    def grant(self, amount: int, most: int) -> None:
        """Add an amount that the store has granted under a limit of `most`. A request that began before a
        reload may have a higher limit than later requests.
        """
        self.granted += amount
        self.bound = max(self.bound, most)

    def unreserve(self, claim: Claim) -> None:
        """Make the amount that was reserved for a claim free again. The claim's limit may be the limit before
        a reload, so `bound` is raised to it: a request with a lower limit may not use this amount.
        """
        self.reserved -= claim.amount
        self.bound = max(self.bound, claim.limit.most)

    def give_back(self) -> None:
        """Set `granted` to the sum of what is used and reserved, so that nothing is free. The caller has to
        see that the block is reported (`Blocks.changed`).
        """
        self.granted = self.used + self.reserved
        self.bound = 0

    def report(self, now: float, *, restate: bool) -> Report:
        """Return the report of this block for the store. It counts as sent: `stated` is set to `reserved`. If
        more is used and reserved than was granted, `granted` is raised to the sum. now: Unix seconds.
        restate: True = this process has just joined the store, so the report also states what it knew of the
        counter before.
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
            int(self.late or restate),
        )

    def wanted(self, claim: Claim, now: float, waited: int) -> Wanted:
        """Return the part of a question to the store that asks for the whole amount of this claim, also if a
        part of it is free in the block. claim: on this block's counter. now: Unix seconds. waited: the number
        of the recall for which the request has waited, 0 = none.
        """
        return Wanted(self.counter, self.ttl(now), claim.amount, claim.limit.most, self.seed, waited)

    def unreported(self) -> Unreported:
        """Return what this process has used of the counter, and what is known from processes that are gone or
        from the database, in the form in which another process can report it after this process has ended.
        """
        return Unreported(self.counter, self.ends, self.used, max(self.base, self.seed))

    def share(self, most: int, processes: int) -> int:
        """Return the amount that may still be reserved under a limit of `most` while the store does not
        answer: what is free in the block; or, if that is more, what this process has left of an equal part of
        the limit. The equal part is the limit divided by `processes`, rounded up, but at most the limit
        without what other processes have used.
        """
        left = min(-(-most // processes), most - self.others) - self.used - self.reserved
        return max(left, self.free)


class Blocks:
    """The blocks of one process. by_counter: {name of the counter: block}. seeds: {name of the counter:
    amount that was used before this process began, according to the database and the journal}.
    """

    def __init__(self) -> None:
        self.by_counter: dict[str, Block] = {}
        self.seeds: dict[str, int] = {}
        self.changed: dict[Block, None] = {}
        """The blocks that have to be reported to the store."""
        self.term = 0
        """Counts how often the lease of this process has lapsed. Places that were reserved in an earlier term
        may be reserved by other processes, too.
        """

    @property
    def owe(self) -> bool:
        """Whether this process has something to report or to give back."""
        every = self.by_counter.values()
        return bool(self.changed) or any(one.granted > one.used or one.used != one.told for one in every)

    def of(self, claim: Claim) -> Block:
        """Return the block for the counter of a claim. If there is none, make one without any granted
        amount.
        """
        block = self.by_counter.get(claim.counter)
        if block is None:
            block = Block(claim.counter, claim.ends, self.seeds.get(claim.counter, 0))
            self.by_counter[claim.counter] = block
        return block

    def usable(self, claim: Claim) -> Block:
        """Return the block for the counter of a claim that is to be reserved. If a part of what is free was
        granted under a higher limit than the claim's, the block first gives back all that is free.
        """
        block = self.of(claim)
        if claim.limit.most < block.bound:
            block.give_back()
            self.changed[block] = None
        return block

    def try_reserve(
        self, claims: Iterable[Claim], now: float, onto: Reservation | None
    ) -> Reservation | Refused | None:
        """Reserve all claims from the blocks of this process, or none of them. onto: a reservation to which
        the claims are added; None = a new one. now: Unix seconds. Returns the reservation; the refusal, if
        the used amounts alone leave no room for a claim on a hard limit; or None if a block is too small, but
        the store might grant more. Soft limits refuse nothing.
        """
        blocks = [self.usable(claim) for claim in claims]
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
        """Reserve all claims or none, while the store does not answer. Returns the reservation; or the
        refusal, if a claim on a hard limit is larger than what this process may use alone (`Block.share`).
        onto: a reservation to which the claims are added; None = a new one. processes: how many processes
        share the limits. now: Unix seconds.
        """
        blocks = [self.usable(claim) for claim in claims]
        for claim, block in zip(claims, blocks, strict=True):
            if claim.limit.hard and claim.amount > block.share(claim.limit.most, processes):
                return refused(claim, block.standing(), now)
        return self.take(claims, blocks, now, onto)

    def take(
        self, claims: Iterable[Claim], blocks: Iterable[Block], now: float, onto: Reservation | None
    ) -> Reservation:
        """Reserve the claims in their blocks, without checking the limits. blocks: the blocks of these
        claims, in the same order. onto: a reservation to which the claims are added; None = a new one. now:
        Unix seconds. Returns the reservation.
        """
        reservation = Reservation({}, self.term) if onto is None else onto
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

    def unreserve_and_correct(self, pairs: Iterable[tuple[Claim, Block]]) -> bool:
        """Make what was reserved for these claims of a waiting request free again in their blocks. Returns
        True if a report has told the store meanwhile that a part of it is reserved. Then the block counts as
        changed, so that the next report corrects this.
        """
        told = False
        for claim, block in pairs:
            block.unreserve(claim)
            if block.stated > block.reserved:
                self.changed[block] = None
                told = True
        return told

    def standings(self, shared: Mapping[str, Standing]) -> dict[str, Standing]:
        """Return {name of the counter: amounts of all processes} for the counters of this process that are in
        use. shared: what the store knows of all counters; what this process has not reported is added.
        """
        found = {}
        for name, block in self.by_counter.items():
            if name in shared:
                used, reserved = shared[name]
                reserved = max(0, reserved + block.reserved - block.stated)
                found[name] = Standing(used + block.used - block.told, reserved)
            elif block.used or block.reserved:
                found[name] = block.standing()
        return found

    def settle(self, reservation: Reservation, used: Mapping[str, int]) -> None:
        """Replace what was reserved by what was used. Afterwards the reservation has no claims. used: {name
        of the counter: amount}; a counter that is missing has used nothing, and one on which the reservation
        has no claim is ignored.
        """
        claims, reservation.claims = reservation.claims, {}
        for counter, claim in claims.items():
            block = self.of(claim)
            block.unreserve(claim)
            block.used += used.get(counter, 0)
            if reservation.term != self.term and claim.limit.resource == _PLACES:
                block.granted -= claim.amount  # another process may have this place
            self.changed[block] = None

    def lapse(self) -> None:
        """Begin a new term, because the store has treated this process as gone: it has given the places of
        the process to whoever asked. Give back what is free in all blocks.
        """
        self.term += 1
        for block in self.by_counter.values():
            block.give_back()
            self.changed[block] = None

    def withdraw(self, reservation: Reservation) -> list[Claim]:
        """Give back the places (`concurrency`) of a reservation at hard limits, and remove their claims from
        it. Returns these claims, which the caller has to reserve again.
        """
        claims = places(reservation)
        for claim in claims:
            block = self.of(claim)
            block.reserved -= claim.amount
            block.granted -= claim.amount
            self.changed[block] = None
            del reservation.claims[claim.counter]
        reservation.term = self.term
        return claims

    def drop_over(self, now: float, asked: Collection[Block] = ()) -> list[str]:
        """Drop the blocks of counters whose windows have been over for two minutes, and those of counters
        whose windows never end (`concurrency`, lifetime), if this process has used nothing and has nothing
        granted. Blocks with running reservations stay, and those of which something is not reported. The
        seeds of dropped blocks are dropped, too, except those of counters whose windows never end. asked:
        blocks for which a request has asked the store; they stay, too. now: Unix seconds. Returns the names
        of the dropped counters.
        """
        over = [
            block
            for block in self.by_counter.values()
            if block.reserved == 0
            and block not in asked
            and block not in self.changed
            and block.told == block.used
            and (block.ends + _SLACK < now or (block.ends == inf and not block.used and not block.granted))
        ]
        for block in over:
            del self.by_counter[block.counter]
            self.changed.pop(block, None)
            if block.ends != inf:
                self.seeds.pop(block.counter, None)
        return [block.counter for block in over]


def lasts(ends: float, now: float) -> int:
    """Return for how many milliseconds from now the store has to keep a counter: until two minutes after
    `ends`, the end of its window; 0 = no longer, -1 = for ever (`ends` is infinity). ends, now: Unix seconds.
    """
    return -1 if ends == inf else max(0, int(1000 * (ends - now + _SLACK)))


def places(reservation: Reservation) -> list[Claim]:
    """Return the claims of a reservation on hard limits of `concurrency`."""
    return [
        claim for claim in reservation.claims.values() if claim.limit.resource == _PLACES and claim.limit.hard
    ]


def refused(claim: Claim, standing: Standing, now: float) -> Refused:
    """Return the refusal of a claim. standing: the amounts of the claim's counter. now: Unix seconds."""
    return Refused(claim, standing, again(claim, standing, now))
