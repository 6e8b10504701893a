"""The order of attempts, as a pure state machine: `on(event, now)` returns commands for the caller to carry
out.

The machine has no loop, sleep, clock or random number: each event brings the time, and a function given at
the start brings the jitter. So tests can check it as transcripts of events and commands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

from dragoman import ir
from dragoman.routing.fallbacks import Why, why_of
from dragoman.routing.outcome import Outcome, classify

C = TypeVar("C")


class Policy(msgspec.Struct, frozen=True):
    """How often a request is retried after all candidates have failed, and how long its attempts may take.

    retries: the most retries of a request; a retry is an attempt after all candidates have failed. backoff:
    seconds before the first retry; each wait is twice as long as the one before, up to backoff_max seconds.
    If a failure states a Retry-After, its candidate waits for that time instead. jitter: the largest fraction
    (0 to 1) by which a wait of `backoff` is shortened at random. patience: the most seconds to wait before a
    retry, or for a candidate that rests; if the wait would be longer, the machine gives up. attempts: the
    most attempts of a request, retries included, None = no limit. seconds: the time of all attempts together,
    after which no attempt begins; None = no limit.
    """

    retries: int = 2
    backoff: float = 1.0
    backoff_max: float = 10.0
    jitter: float = 0.25
    patience: float = 10.0
    attempts: int | None = None
    seconds: float | None = None


# Events ------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True):
    """Event: the round of attempts begins. It is the first event of every round."""


class FirstContent(msgspec.Struct, frozen=True):
    """Event: the client gets the first content of the running attempt's answer. From now on, no other attempt
    can answer from the beginning.
    """


class Failed(msgspec.Struct, Generic[C], frozen=True):
    """Event: an attempt has failed. candidate: which of two running attempts it was; None = the one that
    started last. If only one attempt is running, `candidate` is not read.
    """

    fault: ir.Fault
    candidate: C | None = None


class Beside(msgspec.Struct, Generic[C], frozen=True):
    """Event: the running attempt is late, so an attempt with this candidate starts in addition. candidate:
    one of those in `Attempts.left`.
    """

    candidate: C


class GoesOn(msgspec.Struct, Generic[C], frozen=True):
    """Event: the running attempt has failed after its first content, and an attempt with this candidate
    continues its answer. candidate: one of those in `Attempts.left`.
    """

    candidate: C


class Full(msgspec.Struct, frozen=True):
    """Event: the gateway's limits on running requests have given the request no place for the candidate that
    was to start, nor for another one in `Attempts.left`: the queues are full, or the wait was too long.
    fault: the refusal.
    """

    fault: ir.Fault


class Limited(msgspec.Struct, frozen=True):
    """Event: the candidate that was to start may not be called now, because one of the gateway's own limits
    refuses it. fault: the refusal.
    """

    fault: ir.Fault


class Timer(msgspec.Struct, frozen=True):
    """Event: the time of the last WakeAt command has come."""


class More(msgspec.Struct, Generic[C], frozen=True):
    """Event: the candidates of the next fallback, in reply to Extend. ready: the candidates to call, in order
    of preference. resting: candidates with the time (monotonic seconds) from which each may be called.
    doubtful: candidates to call after all that are ready, also after those of later fallbacks.
    """

    ready: Sequence[C]
    resting: Sequence[tuple[float, C]] = ()
    doubtful: Sequence[C] = ()


class NoMore(msgspec.Struct, frozen=True):
    """Event: the list of fallbacks that the last Extend named has no more candidates. In reply to Extend."""


# Commands ----------------------------------------------------------------------------------------


class Start(msgspec.Struct, Generic[C], frozen=True):
    """Command: start an attempt with this candidate."""

    candidate: C


class WakeAt(msgspec.Struct, frozen=True):
    """Command: send Timer at this time (monotonic seconds)."""

    at: float


class Extend(msgspec.Struct, frozen=True):
    """Command: find the candidates of the next route in this list of fallbacks, and send More or NoMore."""

    why: Why


class GiveUp(msgspec.Struct, frozen=True):
    """Command: make no further attempt, and end the request with this fault."""

    fault: ir.Fault


AttemptEvent: TypeAlias = (
    Begin | FirstContent | Failed[C] | Beside[C] | GoesOn[C] | Full | Limited | Timer | More[C] | NoMore
)
Command: TypeAlias = Start[C] | WakeAt | Extend | GiveUp

_FINAL = frozenset({Outcome.KEY_PERMANENT, Outcome.KEY_MODEL, Outcome.DEPLOYMENT, Outcome.CROWDED})


_ALL_REST: Final = ir.Fault(
    "rate_limit",
    "Every key for this model has reached its provider's rate limit.",
    code="rate_limit_exceeded",
    blame="upstream",
)


NOBODY: Final = ir.Fault(
    "unavailable",
    "Everybody who could answer for this model has been disabled by the operator.",
    code="provider_disabled",
    blame="gateway",
)
"""The fault if a round has no candidate at all, because all are disabled."""


class Attempts(Generic[C]):
    """One round of attempts: decides which candidate is called next. candidates: in order of preference.

    After a failure that is not the caller's fault, the next candidate starts at once, as long as the policy
    allows another attempt: first the rest of `candidates`, then those of each fallback (`Extend`), then
    `doubtful`. When all have failed, the round waits for a retry or a resting candidate (`Policy`), or ends.
    A failure that is the caller's fault ends the round. Only a prompt that is too long, or content that the
    provider refuses, goes on with the list of fallbacks for it, if there is one. After the first content,
    a failure ends the round, unless another candidate continues the answer (`GoesOn`). While two attempts
    run (`Beside`), a failure of one lets the other go on alone.

    random: returns a number from 0 to 1. pool: returns the name of the connection pool that a candidate
    shares with others, None = it shares none. resting: further candidates, each with the time (monotonic
    seconds) from which it may be called. doubtful: candidates that are called after all others, but before
    any wait. until: when (monotonic seconds) the time of all attempts is over, None = never. lists: which
    lists of fallbacks the request has. refused: the refusal for which the request turned to these candidates
    before its first attempt; if they fail before their first content, the client gets it; None = none.
    """

    __slots__ = (
        *(
            "_beside",
            "_committed",
            "_crowded",
            "_doubtful",
            "_retryable",
            "_last",
            "_left",
            "_lists",
            "_more",
            "_policy",
            "_pool",
        ),
        *(
            "_nobody",
            "_random",
            "_refused",
            "_resting",
            "_retries",
            "_running",
            "_started",
            "_until",
            "_waiting",
            "_why",
        ),
    )

    def __init__(
        self,
        candidates: Sequence[C],
        policy: Policy,
        random: Callable[[], float],
        pool: Callable[[C], str | None] = lambda _candidate: None,
        *,
        resting: Sequence[tuple[float, C]] = (),
        doubtful: Sequence[C] = (),
        until: float | None = None,
        lists: Collection[Why] = (),
        refused: ir.Fault | None = None,
    ) -> None:
        self._policy = policy
        self._pool = pool
        self._random = random
        self._until = until
        self._lists = lists
        self._refused = refused
        self._left = list(candidates)
        self._resting = list(resting)
        """Candidates, each with the time (monotonic seconds) from which it may be called."""
        self._doubtful = list(doubtful)
        self._crowded: set[str] = set()
        """The pools in which the request has waited in vain."""
        self._why: Why = "any"
        """The list of fallbacks that is used when no candidates are left."""
        self._more = "any" in lists
        """Whether that list may have further candidates."""
        self._started = 0
        self._retries = 0
        self._running: C | None = None
        self._beside: C | None = None
        """The late attempt that runs beside `_running`; None = only one attempt runs."""
        self._waiting: C | None = None
        self._last: tuple[C, ir.Fault] | None = None
        """The candidate that failed last, and its fault."""
        self._retryable: tuple[C, ir.Fault] | None = None
        """The candidate that failed last with a failure that still allows a retry, and its fault; None =
        there is none.
        """
        self._committed = False
        self._nobody = NOBODY
        """The fault if no candidate is left that could be called."""

    @property
    def left(self) -> Sequence[C]:
        """The candidates that have not been started yet, best first. Not included: resting candidates, those
        of fallbacks that were not asked for yet, and doubtful ones while other candidates or fallbacks are
        left.
        """
        return self._left

    def swap(self, candidate: C) -> None:
        """Let `candidate`, one of those in `left`, start instead of the candidate that was to start. The
        latter becomes the first in `left`.
        """
        place = self._left.index(candidate)
        if self._running is not None:
            self._left.insert(0, self._running)
            place += 1
        self._running = self._left.pop(place)

    def pause(self, seconds: float) -> None:
        """Extend the time of all attempts by so many seconds, if it is limited."""
        if self._until is not None:
            self._until += seconds

    def defer(self, same: Callable[[C], bool]) -> None:
        """Move the candidates for which `same` returns True to the end of `left`. The order is kept
        otherwise.
        """
        self._left.sort(key=same)

    def on(self, event: AttemptEvent[C], now: float) -> list[Command[C]]:
        """Process one event, and return the commands to carry out, in order; [] = nothing has to be done.
        now: monotonic seconds.
        """
        match event:
            case FirstContent():
                self._committed = True
                return []
            case Begin():
                return self._next(now)
            case Failed(fault, candidate):
                alone = self._beside is None or self._committed
                return self._failed(fault, now) if alone else self._fell(fault, candidate, now)
            case Beside(candidate):
                self._beside = self._running
                return [self._start(candidate)]
            case GoesOn(candidate):
                return [self._start(candidate)]
            case Full(fault):
                return self._turned_away(fault)
            case Limited(fault):
                return self._limited(fault, now)
            case More(ready, resting, doubtful):
                self._left = [one for one in ready if not self._is_crowded(one)]
                self._resting += [rest for rest in resting if not self._is_crowded(rest[1])]
                self._doubtful += [one for one in doubtful if not self._is_crowded(one)]
                return self._next(now)
            case NoMore():
                self._more = False
                return self._next(now)
            case Timer():
                waiting, self._waiting = self._waiting, None
                return [] if waiting is None else [self._start(waiting)]

    def may_begin(self, now: float) -> bool:
        """Whether the number of attempts and their time allow one more. now: monotonic seconds."""
        return not self._is_spent() and not self._is_late(now)

    def has_other(self, differs: Callable[[C], bool], *, fallbacks: bool) -> bool:
        """Whether another candidate could be called at once instead of the running one: one in `left` for
        which `differs` returns True, or one of a fallback. False also if the request has made all its
        attempts. fallbacks: whether a fallback is left.
        """
        return not self._is_spent() and (fallbacks or any(map(differs, self._left)))

    def _start(self, candidate: C) -> Start[C]:
        if candidate in self._left:
            self._left.remove(candidate)
        self._started += 1
        self._running = candidate
        return Start(candidate)

    def _next(self, now: float) -> list[Command[C]]:
        """Return the next command: start the next candidate, or ask for the candidates of the next fallback.
        If there is neither, wait for a retry (if a candidate has failed) or for a candidate that rests; or
        give up.
        """
        if not self._left and not self._more:
            self._left, self._doubtful = self._doubtful, []
        if self._left:
            return [self._start(self._left[0])]
        if self._more:
            return [Extend(self._why)]
        if self._last is not None:
            return self._again(self._last[1], now)
        return self._rest(now) if self._resting else [self._give_up(self._nobody)]

    def _rest(self, now: float) -> list[Command[C]]:
        """Wait for the resting candidate whose rest ends first; give up if the rest ends later than
        `patience` or the time of all attempts allows.
        """
        at, self._waiting = min(self._resting, key=lambda rest: rest[0])
        if at - now > self._policy.patience or self._is_late(at):
            return [self._give_up(_ALL_REST.changed(retry_after=at - now))]
        return [WakeAt(at)]

    def _failed(self, fault: ir.Fault, now: float) -> list[Command[C]]:
        failed, self._running = self._running, None
        if self._committed or failed is None:
            return [GiveUp(fault)]
        outcome = classify(fault)
        if not self.may_begin(now):
            return [self._give_up(fault)]
        if outcome is Outcome.CALLER:
            return self._refuse(fault)
        self._note(failed, fault, now)
        return self._next(now)

    def _fell(self, fault: ir.Fault, candidate: C | None, now: float) -> list[Command[C]]:
        """Let the other of two running attempts go on alone after one has failed. candidate: that of the
        failed attempt; None = that of the attempt that started last.
        """
        failed, other = self._running, self._beside
        if candidate == other:
            failed, other = other, failed
        self._running, self._beside = other, None
        if failed is not None and classify(fault) is not Outcome.CALLER:
            self._note(failed, fault, now)
        return []

    def _note(self, failed: C, fault: ir.Fault, now: float) -> None:
        """Record a failure. If the fault has a Retry-After and the outcome allows a retry, the candidate
        rests for that time. If the request has waited in vain for a connection, all candidates of that pool
        are dropped.
        """
        outcome = classify(fault)
        self._last = failed, fault
        if outcome not in _FINAL:
            self._retryable = failed, fault
        elif self._retryable is not None and self._retryable[0] == failed:
            self._retryable = None
        self._resting = [rest for rest in self._resting if rest[1] != failed]
        if fault.retry_after is not None and outcome not in _FINAL:
            self._resting.append((now + fault.retry_after, failed))
        if outcome is Outcome.CROWDED and (pool := self._pool(failed)) is not None:
            self._crowded.add(pool)
            if self._retryable is not None and self._is_crowded(self._retryable[0]):
                self._retryable = None
            self._left = [candidate for candidate in self._left if not self._is_crowded(candidate)]
            self._doubtful = [candidate for candidate in self._doubtful if not self._is_crowded(candidate)]
            self._resting = [rest for rest in self._resting if not self._is_crowded(rest[1])]

    def _refuse(self, fault: ir.Fault) -> list[Command[C]]:
        """Go on after a failure that is the caller's fault: with the list of fallbacks for it if there is
        one; otherwise give up.
        """
        why = why_of(fault)
        if why == "any" or why not in self._lists:
            return [self._give_up(fault)]
        self._refused = self._refused or fault
        self._left, self._resting, self._doubtful = [], [], []
        self._last = self._retryable = None
        self._why, self._more = why, True
        return [Extend(why)]

    def _turned_away(self, fault: ir.Fault) -> list[Command[C]]:
        """Go on after the refusal of a queue with the fallbacks that are left: the other candidates would
        wait in the same queue again. Without fallbacks, give up.
        """
        if not self._more:
            return [self._give_up(fault)]
        self._left, self._resting, self._doubtful = [], [], []
        self._last = self._retryable = None
        self._started -= 1  # no candidate was called
        self._nobody = fault
        return [Extend(self._why)]

    def _limited(self, fault: ir.Fault, now: float) -> list[Command[C]]:
        """Go on after a limit has refused the candidate that was to start."""
        refused, self._running = self._running, None
        if refused is None:
            return [self._give_up(fault)]
        self._started -= 1  # no candidate was called
        self._note(refused, fault, now)
        self._retryable = None  # the client must be told of the limit
        return self._next(now)

    def _again(self, fault: ir.Fault, now: float) -> list[Command[C]]:
        """After all candidates have failed: wait for a retry, or give up. fault: that of the last failure."""
        if self._retryable is None and not self._resting:
            return [self._give_up(fault)]
        at, candidate = self._soonest(now)
        if self._retries >= self._policy.retries or at - now > self._policy.patience or self._is_late(at):
            if fault.retry_after is not None:
                fault = fault.changed(retry_after=at - now)
            return [self._give_up(fault)]
        self._retries += 1
        self._waiting = candidate
        return [WakeAt(at)]

    def _soonest(self, now: float) -> tuple[float, C]:
        """Return (time in monotonic seconds, candidate) of the next retry: the candidate in `_retryable`
        after its wait, or a resting candidate whose time comes earlier.
        """
        choices = list(self._resting)
        if self._retryable is not None and self._retryable[1].retry_after is None:
            full = min(self._policy.backoff_max, self._policy.backoff * 2.0**self._retries)
            wait = full * (1.0 - self._policy.jitter * self._random())
            choices.append((now + wait, self._retryable[0]))
        at, candidate = min(choices, key=lambda choice: choice[0])
        return max(now, at), candidate

    def _give_up(self, fault: ir.Fault) -> GiveUp:
        return GiveUp(self._refused or fault)

    def _is_spent(self) -> bool:
        """Whether the request has made all its attempts."""
        return self._policy.attempts is not None and self._started >= self._policy.attempts

    def _is_late(self, now: float) -> bool:
        """Whether the time of all attempts is over at `now` (monotonic seconds)."""
        return self._until is not None and now >= self._until

    def _is_crowded(self, candidate: C) -> bool:
        return bool(self._crowded) and self._pool(candidate) in self._crowded
