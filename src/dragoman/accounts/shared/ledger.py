"""The ledger of several processes and machines. The counters are in a Valkey or Redis server, the *store*;
each process has blocks of them: amounts that the store has granted to it (`blocks`).

A common request fits into the blocks of this process, so the process asks nobody. Otherwise the question goes
to the store together with all other waiting questions, in one round trip. The used amounts are reported in
batches. docs/decisions/0050-shared-limits.md says why the sums stay exact.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import CancelledError, Event, Future, TimerHandle
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec

from dragoman.accounts.ledger import UNKNOWN, Refused, Reservation
from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.shared.adoption import Adoption
from dragoman.accounts.shared.blocks import Block, Blocks, places, refused
from dragoman.accounts.shared.link import Link, LinkFailed
from dragoman.accounts.shared.messages import Answer, Join, LastReport, Outcome, Request
from dragoman.accounts.shared.questions import Question, is_spare, taken
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from dragoman.seams.tasks import spawn
from dragoman.state.counters import read
from dragoman.state.usage import UsageRecord

log = logging.getLogger("dragoman.accounts.shared")

LEASE: Final = 5.0
"""The lease in seconds: if the store has not heard from a process for this time, it takes the process for
gone, and its places (`concurrency`) are free.
"""
_SURE: Final = 0.8
"""The part of a lease during which this process may use its blocks, counted from the start of its last
exchange with the store.
"""
_BEATS: Final = 5
"""The least number of exchanges with the store during one lease."""
_REPORT: Final = 0.1
"""Seconds between a settlement and its report to the store."""
_NEWS: Final = 1.0
"""Seconds after which a process asks again what others have used of a counter that a request reserves. The
answer comes while the request runs, so the headers about limits tell the client what is left now.
"""
_SWEEP: Final = 5.0
_IDLE: Final = 2.0
"""Seconds after which an unused block is given back, at the next sweep."""
PATIENCE: Final = 0.3
"""Seconds for which requests wait for a store that was just lost: it may be back at once."""
_UNDECIDED: Final = 0.6
"""Seconds for which a request waits if the store cannot decide yet: until other processes have given back
what they do not need, or have told the store again what it has lost.
"""
_CONTESTED: Final = 1.0
_REPORTS: Final = 512
_ASKS: Final = 256
_GRACE: Final = 400
"""Milliseconds for which the store waits for other processes to join, if the server has just started."""
_PAUSES: Final = (0.02, 0.25)
"""Seconds between two attempts to connect: at first, and at most."""
_PARTING: Final = LEASE
"""Seconds for which a process that closes tries to leave the store, if nobody else can do so for it. Then its
lease is over, too.
"""
_RETRIES: Final = (0.002, 0.03)
"""Seconds between two questions of one request: at first, and at most."""


class _Forgotten(Exception):
    """The store has not used a message: the store has lost its data, or no longer knows this process."""


class SharedLedger:
    """A `Ledger` whose counters several processes share. It connects to the store when `ask` is called for
    the first time; `adopted` and `standings` open connections of their own.

    reach: connects to the store. name: of this process, unique for ever; the process's journal has the same
    name. kind, address: of the store, for people. serve_without: True = while the store does not answer,
    requests are served, and each process may use its share of a limit (`Block.share`); False = requests fail
    when the blocks of this process are used up or have expired. processes: a limit is divided by at least
    this number of processes, even if fewer have joined. lease: seconds (see `LEASE`).
    """

    def __init__(
        self,
        reach: Callable[[], Awaitable[Link]],
        seams: Seams,
        *,
        name: str,
        kind: str = "valkey",
        address: str = "",
        serve_without: bool = True,
        processes: int = 1,
        lease: float = LEASE,
    ) -> None:
        self._reach = reach
        self._seams = seams
        self._name = name
        self._kind = kind
        self._address = address
        self._open = serve_without
        self._lease = lease
        self._blocks = Blocks()
        self._questions: deque[Question] = deque()
        self._epoch = ""
        self._number = 0
        self._peers: list[str] = []
        self._least = self._processes = processes
        self._settled = self._upto = 0.0
        self._sure = self._sure_until = -inf
        """Until when the blocks of this process are surely its own: in monotonic seconds, and in Unix
        seconds. Both have to be in the future. A machine that is suspended stops the monotonic clock.
        """
        self._joined = False
        self._recovering = False
        self._since: float | None = None
        """Since when there is no connection to the store (monotonic seconds); None = there is one, or the
        store was not asked yet.
        """
        self._lost_at: float | None = None
        self._error: str | None = None
        self._version: str | None = None
        self._wake = Event()
        self._timer: TimerHandle | None = None
        self._living: asyncio.Task[None] | None = None
        self._adoption = Adoption(reach, seams.now)
        self._closing = self._left = False
        self._waits: str | None = None
        self._refuses = False

    def wait(self, why: str | None, *, refuse: bool = False) -> None:
        """Set whether the usage before the start of this process is known. why: why it is not; None = it is
        known. refuse: True = until it is known, `reserve` and `ask` raise RequestFailed.
        """
        self._waits, self._refuses = why, refuse and why is not None

    def seed(self, used: Mapping[str, int]) -> None:
        """Set how much was used before, according to the database and the journal. used: {name of the
        counter: amount}. A counter that the store does not know begins with this amount; one that this
        process has used already is raised to at least this amount.
        """
        self._blocks.seeds.update(used)
        for counter, amount in used.items():
            if (block := self._blocks.by_counter.get(counter)) is not None:
                block.seed, block.late = amount, True
                self._blocks.changed[block] = None

    def reserve(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused | None:
        """Reserve all claims or none, without asking the store: in the blocks of this process, if they have
        not expired and can decide; else, if the store has been away for more than `PATIENCE` seconds and
        requests are served without it, in this process's share of each limit (`Block.share`). onto: the
        reservation to add to; None = a new one. now: Unix seconds. Returns the reservation or the refusal;
        None = `ask` has to decide. Raises RequestFailed while `wait(…, refuse=True)` is in force.
        """
        if self._refuses:
            raise RequestFailed(UNKNOWN)
        instant = self._seams.monotonic()
        if self._is_sure(instant, now):
            found = self._blocks.try_reserve(claims, now, onto)
            if found is not None:
                self._refresh(claims, instant)
                return found
        if self._open and self._since is not None and instant - self._since > PATIENCE:
            return self._blocks.by_share(claims, now, onto, processes=self._processes)
        return None

    def _is_sure(self, instant: float, now: float) -> bool:
        """Whether the lease of this process surely lasts, so that its blocks are its own. instant: monotonic
        seconds. now: Unix seconds.
        """
        return instant < self._sure and now < self._sure_until

    def lapsed(self, reservation: Reservation, now: float) -> bool:
        """Whether other processes may have got the places (`concurrency`) of this reservation, because the
        lease of this process may have been over; then call `withdraw`. False also while the store is lost and
        requests are served without it. now: Unix seconds.
        """
        if reservation.term == self._blocks.term and self._is_sure(self._seams.monotonic(), now):
            return False
        return not (self._open and self._since is not None) and bool(places(reservation))

    def withdraw(self, reservation: Reservation) -> list[Claim]:
        return self._blocks.withdraw(reservation)

    def _refresh(self, claims: Sequence[Claim], instant: float) -> None:
        """Report the blocks of these claims now, if the store has told nothing of their counters for `_NEWS`
        seconds. Its answer tells what other processes have used. instant: now, in monotonic seconds.
        """
        for claim in claims:
            block = self._blocks.by_counter[claim.counter]
            if block.heard < instant - _NEWS:
                self._blocks.changed[block] = None
                self._wake.set()

    async def ask(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None = None
    ) -> Reservation | Refused:
        """Reserve all claims or none, and ask the store if the blocks of this process are too small or have
        expired. If it does not decide in time, a request is refused if other processes hold what it needs;
        else this process's share of each limit decides (`Block.share`). onto, now: as for `reserve`. Raises
        RequestFailed if requests are not served without the store, and while `wait(…, refuse=True)` is in
        force.
        """
        self._begin()
        waited, (pause, most) = 0.0, _RETRIES
        recalls: dict[str, int] = {}
        while True:
            again: Answer | None = None
            found = self.reserve(claims, now, onto)
            if found is None and self._joined:
                answered = await self._question(claims, now, onto, recalls)
                if isinstance(answered, Answer):
                    again = answered
                    if again.outcome is Outcome.AGAIN:
                        refusing = [one for one in claims if one.limit.hard][again.refusing]
                        recalls.setdefault(refusing.counter, again.recall)
                else:
                    found = answered
            if found is not None:
                return found
            lost = self._since is not None and self._seams.monotonic() - self._since > PATIENCE
            if lost or self._closing or (again is not None and waited > _UNDECIDED):
                return self._unanswered(claims, now, onto, again=again)
            # Only the pauses count as waiting: a busy event loop is not the store's fault.
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, most)

    def _unanswered(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None, *, again: Answer | None
    ) -> Reservation | Refused:
        """Return the result for a request whose question was not decided in time, or raise RequestFailed (see
        `ask`). again: the store's latest answer.
        """
        if again is not None and again.outcome is Outcome.AGAIN:
            claim = [claim for claim in claims if claim.limit.hard][again.refusing]
            return refused(claim, self._blocks.of(claim).standing(), now)
        if not self._open:
            raise RequestFailed(UNKNOWN)
        return self._blocks.by_share(claims, now, onto, processes=self._processes)

    async def _question(
        self, claims: Sequence[Claim], now: float, onto: Reservation | None, waited: Mapping[str, int]
    ) -> Reservation | Refused | Answer | None:
        """Ask the store for the claims that do not fit into the blocks of this process, or for all of them if
        the lease may be over. Returns the reservation or the refusal; an Answer if the store has not decided
        yet; None if the connection was lost, or if no claim has to be asked for. waited: see `Question`. now:
        Unix seconds.
        """
        blocks = [self._blocks.usable(claim) for claim in claims]
        pairs = list(zip(claims, blocks, strict=True))
        sure = self._is_sure(self._seams.monotonic(), now)
        asked = [one for one in pairs if one[0].limit.hard and not (sure and one[0].amount <= one[1].free)]
        if not asked:
            self._wake.set()
            return None
        own = [pair for pair in pairs if pair not in asked]
        for claim, block in own:
            block.reserved += claim.amount
        future: Future[Answer | None] = asyncio.get_running_loop().create_future()
        question = Question([one[0] for one in asked], [one[1] for one in asked], waited, future)
        self._questions.append(question)
        self._wake.set()
        try:
            answer = await future
        except CancelledError:
            if question.granted and self._blocks.unreserve_and_correct(asked):
                self._report_soon()
            raise
        finally:
            if self._blocks.unreserve_and_correct(own):
                self._report_soon()
        if answer is None or answer.outcome is Outcome.RECOVERING:
            return answer
        if answer.outcome is not Outcome.GRANTED:
            claim, block = asked[answer.refusing]
            if spare := is_spare(claim, block):
                found = self._blocks.try_reserve(claims, now, onto)
                if isinstance(found, Reservation):
                    return found
                block.give_back()
                self._blocks.changed[block] = None
            if spare or answer.outcome is Outcome.AGAIN:
                index = [claim for claim, _ in pairs if claim.limit.hard].index(claim)
                return Answer(Outcome.AGAIN, index, answer.why, recall=answer.recall)
            return refused(claim, block.standing(), now)
        for claim, block in asked:
            block.unreserve(claim)
        return self._blocks.take(claims, blocks, now, onto)

    def far(self, claims: Iterable[Claim]) -> bool:
        for limit, counter, _, amount in claims:
            used, reserved = self.standing(counter)
            if 2 * (used + reserved + amount) > limit.most:
                return False
        return True

    def bind(self, claims: Sequence[Claim]) -> None:
        """Return None: other processes use the counters, too."""
        return

    def settle(self, reservation: Reservation, used: Mapping[str, int], now: float) -> None:
        contested = any(self._blocks.of(claim).contested > -inf for claim in reservation.claims.values())
        self._blocks.settle(reservation, used)
        self._settled = max(self._settled, now)
        if contested:
            self._wake.set()
        else:
            self._report_soon()

    def _report_soon(self) -> None:
        """Have the changed blocks reported in `_REPORT` seconds, in one report with everything that changes
        until then. Do nothing if such a report is already planned, or if the store is not used now.
        """
        if self._timer is None and self._living is not None:
            self._timer = asyncio.get_running_loop().call_later(_REPORT, self._wake.set)

    def standing(self, counter: str) -> Standing:
        block = self._blocks.by_counter.get(counter)
        return Standing(self._blocks.seeds.get(counter, 0), 0) if block is None else block.standing()

    async def standings(self) -> Mapping[str, Standing]:
        own = {**self._unused(), **{name: one.standing() for name, one in self._blocks.by_counter.items()}}
        try:
            link = await self._reach()
        except LinkFailed:
            return own
        try:
            shared = {name: Standing(*two) for name, two in (await link.counters()).items()}
        except LinkFailed:
            return own
        finally:
            await link.close()
        return {**self._unused(), **shared, **self._blocks.standings(shared)}

    def _unused(self) -> Mapping[str, Standing]:
        """Return {name of the counter: the amount that `seed` has set} for the counters whose windows are not
        over.
        """
        now = self._seams.now()
        return {
            name: Standing(amount, 0)
            for name, amount in self._blocks.seeds.items()
            if (counter := read(name)) is not None and counter.ends > now
        }

    async def adopted(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int | None:
        """Tell the store what an ended process has used, and release what it held. Waits until the store
        answers, or until `close`; then returns None, else how many records were charged, each once. process,
        report, records: see `Adoption.adopt`.
        """
        return await self._adoption.adopt(process, report, records)

    def unreported(self) -> bytes:
        """Return what `adopted` of another process needs as `report` if this process ends now: while the
        store is lost, what this process has used and not reported; after `leave` has begun, also that this
        process still holds something in the store. b"" = nothing.
        """
        if self._since is None and not self._closing:
            return b""
        told = [one.unreported() for one in self._blocks.by_counter.values() if one.used != one.told]
        if not told and not (self._closing and self._epoch and not self._left):
            return b""
        return msgspec.msgpack.encode(LastReport(self._epoch, self._number, self._settled, told))

    def state(self) -> dict[str, Any]:
        asked = self._living is not None
        healthy = self._since is None and self._joined and self._waits is None
        mode = "shared" if self._joined else "by share" if self._open else "closed"
        return {
            "kind": self._kind,
            "address": self._address,
            "version": self._version,
            "healthy": healthy if asked or self._waits is not None else None,
            "last_error": self._error or self._waits,
            "since": self._lost_at,
            "mode": ("recovering" if self._recovering and self._joined else mode) if asked else None,
            "processes": self._processes,
            "counters": len(self._blocks.by_counter),
            "held": sum(1 for block in self._blocks.by_counter.values() if block.granted > block.used),
        }

    async def leave(self, patience: float) -> None:
        """Report what was used, give back what this process has of the counters, and leave the store. Call it
        when no request runs any more; `unreported` then returns what could not be reported. patience: the
        most seconds to wait for the store; without a connection and with nothing to report, this method does
        not wait.
        """
        self._closing = True
        self._wake.set()
        living, self._living = self._living, None
        if living is not None:
            idle = self._since is not None and not self._blocks.owe
            await asyncio.wait({living}, timeout=0.0 if idle else patience)
            living.cancel()
            await asyncio.wait({living})
            if not (self._left or idle):
                why = self._error or "it does not answer"
                log.warning("the last use of limits could not be reported to their store: %s", why)
        if self._timer is not None:
            self._timer.cancel()

    async def close(self) -> None:
        await self.leave(_PARTING)
        self._adoption.close()

    def _begin(self) -> None:
        if self._living is None and not self._closing:
            self._living = spawn(self._live(), "keeping shared limits")

    async def _live(self) -> None:
        """Stay connected to the store until this process has left it."""
        pause, most = _PAUSES
        while not self._left:
            try:
                link = await self._reach()
            except LinkFailed as error:
                self._lose(error)
            else:
                try:
                    self._version = link.version
                    await self._stay(link)
                except LinkFailed as error:
                    if self._joined:
                        pause = _PAUSES[0]
                    self._lose(error)
                except Exception as error:  # without a new try, all requests would wait for ever
                    log.exception("the exchange with the store of limits (%s) has failed", self._address)
                    self._lose(LinkFailed(f"{type(error).__name__}: {error}"))
                finally:
                    self._joined = False
                    await link.close()
            if not self._left:
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)

    def _lose(self, error: LinkFailed) -> None:
        self._error = str(error)
        self._joined = False
        if self._since is None:
            self._since, self._lost_at = self._seams.monotonic(), self._seams.now()
            doing = (
                "each process limits by its share" if self._open else "requests fail when blocks are used up"
            )
            log.warning("the store of limits (%s) is lost: %s; %s", self._address, error, doing)
        while self._questions:
            self._questions.popleft().tell(None)

    async def _stay(self, link: Link) -> None:
        """Exchange messages with the store until this process leaves it. Raises LinkFailed."""
        broken: list[LinkFailed] = []
        await link.listen()
        hearing = spawn(self._hear(link, broken), "hearing recalls of limits")
        beating = asyncio.get_running_loop()
        beat = beating.call_later(self._lease / _BEATS, self._wake.set)
        swept = self._seams.monotonic()
        try:
            await self._join(link)
            while not self._closing:
                await self._wake.wait()
                self._wake.clear()
                if broken:
                    raise broken[0]
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                over: list[str] = []
                if self._seams.monotonic() - swept > _SWEEP:
                    swept = self._seams.monotonic()
                    over = self._sweep()
                try:
                    await self._exchange(link, over=over)
                    while self._questions or len(self._blocks.changed) > _REPORTS:
                        await self._exchange(link)
                except _Forgotten:
                    await self._join(link)
                beat.cancel()
                beat = beating.call_later(self._lease / _BEATS, self._wake.set)
            await self._leave(link)
        finally:
            beat.cancel()
            hearing.cancel()

    async def _hear(self, link: Link, broken: list[LinkFailed]) -> None:
        try:
            async for recalls in link.recalls():
                instant = self._seams.monotonic()
                for counter, number in recalls:
                    block = self._blocks.by_counter.get(counter)
                    if block is not None:
                        block.recall, block.contested = number, instant + _CONTESTED
                        self._blocks.changed[block] = None
                self._wake.set()
        except LinkFailed as error:
            broken.append(error)
            self._wake.set()

    async def _join(self, link: Link) -> None:
        """Register this process with the store, and report all blocks again. If the store has forgotten this
        process, the process begins anew; if its lease was over, it gives back what its requests have not
        reserved. Raises LinkFailed.
        """
        self._joined = False
        while True:
            fresh = self._seams.random_id()
            lease = int(1000 * self._lease)
            grace = _GRACE if link.young else 0
            joined = await link.join(
                Join(self._name, link.run, fresh, lease, self._epoch, self._peers, grace)
            )
            if not joined.forgotten:
                break
            for block in self._blocks.by_counter.values():
                block.granted -= block.told
                block.used -= block.told
                block.others += block.told
                block.told = 0
            self._epoch = ""
        late = self._seams.monotonic() - self._sure >= (1 - _SURE) * self._lease
        if joined.lapsed or (late and joined.epoch != self._epoch):
            self._blocks.lapse()
        self._epoch = joined.epoch
        blocks = list(self._blocks.by_counter.values())
        try:
            for start in range(0, max(1, len(blocks)), _REPORTS):
                last = start + _REPORTS >= len(blocks)
                await self._exchange(link, restate=blocks[start : start + _REPORTS], restated=last)
        except _Forgotten:
            raise LinkFailed("it has lost its state again") from None
        self._joined = True
        if self._since is not None and self._lost_at is not None:
            log.warning("the store of limits (%s) is back", self._address)
        self._since = self._lost_at = None

    async def _leave(self, link: Link) -> None:
        changed = self._blocks.changed
        changed.update(dict.fromkeys(self._blocks.by_counter.values()))
        for block in changed:
            block.give_back()
        try:
            while len(changed) > _REPORTS:
                await self._exchange(link)
            await self._exchange(link, leaving=True)
        except _Forgotten:
            raise LinkFailed("it has lost its state") from None
        self._left = True

    def _sweep(self) -> list[str]:
        """Give back the free part of each block on which nothing was reserved for `_IDLE` seconds, and drop
        blocks as `Blocks.drop_over` says. Returns the names of the counters of the dropped blocks.
        """
        now = self._seams.now()
        for block in self._blocks.by_counter.values():
            if block.granted > block.used + block.reserved and block.touched < now - _IDLE:
                block.give_back()
                self._blocks.changed[block] = None
        # The blocks of waiting requests stay, or these would reserve in blocks that nobody finds any more.
        asked = {block for question in self._questions for block in question.blocks}
        return self._blocks.drop_over(now, asked)

    async def _exchange(
        self,
        link: Link,
        *,
        over: Sequence[str] = (),
        restate: Sequence[Block] | None = None,
        restated: bool = False,
        leaving: bool = False,
    ) -> None:
        """Make one round trip: send reports and waiting questions, and use the store's answers. Raises
        LinkFailed, _Forgotten.

        over: the counters whose blocks this process has dropped. restate: the blocks to report again after
        joining; then no question is sent; None = report the blocks that have changed. restated: True = no
        further blocks have to be reported again. leaving: True = this process leaves the store.
        """
        now, instant = self._seams.now(), self._seams.monotonic()
        changed = self._blocks.changed
        blocks = list(changed)[:_REPORTS] if restate is None else list(restate)
        for block in blocks:
            changed.pop(block, None)
            if block.contested > instant:
                block.give_back()
            else:
                block.contested = -inf
        if not changed:
            self._upto = self._settled
        questions = taken(self._questions, _ASKS) if restate is None else []
        told = [(block, block.used) for block in blocks]
        self._number += 1
        request = Request(
            self._name,
            self._epoch,
            self._number,
            int(1000 * self._lease),
            self._upto,
            int(restated),
            [block.report(now, restate=restate is not None) for block in blocks],
            [one.wanted(now) for one in questions],
            list(over),
            int(leaving),
            1,
        )
        try:
            reply = await link.exchange(request)
            if not reply.known:
                raise _Forgotten
        except BaseException:
            changed.update(dict.fromkeys(blocks))
            for question in questions:
                question.tell(None)
            raise
        self._sure, self._sure_until = instant + _SURE * self._lease, now + _SURE * self._lease
        self._processes = max(self._least, reply.processes)
        self._peers, self._recovering = reply.peers, reply.recovering
        for (block, used), known in zip(told, reply.reports, strict=True):
            block.learn(known, used, instant)
        for question, answer in zip(questions, reply.asks, strict=True):
            self._answered(question, answer, instant)

    def _answered(self, question: Question, answer: Answer, asked: float) -> None:
        """Use the store's answer to a question. asked: when it was asked, in monotonic seconds."""
        if answer.refusing >= 0:
            # Now, because the next report changes what the store has counted of this process.
            refusing = question.blocks[answer.refusing]
            refusing.learn(answer.why, refusing.told, asked)
            if answer.outcome is Outcome.AGAIN:
                refusing.contested = self._seams.monotonic() + _CONTESTED
        if answer.outcome is Outcome.GRANTED:
            for claim, block, known in zip(question.claims, question.blocks, answer.granted, strict=True):
                block.grant(claim.amount + known.extra, claim.limit.most)
                block.stated += claim.amount
                block.learn(known, block.told, asked)
                if question.answer.done():
                    self._blocks.changed[block] = None
                else:
                    block.reserved += claim.amount
        question.tell(answer)
