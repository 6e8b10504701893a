"""The order of attempts, as a pure state machine: `on(event, now)` returns the commands for the driver.

The machine has no loop, sleep, clock or random number: each event brings the time, and a function given at
the start brings the jitter. So every policy is tested as a transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

from dragoman import ir
from dragoman.routing.outcome import Outcome, classify

C = TypeVar("C")


class Policy(msgspec.Struct, frozen=True):
    """How often and when candidates are retried after all have failed.

    retries: the most retries of a round. backoff: seconds before the first retry; each wait is twice the one
    before, up to backoff_max seconds. jitter: the share (0 to 1) by which a wait is shortened at random, at
    most. patience: the most seconds to wait before a retry; before a longer wait the machine gives up.
    """

    retries: int = 2
    backoff: float = 1.0
    backoff_max: float = 10.0
    jitter: float = 0.25
    patience: float = 10.0


# Events ------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True):
    """The round begins."""


class FirstContent(msgspec.Struct, frozen=True):
    """The running attempt has sent its first content, so no other attempt can replace it."""


class Failed(msgspec.Struct, frozen=True):
    """The running attempt has failed."""

    fault: ir.Fault


class Timer(msgspec.Struct, frozen=True):
    """The time of the last WakeAt has been reached."""


# Commands ----------------------------------------------------------------------------------------


class Start(msgspec.Struct, Generic[C], frozen=True):
    """Start an attempt with this candidate."""

    candidate: C


class WakeAt(msgspec.Struct, frozen=True):
    """Send Timer at this time (monotonic seconds)."""

    at: float


class GiveUp(msgspec.Struct, frozen=True):
    """Make no further attempt and send this fault to the client."""

    fault: ir.Fault


AttemptEvent: TypeAlias = Begin | FirstContent | Failed | Timer
Command: TypeAlias = Start[C] | WakeAt | GiveUp

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

    After any failure that is not the caller's, the next candidate starts at once. After the last candidate, a
    retry waits: for the candidate that failed last, or for another whose Retry-After ends earlier. There is
    no retry if the last candidate refused the key or the deployment, or if the request waited in vain for a
    connection, because it has spent its time; the candidates of that pool are then dropped. A failure of the
    caller, and any failure after content, ends the round.

    random: returns a number from 0 to 1. pool: returns the name of the connection pool that a candidate
    shares with others, None = it shares none. resting: further candidates, and when (monotonic seconds) they
    may be asked; if there are no others, the round begins with a wait, or ends at once.
    """

    __slots__ = (
        *("_committed", "_left", "_policy", "_pool", "_random", "_resting", "_retries", "_running"),
        "_waiting",
    )

    def __init__(
        self,
        candidates: Sequence[C],
        policy: Policy,
        random: Callable[[], float],
        pool: Callable[[C], str | None] = lambda _candidate: None,
        *,
        resting: Sequence[tuple[float, C]] = (),
    ) -> None:
        self._policy = policy
        self._pool = pool
        self._random = random
        self._left = list(candidates)
        self._retries = 0
        self._running: C | None = None
        self._waiting: C | None = None
        self._resting = list(resting)
        """Candidates, and when each may be asked."""
        self._committed = False

    def on(self, event: AttemptEvent, now: float) -> list[Command[C]]:
        """Process one event. Returns the commands that it causes, in order. now: monotonic seconds."""
        if isinstance(event, FirstContent):
            self._committed = True
            return []
        if isinstance(event, Begin):
            return [self._start(self._left[0])] if self._left else self._rest(now)
        if isinstance(event, Failed):
            return self._failed(event.fault, now)
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [self._start(waiting)]

    def _start(self, candidate: C) -> Start[C]:
        if candidate in self._left:
            self._left.remove(candidate)
        self._running = candidate
        return Start(candidate)

    def _rest(self, now: float) -> list[Command[C]]:
        """The beginning of a round in which all candidates rest, or that has none."""
        if not self._resting:
            return [GiveUp(NOBODY)]
        at, self._waiting = min(self._resting, key=lambda rest: rest[0])
        if at - now > self._policy.patience:
            return [GiveUp(msgspec.structs.replace(_ALL_REST, retry_after=at - now))]
        return [WakeAt(at)]

    def _failed(self, fault: ir.Fault, now: float) -> list[Command[C]]:
        failed, self._running = self._running, None
        outcome = classify(fault)
        if self._committed or failed is None or outcome is Outcome.CALLER:
            return [GiveUp(fault)]
        self._resting = [rest for rest in self._resting if rest[1] != failed]
        if fault.retry_after is not None and outcome not in _FINAL:
            self._resting.append((now + fault.retry_after, failed))
        if outcome is Outcome.CROWDED and (pool := self._pool(failed)) is not None:
            self._left = [candidate for candidate in self._left if self._pool(candidate) != pool]
            self._resting = [rest for rest in self._resting if self._pool(rest[1]) != pool]
        if self._left:
            return [self._start(self._left[0])]
        if outcome in _FINAL:
            return [GiveUp(fault)]
        at, candidate = self._soonest(failed, fault, now)
        if self._retries >= self._policy.retries or at - now > self._policy.patience:
            if fault.retry_after is not None:
                fault = msgspec.structs.replace(fault, retry_after=at - now)
            return [GiveUp(fault)]
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
