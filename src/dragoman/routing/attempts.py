"""The order of attempts, as a pure state machine: `on(event, now)` returns the commands for the driver.

The machine has no loop, sleep, clock or random number: each event brings the time, and a function given at
the start brings the jitter. So every policy is tested as a transcript.
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
    """How often and when candidates are retried after all have failed.

    retries: the most retries of a request. backoff: seconds before the first retry; each wait is twice the
    one before, up to backoff_max seconds. jitter: the share (0 to 1) by which a wait is shortened at random,
    at most. patience: the most seconds to wait before a retry; if the wait would be longer, the machine gives
    up. attempts: the most attempts of a request, retries included. seconds: the time of all attempts
    together, after which no other begins; None = no limit.
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
    """The round begins."""


class FirstContent(msgspec.Struct, frozen=True):
    """The running attempt has sent its first content, so no other attempt can replace it."""


class Failed(msgspec.Struct, Generic[C], frozen=True):
    """An attempt has failed. candidate: who was called, if two attempts were running; None = only one was."""

    fault: ir.Fault
    candidate: C | None = None


class Beside(msgspec.Struct, Generic[C], frozen=True):
    """The running attempt is late: an attempt with this candidate, one of those that were not asked yet,
    starts while the late one goes on.
    """

    candidate: C


class GoesOn(msgspec.Struct, Generic[C], frozen=True):
    """The running attempt has failed after its first content, and this one of those that are left goes on
    with its answer.
    """

    candidate: C


class Full(msgspec.Struct, frozen=True):
    """The request needs a place for the candidate that was to start or another one that is left, none has a
    place, and the queue has refused the request. fault: this refusal.
    """

    fault: ir.Fault


class Limited(msgspec.Struct, frozen=True):
    """The candidate that was to start may not be called now, because a limit of its deployment or provider is
    reached. fault: says so, and when it may be called again.
    """

    fault: ir.Fault


class Timer(msgspec.Struct, frozen=True):
    """The time of the last WakeAt has been reached."""


class More(msgspec.Struct, Generic[C], frozen=True):
    """The candidates of the next fallback, as the answer to Extend. The fields are the same as in the
    constructor of `Attempts`.
    """

    ready: Sequence[C]
    resting: Sequence[tuple[float, C]] = ()
    doubtful: Sequence[C] = ()


class NoMore(msgspec.Struct, frozen=True):
    """The list of fallbacks that the last Extend has named has no further candidates."""


# Commands ----------------------------------------------------------------------------------------


class Start(msgspec.Struct, Generic[C], frozen=True):
    """Start an attempt with this candidate."""

    candidate: C


class WakeAt(msgspec.Struct, frozen=True):
    """Send Timer at this time (monotonic seconds)."""

    at: float


class Extend(msgspec.Struct, frozen=True):
    """Find the next candidates of this list of fallbacks, and send More or NoMore."""

    why: Why


class GiveUp(msgspec.Struct, frozen=True):
    """Make no further attempt and send this fault to the client."""

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
"""The fault if a round has no candidate at all."""


class Attempts(Generic[C]):
    """One round of attempts over candidates in order of preference.

    After any failure that is not the caller's, the next candidate starts at once. After the last one, the
    candidates of the next fallback follow (`Extend`), then those that are doubtful. After the last of all, a
    retry waits: for the candidate that failed last, or for another whose Retry-After ends earlier. There is
    no retry if the last candidate refused the key or the deployment, or if the request waited in vain for a
    connection, because it has spent its time; the candidates of that pool are then dropped.

    A prompt that is too long and content that a provider refuses go on with the fallbacks for it, and with
    nobody else; if these fail too, the client is told the first refusal. Any other failure of the caller ends
    the round, and so does any failure after content, unless another one goes on with the answer (`GoesOn`). A
    queue that refuses the request leads to the fallbacks that are left; if there are none, the client is told
    so.

    One attempt may start beside another that is late (`Beside`). While one of two runs, the failure of the
    other is only noted.

    random: returns a number from 0 to 1. pool: returns the name of the connection pool that a candidate
    shares with others, None = it shares none. resting: further candidates, and when (monotonic seconds) they
    may be asked; if there are no others, the round begins with a wait, or ends at once. doubtful: candidates
    to ask after all others and before any wait. until: when (monotonic seconds) the time of all attempts is
    over, None = never. lists: which lists of fallbacks there are. refused: the refusal that led to these
    candidates, None = none did.
    """

    __slots__ = (
        *(
            "_beside",
            "_committed",
            "_crowded",
            "_doubtful",
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
        """Candidates, and when each may be asked."""
        self._doubtful = list(doubtful)
        self._crowded: set[str] = set()
        """The pools in which the request has waited in vain."""
        self._why: Why = "any"
        """The list of fallbacks that follows."""
        self._more = "any" in lists
        """Whether that list may have further candidates."""
        self._started = 0
        self._retries = 0
        self._running: C | None = None
        self._beside: C | None = None
        """Who runs too: the attempt that was late; None = only one runs."""
        self._waiting: C | None = None
        self._last: tuple[C, ir.Fault] | None = None
        """The candidate that failed last, and how."""
        self._committed = False
        self._nobody = NOBODY
        """The fault if nobody is left who could be asked."""

    @property
    def left(self) -> Sequence[C]:
        """The candidates that were not asked yet, best first."""
        return self._left

    def swap(self, candidate: C) -> None:
        """Start this candidate, one of those that are left, instead of the one that was to start. The other
        one is then the first of those that are left.
        """
        place = self._left.index(candidate)
        if self._running is not None:
            self._left.insert(0, self._running)
            place += 1
        self._running = self._left.pop(place)

    def pause(self, seconds: float) -> None:
        """Let the time of all attempts end so much later."""
        if self._until is not None:
            self._until += seconds

    def defer(self, same: Callable[[C], bool]) -> None:
        """Move the candidates for which `same` returns True behind the others that are left."""
        self._left.sort(key=same)

    def on(self, event: AttemptEvent[C], now: float) -> list[Command[C]]:
        """Process one event. Returns the commands that it causes, in order. now: monotonic seconds."""
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
        """Whether the number of attempts and their time allow a further one."""
        return not self._is_spent() and not self._is_late(now)

    def has_other(self, differs: Callable[[C], bool], *, fallbacks: bool) -> bool:
        """Whether another candidate could be asked at once instead of the running one: a candidate that is
        left and for which `differs` returns True, or one of a fallback. Doubtful candidates do not count.
        fallbacks: whether some fallback is left.
        """
        return not self._is_spent() and (fallbacks or any(map(differs, self._left)))

    def _start(self, candidate: C) -> Start[C]:
        if candidate in self._left:
            self._left.remove(candidate)
        self._started += 1
        self._running = candidate
        return Start(candidate)

    def _next(self, now: float) -> list[Command[C]]:
        """The next command: start the next candidate, or ask for the candidates of the next fallback. If
        there is neither, retry, wait for a candidate that rests, or give up.
        """
        if not self._left and not self._more:
            self._left, self._doubtful = self._doubtful, []
        if self._left:
            return [self._start(self._left[0])]
        if self._more:
            return [Extend(self._why)]
        if self._last is not None:
            return self._again(*self._last, now)
        return self._rest(now) if self._resting else [self._give_up(self._nobody)]

    def _rest(self, now: float) -> list[Command[C]]:
        """All candidates rest: wait for the one whose rest ends first, or give up if that takes too long."""
        at, self._waiting = min(self._resting, key=lambda rest: rest[0])
        if at - now > self._policy.patience or self._is_late(at):
            return [self._give_up(msgspec.structs.replace(_ALL_REST, retry_after=at - now))]
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
        """Note that one of two running attempts has failed. The other one goes on alone."""
        failed, other = self._running, self._beside
        if candidate == other:
            failed, other = other, failed
        self._running, self._beside = other, None
        if failed is not None and classify(fault) is not Outcome.CALLER:
            self._note(failed, fault, now)
        return []

    def _note(self, failed: C, fault: ir.Fault, now: float) -> None:
        """Remember a failure for the choice of the next candidate: until when the failed one must rest, if
        the fault says so. If its pool is crowded, drop all candidates of that pool.
        """
        outcome = classify(fault)
        self._last = failed, fault
        self._resting = [rest for rest in self._resting if rest[1] != failed]
        if fault.retry_after is not None and outcome not in _FINAL:
            self._resting.append((now + fault.retry_after, failed))
        if outcome is Outcome.CROWDED and (pool := self._pool(failed)) is not None:
            self._crowded.add(pool)
            self._left = [candidate for candidate in self._left if not self._is_crowded(candidate)]
            self._doubtful = [candidate for candidate in self._doubtful if not self._is_crowded(candidate)]
            self._resting = [rest for rest in self._resting if not self._is_crowded(rest[1])]

    def _refuse(self, fault: ir.Fault) -> list[Command[C]]:
        """Go on after a failure of the caller, with those candidates only that may not repeat it."""
        why = why_of(fault)
        if why == "any" or why not in self._lists:
            return [self._give_up(fault)]
        self._refused = self._refused or fault
        self._left, self._resting, self._doubtful, self._last = [], [], [], None
        self._why, self._more = why, True
        return [Extend(why)]

    def _turned_away(self, fault: ir.Fault) -> list[Command[C]]:
        """Go on after the refusal of a queue, with fallbacks only: the others would wait in it again."""
        if not self._more:
            return [self._give_up(fault)]
        self._left, self._resting, self._doubtful, self._last = [], [], [], None
        self._started -= 1  # nobody was called
        self._nobody = fault
        return [Extend(self._why)]

    def _limited(self, fault: ir.Fault, now: float) -> list[Command[C]]:
        """Go on after a limit has refused the candidate that was to start."""
        refused, self._running = self._running, None
        if refused is None:
            return [self._give_up(fault)]
        self._started -= 1  # nobody was called
        self._note(refused, fault, now)
        return self._next(now)

    def _again(self, failed: C, fault: ir.Fault, now: float) -> list[Command[C]]:
        """A retry of the candidate that failed last, or of one that rests, or none."""
        if classify(fault) in _FINAL:
            return [self._give_up(fault)]
        at, candidate = self._soonest(failed, fault, now)
        if self._retries >= self._policy.retries or at - now > self._policy.patience or self._is_late(at):
            if fault.retry_after is not None:
                fault = msgspec.structs.replace(fault, retry_after=at - now)
            return [self._give_up(fault)]
        self._retries += 1
        self._waiting = candidate
        return [WakeAt(at)]

    def _soonest(self, failed: C, fault: ir.Fault, now: float) -> tuple[float, C]:
        """The time (monotonic seconds) and the candidate of the next retry: `failed`, or another candidate
        whose Retry-After ends earlier.
        """
        choices = list(self._resting)
        if fault.retry_after is None:
            full = min(self._policy.backoff_max, self._policy.backoff * 2.0**self._retries)
            choices.append((now + full * (1.0 - self._policy.jitter * self._random()), failed))
        at, candidate = min(choices, key=lambda choice: choice[0])
        return max(now, at), candidate

    def _give_up(self, fault: ir.Fault) -> GiveUp:
        return GiveUp(self._refused or fault)

    def _is_spent(self) -> bool:
        """Whether the request has had all its attempts."""
        return self._policy.attempts is not None and self._started >= self._policy.attempts

    def _is_late(self, now: float) -> bool:
        """Whether the time of all attempts is over at `now`."""
        return self._until is not None and now >= self._until

    def _is_crowded(self, candidate: C) -> bool:
        return bool(self._crowded) and self._pool(candidate) in self._crowded
