"""What to try next, as a pure state machine.

`on(event, now)` returns the commands that the driver carries out. There is no loop, sleep, clock or
random number in here: time comes with each event and jitter from a function given at the start, so
that every policy is tested as a transcript. Commands of one call are carried out in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

import msgspec

from dragoman import ir
from dragoman.routing.outcome import Outcome, classify

C = TypeVar("C")


class Policy(msgspec.Struct, frozen=True):
    """How failures of the server kind are retried.

    retries: further attempts once every candidate has been tried. backoff, backoff_max: seconds before
    the first retry and at most; each wait doubles. jitter: the part of a wait that is random. patience:
    the longest Retry-After, in seconds, that is waited for instead of giving up.
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
    """The running attempt has brought its first content: no other attempt can replace it any more."""


class Failed(msgspec.Struct, frozen=True):
    """The running attempt has failed."""

    fault: ir.Fault


class Timer(msgspec.Struct, frozen=True):
    """The time of the last WakeAt has come."""


# Commands ----------------------------------------------------------------------------------------


class Start(msgspec.Struct, Generic[C], frozen=True):
    """Begin an attempt with this candidate."""

    candidate: C


class WakeAt(msgspec.Struct, frozen=True):
    """Say Timer at this time (monotonic seconds)."""

    at: float


class GiveUp(msgspec.Struct, frozen=True):
    """No further attempt; tell the client this."""

    fault: ir.Fault


AttemptEvent: TypeAlias = Begin | FirstContent | Failed | Timer
Command: TypeAlias = Start[C] | WakeAt | GiveUp

_FINAL = frozenset({Outcome.KEY_PERMANENT, Outcome.DEPLOYMENT, Outcome.CROWDED})


def _no_pool(_: object) -> None:
    """Candidates that share nothing."""


class Attempts(Generic[C]):
    """One round of attempts over candidates in order of preference.

    Any failure that is not the caller's moves to the next candidate at once. When none is left, failures
    of the server are retried where they happened, after waits that double, or with the candidate that
    may be asked again the soonest; a refused key or deployment is not. Nor are those behind connections that
    were waited for in vain: the request has spent its time there. The caller's own failure, and any failure
    after content, ends the round.

    pool: what names the connections that a candidate is asked over, None = they are its own.
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
        pool: Callable[[C], str | None] = _no_pool,
    ) -> None:
        self._policy = policy
        self._pool = pool
        self._random = random
        self._left = list(candidates)
        self._retries = 0
        self._running: C | None = None
        self._waiting: C | None = None
        self._resting: list[tuple[float, C]] = []  # since when each that named a time may be asked again
        self._committed = False

    def on(self, event: AttemptEvent, now: float) -> list[Command[C]]:
        """The commands that follow from one event."""
        if isinstance(event, FirstContent):
            self._committed = True
            return []
        if isinstance(event, Begin):
            return [self._start(self._left[0])]
        if isinstance(event, Failed):
            return self._failed(event.fault, now)
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [self._start(waiting)]

    def _start(self, candidate: C) -> Start[C]:
        if candidate in self._left:
            self._left.remove(candidate)
        self._running = candidate
        return Start(candidate)

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
        """When the next retry may be, and whose: of the one that failed, or of one whose rest ends before."""
        choices = list(self._resting)
        if fault.retry_after is None:
            full = min(self._policy.backoff_max, self._policy.backoff * 2.0**self._retries)
            choices.append((now + full * (1.0 - self._policy.jitter * self._random()), failed))
        at, candidate = min(choices, key=lambda choice: choice[0])
        return max(now, at), candidate
